from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.structure.mcu_family import Clues, Family, families, match_family
from firmware_checks.structure.vector_table import in_ram
from toolkit.report.model import Confidence

NAMES = [family.name for family in families()]
THUMB2 = b"\x2d\xe9\xf0\x41\x4f\xf0\x01\x00\x00\xfb\x01\xf0\xbd\xe8\xf0\x81" * 80
THUMB1 = b"\x10\xb5\x04\x46\x01\x20\x10\xbd" * 160


def clues(data: bytes, family: Family, *, known: bool = True) -> Clues:
    stack_start, stack_size = family.ram[0]
    return Clues(
        view=memoryview(data),
        load_address=family.flash[0][0] if known else None,
        stack_address=stack_start + stack_size if known else None,
        interrupts=family.interrupts[0] if known else None,
        vector_checksum=family.vector_checksum and known,
    )


def program(build_cortex: Callable[..., bytes], family: Family, count: int = 30) -> bytes:
    addresses = tuple(sorted(set(family.peripherals.values()))[:count])
    return build_cortex(0, loads=addresses) + (THUMB2 if family.thumb2 else THUMB1)


def test_there_are_enough_families() -> None:
    assert len(NAMES) >= 45
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("family", families(), ids=NAMES)
def test_a_family_is_described_plausibly(family: Family) -> None:
    assert family.title
    assert family.source
    assert family.flash
    assert len(family.peripherals) >= 10
    assert 0 < family.interrupts[0] <= family.interrupts[1] <= 480
    assert family.block in (0x200, 0x400, 0x1000, 0x4000)
    for start, size in family.ram:
        assert size
        assert start == 0 or in_ram(start + size) or in_ram(start)


@pytest.mark.parametrize("family", families(), ids=NAMES)
def test_a_program_that_addresses_the_peripherals_of_a_family_is_said_to_be_for_it(
    build_cortex: Callable[..., bytes], family: Family
) -> None:
    match = match_family(clues(program(build_cortex, family), family))
    assert match is not None
    assert family.name in match.name.split(" or ")
    assert match.why[0]
    assert family.flash[0][0] in match.flash_starts or match.confidence is Confidence.LOW


def test_many_peripherals_of_one_family_give_high_confidence(build_cortex: Callable[..., bytes]) -> None:
    family = next(family for family in families() if family.name == "LPC17xx")
    match = match_family(clues(program(build_cortex, family), family))
    assert match is not None
    assert (match.name, match.confidence) == ("LPC17xx", Confidence.HIGH)


def test_a_few_shared_peripherals_name_several_families(build_cortex: Callable[..., bytes]) -> None:
    data = build_cortex(0, loads=(0x4000_2C00, 0x4000_5400))
    match = match_family(Clues(memoryview(data), None, None, None, vector_checksum=False))
    assert match is not None
    assert match.confidence is Confidence.LOW
    assert " or " in match.name


@pytest.mark.parametrize("loads", [(0x2000_0100, 0x4F00_0000), (0x4005_0000,)], ids=["none", "one may be a number"])
def test_a_program_without_known_peripherals_has_no_family(
    build_cortex: Callable[..., bytes], loads: tuple[int, ...]
) -> None:
    data = build_cortex(0, loads=loads)
    assert match_family(Clues(memoryview(data), None, None, None, vector_checksum=False)) is None


def test_what_does_not_agree_speaks_against_a_family(build_cortex: Callable[..., bytes]) -> None:
    family = next(family for family in families() if family.name == "STM32F1")
    data = build_cortex(0, loads=(0x4002_1000, 0x4001_0800))
    far = Clues(memoryview(data), 0x0010_0000, 0x4000_0000, 400, vector_checksum=True)
    assert match_family(far) is None
    near = match_family(clues(data, family))
    assert near is not None


def test_single_bits_of_peripherals_count_for_the_peripheral(build_cortex: Callable[..., bytes]) -> None:
    bits = tuple(
        0x4200_0000 + (base - 0x4000_0000 << 5) for base in (0x4002_1000, 0x4001_0800, 0x4001_0C00, 0x4000_5400)
    )
    family = next(family for family in families() if family.name == "STM32F1")
    match = match_family(clues(build_cortex(0, loads=bits) + THUMB2, family))
    assert match is not None
    assert "STM32F1" in match.name


@given(st.binary(max_size=200), st.one_of(st.none(), st.integers(0, 2**32)), st.booleans())
def test_any_bytes_can_be_asked_for_a_family(data: bytes, number: int | None, checksum: bool) -> None:
    match_family(Clues(memoryview(data), number, number, number, vector_checksum=checksum))
