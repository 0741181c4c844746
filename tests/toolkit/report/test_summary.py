"""What the first page says."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.core.findings import Evidence, Finding, Severity
from toolkit.report.languages import Translator
from toolkit.report.model import Component, Confidence, Coverage, Fact, ImageSummary, RegionRecord, Report
from toolkit.report.summary import (
    Light,
    coverage_text,
    evidence_text,
    fact_text,
    identity,
    in_words,
    notes,
    runs_by_path,
    shares,
    upper_rows,
    verdict,
    version_text,
    worst_first,
)
from toolkit.report.wording import Label

SAY = Translator()


def _with_findings(report: Report, *severities: Severity) -> Report:
    findings = tuple(Finding(check=str(n), title="t", severity=s) for n, s in enumerate(severities))
    return msgspec.structs.replace(report, findings=findings)


@given(st.lists(st.sampled_from(Severity), max_size=4))
def test_the_light_is_red_exactly_when_a_finding_is_high_or_critical(
    empty_report: Report, severities: list[Severity]
) -> None:
    light = verdict(_with_findings(empty_report, *severities)).light
    serious = any(s in (Severity.HIGH, Severity.CRITICAL) for s in severities)
    assert light is (Light.RED if serious else Light.AMBER)


def test_there_is_no_green_light() -> None:
    assert [light.name for light in Light] == ["RED", "AMBER"]


def test_a_file_without_findings_is_no_all_clear(empty_report: Report) -> None:
    nothing = verdict(empty_report)
    assert nothing.headline is Label.HEADLINE_NOTHING
    assert notes(empty_report, SAY) == ["Known vulnerabilities were not looked up."]


def test_lesser_findings_are_to_be_read_before_deciding(empty_report: Report) -> None:
    assert verdict(_with_findings(empty_report, Severity.MEDIUM)).headline is Label.HEADLINE_AMBER


def test_looked_up_vulnerabilities_name_their_data_and_day_and_that_it_is_not_complete(
    empty_report: Report, vulnerable_report: Report
) -> None:
    data = vulnerable_report.data
    nothing = msgspec.structs.replace(empty_report, data=data)
    incomplete = (
        "Vulnerability data of facts shipped with medharden (24 November 2026), epss; judged on 25 November 2026. "
        "It is not complete: what is not in it is not shown."
    )
    assert notes(nothing, SAY) == [
        "Vulnerable components to act on now: 0. To act on soon: 0.",
        incomplete,
    ]
    assumed = "No device profile was given: the worst was assumed of reach and harm."
    assert notes(vulnerable_report, SAY) == [
        "Vulnerable components to act on now: 1. To act on soon: 1.",
        f"{incomplete} {assumed}",
    ]
    known = msgspec.structs.replace(vulnerable_report, data=msgspec.structs.replace(data, profile="pump"))
    assert notes(known, SAY)[1] == incomplete


def test_findings_stand_worst_first_and_otherwise_as_they_came(empty_report: Report) -> None:
    report = _with_findings(empty_report, Severity.LOW, Severity.CRITICAL, Severity.LOW, Severity.HIGH)
    assert [f.check for f in worst_first(report.findings)] == ["1", "3", "0", "2"]


def test_an_image_is_said_in_plain_words(sample_report: Report) -> None:
    assert in_words(sample_report, SAY) == (
        "The file is: ZIP archive. Its main program is written for the processor architecture arm-cortex-m. "
        "Microcontroller family: STM32F4 (confidence: high). It runs from address 0x08004000. "
        "Third-party components named in it: 3."
    )


def test_what_is_not_known_is_said_to_be_unknown(empty_report: Report) -> None:
    assert in_words(empty_report, SAY) == (
        "The file is in no format that was recognised. No program could be told in it."
    )
    assert dict(identity(empty_report, SAY))[Label.LOAD_ADDRESS] == "not known"


def test_a_format_without_a_row_is_called_by_its_name(empty_report: Report) -> None:
    image = ImageSummary(format="uf2", mcu_family="RP2040")
    report = msgspec.structs.replace(empty_report, image=image)
    assert dict(identity(report, SAY)) | {} == {
        Label.FILE: "empty.bin",
        Label.SIZE: "1 byte",
        Label.FORMAT: "uf2",
        Label.PROCESSOR: "not known",
        Label.FAMILY: "RP2040",
        Label.LOAD_ADDRESS: "not known",
        Label.ENTRY_ADDRESS: "not known",
        Label.DEVICE_PROFILE: "none",
    }


@given(st.lists(st.integers(0, 9), min_size=5, max_size=5))
def test_the_shares_of_the_bar_are_those_of_the_coverage(empty_report: Report, sizes: list[int]) -> None:
    names = ("recognised", "padding", "encrypted", "unknown", "unread")
    counted = {f"{name}_bytes": size for name, size in zip(names, sizes, strict=True)}
    coverage = Coverage(total_bytes=sum(sizes), recognised_ratio=0.5, **counted)
    assert [share.size for share in shares(msgspec.structs.replace(empty_report, coverage=coverage))] == sizes


@pytest.mark.parametrize(
    ("recognised", "unknown", "ratio", "words"),
    [
        (0, 0, 0.0, "There is no content besides padding."),
        (3, 1, 0.75, "75.0 % of the content was recognised. The checks say nothing about the rest."),
        (4, 0, 1.0, "100 % of the content was recognised."),
    ],
)
def test_coverage_is_said_with_what_it_leaves_open(
    empty_report: Report, recognised: int, unknown: int, ratio: float, words: str
) -> None:
    coverage = msgspec.structs.replace(
        empty_report.coverage, recognised_bytes=recognised, unknown_bytes=unknown, recognised_ratio=ratio
    )
    assert coverage_text(msgspec.structs.replace(empty_report, coverage=coverage), SAY) == words


def test_a_version_is_said_as_far_as_it_is_known() -> None:
    part = Component(name="n", title="N", category="c", version=None, confidence=Confidence.LOW)
    candidates = msgspec.structs.replace(part, version_candidates=("1.0", "1.1"))
    exact = msgspec.structs.replace(candidates, version="1.0")
    assert [version_text(c, SAY) for c in (part, candidates, exact)] == ["not known", "one of: 1.0, 1.1", "1.0"]


def test_a_place_is_said_as_far_as_it_is_known() -> None:
    assert evidence_text(Evidence(path="a.bin"), SAY) == "a.bin"
    assert evidence_text(Evidence(path="a.bin", offset=16), SAY) == "a.bin at offset 0x00000010"
    assert evidence_text(Evidence(path="a", offset=0, address=2**33), SAY) == (
        "a at offset 0x00000000, address 0x200000000"
    )


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("load_address", 0x2000, "load address: 0x00002000"),
        ("table_offset", 16, "table offset: 0x00000010"),
        ("image_bytes", 2_048, "image: 2,048 bytes"),
        ("family_id", 0xE48BFF56, "family id: 0xe48bff56"),
        ("signed", False, "signed: no"),
        ("encrypted", True, "encrypted: yes"),
        ("entries", 12_345, "entries: 12345"),
        ("ratio", 0.5, "ratio: 0.5"),
        ("segment_addresses", (1, "x"), "segment addresses: 0x00000001, x"),
        ("mcu_family_confidence", "high", "confidence in the family: high"),
    ],
)
def test_a_fact_is_shown_with_the_unit_in_its_name(name: str, value: Fact, words: str) -> None:
    assert fact_text(name, value, SAY) == words


@given(st.lists(st.integers(0, 4), max_size=30), st.integers(1, 10))
def test_rows_left_out_are_counted_and_upper_levels_are_kept_first(
    sample_report: Report, depths: list[int], most: int
) -> None:
    row = sample_report.regions[0]
    rows = [msgspec.structs.replace(row, depth=depth, title=str(n)) for n, depth in enumerate(depths)]
    kept, left_out = upper_rows(rows, most)
    assert len(kept) == min(most, len(rows))
    assert len(kept) + left_out == len(rows)
    assert kept == [r for r in rows if r in kept]
    outside = [r.depth for r in rows if r not in kept]
    assert not outside or max((r.depth for r in kept), default=0) <= min(outside)


def test_rows_of_one_file_are_taken_together(sample_report: Report) -> None:
    runs = list(runs_by_path(sample_report.regions))
    assert [row for _, run in runs for row in run] == list(sample_report.regions)
    assert all(row.path == path for path, run in runs for row in run)
    assert list(runs_by_path(list[RegionRecord]())) == []
