from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.region import Program
from firmware_checks.span import Span
from firmware_checks.structure.protection import STATES, Area, areas, areas_inside, areas_of, configuration_region
from toolkit.core.window import Window
from toolkit.report.model import RegionKind

AREAS = areas()
OWN = [area for area in AREAS if not area.inside]
INSIDE = [area for area in AREAS if area.inside]


def span_of(area: Area, changes: dict[int, bytes] | None = None) -> Span:
    content = bytearray(b"\xff" * area.size)
    for address, data in (changes or {}).items():
        content[address - area.start : address - area.start + len(data)] = data
    return Span("x", Window.of(bytes(content)), address=area.start)


def named(name: str, start: int) -> Area:
    return next(area for area in AREAS if area.name == name and area.start == start)


def label(area: Area) -> str:
    return f"{area.name}@{area.start:#x}"


@pytest.mark.parametrize("area", AREAS, ids=label)
def test_an_area_is_described_plausibly(area: Area) -> None:
    assert area.title
    assert area.source
    assert area.words
    assert area.inside == bool(area.families or area.arch or area.pattern)
    for word in area.words:
        assert area.start <= word.address
        assert word.address + word.size <= area.end
        assert word.otherwise in STATES
        for state in word.states:
            assert state.is_ in STATES
            assert state.means
            assert state.value & state.mask == state.value


@pytest.mark.parametrize("area", AREAS, ids=label)
def test_every_state_of_every_word_is_reported(area: Area) -> None:
    for word in area.words:
        for state in word.states:
            span = span_of(area, {word.address: state.value.to_bytes(word.size, "little")})
            region = configuration_region(span, area)
            assert region.kind is RegionKind.CONFIGURATION
            first = next(s for s in word.states if state.value & s.mask == s.value)
            last = [w for w in area.words if w.fact == word.fact][-1]
            if last is word:
                assert region.facts[word.fact] == first.is_
            assert any(state.means in why for why in region.facts["why"])  # type: ignore[union-attr]  # a tuple


@pytest.mark.parametrize("area", OWN, ids=label)
def test_an_area_of_its_own_is_told_by_its_address(area: Area) -> None:
    assert area in list(areas_of(area.start, area.end))
    assert area not in list(areas_of(area.start - 1, area.end))
    assert area not in list(areas_of(area.start, area.end + 1))


def test_areas_of_their_own_do_not_overlap() -> None:
    ordered = sorted(OWN, key=lambda area: area.start)
    assert all(a.end <= b.start for a, b in itertools.pairwise(ordered))


def test_what_the_file_does_not_set_is_unknown() -> None:
    area = named("uicr", 0x1000_1000)
    span = Span("x", Window.of(bytes(28)), address=0x1000_10C0)
    region = configuration_region(span, area)
    assert region.facts["readout_protection"] == "unknown"
    assert region.facts["why"] == ("readout_protection: the file does not set it",)


def test_a_word_with_a_hole_in_it_is_unknown() -> None:
    area = named("stm32-option-bytes", 0x1FFF_F800)
    span = Span("x", Window.of(b"\xaa" + b"\xff" * 15), address=area.start, holes=((0, 1),))
    assert configuration_region(span, area).facts["readout_protection"] == "unknown"


def test_an_unlisted_value_is_what_the_table_says_otherwise() -> None:
    area = named("stm32-option-bytes", 0x1FFF_F800)
    region = configuration_region(span_of(area, {0x1FFF_F800: b"\x55"}), area)
    assert region.facts["readout_protection"] == "locked"
    assert region.facts["readout_protection_raw"] == "0x55"


def inside(data: bytes, program: Program, *, address: int | None = 0, lpc: bool = False) -> list[str]:
    span = Span("x", Window.of(data), address=address)
    return [area.name for _, _, area in areas_inside(span, program, lpc=lpc)]


CORTEX = Program(arch="arm-cortex-m")
OPEN_FCF = b"\xff" * 12 + b"\xfe\xff\xff\xff"


@pytest.mark.parametrize("area", INSIDE, ids=label)
def test_an_area_inside_a_program_is_looked_at_for_its_family_or_processor_only(area: Area) -> None:
    family = area.families[0] if area.families else None
    program = Program(arch=area.arch or "arm-cortex-m", mcu_family=family)
    data = bytes(area.size + 16)
    assert area.name in inside(data, program, address=area.start)
    assert area.name not in inside(data, Program(arch="mips"), address=area.start)
    assert area.name not in inside(data, program, address=area.start + 1)
    assert area.name not in inside(data[: area.size - 1], program, address=area.start)
    assert inside(data, program, address=None) == []


def test_the_pattern_of_a_kinetis_field_is_enough() -> None:
    assert inside(b"\x5a" * 0x400 + OPEN_FCF, CORTEX) == ["kinetis-fcf"]
    assert inside(b"\x5a" * 0x410, CORTEX) == []
    assert inside(b"\xff" * 0x410, CORTEX) == []


def test_the_checksum_of_lpc_vectors_is_enough_for_the_protection_word() -> None:
    assert inside(bytes(0x300), CORTEX, lpc=True) == ["lpc-crp"]
    assert inside(bytes(0x300), CORTEX) == []
    known = Program(arch="arm-cortex-m", mcu_family="STM32F1")
    assert inside(bytes(0x300), known, lpc=True) == []


@given(st.binary(min_size=1, max_size=64), st.sampled_from(AREAS), st.integers(-40, 40))
def test_any_bytes_in_an_area_can_be_read(data: bytes, area: Area, shift: int) -> None:
    span = Span("x", Window.of(data), address=max(0, area.start + shift))
    configuration_region(span, area)


def test_fuses_are_given_as_they_are() -> None:
    area = named("avr-fuses", 0x82_0000)
    region = configuration_region(Span("x", Window.of(struct.pack("<BBB", 0x62, 0xD9, 0xFF)), address=0x82_0000), area)
    assert region.facts["fuse_low_raw"] == "0x62"
    assert region.facts["fuse_high_raw"] == "0xd9"
