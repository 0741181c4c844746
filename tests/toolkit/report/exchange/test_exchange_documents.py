"""SPDX, SARIF and the table: valid for any report, and safe to open."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as SarifLog
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from toolkit.report.csv_tables import COLUMNS, cell, to_csv
from toolkit.report.model import Report
from toolkit.report.sarif import to_sarif
from toolkit.report.spdx import to_spdx


def _spdx(report: Report) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(to_spdx(report))
    problems = validate_full_spdx_document(JsonLikeDictParser().parse(document))
    assert [problem.validation_message for problem in problems] == []
    return document


def _sarif(report: Report) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(to_sarif(report))
    SarifLog.model_validate(document)
    (run,) = document["runs"]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] == "none" or result["kind"] == "fail"  # section 3.27.10
    return run  # type: ignore[no-any-return]


def _table(report: Report) -> list[dict[str, str]]:
    text = to_csv(report).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    assert len(rows) == len(report.components) + len(report.vulnerabilities) + len(report.findings)
    for row in rows:
        assert set(row) == set(COLUMNS)
        assert not any(value.lstrip().startswith(("=", "+", "-", "@", "\t", "\r")) for value in row.values())
        assert all(value.isprintable() or "\xa0" in value for value in row.values())
    return rows


def test_spdx_holds_image_components_and_the_end_of_support(vulnerable_report: Report) -> None:
    document = _spdx(vulnerable_report)
    image, _freertos, mbedtls, _odd = document["packages"]
    assert image["checksums"][0]["checksumValue"] == vulnerable_report.subject.sha256
    assert image["primaryPackagePurpose"] == "FIRMWARE"
    assert mbedtls["validUntilDate"] == "2021-12-31T00:00:00Z"
    references = {row["referenceType"]: row["referenceLocator"] for row in mbedtls["externalRefs"]}
    assert references == {
        "cpe23Type": "cpe:2.3:a:arm:mbed_tls:2.16.1:*:*:*:*:*:*:*",
        "purl": "pkg:github/mbed-tls/mbedtls@2.16.1",
        "advisory": "https://nvd.nist.gov/vuln/detail/CVE-2024-0001",
    }
    assert document["creationInfo"]["created"] == "2026-11-20T00:00:00Z"
    assert "could be version 10.2.1 or 10.3.0" in document["packages"][1]["comment"]


def test_spdx_says_what_was_not_examined(sample_report: Report, empty_report: Report) -> None:
    assert "were not looked up" in _spdx(sample_report)["comment"]
    assert len(_spdx(empty_report)["packages"]) == 1


def test_the_reference_reader_takes_the_spdx_file(vulnerable_report: Report, tmp_path: Path) -> None:
    from spdx_tools.spdx.parser.parse_anything import parse_file

    path = tmp_path / "firmware.spdx.json"
    path.write_bytes(to_spdx(vulnerable_report))
    assert [package.name for package in parse_file(str(path)).packages][2] == "Mbed TLS"


def test_sarif_has_a_rule_for_each_check_and_each_component(vulnerable_report: Report) -> None:
    run = _sarif(vulnerable_report)
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules[:2] == ["check/update-not-signed", "check/published-test-key"]
    assert {"component/mbedtls", "component/freertos", "component/not in the list"} <= set(rules)
    assert len(rules) == len(set(rules))
    assert run["tool"]["driver"]["rules"][0]["name"] == "UpdateNotSigned"
    notes = run["invocations"][0]["toolExecutionNotifications"]
    assert len(notes) == len(vulnerable_report.not_examined)


def test_sarif_tells_what_applies_from_what_does_not(vulnerable_report: Report) -> None:
    results = [row for row in _sarif(vulnerable_report)["results"] if row["ruleId"].startswith("component/")]
    worst, unnamed, open_question, elsewhere = results[:4]
    assert (worst["kind"], worst["level"]) == ("fail", "error")
    assert worst["properties"]["security-severity"] == "9.8"
    assert worst["properties"]["decision"] == "immediate"
    assert worst["properties"]["tags"] == ["CWE-787", "CWE-125"]
    assert worst["locations"][0]["physicalLocation"]["address"]["absoluteAddress"] == 0x0803_2200
    assert unnamed["level"] == "error"
    assert unnamed["locations"] == [{"physicalLocation": {"artifactLocation": {"uri": "pump-update-4.2.zip"}}}]
    assert (open_question["kind"], open_question["level"]) == ("open", "none")
    assert (elsewhere["kind"], elsewhere["level"]) == ("notApplicable", "none")
    assert any("CONFIG_NET is not set" in row["message"]["text"] for row in results)
    assert len(results) == len(vulnerable_report.vulnerabilities)


def test_a_check_that_finds_much_is_one_rule(vulnerable_report: Report) -> None:
    report = msgspec.structs.replace(vulnerable_report, findings=vulnerable_report.findings[:1] * 3, vulnerabilities=())
    run = _sarif(report)
    assert (len(run["tool"]["driver"]["rules"]), len(run["results"])) == (1, 3)


def test_a_digest_that_is_none_is_left_out(empty_report: Report) -> None:
    subject = msgspec.structs.replace(empty_report.subject, name="", sha256="x")
    report = msgspec.structs.replace(empty_report, subject=subject)
    assert "checksums" not in _spdx(report)["packages"][0]
    assert "hashes" not in _sarif(report)["artifacts"][0]


def test_a_fingerprint_outlives_the_next_version_of_the_image(vulnerable_report: Report) -> None:
    finding = vulnerable_report.findings[0]
    moved = msgspec.structs.replace(
        finding, evidence=tuple(msgspec.structs.replace(place, offset=7) for place in finding.evidence)
    )
    later = msgspec.structs.replace(vulnerable_report, findings=(moved,))
    before, after = (_sarif(report)["results"][0]["partialFingerprints"] for report in (vulnerable_report, later))
    assert before == after


@pytest.mark.parametrize(("severity", "level"), [("low", "note"), ("medium", "warning"), ("unknown", "warning")])
def test_the_level_follows_the_severity(vulnerable_report: Report, severity: str, level: str) -> None:
    entry = msgspec.structs.replace(vulnerable_report.vulnerabilities[1], severity=severity)
    report = msgspec.structs.replace(vulnerable_report, vulnerabilities=(entry,), findings=())
    (result,) = _sarif(report)["results"]
    assert result["level"] == level


def test_the_table_holds_everything_in_one_place(vulnerable_report: Report) -> None:
    rows = _table(vulnerable_report)
    mbedtls = rows[1]
    assert (mbedtls["row"], mbedtls["support"], mbedtls["support_until"]) == (
        "component",
        "ended (endoflife.date)",
        "2021-12-31",
    )
    worst = rows[3]
    assert (worst["id"], worst["decision"], worst["score"], worst["exploited_since"], worst["data_day"]) == (
        "CVE-2024-0001",
        "immediate",
        "8.8",
        "2025-01-02",
        "2026-11-20",
    )
    assert worst["cwes"] == "CWE-787 CWE-125"
    assert rows[0]["version"] == "10.2.1 or 10.3.0"
    assert rows[-4]["controls"].startswith("IEC 62443-4-2 CR 3.4; ")
    assert rows[-4]["address"] == "0x4000"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("  @SUM(1)", "'  @SUM(1)"),
        ("-1+1", "'-1+1"),
        ("\tx", "\\x09x"),
        ("a\r\nb\nc", "a b c"),
        ('a,b"c', 'a,b"c'),
        (None, ""),
        (-1.5, "-1.5"),
    ],
)
def test_a_cell_is_one_line_and_no_formula(text: str | float | None, shown: str) -> None:
    assert cell(text) == shown


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_report_becomes_valid_documents(vulnerable_reports: st.SearchStrategy[Report], data: st.DataObject) -> None:
    report = data.draw(vulnerable_reports)
    _spdx(report)
    _sarif(report)
    _table(report)
