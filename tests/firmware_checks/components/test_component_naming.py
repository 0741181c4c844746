"""Places become components: one for each version, with where to see it and how sure it is."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from firmware_checks.component_naming import components_from_regions, merge_components, name_components
from firmware_checks.component_rules import EVIDENCE_PER_COMPONENT, ComponentRule, decode_rule
from firmware_checks.patterns import Pattern, PatternSet
from firmware_checks.region import Region
from firmware_checks.span import Linear, Span
from toolkit.core.window import Window
from toolkit.report.model import Component, Confidence, Fact, RegionKind

PUMP = decode_rule(
    "pump-os.toml",
    rb"""
name = "pump-os"
title = "Pump OS"
category = "rtos"
description = "Runs the tasks of a pump."
source = "made up for this test"
purl = "pkg:generic/acme/pump-os@{version}"
cpe = "cpe:2.3:o:acme:pump_os:{version}:*:*:*:*:*:*:*"
versions = ['PumpOS V(?P<version>\d[\w.+~-]*)']
signs = ['PumpOS idle', 'PumpOS timer', 'PumpOS shell']
minimum_signs = 2
facts = [{ version = "pump_os_version" }]
example = [{ text = "PumpOS V1.2", version = "1.2" }]
not_example = ["PumpOS"]
""",
)
RADIO = decode_rule(
    "radio.toml",
    rb"""
