"""A bill of materials instead of an image: the same vulnerabilities, and a report in every format."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from device_profiles.loader import load
from firmware_checks.sbom.assessing import CHECKS, assess_sbom, components_of, formatted_cpe
from firmware_checks.sbom.reading import sbom_of
from firmware_checks.vulnerabilities.assessment import VulnerabilityData
from firmware_checks.vulnerabilities.knowledge import shipped_knowledge
from firmware_checks.vulnerabilities.lookup import component_named, look_up
from toolkit.core.errors import InputError
from toolkit.report import RENDERERS, renderer
from toolkit.report.model import Report

TODAY = date(2026, 11, 24)
ASKED = VulnerabilityData(day=TODAY)


@pytest.fixture(scope="module")
def report(cyclonedx_text: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory) -> Report:
    path = tmp_path_factory.mktemp("sbom") / "vendor.cdx.xml"
    path.write_text(cyclonedx_text("1.6", "XML"), encoding="utf-8")
    return assess_sbom(path, None, ASKED)


def test_the_components_are_asked_for_as_if_they_had_been_found(report: Report) -> None:
    known = look_up(component_named("busybox", "1.31.1"), shipped_knowledge(), None, TODAY)
    found = {row.id for row in report.vulnerabilities if row.component == "busybox"}
    assert found == {match.id for match in known.matches}
    assert len(found) > 10
    assert report.support
    assert report.steps[0].component == "busybox"
    assert {finding.check for finding in report.findings} <= set(CHECKS)
    assert any(finding.check == "vulnerable-component" for finding in report.findings)
    assert "the list of components is what its author says" in report.not_examined[0]
    assert (report.subject.name, report.image.format) == ("vendor.cdx.xml", "CycloneDX 1.6")


@pytest.mark.parametrize("name", RENDERERS)
def test_the_report_is_written_in_every_format(report: Report, name: str) -> None:
    assert len(renderer(name).render(report)) > 500


def test_the_checks_are_among_those_there_are() -> None:
    from firmware_checks.check import Check
    from toolkit.core.registry import discover

    assert set(CHECKS) <= set(discover("firmware_checks.checks", attribute="CHECK", kind=Check, group=None))


def test_a_profile_says_what_must_not_be_there(spdx_json: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "vendor.spdx.json"
    path.write_text(json.dumps(spdx_json), encoding="utf-8")
    report = assess_sbom(path, load("infusion-pump-lvp"), ASKED)
    assert report.data.profile == "infusion-pump-lvp"
    assert report.data.day == "2026-11-24"
    assert all(row.urgency is not None for row in report.vulnerabilities)


def test_our_own_bill_of_materials_comes_back_with_the_same_answer(report: Report, tmp_path: Path) -> None:
    path = tmp_path / "ours.cdx.json"
    path.write_bytes(renderer("cyclonedx").render(report))
    again = assess_sbom(path, None, ASKED)
    before, after = ({(row.id, row.component, row.status) for row in each.vulnerabilities} for each in (report, again))
    assert before == after


def test_two_runs_give_the_same_bytes(
    report: Report, cyclonedx_text: Callable[[str, str], str], tmp_path: Path
) -> None:
    del report
    path = tmp_path / "vendor.json"
    path.write_text(cyclonedx_text("1.5", "JSON"), encoding="utf-8")
    first, second = (renderer("json").render(assess_sbom(path, None, ASKED)) for _ in range(2))
    assert first == second


def test_a_list_of_nothing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.json"
    path.write_text('{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"name": ""}]}', encoding="utf-8")
    with pytest.raises(InputError, match="lists no component"):
        assess_sbom(path, None, ASKED)


def test_names_come_from_facts_package_url_or_name() -> None:
    parts = [
        {"name": "Mbed TLS", "version": "2.16.1", "cpe": "cpe:2.3:a:arm:mbed_tls:2.16.1:*:*:*:*:*:*:*"},
        {"name": "Something Else", "purl": "pkg:npm/%40acme/thing@1"},
        {"name": "thing", "group": "org.acme"},
        {"name": "thing", "group": "org.acme"},
        {"name": "odd", "purl": "pkg:generic/"},
    ]
    about = {"name": "pump", "purl": "pkg:generic/pump@1"}
    document = {"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"component": about}, "components": parts}
    found = components_of(sbom_of(json.dumps(document).encode()), "x")
    assert [component.name for component in found] == ["pump", "mbedtls", "thing", "thing", "odd"]
    assert found[1].version == "2.16.1"


@pytest.mark.parametrize(
    ("name", "formatted"),
    [
        ("", None),
        ("cpe:2.3:a:x:y:1:*:*:*:*:*:*:*", "cpe:2.3:a:x:y:1:*:*:*:*:*:*:*"),
        ("cpe:/a:openssl:openssl:1.0.2", "cpe:2.3:a:openssl:openssl:1.0.2:*:*:*:*:*:*:*"),
        ("cpe:/o:acme%2binc:pump::sp1", r"cpe:2.3:o:acme\+inc:pump:*:sp1:*:*:*:*:*:*"),
    ],
)
def test_the_older_form_of_a_cpe_name_is_turned(name: str, formatted: str | None) -> None:
    assert formatted_cpe(name) == formatted
