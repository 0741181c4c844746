"""Functions in their corrected form rule a vulnerability out, in their old form they show it; half a proof is none."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from firmware_checks.fingerprints.collector import FixFact
from firmware_checks.inventory import Inventory
from firmware_checks.region import Program, Region
from firmware_checks.span import Linear, Span
from firmware_checks.vulnerabilities.not_affected.device import device_evidence, explain
from firmware_checks.vulnerabilities.not_affected.function_forms import (
    FunctionForms,
    ProgramPlace,
    function_forms,
    judged_by_functions,
)
from toolkit.core.findings import Evidence
from toolkit.core.window import Window
from toolkit.report.model import Component, Confidence, Coverage, ImageSummary, RegionKind, Subject
from toolkit.report.vulnerability import Justification, Match, MatchStatus, Provenance

CVE = "CVE-2022-37434"
IMAGE = "pump.bin"
ONE = ProgramPlace(IMAGE, 0, 1000)
OTHER = ProgramPlace(IMAGE, 1000, 2000)


def fact(offset: int, *, is_fixed: bool, name: str = CVE, function: str = "inflate", path: str = IMAGE) -> FixFact:
    place = Evidence(path=path, offset=offset, address=0x0800_0000 + offset)
    return FixFact(component="zlib", vulnerability=name, is_fixed=is_fixed, function=function, evidence=place)


def zlib(*offsets: int | None, version: str | None = "1.2.11", path: str = IMAGE) -> Component:
    return Component(
        name="zlib",
        title="zlib",
        category="library",
        version=version,
        confidence=Confidence.HIGH,
        evidence=tuple(Evidence(path=path, offset=offset) for offset in offsets),
    )


def match(status: MatchStatus = MatchStatus.AFFECTED, confidence: Confidence = Confidence.HIGH) -> Match:
    said = Provenance(source="nvd", record=CVE, product="a:zlib:zlib", range="<1.2.13")
    justification = Justification.CODE_NOT_PRESENT if status is MatchStatus.NOT_AFFECTED else None
    return Match(
        id=CVE,
        status=status,
        confidence=confidence,
        justification=justification,
        reason="by version",
        range="<1.2.13",
        provenance=(said,),
    )


def judged(
    facts: Iterable[FixFact], component: Component, *programs: ProgramPlace, given: Match | None = None
) -> Match:
    forms = FunctionForms(tuple(facts), programs or (ONE,))
    (found,) = judged_by_functions([given or match()], component, forms)
    return found


def test_the_corrected_form_rules_it_out_and_says_where_it_is() -> None:
    found = judged([fact(64, is_fixed=True)], zlib(64, 80))
    assert (found.status, found.justification) == (MatchStatus.NOT_AFFECTED, Justification.CODE_NOT_PRESENT)
    assert found.confidence is Confidence.MEDIUM
    assert "inflate() is there in its corrected form" in found.reason
    assert found.evidence == (
        "pump.bin at 0x40 (address 0x8000040): inflate() is the same instruction by instruction as the corrected form",
    )


def test_the_old_form_shows_that_it_is_affected_and_the_reason_before_is_kept() -> None:
    for status, confidence in (
        (MatchStatus.UNDER_INVESTIGATION, Confidence.LOW),
        (MatchStatus.AFFECTED, Confidence.HIGH),
    ):
        found = judged([fact(64, is_fixed=False)], zlib(64), given=match(status, confidence))
        assert (found.status, found.confidence) == (MatchStatus.AFFECTED, Confidence.HIGH)
        assert found.reason == "by version; inflate() is there in its vulnerable form"
        assert "as the vulnerable form" in found.evidence[0]


def test_the_old_form_outweighs_what_had_ruled_it_out() -> None:
    found = judged([fact(64, is_fixed=False)], zlib(64), given=match(MatchStatus.NOT_AFFECTED))
    assert (found.status, found.justification) == (MatchStatus.AFFECTED, None)


def test_what_was_ruled_out_before_keeps_its_reason() -> None:
    given = match(MatchStatus.NOT_AFFECTED)
    assert judged([fact(64, is_fixed=True)], zlib(64), given=given) == given


def test_one_old_copy_beside_a_corrected_one_is_affected() -> None:
    facts = [fact(64, is_fixed=True), fact(1064, is_fixed=False)]
    found = judged(facts, zlib(64, 1064), ONE, OTHER)
    assert found.status is MatchStatus.AFFECTED
    assert len(found.evidence) == 1


def test_each_program_with_the_library_must_show_the_correction() -> None:
    facts = [fact(64, is_fixed=True)]
    assert judged(facts, zlib(64, 1064), ONE, OTHER) == match()
    assert judged([*facts, fact(1064, is_fixed=True)], zlib(64, 1064), ONE, OTHER).status is MatchStatus.NOT_AFFECTED
    assert judged(facts, zlib(64), ONE, OTHER).status is MatchStatus.NOT_AFFECTED


@pytest.mark.parametrize("offset", [None, 5000])
def test_evidence_outside_of_programs_counts_for_all_of_the_file(offset: int | None) -> None:
    facts = [fact(64, is_fixed=True)]
    assert judged(facts, zlib(64, offset), ONE).status is MatchStatus.NOT_AFFECTED
    assert judged(facts, zlib(64, offset), ONE, OTHER) == match()


def test_a_copy_in_another_file_without_a_program_is_not_shown() -> None:
    seen = zlib(64)
    elsewhere = Evidence(path="other", offset=1)
    both = Component(
        name="zlib", title="zlib", category="library", version="1.2.11", confidence=Confidence.HIGH,
        evidence=(*seen.evidence, elsewhere),
    )  # fmt: skip
    assert judged([fact(64, is_fixed=True)], both, ONE) == match()


def test_facts_of_other_components_and_files_say_nothing() -> None:
    assert judged([fact(64, is_fixed=True, path="other")], zlib(64)) == match()
    assert judged([], zlib(64)) == match()
    assert judged([fact(64, is_fixed=True)], zlib()) == match()


def test_an_old_form_that_no_range_names_is_told_all_the_same() -> None:
    facts = [
        fact(64, is_fixed=False, name="CVE-2018-25032", function="deflateCopy"),
        fact(64, is_fixed=True, name="CVE-1"),
    ]
    for version, versions in (("1.2.11", ("1.2.11",)), (None, ())):
        before, added = judged_by_functions([match()], zlib(64, version=version), FunctionForms(facts, [ONE]))
        assert before == match()
        assert (added.id, added.status, added.confidence) == (
            "CVE-2018-25032",
            MatchStatus.AFFECTED,
            Confidence.MEDIUM,
        )
        assert added.versions == versions
        assert "no range names this version" in added.reason
        assert added.provenance[0].record == "function fingerprints"


def test_several_functions_are_named_together_and_a_place_may_be_unknown() -> None:
    somewhere = FixFact(
        component="zlib", vulnerability=CVE, is_fixed=False, function="inflateInit2_", evidence=Evidence(path=IMAGE)
    )
    found = judged([fact(64, is_fixed=False), somewhere], zlib(64))
    assert "inflate() and inflateInit2_() are there" in found.reason
    assert found.evidence[1].startswith("pump.bin: inflateInit2_()")


def inventory(*facts: FixFact) -> Inventory:
    coverage = Coverage(
        total_bytes=1, recognised_bytes=1, padding_bytes=0, encrypted_bytes=0, unknown_bytes=0, unread_bytes=0,
        recognised_ratio=1.0,
    )  # fmt: skip
    span = Span(IMAGE, Window.of(bytes(1000)), Linear(0), 0x0800_0000)
    program = Program(arch="arm-cortex-m")
    region = Region(span=span, format="x", kind=RegionKind.PROGRAM, title="x", program=program)
    return Inventory(
        subject=Subject(name=IMAGE, size=1000, sha256="0" * 64),
        image=ImageSummary(format="raw"),
        roots=(region, Region(span=span, format="x", kind=RegionKind.UNKNOWN, title="x")),
        components=(),
        coverage=coverage,
        fixes=facts,
    )


def test_facts_of_a_scan_are_used_when_it_is_explained() -> None:
    seen = inventory(fact(64, is_fixed=True))
    assert function_forms(seen).programs == (ONE,)
    assert function_forms(inventory()) == FunctionForms()
    (found,) = explain([match()], zlib(64), device_evidence(seen), {})
    assert found.status is MatchStatus.NOT_AFFECTED
