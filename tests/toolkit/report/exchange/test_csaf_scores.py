"""CSAF carries a published score where its vector gives the same, and none where the two do not agree."""

from __future__ import annotations

import json
import subprocess
import sys

import msgspec
import pytest
from csaf.csaf.v20._validator import validate

from toolkit.report.confidence import Confidence
from toolkit.report.csaf_scores import scores_of
from toolkit.report.csaf_vex import to_csaf_vex
from toolkit.report.model import Report
from toolkit.report.vulnerability import MatchStatus, Provenance, Vulnerability

V31 = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
V30 = "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"
V2 = "AV:N/AC:L/Au:N/C:N/I:N/A:P"
SAID = Provenance(source="nvd", record="CVE-2024-0001", product="a:x:x", range="*")


def entry(vector: str | None, score: float | None, status: MatchStatus = MatchStatus.AFFECTED) -> Vulnerability:
    return Vulnerability(
        id="CVE-2024-0001",
        status=status,
        confidence=Confidence.HIGH,
        reason="by version",
        range="*",
        provenance=(SAID,),
        component="x",
        component_version="1",
        vector=vector,
        score=score,
    )


@pytest.mark.parametrize(
    ("vector", "score", "expected"),
    [
        (V31, 9.8, {"cvss_v3": {"version": "3.1", "vectorString": V31, "baseScore": 9.8, "baseSeverity": "CRITICAL"}}),
        (V30, 7.5, {"cvss_v3": {"version": "3.0", "vectorString": V30, "baseScore": 7.5, "baseSeverity": "HIGH"}}),
        (V2, 5.0, {"cvss_v2": {"version": "2.0", "vectorString": V2, "baseScore": 5.0}}),
    ],
)
def test_a_score_that_its_vector_gives_becomes_an_object(
    vector: str, score: float, expected: dict[str, object]
) -> None:
    said = [(entry(vector, score), "one"), (entry(vector, score), "two")]
    assert scores_of(said) == [{"products": ["one", "two"], **expected}]


@pytest.mark.parametrize(
    ("vector", "score"),
    [
        (V31, 9.1),
        (V31, None),
        (None, 9.8),
        ("CVSS:3.1/AV:N/AC:L", 9.8),
        ("no vector", 9.8),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 9.3),
    ],
)
def test_what_does_not_agree_or_is_of_another_version_makes_no_object(vector: str | None, score: float | None) -> None:
    assert scores_of([(entry(vector, score), "one")]) == []


def test_what_does_not_apply_has_no_score() -> None:
    assert scores_of([(entry(V31, 9.8, MatchStatus.NOT_AFFECTED), "one")]) == []


def test_a_document_with_scores_passes_the_tests_of_the_standard(vulnerable_report: Report) -> None:
    rows = [msgspec.structs.replace(row, vector=V31, score=9.1) for row in vulnerable_report.vulnerabilities[:1]]
    for report, expected in (
        (vulnerable_report, {"cvss_v3", "cvss_v2"}),
        (msgspec.structs.replace(vulnerable_report, vulnerabilities=tuple(rows)), set()),
    ):
        document = json.loads(to_csaf_vex(report))
        results = validate(document, preset="basic").results
        assert [(r.id, [str(e) for e in r.errors]) for r in results if not r.passed and not r.skipped] == []
        found = {name for each in document["vulnerabilities"] for row in each.get("scores", ()) for name in row}
        assert found - {"products"} == expected


WITHOUT = f"""
import sys
sys.modules["cvss"] = None
from toolkit.report.csaf_scores import _object
print(_object({V31!r}, 9.8))
"""


def test_without_the_part_that_computes_scores_there_are_none() -> None:
    out = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "None"
