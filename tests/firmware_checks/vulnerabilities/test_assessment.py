"""From the components of an image to vulnerabilities, support and what to do first."""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from device_profiles.loader import load
from firmware_checks.check import archive_of
from firmware_checks.scan import Scanner
from firmware_checks.vulnerabilities.assessment import NO_DECISIONS, VulnerabilityData, assess
from firmware_checks.vulnerabilities.knowledge import shipped_knowledge
from firmware_checks.vulnerabilities.step_findings import severity_of
from firmware_checks.vulnerabilities.triage import Decided, TriageFile, name_of
from toolkit.core.errors import InputError
from toolkit.core.findings import Severity
from toolkit.report.json_report import to_json
from toolkit.report.model import Component, Confidence, Report
from toolkit.report.vulnerability import Decision, MatchStatus

if TYPE_CHECKING:
    from firmware_checks.inventory import Inventory

DAY = date(2026, 11, 24)
IMAGE = b"\0BusyBox v1.31.1 (2020-01-01 00:00:00 UTC) multi-call binary.\n\0\0OpenSSL 1.0.1f 6 Jan 2014\0"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.bin"
    path.write_bytes(IMAGE)
    return path


def _scan(image: Path, **more: Any) -> Report:
    profile = more.pop("profile", None)
    return Scanner(profile=profile, vulnerability_data=VulnerabilityData(day=DAY, **more)).scan(image)


def test_a_scan_names_vulnerabilities_support_and_what_to_do_first(image: Path) -> None:
    report = _scan(image)
    first = report.vulnerabilities[0]
    assert (first.id, first.component, first.component_version) == ("CVE-2014-0160", "openssl", "1.0.1f")
    assert first.exploited_since == "2022-05-04"
    assert first.provenance[0].source == "medharden"
    assert first.vector is not None
    assert next((step.component, step.decision) for step in report.steps) == ("openssl", Decision.IMMEDIATE)
    assert {step.component for step in report.steps} == {"openssl", "busybox"}
    assert ("openssl", "ended") in {(row.component, row.state) for row in report.support}
    assert {finding.check for finding in report.findings} >= {
        "known-exploited",
        "vulnerable-component",
        "component-unsupported",
    }
    assert len(report.findings) < 10
    assert len(report.vulnerabilities) > 30
    assert report.answers
    assert report.data.day == "2026-11-24"
    assert report.data.vulnerabilities[0].name == "facts shipped with medharden"
    assert "in data that is not complete" in report.not_examined[0]


def test_two_runs_on_the_same_day_give_the_same_bytes(image: Path) -> None:
    assert to_json(_scan(image)) == to_json(_scan(image))


def test_the_day_decides_what_is_supported(image: Path) -> None:
    image.write_bytes(b"\0OpenSSL 3.0.13 30 Jan 2024\0")
    early = Scanner(vulnerability_data=VulnerabilityData(day=date(2025, 1, 1))).scan(image)
    assert [row.state for row in early.support] == ["supported"]
    assert [row.state for row in _scan(image).support] == ["ended"]
    assert not early.steps[0].unsupported
    assert _scan(image).steps[0].unsupported


def test_nothing_is_looked_up_unless_asked(image: Path) -> None:
    report = Scanner().scan(image)
    assert report.vulnerabilities == report.support == report.steps == report.data.vulnerabilities == ()
    assert report.data.day is None
    assert "were not looked up" in report.not_examined[0]
    assert not {finding.check for finding in report.findings} & {"known-exploited", "vulnerable-component"}


def test_a_profile_names_the_port_and_a_device_without_network_is_less_urgent(image: Path) -> None:
    networked = _scan(image, profile=load("patient-monitor-lowend"))
    meter = _scan(image, profile=load("pulse-oximeter-usb"))
    assert any("ethernet" in way for way in networked.steps[0].isolate)
    assert meter.steps[0].decision.rank >= networked.steps[0].decision.rank
    assert meter.data.profile == "pulse-oximeter-usb"


