"""Properties of address maps: what a file defines is what the map holds, and each byte is found again in the file."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.address_map import (
    JOIN_FILL_BYTES,
    JOIN_GAP_BYTES,
    AddressMap,
    AddressMapBuilder,
    AddressSpaces,
    facts_of,
)
from toolkit.core.errors import LimitExceeded
from toolkit.core.limits import Limits


@dataclass
class _File:
    """A made-up container: records of hexadecimal digits between dots, and what they define."""

    text: bytearray = field(default_factory=bytearray)
    memory: dict[int, int] = field(default_factory=dict)
    twice: set[int] = field(default_factory=set)
    changed: bool = False

    def write(self, address: int, data: bytes) -> int:
        """Write a record and return the offset of its data."""
        self.text += b".."
        offset = len(self.text)
        self.text += data.hex().encode()
        for at, byte in enumerate(data, address):
            if at in self.memory:
                self.twice.add(at)
                self.changed |= self.memory[at] != byte
            self.memory[at] = byte
        return offset


records = st.lists(
    st.tuples(st.one_of(st.integers(0, 60), st.integers(0x1_0000, 0x1_0020)), st.binary(min_size=1, max_size=12)),
    max_size=14,
)
"""Close together, so that records meet, touch and cover each other."""


def _built(written: list[tuple[int, bytes]]) -> tuple[_File, AddressMap]:
    file = _File()
    builder = AddressMapBuilder("file", pitch=2)
    for address, data in written:
        builder.add(address, data, file.write(address, data))
    return file, builder.finish()


@given(records)
def test_the_map_holds_what_was_written_last(written: list[tuple[int, bytes]]) -> None:
    file, memory = _built(written)
    held = {s.address + i: byte for s in memory.segments for i, byte in enumerate(s.data)}
    assert held == file.memory
    assert memory.size == len(file.memory)


@given(records)
def test_every_byte_leads_back_to_its_digits_in_the_file(written: list[tuple[int, bytes]]) -> None:
    file, memory = _built(written)
    for address, byte in file.memory.items():
        found = memory.find(address)
        assert found is not None
        segment, index = found
        offset = segment.provenance.offset_at(index)
        assert int(file.text[offset : offset + 2], 16) == byte
    assert memory.find(0x5000) is None


@given(records)
def test_segments_are_sorted_and_neither_overlap_nor_touch(written: list[tuple[int, bytes]]) -> None:
    _, memory = _built(written)
    ends = [s.end for s in memory.segments[:-1]]
    assert all(end < after.address for end, after in zip(ends, memory.segments[1:], strict=True))
    assert memory.gaps == tuple((end, after.address) for end, after in zip(ends, memory.segments[1:], strict=True))


@given(records)
def test_overlaps_are_the_addresses_defined_more_than_once(written: list[tuple[int, bytes]]) -> None:
    file, memory = _built(written)
    assert {at for o in memory.overlaps for at in range(o.address, o.end)} == file.twice
    assert any(o.differs for o in memory.overlaps) == file.changed
    facts = facts_of([memory])
    assert facts["overlaps"] == len(memory.overlaps)
    assert (facts["conflicting_overlaps"] != 0) == file.changed


@given(records)
def test_spans_show_the_map_with_holes_where_nothing_is_defined(written: list[tuple[int, bytes]]) -> None:
    file, memory = _built(written)
    shown = {}
    for span in memory.spans():
        assert span.address is not None
        holes = {i for a, b in span.holes for i in range(a, b)}
        for index, byte in enumerate(span.window.view):
            if index in holes:
                assert byte == 0xFF
                continue
            shown[span.address + index] = byte
            offset = span.provenance.offset_at(index)
            assert int(file.text[offset : offset + 2], 16) == byte
    assert shown == file.memory


@given(st.integers(1, 5), st.integers(1, 40), st.integers(0, 9))
def test_many_equal_records_are_the_same_as_one_after_the_other(size: int, count: int, framing: int) -> None:
    data = bytes(k % 251 for k in range(size * count))
    stride = 2 * size + framing
    single, together = AddressMapBuilder("file", pitch=2), AddressMapBuilder("file", pitch=2)
    for k in range(count):
        single.add(0x100 + k * size, data[k * size : (k + 1) * size], 7 + k * stride)
    together.add_equal(0x100, data, 7, record_bytes=size, stride=stride)
    for builder in (single, together):
        builder.add(0x100 + len(data), b"!", 5000)
    one, other = single.finish().segments[0], together.finish().segments[0]
    assert bytes(one.data) == bytes(other.data)
    places = [[s.provenance.offset_at(i) for i in range(len(data) + 1)] for s in (one, other)]
    assert places[0] == places[1]


def test_binary_data_that_stands_in_the_file_as_it_is_keeps_a_simple_place() -> None:
    builder = AddressMapBuilder("file")
    builder.add(0x100, b"abcd", 16)
    builder.add(0x104, b"efgh", 20)
    builder.add(0x200, b"ijkl", 64)
    builder.add(0x204, b"mnop", 128)
    first, second = builder.finish().segments
    assert [first.provenance.offset_at(i) for i in (0, 7)] == [16, 23]
    assert [second.provenance.offset_at(i) for i in (0, 3, 4, 7)] == [64, 67, 128, 131]
    assert first.provenance.extent(0, 8) == (16, 24)


def test_an_empty_record_defines_nothing() -> None:
    builder = AddressMapBuilder("file", entry_address=0x10)
    builder.add(0x100, b"", 0)
    memory = builder.finish()
    assert (memory.segments, memory.gaps, memory.entry_address) == ((), (), 0x10)
    assert list(memory.spans()) == []


def test_two_bytes_at_both_ends_of_the_address_space_stay_two_bytes() -> None:
    builder = AddressMapBuilder("file")
    builder.add(0, b"a", 0)
    builder.add(0xFFFF_FFF0, b"z", 1)
    assert [(span.address, span.size) for span in builder.finish().spans()] == [(0, 1), (0xFFFF_FFF0, 1)]


def test_holes_never_take_much_more_than_the_file_defines() -> None:
    builder = AddressMapBuilder("file")
    for k in range(5_000):
        builder.add(k * JOIN_GAP_BYTES, b"a", k)
    spans = list(builder.finish().spans())
    assert sum(span.size for span in spans) <= 2 * 5_000 + JOIN_FILL_BYTES
    assert spans[0].size > JOIN_GAP_BYTES


def test_a_hole_of_64_kib_parts_two_spans() -> None:
    builder = AddressMapBuilder("file")
    builder.add(0, b"a", 0)
    builder.add(JOIN_GAP_BYTES, b"b", 1)
    builder.add(2 * JOIN_GAP_BYTES + 1, b"c", 2)
    assert [(s.address, s.size) for s in builder.finish().spans()] == [
        (0, JOIN_GAP_BYTES + 1),
        (2 * JOIN_GAP_BYTES + 1, 1),
    ]


def test_records_in_reverse_order_become_one_segment() -> None:
    builder = AddressMapBuilder("file", pitch=2)
    count = 5_000
    for k in reversed(range(count)):
        builder.add(16 * k, k.to_bytes(16, "big"), 45 * (count - k))
    (segment,) = builder.finish().segments
    assert segment.end == 16 * count
    assert segment.provenance.offset_at(16 * 5) == 45 * (count - 5)
    assert segment.provenance.extent(0, 16 * count) == (45, 45 * count + 32)


def test_too_many_address_ranges_are_refused_and_continuing_the_last_is_not() -> None:
    builder = AddressMapBuilder("file", max_segments=2)
    builder.add(0, b"a", 0)
    builder.add(10, b"b", 1)
    builder.add(11, b"c", 2)
    with pytest.raises(LimitExceeded) as refusal:
        builder.add(20, b"d", 3)
    assert refusal.value.limit == "segments"
    assert builder.finish().size == 3


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(segments=2), "more than 2 separate address ranges"),
        (Limits(entry_bytes=5), "more than 5 bytes of content"),
    ],
)
def test_spaces_keep_what_was_added_before_a_limit_and_name_it(limits: Limits, reason: str) -> None:
    spaces: AddressSpaces[str] = AddressSpaces("file", limits, pitch=1)
    for k in range(4):
        spaces.add("flash", 100 * k, b"ab", 2 * k)
    spaces.add_equal("flash", 1000, b"abcd", 8, record_bytes=2, stride=2)
    spaces.add("other", 0, b"ab", 0)
    assert spaces.stopped == reason
    maps = spaces.finish()
    assert list(maps) == ["flash"]
    assert maps["flash"].size == 4


def test_a_file_cannot_fill_any_number_of_memories() -> None:
    spaces: AddressSpaces[int] = AddressSpaces("file", Limits(), pitch=1)
    for key in range(5000):
        spaces.add(key, 0, b"a", key)
    assert spaces.stopped == "more than 4096 separate memories"
    assert len(spaces.finish()) == 4096


def test_the_entry_address_belongs_to_the_memory_that_defines_it() -> None:
    spaces: AddressSpaces[str] = AddressSpaces("file", Limits(), pitch=1)
    spaces.add("one", 0x100, b"abcd", 0)
    spaces.add("two", 0x200, b"abcd", 4)
    spaces.add("none", 0x200, b"", 8)
    maps = spaces.finish(0x201)
    assert {key: memory.entry_address for key, memory in maps.items()} == {"one": None, "two": 0x201}
