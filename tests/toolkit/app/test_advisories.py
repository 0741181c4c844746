"""``medharden advisories match`` on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from toolkit.app.cli import run

NOW = ["--now", "2026-11-24"]


def _advisory(number: str = "ICSMA-26-001-01") -> Any:
    product = {"name": "x", "product_id": "P1"}
    version = {"category": "product_version_range", "name": "< 2.0", "product": product}
    name = {"category": "product_name", "name": "Pump 7", "branches": [version]}
    return {
        "document": {
            "category": "csaf_security_advisory",
            "csaf_version": "2.0",
            "title": "Acme Pump 7",
            "publisher": {"name": "Somebody"},
            "tracking": {"id": number, "current_release_date": "2026-02-03T00:00:00Z"},
        },
        "product_tree": {"branches": [{"category": "vendor", "name": "Acme Inc.", "branches": [name]}]},
        "vulnerabilities": [{"cve": "CVE-2026-0001", "product_status": {"known_affected": ["P1"]}}],
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "advisory.json").write_text(json.dumps(_advisory()), encoding="utf-8")
    text = "Patient,Asset Tag,Manufacturer,Model,Version\nJane Doe,A1,ACME GmbH,Pump-7,1.0\nJane Doe,A2,Acme,Zebra,1\n"
    (tmp_path / "assets.csv").write_text(text, encoding="utf-8")
    return tmp_path


def _match(folder: Path, *more: str) -> int:
    return run(["advisories", "match", "--assets", str(folder / "assets.csv"), *more, *NOW])


def test_an_affected_device_is_named_with_what_to_do(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _match(folder, "--advisories", str(folder / "advisory.json")) == 1
    said = capsys.readouterr().out
    assert "A1: ACME GmbH Pump-7 1.0\n  affected: ICSMA-26-001-01, 1 CVE names" in said
    assert "2 devices: 1 affected, 1 not named by any advisory." in said
    assert "1 advisories, the newest of 2026-02-03" in said
    assert "Jane" not in said


def test_the_database_answers_like_the_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database = str(folder / "v.db")
    assert run(["db", "import", str(folder / "advisory.json"), "--db", database, *NOW]) == 0
    capsys.readouterr()
    assert _match(folder, "--db", database, "--json") == 1
    from_database = json.loads(capsys.readouterr().out)
    assert _match(folder, "--advisories", str(folder / "advisory.json"), "--json") == 1
    assert json.loads(capsys.readouterr().out) == from_database


def test_vex_and_table_are_written_and_the_same_twice(folder: Path) -> None:
    advisory = ["--advisories", str(folder / "advisory.json")]
    for name in ("vex.json", "table.csv"):
        assert _match(folder, *advisory, "--output", str(folder / name)) == 1
        first = (folder / name).read_bytes()
        assert _match(folder, *advisory, "--output", str(folder / name)) == 1
        assert (folder / name).read_bytes() == first
        assert b"CVE-2026-0001" in first
        assert b"Jane" not in first


def test_broken_rows_and_advisories_are_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "assets.csv").write_text("model,tag\nZebra,1\n,2\n", encoding="utf-8")
    broken = folder / "broken.json"
    broken.write_text('{"document": {"csaf_version": "2.0"', encoding="utf-8")
    assert _match(folder, "--advisories", str(folder / "advisory.json"), "--advisories", str(broken)) == 1
    said = capsys.readouterr().out
    assert "row 3 could not be read: it names no model" in said
    assert "advisory could not be read: broken.json: " in said


def test_no_finding_is_exit_code_0(folder: Path) -> None:
    (folder / "assets.csv").write_text("manufacturer,model,version\nAcme,Pump 7,2.0\n", encoding="utf-8")
    assert _match(folder, "--advisories", str(folder / "advisory.json")) == 0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "say where the advisories are"),
        (["--advisories", "assets.csv"], "there is no CSAF advisory in these files: assets.csv"),
        (["--advisories", "kev.json"], "there is no CSAF advisory in these files: kev.json"),
        (["--advisories", "advisory.json", "--output", "x.txt"], "must end in .json"),
        (["--db", "none.db"], "there is no database"),
        (["--db", "empty.db"], "has no advisories"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(
    folder: Path, more: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    kev = {"catalogVersion": "1", "dateReleased": "2026-07-20", "count": 1,
           "vulnerabilities": [{"cveID": "CVE-2024-0001", "dateAdded": "2026-07-01"}]}  # fmt: skip
    Path("kev.json").write_text(json.dumps(kev), encoding="utf-8")
    assert run(["db", "import", "kev.json", "--db", "empty.db", *NOW]) == 0
    assert _match(folder, *more) == 2
    assert message in capsys.readouterr().err


def test_a_list_that_is_not_there_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "assets.csv").unlink()
    assert _match(folder, "--advisories", str(folder / "advisory.json")) == 2
    assert "assets.csv: cannot be read" in capsys.readouterr().err
