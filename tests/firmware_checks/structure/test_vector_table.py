from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.structure.vector_table import VectorTable, find_tables, in_ram, little_words, read_table
from firmware_checks.texture import Stretch, Texture, survey

HANDLERS = [0x0800_0101, 0x0800_0201, 0x0800_0301]


def table(
    *, stack: int = 0x2000_5000, reset: int = 0x0800_0101, changes: dict[int, int] | None = None, interrupts: int = 2
) -> bytes:
    words = [stack, reset, *[0x0800_0201] * 5, 0, 0, 0, 0, 0x0800_0201, 0x0800_0201, 0, 0x0800_0201, 0x0800_0301]
    words += [0x0800_0201] * interrupts
    for index, word in (changes or {}).items():
        words[index] = word
    return struct.pack(f"<{len(words)}I", *words)


def read(data: bytes) -> VectorTable | None:
    return read_table(little_words(data), 0)


def find(data: bytes) -> list[VectorTable]:
    return list(find_tables(memoryview(data), survey(memoryview(data))))


def test_a_table_is_read_as_it_was_built() -> None:
    found = read(table() + b"\x70\x47\x70\x47" * 8)
    assert found is not None
    assert (found.stack, found.reset, found.interrupts) == (0x2000_5000, 0x0800_0100, 2)
    assert found.handlers == (0x0800_0100, 0x0800_0200, 0x0800_0300)
    assert found.reserved_clear
    assert not found.checksum_valid
    assert found.size == 4 * 18


def test_the_load_range_puts_all_handlers_inside_the_image() -> None:
    found = read(table())
    assert found is not None
    assert found.load_range(0x1000) == (0x0800_0302 - 0x1000, 0x0800_0100)


@pytest.mark.parametrize(
    "changes",
    [
        {0: 0x4000_0000},  # a stack among peripherals
        {0: 0x2000_5002},  # not a multiple of four
        {0: 0x6000_0104},  # external memory, but not its end
        {1: 0x0800_0100},  # no Thumb bit
        {1: 0x4000_0001},  # reset among peripherals
        {3: 0},  # no fault handler
        {11: 0x0800_0200},  # an even handler
        {7: 2, 8: 2, 9: 2},  # reserved entries used for something else
        {2: 0x0800_0101, 3: 0x0800_0101, 4: 0, 5: 0, 6: 0, 11: 0, 12: 0, 14: 0, 15: 0, 16: 0, 17: 0},  # one handler
    ],
)
def test_what_a_processor_would_not_accept_is_no_table(changes: dict[int, int]) -> None:
    assert read(table(changes=changes)) is None


def test_the_end_of_external_memory_may_be_a_stack() -> None:
    assert read(table(stack=0xC080_0000)) is not None


def test_handlers_in_ram_are_handlers() -> None:
    changes = dict.fromkeys(range(2, 18), 536872897)
    found = read(table(reset=0x34F, changes=changes))
    assert found is not None
    assert found.handlers == (0x34E,)


def test_a_stack_outside_ram_is_believed_only_at_the_start_and_when_all_else_is_clean() -> None:
    assert read(table(stack=0x7C0)) is not None
    assert read(table(stack=0x7C0, changes={8: 0x0800_0201})) is None
    data = bytes(64) + table(stack=0x7C0)
    assert read_table(little_words(data), 64) is None


def test_the_checksum_of_lpc_parts_is_noticed() -> None:
    words = list(struct.unpack("<18I", table(stack=0x1000_2000)))
    words[7] = -sum(words[:7]) & 0xFFFF_FFFF
    found = read(struct.pack("<18I", *words))
    assert found is not None
    assert found.checksum_valid


def test_zeros_in_the_interrupts_are_gaps_until_there_are_too_many() -> None:
    near = read(table() + bytes(4 * 10) + struct.pack("<I", 0x0800_0201))
    assert near is not None
    assert near.interrupts == 2 + 10 + 1
    far = read(table() + bytes(4 * 20) + struct.pack("<I", 0x0800_0201))
    assert far is not None
    assert far.interrupts == 2


def test_tables_are_found_at_the_start_behind_a_header_and_at_flash_pages() -> None:
    filler = b"\x10\xb5\x04\x46"
    data = filler * 5 + table()
    data = data.ljust(0x4000, b"\x5a") + table() + filler * 64
    assert [found.offset for found in find(data)] == [20, 0x4000]


def test_zeros_in_front_do_not_hide_the_low_bytes_of_the_stack_pointer() -> None:
    data = b"\x10\xb5\x04\x46" * 5 + bytes(0x1124 - 20) + table(stack=0x2000_4000)
    assert [found.offset for found in find(data)] == [0x1124]


def test_tables_do_not_overlap_and_are_not_endless() -> None:
    data = (table().ljust(0x100, b"\x5a")) * 100
    found = find(data)
    assert 0 < len(found) <= 64
    assert all(a.offset + a.size <= b.offset for a, b in itertools.pairwise(found))


def test_of_tables_that_overlap_the_first_counts() -> None:
    inner = {7: 0x2000_0100, 8: 0x0800_0101, 9: 0x0800_0201, 10: 0x0800_0201, 13: 0x0800_0201}
    data = table(changes=inner, interrupts=16) + b"\x5a" * 0x400
    assert read_table(little_words(data), 28) is not None
    assert [found.offset for found in find(data)] == [0]


def test_a_table_with_handlers_too_far_apart_for_the_image_is_none() -> None:
    assert find(table(changes={2: 0x0801_0001})) == []


@given(st.binary(max_size=600), st.integers(0, 3))
def test_any_bytes_can_be_searched(data: bytes, start: int) -> None:
    view = memoryview(data)
    list(find_tables(view, [Stretch(start, len(data), Texture.PLAIN)] if len(data) > start else []))


@pytest.mark.parametrize(("address", "expected"), [(0x2000_0000, True), (0x1000_8000, True), (0x4000_0000, False)])
def test_ram_is_where_some_part_has_it(address: int, expected: bool) -> None:
    assert in_ram(address) is expected