def test_what_was_decided_is_shown_as_such_and_leaves_the_list(image: Path) -> None:
    said = Decided(
        id="CVE-2014-0160",
        component=name_of("openssl"),
        status="not_affected",
        statement="No TLS is spoken.",
        source="CSAF",
    )
    other = msgspec.structs.replace(said, component=name_of("zlib"))
    report = _scan(image, triage=TriageFile(decisions=(said, other), sha256="ab" * 32))
    (row,) = (row for row in report.vulnerabilities if row.id == "CVE-2014-0160")
    assert (row.status, row.urgency) == (MatchStatus.NOT_AFFECTED, None)
    assert row.triage is not None
    assert all("CVE-2014-0160" not in step.first for step in report.steps)
    assert [unused.reason for unused in report.unused_decisions] == ["the image has no such component"]
    assert report.data.triage_sha256 == "ab" * 32
    assert "known-exploited" not in {finding.check for finding in report.findings}


def test_a_database_is_asked_too_and_one_that_is_none_is_told(image: Path, tmp_path: Path, lab: Any) -> None:
    lab.take_records(
        lab.record("CVE-2025-9999", lab.plain(lab.row("a:busybox:busybox:*", versionEndExcluding="1.36.0"))),
        knowledge=shipped_knowledge(),
    )
    report = _scan(image, database=lab.path)
    (row,) = (row for row in report.vulnerabilities if row.id == "CVE-2025-9999")
    assert (row.score, row.vector, row.component) == (9.8, "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "busybox")
    assert "nvd" in {age.name for age in report.data.vulnerabilities}
    with pytest.raises(InputError, match="there is no database"):
        _scan(image, database=tmp_path / "missing.db")


def test_what_the_image_shows_not_to_apply_is_kept_with_its_reason(tmp_path: Path) -> None:
    names = (b"[", b"[[", b"cat", b"cp", b"echo", b"ls", b"mkdir", b"rm", b"sh")
    program = b"\x7fELF" + bytes(60) + IMAGE + b"".join(name + b"\0" for name in names)
    image = tmp_path / "image.tar"
    image.write_bytes(archive_of({"bin/busybox": program}))
    report = _scan(image)
    excused = [row for row in report.vulnerabilities if row.status is MatchStatus.NOT_AFFECTED]
    assert "this BusyBox has no" in excused[0].reason
    assert all(row.justification is not None and row.evidence and row.urgency is None for row in excused)
    assert [row.status for row in report.vulnerabilities][-len(excused) :] == [MatchStatus.NOT_AFFECTED] * len(excused)


def test_a_version_that_is_not_known_leaves_everything_open(tmp_path: Path) -> None:
    image = tmp_path / "image.bin"
    image.write_bytes(bytes(64))
    nameless = Component(name="busybox", title="BusyBox", category="", version=None, confidence=Confidence.HIGH)
    inventory = dataclasses.replace(_inventory(image), components=(nameless, nameless))
    assessed = assess(inventory, shipped_knowledge(), None, None, NO_DECISIONS, DAY)
    names = [row.id for row in assessed.vulnerabilities]
    assert len(names) == len(set(names)) > 5
    assert {row.status for row in assessed.vulnerabilities} == {MatchStatus.UNDER_INVESTIGATION}
    assert assessed.support == ()
    (step,) = assessed.steps
    assert (step.affected, step.update_to) == (0, None)
    assert severity_of(step) in (Severity.MEDIUM, Severity.LOW)


def test_an_image_without_components_has_nothing_to_do_first(tmp_path: Path) -> None:
    image = tmp_path / "image.bin"
    image.write_bytes(bytes(64))
    report = _scan(image)
    assert (report.vulnerabilities, report.steps) == ((), ())
    assert report.data.vulnerabilities
    inventory: Inventory = _inventory(image)
    assessed = assess(inventory, shipped_knowledge(), None, None, NO_DECISIONS, DAY)
    assert (assessed.vulnerabilities, assessed.support, assessed.unused_decisions) == ((), (), ())


def _inventory(path: Path) -> Inventory:
    from firmware_checks.image import open_image
    from toolkit.core.limits import Limits

    with open_image(path, Limits()) as image:
        return Scanner().take_inventory(image)
