"""``medharden vulnerabilities`` and ``medharden db`` on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from toolkit.app.cli import run

NOW = ["--now", "2026-11-24"]


def _record(name: str, criteria: str, **bounds: str) -> Any:
    row = {"vulnerable": True, "criteria": f"cpe:2.3:{criteria}:*:*:*:*:*:*:*", **bounds}
    return {
        "cve": {
            "id": name,
            "vulnStatus": "Analyzed",
            "lastModified": "2026-01-01",
            "descriptions": [{"lang": "en", "value": "Bad\nthings."}],
            "metrics": {"cvssMetricV2": [{"cvssData": {"vectorString": "AV:N", "baseScore": 5.0}}]},
            "configurations": [{"nodes": [{"operator": "OR", "negate": False, "cpeMatch": [row]}]}],
        }
    }


@pytest.fixture
def database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    records = [
        _record("CVE-2024-0001", "a:zlib:zlib:*", versionEndExcluding="1.2.12"),
        _record("CVE-2024-0002", "a:acme:infusion_pump:*", versionEndExcluding="2.0"),
    ]
    feed = {"format": "NVD_CVE", "version": "2.0", "timestamp": "2026-08-17T00:00:00", "vulnerabilities": records}
    life = {
        "products": {
            "zlib": {
                "name": "zlib",
                "identifiers": [{"id": "cpe:2.3:a:zlib:zlib", "type": "cpe"}],
                "releases": [
                    {"cycle": "1.2", "eol": "2022-03-27", "eoes": "2030-01-01", "releaseDate": "2003-03-09"},
                    {"cycle": "1.3", "eol": False},
                    {"cycle": "1.1", "eol": True},
                ],
            }
        }
    }
    kev = {"catalogVersion": "1", "dateReleased": "2026-07-20", "count": 1,
           "vulnerabilities": [{"cveID": "CVE-2024-0001", "dateAdded": "2026-07-01"}]}  # fmt: skip
    folder = tmp_path / "feeds"
    folder.mkdir()
    for name, document in (("nvd.json", feed), ("life.json", life), ("kev.json", kev)):
        (folder / name).write_text(json.dumps(document), encoding="utf-8")
    path = tmp_path / "v.db"
    assert run(["db", "import", str(folder), "--db", str(path), *NOW]) == 0
    said = capsys.readouterr()
    assert "nvd.json: 2 records, data of 2026-08-17" in said.out
    assert "reading kev.json" in said.err
    return path


def _answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code = run(["vulnerabilities", *arguments, "--json", *NOW])
    return code, json.loads(capsys.readouterr().out)


def test_one_component_is_answered_for_as_json(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, answer = _answer(capsys, "zlib", "1.2.11", "--db", str(database))
    assert code == 1
    match = next(match for match in answer["matches"] if match["id"] == "CVE-2024-0001")
    assert {"id", "status", "confidence", "justification", "range"} <= set(match)
    assert (match["status"], match["confidence"], match["range"]) == ("affected", "high", "<1.2.12")
    assert match["exploited_since"] == "2026-07-01"
    assert answer["data"][0]["name"] == "facts shipped with medharden"
    assert {"name": "nvd", "date": "2026-08-17"} in answer["data"]
    assert "not complete" in answer["caution"]


@pytest.mark.parametrize(
    ("version", "state", "until"),
    [("1.2.11", "paid", "2022-03-27"), ("1.3.1", "supported", None), ("1.1.4", "ended", None)],
)
def test_support_is_told(
    database: Path, capsys: pytest.CaptureFixture[str], version: str, state: str, until: str | None
) -> None:
    _, answer = _answer(capsys, "zlib", version, "--db", str(database))
    stated = [row for row in answer["support"] if row["source"] == "https://endoflife.date/zlib"]
    assert [(row["state"], row["until"]) for row in stated] == [(state, until)]


def test_nothing_known_is_no_finding(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, answer = _answer(capsys, "cpe:2.3:a:acme:unheard_of:1.0", "--db", str(database))
    assert (code, answer["matches"], answer["version"]) == (0, [], "1.0")


@pytest.mark.parametrize(
    "asked",
    [["cpe:2.3:a:acme:infusion_pump:1.9"], ["cpe:2.3:a:acme:infusion_pump", "1.9"], ["Infusion Pump", "1.9"],
     ["pkg:generic/infusion_pump@1.9"]],
)  # fmt: skip
def test_a_component_is_named_in_several_ways(
    database: Path, capsys: pytest.CaptureFixture[str], asked: list[str]
) -> None:
    _, answer = _answer(capsys, *asked, "--db", str(database))
    assert [match["id"] for match in answer["matches"]] == ["CVE-2024-0002"]


def test_the_answer_for_people_names_reason_support_and_data(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["vulnerabilities", "zlib", "1.2.11", "--db", str(database), *NOW]) == 1
    said = capsys.readouterr().out
    assert "exploited since 2026-07-01" in said
    assert "1.2.11 is in <1.2.12" in said
    assert "Bad things." in said
    assert "support: paid until 2022-03-27" in said
    assert "does not mean that the component has no vulnerability" in said


def test_without_a_version_everything_is_open(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, answer = _answer(capsys, "infusion_pump", "--db", str(database))
    assert (code, answer["matches"][0]["status"]) == (1, "under_investigation")
    assert run(["vulnerabilities", "infusion_pump", "--db", str(database), *NOW]) == 1
    assert "version not known" in capsys.readouterr().out


def test_the_shipped_facts_answer_without_a_database(capsys: pytest.CaptureFixture[str]) -> None:
    code, answer = _answer(capsys, "busybox", "1.33.1")
    assert code == 1
    assert answer["identified_by"] == "knowledge"
    assert "CVE-2021-42386" in {match["id"] for match in answer["matches"]}


def test_a_detection_rule_lends_its_names(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, answer = _answer(capsys, "picocom", "1.0", "--db", str(database))
    assert answer["identified_by"] in ("cpe", "name")


def test_the_state_of_the_database_is_shown(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["db", "status", "--db", str(database), *NOW]) == 0
    said = capsys.readouterr().out
    assert "nvd          2026-08-17   99 days old, 1 files" in said
    assert "missing: epss" in said
    assert run(["db", "status", "--db", str(database), "--json", *NOW]) == 0
    assert json.loads(capsys.readouterr().out)["counts"]["vulnerabilities"] == 2


def test_what_was_imported_is_told_as_json(database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    feed = tmp_path / "feeds" / "nvd.json"
    assert run(["db", "import", str(feed), "--db", str(database), "--json", *NOW]) == 0
    assert json.loads(capsys.readouterr().out)[0]["counts"] == {"older": 2}


@pytest.mark.parametrize(
    "arguments",
    [
        ["vulnerabilities", "zlib", "1", "--db", "missing.db"],
        ["vulnerabilities", "cpe:2.3:x"],
        ["db", "status", "--db", "missing.db"],
        ["db", "import", "missing.json", "--db", "x.db"],
    ],
)
def test_what_cannot_be_used_is_explained_in_one_line(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 2
    assert "Traceback" not in capsys.readouterr().err
