"""Known vulnerabilities through the command line, as a biomedical engineer asks for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from toolkit.app.cli import run

DAY = ["--now", "2026-11-24"]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "monitor.bin"
    path.write_bytes(b"\0OpenSSL 1.0.1f 6 Jan 2014\0")
    return path


def _report(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return report


def test_a_scan_answers_what_to_do_first_without_a_database(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["scan", str(image), *DAY]) == 1
    text = " ".join(capsys.readouterr().out.split())
    assert "Vulnerable components: do this first NOW OpenSSL 1.0.1f" in text
    assert "CVE-2014-0160" in text
    assert "judged on 24 November 2026. It is not complete" in text


def test_a_component_counts_for_the_exit_code_as_soon_as_one_must_act(image: Path) -> None:
    assert run(["scan", str(image), *DAY, "--fail-on", "critical"]) == 1
    assert run(["scan", str(image), *DAY, "--fail-on", "critical", "--profile", "pulse-oximeter-usb"]) == 0
    assert run(["scan", str(image), *DAY, "--no-vulnerabilities"]) == 0


def test_the_same_day_gives_the_same_bytes_and_the_report_names_it(
    image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["scan", str(image), "--json", *DAY])
    first = capsys.readouterr().out
    run(["scan", str(image), "--json", *DAY])
    assert capsys.readouterr().out == first
    assert json.loads(first)["data"]["day"] == "2026-11-24"


def test_own_decisions_have_the_last_word(image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    triage = tmp_path / "decisions.openvex.json"
    statement = {
        "vulnerability": {"name": "CVE-2014-0160"},
        "products": [{"@id": "pkg:generic/monitor", "subcomponents": [{"@id": "pkg:generic/openssl"}]}],
        "status": "not_affected",
        "justification": "vulnerable_code_not_in_execute_path",
    }
    document = {"@context": "https://openvex.dev/ns/v0.2.0", "author": "Ada", "timestamp": "2026-01-01T00:00:00Z"}
    triage.write_text(json.dumps({**document, "statements": [statement]}), encoding="utf-8")
    assert run(["scan", str(image), "--json", *DAY, "--triage", str(triage)]) == 1
    report = _report(capsys)
    (row,) = (row for row in report["vulnerabilities"] if row["id"] == "CVE-2014-0160")
    assert (row["status"], row["triage"]["source"]) == ("not_affected", "OpenVEX, Ada")
    assert len(report["data"]["triage_sha256"]) == 64


def test_what_cannot_be_used_is_told_once_before_any_image(
    image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(["scan", str(image), str(image), "--db", str(tmp_path / "missing.db")]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert "there is no database of vulnerabilities" in captured.err
    assert captured.out == ""
    assert run(["scan", str(image), "--triage", str(image)]) == 2
    assert "cannot be read as decisions" in capsys.readouterr().err
    monkeypatch.setenv("MEDHARDEN_DB", str(tmp_path / "missing.db"))
    assert run(["scan", str(image)]) == 2
    assert run(["scan", str(image), "--no-vulnerabilities"]) == 0


def test_several_images_are_asked_about_in_two_processes(image: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.bin"
    other.write_bytes(b"\0BusyBox v1.31.1 (2020-01-01 00:00:00 UTC) multi-call binary.\n\0")
    folder = tmp_path / "reports"
    run(["scan", str(image), str(other), "--json", *DAY, "--jobs", "2", "--output", str(folder)])
    reports = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.iterdir())]
    assert [report["steps"][0]["component"] for report in reports] == ["openssl", "busybox"]


@pytest.mark.parametrize("kind", ["openvex", "csaf-vex", "cyclonedx-vex", "cyclonedx"])
def test_what_we_write_can_be_edited_and_given_back_as_decisions(
    kind: str, image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = tmp_path / "decisions.json"
    run(["scan", str(image), *DAY, "--format", kind, "--output", str(written)])
    capsys.readouterr()
    run(["scan", str(image), "--json", *DAY, "--triage", str(written)])
    report = _report(capsys)
    assert len(report["vulnerabilities"]) > 10
    assert all(row["triage"] is not None for row in report["vulnerabilities"])
    assert report["unused_decisions"] == []
