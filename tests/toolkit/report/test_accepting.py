"""Accepted risks in a report: told, not counted, and counted again when they have run out."""

from __future__ import annotations

import csv
import io
import json
from datetime import date
from typing import Any

import msgspec
import pytest

from toolkit.core.findings import Finding, Severity
from toolkit.report import renderer
from toolkit.report.acceptance import Acceptance, AcceptanceState, path_patterns
from toolkit.report.accepting import AcceptedRisks, all_findings, settled
from toolkit.report.html import to_html
from toolkit.report.json_report import from_json, to_json
from toolkit.report.languages import languages
from toolkit.report.model import Report
from toolkit.report.sarif import to_sarif
from toolkit.report.summary import Light, verdict
from toolkit.report.text import to_text

TODAY = date(2026, 11, 25)
UNTIL = date(2026, 12, 31)


def accepting(finding: Finding, number: int = 0, **fields: object) -> Acceptance:
    stated: dict[str, object] = {
        "id": f"risk-{number}", "check": finding.check, "paths": path_patterns(finding),
        "reason": "Closed at the switch.",
        "owner": "Head of engineering", "until": UNTIL,
    }  # fmt: skip
    return msgspec.convert(stated | fields, Acceptance)


def risks(*acceptances: Acceptance, day: date = TODAY) -> AcceptedRisks:
    return AcceptedRisks(acceptances=acceptances, day=day, sha256="e" * 64)


def serious(report: Report) -> list[Finding]:
    return [finding for finding in report.findings if finding.severity.rank >= Severity.HIGH.rank]


@pytest.fixture
def accepted_report(sample_report: Report) -> Report:
    """All serious findings are accepted."""
    given = (accepting(finding, number) for number, finding in enumerate(serious(sample_report)))
    return settled(sample_report, risks(*given))


@pytest.fixture
def lapsed_report(sample_report: Report) -> Report:
    given = (accepting(finding, number) for number, finding in enumerate(serious(sample_report)))
    return settled(sample_report, risks(*given, day=date(2027, 1, 1)))


def words(document: bytes) -> str:
    return " ".join(document.decode().split())


def test_nothing_is_lost_and_what_is_accepted_does_not_count(sample_report: Report, accepted_report: Report) -> None:
    assert set(all_findings(accepted_report)) == set(sample_report.findings)
    assert serious(sample_report)
    assert not serious(accepted_report)
    assert verdict(sample_report).light is Light.RED
    assert verdict(accepted_report).light is Light.AMBER
    assert from_json(to_json(accepted_report)) == accepted_report


def test_without_acceptances_nothing_changes(sample_report: Report) -> None:
    assert settled(sample_report, AcceptedRisks(acceptances=(), day=TODAY)) == sample_report


@pytest.mark.parametrize("name", ["text", "html"])
def test_people_read_until_when_by_whom_and_why(accepted_report: Report, name: str) -> None:
    said = words(renderer(name).render(accepted_report))
    assert "Accepted risks" in said
    for piece in ("Accepted until 31 December 2026 by Head of engineering, because: Closed at the", "not count: 2."):
        assert piece in said
    assert "counts again" not in said


@pytest.mark.parametrize("name", ["text", "html"])
def test_what_has_run_out_counts_again_and_says_so(sample_report: Report, lapsed_report: Report, name: str) -> None:
    assert lapsed_report.findings == sample_report.findings
    assert {record.state for record in lapsed_report.acceptances} == {AcceptanceState.EXPIRED}
    said = words(renderer(name).render(lapsed_report))
    assert "Acceptances that have run out: 2." in said
    assert said.count("Its acceptance has run out and it counts again: until 31 December 2026, Head of engi") == 2
    assert "The acceptance of" in said


def test_the_last_day_still_counts_and_is_told_in_time(sample_report: Report) -> None:
    report = settled(sample_report, risks(accepting(serious(sample_report)[0]), day=UNTIL))
    (record,) = report.acceptances
    assert (record.state, record.days_left, record.matched) == (AcceptanceState.EXPIRING, 0, 1)
    for document in (to_text(report), to_html(report)):
        assert "Days left: 0. Decide again before then." in words(document)
        assert "Of them run out within 30 days: 1." in words(document)


def test_an_acceptance_of_nothing_in_the_image_is_told(sample_report: Report) -> None:
    unused = accepting(sample_report.findings[0], paths=("no/such/place",))
    report = settled(sample_report, risks(unused))
    assert report.findings == sample_report.findings
    assert [record.state for record in report.acceptances] == [AcceptanceState.UNUSED]
    for document in (to_text(report), to_html(report)):
        assert "Nothing in this image is what risk-0 accepts:" in words(document)
        assert "They are known and do not count" not in words(document)


def test_of_two_acceptances_of_one_finding_the_one_that_still_counts_holds(sample_report: Report) -> None:
    finding = serious(sample_report)[0]
    over = accepting(finding, 1, until=date(2026, 11, 1))
    report = settled(sample_report, risks(over, accepting(finding, 2)))
    assert [each.acceptance for each in report.accepted] == ["risk-2"]
    assert [record.returned for record in report.acceptances] == [(), ()]


