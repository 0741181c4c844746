from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.structure import thumb


def test_functions_are_told_by_what_they_save() -> None:
    code = struct.pack("<6H", 0xB510, 0x2000, 0xE92D, 0x41F0, 0xE92D, 0x01F0)
    assert thumb.function_starts(code) == [0, 4]


def test_constants_come_from_the_pool_behind_the_code() -> None:
    code = struct.pack("<4HII", 0x4801, 0x4902, 0xBF00, 0x4770, 0x4002_1000, 0x4001_0800)
    assert thumb.constants(code) == {0x4002_1000, 0x4001_0800}


def test_constants_loaded_by_wide_instructions_count() -> None:
    code = struct.pack("<4HI", 0xF8DF, 0x0004, 0xBF00, 0x4770, 0x5000_0500)
    assert thumb.constants(code) == {0x5000_0500}


def test_constants_made_of_two_halves_count() -> None:
    movw, movt = (0xF641, 0x0034), (0xF2C4, 0x0002)  # movw r0, #0x1834; movt r0, #0x4002
    assert thumb.constants(struct.pack("<4H", *movw, *movt)) == {0x4002_1834}


def test_halves_of_different_registers_are_no_constant() -> None:
    assert thumb.constants(struct.pack("<4H", 0xF641, 0x0034, 0xF2C4, 0x0102)) == set()
    assert thumb.constants(b"\0" + struct.pack("<4H", 0xF641, 0x0034, 0xF2C4, 0x0002)) == set()


def test_a_pool_behind_the_end_gives_nothing() -> None:
    assert thumb.constants(struct.pack("<2H", 0x48FF, 0xF8DF)) == set()


def test_wide_instructions_tell_large_processors_from_small_ones() -> None:
    small = struct.pack("<4H", 0xB510, 0xF000, 0xF801, 0xBD10) * 50
    large = struct.pack("<4H", 0xE92D, 0x41F0, 0xFB00, 0x0000) * 50
    assert not thumb.is_wide(small)
    assert thumb.is_wide(large)


def test_a_call_cut_off_at_the_end_goes_nowhere() -> None:
    assert list(thumb.calls(b"\x00\xf0\x00", 0)) == []
    assert list(thumb.calls(b"\x00\xf0\x00\xf8\x00", 0)) == [4]
    assert list(thumb.calls(b"\x00\xf0" + b"\xf8", 0)) == []


@given(st.binary(max_size=300))
def test_any_bytes_can_be_read_as_code(data: bytes) -> None:
    list(thumb.calls(data, 0))
    thumb.function_starts(data)
    thumb.constants(data)
    thumb.is_wide(data)
