"""Properties of spans: every byte knows its place in the file, also in a part of a part."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.span import Linear, Pieces, Provenance, Records, Span, shifted
from toolkit.core.errors import Truncated
from toolkit.core.window import Window


@st.composite
def _records(draw: st.DrawFn) -> tuple[Records, int]:
    """Records in any order in the file, and how many bytes they hold."""
    pitch = draw(st.sampled_from([1, 2, 3]))
    sizes = draw(st.lists(st.integers(1, 6), min_size=1, max_size=5))
    order = draw(st.permutations(range(len(sizes))))
    offsets = [0] * len(sizes)
    free = draw(st.integers(0, 50))
    for record in order:
        offsets[record] = free
        free += sizes[record] * pitch + draw(st.integers(0, 9))
    starts = [sum(sizes[:k]) for k in range(len(sizes))]
    return Records(starts, offsets, pitch), sum(sizes)


@st.composite
def _spans(draw: st.DrawFn) -> Span:
    """Spans with holes between pieces of every provenance there is."""
    starts: list[int] = []
    ends: list[int] = []
    provenances: list[Provenance] = []
    holes: list[tuple[int, int]] = []
    position, base = 0, 0
    for _ in range(draw(st.integers(1, 4))):
        records, size = draw(_records())
        shift = draw(st.integers(0, size - 1))
        linear = draw(st.booleans())
        gap = draw(st.integers(0, 4)) if starts else 0
        if gap:
            holes.append((position, position + gap))
        starts.append(position + gap)
        position += gap + size - shift
        ends.append(position)
        provenances.append(Linear(base) if linear else shifted(_moved(records, base), shift))
        base += 1000
    window = Window.of(bytes(range(position)))
    return Span("file", window, Pieces(starts, ends, provenances), draw(st.sampled_from([None, 0x100])), tuple(holes))


def _moved(records: Records, base: int) -> Records:
    return Records(records.starts, [base + offset for offset in records.offsets], records.pitch)


@given(_spans(), st.data())
def test_a_part_of_a_part_keeps_every_place_address_and_hole(span: Span, data: st.DataObject) -> None:
    start, part = 0, span
    for _ in range(2):
        low = data.draw(st.integers(0, part.size))
        high = data.draw(st.integers(low, part.size))
        start, part = start + low, part.part(low, high)
    assert bytes(part.window.view) == bytes(span.window.view[start : start + part.size])
    assert part.address == (None if span.address is None else span.address + start)
    for index in range(part.size):
        assert part.provenance.offset_at(index) == span.provenance.offset_at(start + index)
        assert _in_hole(part, index) == _in_hole(span, start + index)
    assert all(0 <= a < b <= part.size for a, b in part.holes)


def _in_hole(span: Span, index: int) -> bool:
    return any(a <= index < b for a, b in span.holes)


@given(_records(), st.data())
def test_the_extent_encloses_the_bytes_in_whatever_order_records_stand(
    written: tuple[Records, int], data: st.DataObject
) -> None:
    records, size = written
    start = data.draw(st.integers(0, size - 1))
    end = data.draw(st.integers(start + 1, size))
    offsets = [records.offset_at(index) for index in range(start, end)]
    width = 1 if records.pitch == 1 else 2
    assert records.extent(start, end) == (min(offsets), max(offsets) + width)
    assert shifted(records, start).extent(0, end - start) == records.extent(start, end)


@given(_spans())
def test_the_extent_of_a_span_is_that_of_its_defined_bytes(span: Span) -> None:
    offsets = [span.provenance.offset_at(i) for i in range(span.size) if not _in_hole(span, i)]
    first, last = span.extent
    assert first == min(offsets)
    assert max(offsets) < last <= max(offsets) + 2


@pytest.mark.parametrize("provenance", [Linear(7), Records([0], [7], 2), Pieces([0], [9], [Linear(7)])])
def test_the_extent_of_nothing_is_empty(provenance: Provenance) -> None:
    assert provenance.extent(0, 0) == (7, 7)


def test_the_whole_of_a_span_is_the_span_itself() -> None:
    span = Span("file", Window.of(b"abc"))
    assert span.part(0, 3) is span
    assert shifted(Linear(3), 0) == Linear(3)
    assert span.part(1, 2).extent == (1, 2)


def test_a_part_beyond_the_end_is_truncated() -> None:
    with pytest.raises(Truncated):
        Span("file", Window.of(b"abc")).part(1, 5)


def test_evidence_names_place_address_and_a_printable_excerpt() -> None:
    span = Span("file", Window.of(b"..key=\x00\xffsecret"), Linear(0x20), 0x0800_0000)
    evidence = span.evidence(2, size=10)
    assert (evidence.path, evidence.offset, evidence.address) == ("file", 0x22, 0x0800_0002)
    assert evidence.excerpt == "key=..secr"
    assert span.at(None).evidence(0).address is None
    assert Span("file", Window.of(bytes(500))).evidence(0, size=500).excerpt == "." * 80


def test_a_byte_in_a_hole_answers_with_the_last_written_byte_before_it() -> None:
    pieces = Pieces([0, 8], [4, 12], [Linear(100), Linear(200)])
    assert [pieces.offset_at(index) for index in (3, 4, 7, 8)] == [103, 103, 103, 200]
    assert pieces.extent(4, 8) == (103, 103)
