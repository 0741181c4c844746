"""``medharden sbom`` on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from toolkit.app.cli import run

NOW = ["--now", "2026-11-24"]


def _bom(**more: Any) -> dict[str, Any]:
    part = {
        "type": "application",
        "name": "busybox",
        "version": "1.31.1",
        "bom-ref": "busybox",
        "supplier": {"name": "BusyBox project"},
        "cpe": "cpe:2.3:a:busybox:busybox:1.31.1:*:*:*:*:*:*:*",
    }
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "metadata": {
            "timestamp": "2026-03-01T10:00:00Z",
            "authors": [{"name": "Acme"}],
            "component": {**part, "name": "shell\x1b[31m", "bom-ref": "pump"},
        },
        "components": [part],
        "dependencies": [{"ref": "pump", "dependsOn": ["busybox"]}],
        **more,
    }


@pytest.fixture
def bom(tmp_path: Path) -> Path:
    path = tmp_path / "vendor.cdx.json"
    path.write_text(json.dumps(_bom()), encoding="utf-8")
    return path


def test_a_complete_document_exits_with_nothing_to_ask(bom: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sbom", "check", str(bom)]) == 0
    said = capsys.readouterr().out
    assert "CycloneDX 1.5 JSON, 2 components" in said
    assert "NTIA minimum elements (2021)" in said
    assert "ask the vendor" not in said
    assert "Everything is there." in said


def test_what_is_missing_is_asked_of_the_vendor(bom: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sbom", "check", str(bom), "--against", "fda"]) == 1
    said = capsys.readouterr().out
    assert "missing         0 of 2  Level of support of each component" in said
    assert "without: shell\\x1b[31m 1.31.1, busybox 1.31.1" in said
    assert "ask the vendor: On which day does the support" in said


def test_more_components_than_are_named_are_counted(bom: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bom.write_text(json.dumps(_bom(components=[{"name": f"part {n}"} for n in range(15)])), encoding="utf-8")
    assert run(["sbom", "check", str(bom)]) == 1
    assert "and 5 more" in capsys.readouterr().out


def test_the_judgement_is_given_as_json(bom: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sbom", "check", str(bom), "--against", "cisa", "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["against"], answer["complete"], answer["components"]) == ("cisa", False, 2)
    assert {row["field"] for row in answer["rows"] if row["verdict"] == "missing"} == {
        "hash",
        "license",
        "tool",
        "context",
        "known-unknowns",
    }


@pytest.mark.parametrize("verb", ["check", "assess"])
def test_what_cannot_be_read_is_explained_in_one_line(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(b"%PDF-1.7")
    assert run(["sbom", verb, str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("report.pdf: this is neither CycloneDX (JSON, XML) nor SPDX (JSON, tag-value)")


def test_a_list_is_assessed_like_an_image(bom: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sbom", "assess", str(bom), "--json", *NOW, "--fail-on", "info"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["subject"]["name"] == "vendor.cdx.json"
    assert any(row["component"] == "busybox" for row in report["vulnerabilities"])
    assert report["data"]["day"] == "2026-11-24"


def test_a_profile_and_decisions_and_a_file_are_taken(
    bom: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target, decisions = tmp_path / "out.json", tmp_path / "decisions.json"
    assert run(["sbom", "assess", str(bom), "--format", "openvex", "--output", str(decisions), *NOW]) in (0, 1)
    assert "report written to" in capsys.readouterr().err
    again = ["--profile", "infusion-pump-lvp", "--triage", str(decisions), "--json", "--output", str(target)]
    assert run(["sbom", "assess", str(bom), *again, *NOW]) in (0, 1)
    report = json.loads(target.read_bytes())
    assert report["data"]["profile"] == "infusion-pump-lvp"
    assert report["data"]["triage_sha256"]


def test_an_unknown_part_is_no_finding(bom: Path) -> None:
    bom.write_text('{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"name":"our own"}]}', encoding="utf-8")
    assert run(["sbom", "assess", str(bom), "--format", "csv", *NOW]) == 0