name = "radio"
title = "Radio stack {variant}"
category = "bluetooth"
description = "Talks to the outside."
source = "made up for this test"
purl = "pkg:generic/acme/radio-{variant}@{version}"
facts = [{ version = "version", variant = "radio" }]
example = [{ facts = { radio = "S1", version = "1.0" }, version = "1.0" }]
not_example = []
""",
)


def _name(*files: tuple[str, bytes], rules: tuple[ComponentRule, ...] = (PUMP,)) -> tuple[Component, ...]:
    search = PatternSet(PUMP.patterns)
    spans = [Span(path, Window.of(data), Linear(0x100), 0x8000) for path, data in files]
    return name_components([(span, hit) for span in spans for hit in search.search(span.window.view)], rules)


def _region(path: str, facts: Mapping[str, Fact]) -> Region:
    span = Span(path, Window.of(bytes(32)), Linear(0x40), 0x1000)
    return Region(span=span, format="x", kind=RegionKind.PROGRAM, title="x", facts=facts)


def test_a_version_is_named_with_the_place_where_it_stands() -> None:
    (component,) = _name(("pump.bin", b"....PumpOS V1.2\n"))
    assert (component.name, component.version, component.confidence) == ("pump-os", "1.2", Confidence.HIGH)
    assert component.purl == "pkg:generic/acme/pump-os@1.2"
    assert component.cpe == "cpe:2.3:o:acme:pump_os:1.2:*:*:*:*:*:*:*"
    (evidence,) = component.evidence
    assert evidence.path == "pump.bin"
    assert (evidence.offset, evidence.address, evidence.excerpt) == (0x104, 0x8004, "PumpOS V1.2")


def test_several_versions_are_several_components_in_order() -> None:
    components = _name(("b.bin", b"PumpOS V2.0 "), ("a.bin", b"PumpOS V1.0 PumpOS V2.0 "))
    assert [c.version for c in components] == ["1.0", "2.0"]
    assert [e.path for e in components[1].evidence] == ["b.bin", "a.bin"]


def test_evidence_is_bounded_and_no_place_comes_twice() -> None:
    (component,) = _name(*((f"{n}.bin", b"PumpOS V1.2 ") for n in range(30)))
    assert len(component.evidence) == EVIDENCE_PER_COMPONENT
    (component,) = _name(("a.bin", b"PumpOS V1.2 "), ("a.bin", b"PumpOS V1.2 "))
    assert len(component.evidence) == 1


@pytest.mark.parametrize(
    ("version", "candidates", "cpe"),
    [
        ("2.2.0-2230-ge1dddf7", ("2.2.0",), "2.2.0:*"),
        ("2.1.0-rc1-163-geb9420679895", ("2.1.0-rc1",), "2.1.0:rc1"),
        ("2017.01-devel-30144-gc4f769-develop", ("2017.01-devel",), "2017.01:devel"),
        ("3.5.99-ncs1", ("3.5.99",), "3.5.99:*"),
        ("2023.01+dfsg-2+deb12u3", ("2023.01",), "2023.01:*"),
        ("5.2.1-dirty", ("5.2.1",), "5.2.1:*"),
        ("1.36.1.git", ("1.36.1",), "1.36.1:*"),
        ("1.0.2za-fips", ("1.0.2za",), "1.0.2za:*"),
        ("10.4.3-LTS-Patch-2", ("10.4.3",), "10.4.3:*"),
        ("3.0.0-alpha5", (), "3.0.0:alpha5"),
        ("12.4.0-RC0", (), "12.4.0:rc0"),
        ("9.0.0rc2", (), "9.0.0:rc2"),
        ("1.1.1k", (), "1.1.1k:*"),
        ("9.2p1", (), "9.2p1:*"),
        ("3.0.13", (), "3.0.13:*"),
        ("3.x", (), "3.x:*"),
    ],
)
def test_a_build_names_the_release_it_was_made_from(version: str, candidates: tuple[str, ...], cpe: str) -> None:
    (component,) = _name(("a.bin", b"PumpOS V" + version.encode() + b" "))
    assert component.version == version
    assert component.version_candidates == candidates
    assert component.cpe == f"cpe:2.3:o:acme:pump_os:{cpe}:*:*:*:*:*:*"


def test_enough_signs_in_one_file_show_a_component_of_unknown_version() -> None:
    (component,) = _name(("a.bin", b"PumpOS idle\0PumpOS idle\0PumpOS timer"))
    assert (component.version, component.confidence) == (None, Confidence.MEDIUM)
    assert component.purl == "pkg:generic/acme/pump-os"
    assert [e.excerpt for e in component.evidence] == ["PumpOS idle", "PumpOS timer", "PumpOS idle"]


def test_signs_in_different_files_do_not_add_up() -> None:
    assert _name(("a.bin", b"PumpOS idle"), ("b.bin", b"PumpOS timer")) == ()
    assert _name(("a.bin", b"PumpOS idle PumpOS idle")) == ()


def test_signs_say_nothing_new_where_the_version_stands_in_the_same_file() -> None:
    signs = b"PumpOS idle PumpOS timer "
    assert [c.version for c in _name(("a.bin", signs + b"PumpOS V1.2 "))] == ["1.2"]
    assert [c.version for c in _name(("a.bin", b"PumpOS V1.2 "), ("b.bin", signs))] == [None, "1.2"]


def test_hits_of_patterns_that_belong_to_no_rule_are_left_alone() -> None:
    assert _name(("a.bin", b"PumpOS V1.2 "), rules=()) == ()
    stranger = PatternSet([Pattern.of("uf2", b"UF2\n")])
    span = Span("a.bin", Window.of(b"UF2\n"))
    assert name_components([(span, hit) for hit in stranger.search(span.window.view)], [PUMP]) == ()


def test_a_fact_that_a_format_has_read_is_certain() -> None:
    (component,) = components_from_regions([_region("a.bin", {"pump_os_version": "v1.2-rc3"})], [PUMP])
    assert (component.version, component.confidence) == ("1.2-rc3", Confidence.CERTAIN)
    assert component.cpe == "cpe:2.3:o:acme:pump_os:1.2:rc3:*:*:*:*:*:*"
    (evidence,) = component.evidence
    assert (evidence.path, evidence.offset, evidence.address) == ("a.bin", 0x40, 0x1000)
    assert evidence.excerpt == "pump_os_version = v1.2-rc3"


@pytest.mark.parametrize("fact", ["1b8c6c1", "HEAD-HASH-NOTFOUND", "", 7])
def test_a_fact_that_is_no_version_names_the_component_alone(fact: Fact) -> None:
    (component,) = components_from_regions([_region("a.bin", {"pump_os_version": fact})], [PUMP])
    assert (component.version, component.confidence) == (None, Confidence.HIGH)


def test_regions_without_the_fact_name_nothing() -> None:
    assert components_from_regions([_region("a.bin", {"version": "1.2", "project": "pump"})], [PUMP, RADIO]) == ()
    assert components_from_regions([_region("a.bin", {"radio": "S132"})], [RADIO]) == ()


def test_variants_of_one_product_are_told_apart() -> None:
    regions = [_region(f"{n}.bin", {"radio": name, "version": "2.0"}) for n, name in enumerate(("S132", "S110"))]
    components = components_from_regions(regions, [RADIO])
    assert [c.title for c in components] == ["Radio stack S110", "Radio stack S132"]
    assert [c.purl for c in components] == ["pkg:generic/acme/radio-s110@2.0", "pkg:generic/acme/radio-s132@2.0"]
    assert {c.cpe for c in components} == {None}


def test_what_text_and_structure_both_say_is_said_once() -> None:
    text = _name(("a.bin", b"PumpOS V1.2 "))
    structure = components_from_regions([_region("a.bin", {"pump_os_version": "1.2"})], [PUMP])
    (component,) = merge_components([*text, *structure])
    assert component.confidence == Confidence.CERTAIN
    assert len(component.evidence) == 2


def test_a_known_version_replaces_an_unknown_one_in_the_same_file_only() -> None:
    signs = _name(("a.bin", b"PumpOS idle PumpOS timer"))
    same = components_from_regions([_region("a.bin", {"pump_os_version": "1.2"})], [PUMP])
    other = components_from_regions([_region("b.bin", {"pump_os_version": "1.2"})], [PUMP])
    assert [c.version for c in merge_components([*signs, *same])] == ["1.2"]
    assert [c.version for c in merge_components([*signs, *other])] == [None, "1.2"]