def cve(report: Report, number: int = 0) -> Acceptance:
    row = report.vulnerabilities[number]
    return accepting(
        report.findings[0] if report.findings else Finding(check="x", title="x", severity=Severity.LOW),
        check=None, paths=(), vulnerability=row.id, component=row.component,
    )  # fmt: skip


@pytest.fixture
def accepted_cve(vulnerable_report: Report) -> Report:
    """The first vulnerability is accepted, as a scan marks it that knew of the acceptance."""
    given = risks(cve(vulnerable_report))
    first, *rest = vulnerable_report.vulnerabilities
    names = given.vulnerabilities()
    marked = msgspec.structs.replace(first, accepted=names[first.component, first.id])
    return settled(msgspec.structs.replace(vulnerable_report, vulnerabilities=(marked, *rest)), given)


def test_a_vulnerability_is_accepted_by_component_and_name(vulnerable_report: Report) -> None:
    row = vulnerable_report.vulnerabilities[0]
    assert risks(cve(vulnerable_report)).vulnerabilities() == {(row.component, row.id): "risk-0"}
    assert risks(cve(vulnerable_report), day=date(2027, 1, 1)).vulnerabilities() == {}


def test_an_accepted_vulnerability_is_told_everywhere(accepted_cve: Report) -> None:
    row = accepted_cve.vulnerabilities[0]
    assert accepted_cve.acceptances[0].matched == 1
    for document in (to_text(accepted_cve), to_html(accepted_cve)):
        assert row.id in words(document)
        assert "Accepted until 31 December 2026 by Head of engineering" in words(document)
    results = json.loads(to_sarif(accepted_cve))["runs"][0]["results"]
    (suppressed,) = (result for result in results if result["suppressions"])
    assert suppressed["properties"]["vulnerability"] == row.id


def test_code_scanners_are_told_what_is_suppressed_and_why(sample_report: Report, accepted_report: Report) -> None:
    results = json.loads(to_sarif(accepted_report))["runs"][0]["results"]
    suppressed = [result for result in results if result["suppressions"]]
    assert len(suppressed) == 2
    (suppression,) = suppressed[0]["suppressions"]
    assert suppression == {
        "kind": "external",
        "status": "accepted",
        "justification": "Accepted until 2026-12-31 by Head of engineering: Closed at the switch.",
    }
    plain = json.loads(to_sarif(sample_report))["runs"][0]["results"]
    assert all("suppressions" not in result for result in plain)


def test_a_table_says_until_when_by_whom_and_why(accepted_report: Report) -> None:
    rows = list(csv.DictReader(io.StringIO(renderer("csv").render(accepted_report).decode("utf-8-sig"))))
    accepted: list[dict[str, Any]] = [row for row in rows if row["status"] == "accepted"]
    assert len(accepted) == 2
    assert {(row["accepted_until"], row["accepted_by"]) for row in accepted} == {("2026-12-31", "Head of engineering")}
    assert all(len(row["key"]) == 16 for row in rows if row["row"] == "finding")


@pytest.mark.parametrize("language", languages())
def test_the_section_is_in_the_language_of_the_reader(accepted_report: Report, language: str) -> None:
    said = words(to_html(accepted_report, language=language))
    date_text = {"en": "31 December 2026", "fr": "31\u00a0décembre 2026", "es": "31 de diciembre de 2026"}[language]
    assert " ".join(date_text.split()) in said


def test_many_are_bounded_and_counted(sample_report: Report) -> None:
    finding = serious(sample_report)[0]
    copies = tuple(msgspec.structs.replace(finding, detail=f"number {n}") for n in range(520))
    report = settled(msgspec.structs.replace(sample_report, findings=copies), risks(accepting(finding)))
    assert len(report.accepted) == 520
    assert "... 20 more; see the JSON report." in words(to_html(report))
    assert "... 505 more; see the HTML or JSON report." in words(to_text(report))


def test_an_acceptance_without_places_is_told_by_its_check(sample_report: Report) -> None:
    report = settled(sample_report, risks(accepting(sample_report.findings[0], check="no-such-check", paths=())))
    assert "Nothing in this image is what risk-0 accepts: no-such-check." in words(to_text(report))


def test_a_report_that_names_no_acceptance_for_what_it_sets_aside_shows_no_reason(accepted_report: Report) -> None:
    bare = msgspec.structs.replace(accepted_report, acceptances=())
    for document in (to_text(bare), to_html(bare)):
        assert "Accepted until" not in words(document)


def test_an_accepted_vulnerability_that_has_run_out_is_named_with_its_component(vulnerable_report: Report) -> None:
    row = vulnerable_report.vulnerabilities[0]
    report = settled(vulnerable_report, risks(cve(vulnerable_report), day=date(2027, 1, 1)))
    assert f"The acceptance of {row.id} ({row.component}) has run out" in words(to_text(report))
    assert not any(each.accepted for each in report.vulnerabilities)
