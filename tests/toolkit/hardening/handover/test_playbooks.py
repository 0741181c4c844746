"""Every finding has its steps, in three languages, and what others can look for is a STIX bundle that parses."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import msgspec
import pytest
import stix2  # type: ignore[import-untyped]
from click.testing import CliRunner, Result

from firmware_checks.scan import Scanner
from toolkit.app.cli import medharden
from toolkit.core.errors import InputError, RuleError
from toolkit.core.findings import Finding, Severity
from toolkit.hardening.integrity.drift import Change, Drift, DriftRow
from toolkit.hardening.playbooks.catalogue import decoded_playbooks, playbook_of, playbooks
from toolkit.hardening.playbooks.indicators import stix_bundle
from toolkit.hardening.playbooks.page import PlaybookLabel
from toolkit.hardening.siem.drift_report import report_of_drift
from toolkit.hardening.siem.events import Form, messages_of
from toolkit.report.json_report import to_json
from toolkit.report.languages import languages, missing_translations
from toolkit.report.model import Report, Tool

HOSTS = (
    "202.114.4.119: mounted as a folder", "updates.example.com: software is fetched", "10.0.0.7: inside", "2001:db8::1",
    "monitor' OR x: no name", "202.114.4.119: again",
)  # fmt: skip


def run(*line: str) -> Result:
    return CliRunner().invoke(medharden, ["playbook", *line], standalone_mode=False)


@pytest.fixture(scope="module")
def calling(report: Report) -> Report:
    """Return a report on software that names computers, a hostile one among them."""
    calls = tuple(
        Finding(check="hard-coded-address", title="t", severity=Severity.HIGH, detail=detail) for detail in HOSTS
    )
    other = Finding(check="of-somebody-else", title="t", severity=Severity.LOW)
    return msgspec.structs.replace(report, findings=(*report.findings, *calls, other))


def test_no_check_is_without_a_playbook_and_no_playbook_names_one_that_is_not_there() -> None:
    named = {check for playbook in playbooks() for check in playbook.checks}
    drift = {f"drift-{change.value}" for change in Change} | {"drift-incomplete"}
    assert named == set(Scanner().checks) | drift


@pytest.mark.parametrize("language", languages())
def test_every_sentence_is_there_in_every_language(language: str) -> None:
    sentences = [sentence for playbook in playbooks() for sentence in playbook.sentences()]
    assert missing_translations([*sentences, *PlaybookLabel], language) == ()


def test_the_table_is_read_strictly() -> None:
    row = (
        b'[[playbook]]\nid="a-b"\ntitle="t"\nchecks=["x"]\ncontain=["c"]\nnotify=["n"]\nvendor=["v"]\nregulator=["r"]\n'
    )
    assert decoded_playbooks(b'source="s"\n' + row).playbook[0].contain == ("c",)
    for text, reason in ((b'source="s"\n' + row + row, "more than one"), (b'source="s"\n' + row + b"no=1\n", "no")):
        with pytest.raises(RuleError, match=reason):
            decoded_playbooks(text)


def test_steps_for_one_check_are_shown(tmp_path: Path) -> None:
    result = run("hard-coded-password")
    assert result.return_value == 0
    assert "## Somebody can log in who should not" in result.stdout
    assert "Found by: hard" in result.stdout
    assert playbook_of("login") is playbook_of("weak-password")
    assert isinstance(run("no-such-check").exception, InputError)
    for line in ((), ("a", "--report", "b"), ("a", "--indicators", str(tmp_path / "i"))):
        assert run(*line).exception is not None


def test_steps_for_a_report_in_every_form(tmp_path: Path, calling: Report, report: Report) -> None:
    read, page = tmp_path / "report.json", tmp_path / "page.html"
    read.write_bytes(to_json(calling))
    told = json.loads(run("--report", str(read), "--json").stdout)
    assert [row["id"] for row in told["playbooks"]] == ["login", "foreign-address", "patient-data", "wrong-file"]
    assert told["without"] == ["of-somebody-else"]
    line = ("--report", str(read), "--format", "html", "--language", "fr", "--output", str(page))
    assert run(*line).return_value == 0
    text = page.read_text(encoding="utf-8")
    assert '<html lang="fr">' in text
    assert "Aucune fiche" not in text
    assert "of-somebody-else" in text
    read.write_bytes(to_json(msgspec.structs.replace(report, findings=())))
    assert "No playbook asks for anything" in run("--report", str(read)).stdout


def test_indicators_are_read_back_by_the_library_and_are_the_same_each_time(tmp_path: Path, calling: Report) -> None:
    read, out = tmp_path / "report.json", tmp_path / "indicators.json"
    read.write_bytes(to_json(calling))
    assert run("--report", str(read), "--indicators", str(out)).return_value == 0
    assert out.read_bytes() == stix_bundle(calling)
    bundle = stix2.parse(out.read_text(encoding="utf-8"), allow_custom=False)
    assert bundle.type == "bundle"
    assert [one.pattern for one in bundle.objects] == [
        f"[file:hashes.'SHA-256' = '{'ab' * 32}']",
        "[ipv4-addr:value = '202.114.4.119']",
        "[domain-name:value = 'updates.example.com']",
    ]
    assert {one.spec_version for one in bundle.objects} == {"2.1"}


def test_foreign_files_of_a_drift_can_be_looked_for(tmp_path: Path) -> None:
    path, out = tmp_path / "drift.json", tmp_path / "indicators.json"
    rows = (
        DriftRow(change=Change.ADDED, path="!bin/x", detail="new", sha256="cd" * 32, may_run=True),
        DriftRow(change=Change.REMOVED, path="!bin/y", detail="gone", sha256="ee" * 32),
        DriftRow(change=Change.CHANGED, path="!bin/z", detail="other", sha256="not hexadecimal"),
    )
    drift = Drift(
        format="medharden-drift-1", tool=Tool(name="medharden", version="1"), baseline_sha256="",
        baseline_image="a.img",
        baseline_contents_sha256="", baseline_day="2026-01-01", signed_by="k", image="dump.img", image_sha256="ab" * 32,
        profile="demo-pump", compared=9, expected=0, rows=rows, not_compared=("a part",), notes=(),
    )  # fmt: skip
    path.write_bytes(msgspec.json.encode(drift))
    line = ("--report", str(path), "--indicators", str(out), "--json", "--now", "2026-11-24")
    told = json.loads(run(*line).stdout)
    assert [row["id"] for row in told["playbooks"]] == ["changed-device"]
    patterns = [one.pattern for one in stix2.parse(out.read_text(encoding="utf-8"), allow_custom=False).objects]
    assert patterns == [f"[file:hashes.'SHA-256' = '{digest * 32}']" for digest in ("ab", "cd")]
    assert '"valid_from": "2026-11-24T00:00:00Z"' in out.read_text(encoding="utf-8")
    report = report_of_drift(drift, date(2026, 11, 24))
    assert len(messages_of(report, Form.SYSLOG)) == 1 + len(rows) + 1
    assert all(b"2026-11-24T" in message for message in messages_of(report, Form.CEF))


def test_nothing_to_look_for_is_an_empty_bundle(report: Report) -> None:
    nothing = msgspec.structs.replace(report, subject=msgspec.structs.replace(report.subject, sha256=""), findings=())
    read = stix2.parse(stix_bundle(nothing).decode(), allow_custom=False, version="2.1")
    assert (read.type, "objects" in read) == ("bundle", False)
