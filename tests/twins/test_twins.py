"""Each documented case is found in its weak twin, at the right place, and its hardened twin is left in peace."""

import json
from datetime import date
from pathlib import Path

import pytest

from firmware_checks.scan import Scanner
from firmware_checks.twin import Expected, Twin, bench_cases, twins
from firmware_checks.vulnerabilities.assessment import VulnerabilityData
from hil.bench_check import checks as bench_checks
from toolkit.core.findings import Severity
from toolkit.report.languages import missing_translations
from toolkit.report.model import Report
from toolkit.report.vulnerability import MatchStatus

TWINS, BENCH = twins(), bench_cases()
CASES = (Path(__file__).parent / "documented_cases.txt").read_text(encoding="utf-8").split()
SHARED = Path(__file__).resolve().parents[3] / "shared" / "reference" / "medical-cases.json"
GENERAL = {"update-not-signed", "mostly-not-understood"}
"""A raw program has no place for a signature, whatever is in it; and the twins hold bytes that mean nothing."""

every_twin = pytest.mark.parametrize("twin", TWINS.values(), ids=TWINS.keys())


@pytest.fixture(scope="module")
def scanner() -> Scanner:
    return Scanner(vulnerability_data=VulnerabilityData(day=date(2026, 11, 24)))


def _report(scanner: Scanner, folder: Path, name: str, image: bytes) -> Report:
    path = folder / name
    path.write_bytes(image)
    return scanner.scan(path)


def _is_reported(report: Report, twin: Twin, expected: Expected) -> bool:
    path = "!".join(part for part in (twin.image, expected.path) if part)
    named = {row.id for row in report.vulnerabilities if row.status is not MatchStatus.NOT_AFFECTED}
    return (not expected.vulnerability or expected.vulnerability in named) and any(
        finding.check == expected.check
        and finding.severity.rank >= Severity.MEDIUM.rank
        and any(
            place.path == path and expected.offset in (None, place.offset) and expected.address in (None, place.address)
            for place in finding.evidence
        )
        for finding in report.findings
    )


@every_twin
def test_the_weak_twin_is_reported_at_the_right_place(twin: Twin, scanner: Scanner, tmp_path: Path) -> None:
    report = _report(scanner, tmp_path, twin.image, twin.weak())
    assert twin.expected
    assert [expected for expected in twin.expected if not _is_reported(report, twin, expected)] == []


@every_twin
def test_the_hardened_twin_gives_no_such_finding_and_no_grave_one(twin: Twin, scanner: Scanner, tmp_path: Path) -> None:
    report = _report(scanner, tmp_path, twin.image, twin.hardened())
    loud = {finding.check for finding in report.findings if finding.severity.rank >= Severity.MEDIUM.rank}
    asked = {expected.check for expected in twin.expected}
    assert loud & asked == set()
    assert loud <= GENERAL | set(twin.remains)
    cves = {row.id for row in report.vulnerabilities if row.status is not MatchStatus.NOT_AFFECTED}
    assert cves.isdisjoint(expected.vulnerability for expected in twin.expected)


@every_twin
def test_both_twins_are_small_and_always_the_same(twin: Twin) -> None:
    for build in (twin.weak, twin.hardened):
        assert build() == build()
        assert len(build()) < 64 << 10


@every_twin
def test_a_twin_tells_its_story(twin: Twin) -> None:
    for text in (twin.mechanism, twin.for_patient, twin.difference):
        assert text.endswith(".")
        assert 30 < len(text) < 400
    assert twin.advisory.startswith(("ICSMA-", "ICSA-"))
    assert twin.cves
    assert all(cve.startswith("CVE-") for cve in twin.cves)


def test_every_documented_case_has_a_twin_or_a_reason_why_only_a_bench_shows_it() -> None:
    assert len(CASES) == 65
    assert sorted([*TWINS, *BENCH]) == sorted(CASES)


def test_a_case_for_the_bench_names_checks_that_exist_and_says_why() -> None:
    known = bench_checks()
    for case in BENCH.values():
        assert set(case.checks) <= set(known)
        assert case.checks
        assert case.reason.endswith(".")


def test_the_list_of_cases_is_the_documented_one() -> None:
    if not SHARED.is_file():
        pytest.skip("the reference documents are not here")
    rows = {row["id"]: row for row in json.loads(SHARED.read_text(encoding="utf-8"))}
    assert sorted(rows) == sorted(CASES)
    for name, twin in TWINS.items():
        assert rows[name]["advisory"] == twin.advisory
        assert sorted(rows[name]["cves"]) == sorted(twin.cves)
    assert all(rows[name]["advisory"] == case.advisory for name, case in BENCH.items())


@pytest.mark.parametrize("language", ["fr", "es"])
def test_what_a_case_is_about_is_said_in_the_languages_of_its_readers(language: str) -> None:
    said = [text for twin in TWINS.values() for text in (twin.device, twin.container, twin.for_patient)]
    assert missing_translations((*said, *(case.device for case in BENCH.values())), language) == ()
