"""What every check must hold, with no edit here when one is added."""

import re
from datetime import date
from pathlib import Path

import pytest

from firmware_checks.check import Check
from firmware_checks.controls import COLUMNS, NOT_APPLICABLE
from firmware_checks.scan import Scanner
from firmware_checks.vulnerabilities.assessment import VulnerabilityData
from toolkit.core.findings import Finding
from toolkit.core.registry import discover
from toolkit.report.languages import missing_translations

CHECKS = discover("firmware_checks.checks", attribute="CHECK", kind=Check, group=None)

DATA = VulnerabilityData(day=date(2026, 11, 24))

every_check = pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS.keys())


def _findings(check: Check, image: bytes, folder: Path) -> list[Finding]:
    path = folder / "image.bin"
    path.write_bytes(image)
    profile = check.example_profile() if check.example_profile is not None else None
    report = Scanner(profile=profile, vulnerability_data=DATA).scan(path)
    return [finding for finding in report.findings if finding.check == check.name]


@every_check
def test_a_check_fires_on_its_weak_example_and_says_where_to_look(check: Check, tmp_path: Path) -> None:
    findings = _findings(check, check.weak_example(), tmp_path)
    assert findings
    for finding in findings:
        assert finding.title == check.title
        assert finding.detail


@every_check
def test_a_check_is_silent_on_the_hardened_twin(check: Check, tmp_path: Path) -> None:
    assert _findings(check, check.hardened_example(), tmp_path) == []


@every_check
def test_a_check_asks_a_question_and_says_what_to_do(check: Check) -> None:
    assert check.question.endswith("?")
    assert check.remedy.endswith(".")
    assert not check.title.endswith(".")
    assert re.fullmatch(r"(Critical|High|Medium|Low|Note)\b.*\.", check.severity_rule)


ROWS = {
    "fda": r"[A-H]",
    "iec_62443": r"(CR|EDR|SAR|HDR|NDR) \d+\.\d+( RE ?\(?\d\)?)?",
    "iec_81001": r"[4-9](\.\d+)*",
    "cra": r"I{1,2}\.(1|2[a-m]|[1-8])",
    "mds2": r"[A-Z]{4}",
    "cwe": r"[1-9]\d{0,4}",
}


@every_check
@pytest.mark.parametrize("column", COLUMNS)
def test_a_check_has_a_row_in_every_column_or_says_that_there_is_none(check: Check, column: str) -> None:
    rows = getattr(check.controls, column)
    assert rows
    assert rows == NOT_APPLICABLE or all(re.fullmatch(ROWS[column], row) for row in rows)


@every_check
def test_a_check_is_evidence_for_something(check: Check) -> None:
    assert check.controls.rows()


@pytest.mark.parametrize("language", ["fr", "es"])
@every_check
def test_a_check_speaks_the_languages_of_its_readers(check: Check, language: str) -> None:
    assert missing_translations([check.title, check.remedy], language) == ()
