"""The one address-map model: what every microcontroller container becomes in the device's memory.

A container's reader adds records in file order; ``finish`` sorts and joins them, notes overlaps and gaps, and keeps for
every byte the way back to its place in the file.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Generic, TypeVar

from firmware_checks.span import Linear, Pieces, Provenance, Records, Span, shifted
from toolkit.core.errors import LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Fact

__all__ = ["AddressMap", "AddressMapBuilder", "AddressSpaces", "Overlap", "Segment", "facts_of"]

JOIN_GAP_BYTES = 0x1_0000
"""Segments nearer than this are looked at as one program: linkers leave holes between vectors, options and code."""
JOIN_FILL_BYTES = 1 << 20
"""All holes filled in one map may take this much and as much again as the file defines, whatever the gaps are."""

MOST_SPACES = 4096
"""So many memories (files, boards, families) one container may fill."""

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Segment:
    """Contiguous defined bytes at ``address``."""

    address: int
    data: memoryview
    provenance: Provenance

    @property
    def end(self) -> int:
        """One past the last address."""
        return self.address + len(self.data)

    def part(self, address: int, end: int) -> Segment:
        """Return what lies at ``[address, end)`` as a segment of its own."""
        start = address - self.address
        return Segment(address, self.data[start : end - self.address], shifted(self.provenance, start))


@dataclass(frozen=True, slots=True)
class Overlap:
    """Addresses that the file defines more than once; ``differs`` when the values are not the same."""

    address: int
    end: int
    offset: int
    """File offset of the later definition."""
    differs: bool


@dataclass(frozen=True, slots=True)
class AddressMap:
    """Defined memory, sorted by address; segments neither overlap nor touch."""

    path: str
    segments: tuple[Segment, ...]
    overlaps: tuple[Overlap, ...] = ()
    entry_address: int | None = None

    @property
    def size(self) -> int:
        """Defined bytes."""
        return sum(len(s.data) for s in self.segments)

    @property
    def gaps(self) -> tuple[tuple[int, int], ...]:
        """Undefined address ranges between the first and the last defined byte."""
        return tuple((a.end, b.address) for a, b in pairwise(self.segments))

    def find(self, address: int) -> tuple[Segment, int] | None:
        """Return the segment that defines ``address`` and the index in it, or None."""
        index = bisect_right(self.segments, address, key=_end)
        if index < len(self.segments) and self.segments[index].address <= address:
            return self.segments[index], address - self.segments[index].address
        return None

    def spans(self) -> Iterator[Span]:
        """Yield the memory as spans; segments with small gaps between them are one span with holes."""
        fill = JOIN_FILL_BYTES + self.size
        group: list[Segment] = []
        for segment in self.segments:
            gap = segment.address - group[-1].end if group else 0
            if gap >= JOIN_GAP_BYTES or gap > fill:
                yield _lay_out(self.path, group)
                group = []
            elif group:
                fill -= gap
            group.append(segment)
        if group:
            yield _lay_out(self.path, group)


@dataclass(slots=True)
class AddressMapBuilder:
    """Collects records; ``pitch`` is how many file bytes one decoded byte takes (see ``Records``).

    ``finish`` ends the collecting. The bytes are kept in file order, once; segments are views of them.
    """

    path: str
    pitch: int = 1
    max_segments: int = 65_536
    entry_address: int | None = None
    _data: bytearray = field(default_factory=bytearray)
    _starts: array[int] = field(default_factory=lambda: array("Q"))
    """Where in the data each record begins, and in ``_offsets`` where in the file."""
    _offsets: array[int] = field(default_factory=lambda: array("Q"))
    _runs: array[int] = field(default_factory=lambda: array("Q"))
    """Where in the data each run of records that continue each other begins, and in ``_addresses`` where in memory."""
    _addresses: array[int] = field(default_factory=lambda: array("Q"))
    _next_address: int = -1
    _next_offset: int = -1

    def add(self, address: int, data: bytes | memoryview, offset: int) -> None:
        """Add one record: ``data`` at ``address``, its first byte written at file ``offset``."""
        if len(data) == 0:
            return
        self._go_to(address)
        if offset != self._next_offset:
            self._starts.append(len(self._data))
            self._offsets.append(offset)
        self._data += data
        self._next_address = address + len(data)
        self._next_offset = offset + len(data) * self.pitch

    def add_equal(self, address: int, data: bytes, offset: int, *, record_bytes: int, stride: int) -> None:
        """Add many records of ``record_bytes`` bytes that continue each other, one every ``stride`` file bytes."""
        self._go_to(address)
        start, count = len(self._data), len(data) // record_bytes
        self._starts.extend(range(start, start + len(data), record_bytes))
        self._offsets.extend(range(offset, offset + count * stride, stride))
        self._data += data
        self._next_address = address + len(data)
        self._next_offset = -1

    def takes(self, address: int) -> bool:
        """Tell whether data at ``address`` continues what was added last, or may still begin an address range."""
        return address == self._next_address or len(self._runs) < self.max_segments

    def _go_to(self, address: int) -> None:
        if address == self._next_address:
            return
        if not self.takes(address):
            raise LimitExceeded("segments", f"{self.path}: more than {self.max_segments} separate address ranges")
        self._runs.append(len(self._data))
        self._addresses.append(address)
        self._next_offset = -1

    def finish(self) -> AddressMap:
        """Return the map; where the file defines an address twice the later record wins, as in a programmer."""
        overlaps: list[Overlap] = []
        in_file_order = list(self._segments())
        segments = sorted(in_file_order, key=_address)
        if any(a.end > b.address for a, b in pairwise(segments)):
            segments = []
            for segment in in_file_order:
                _place(segments, overlaps, segment)
        return AddressMap(self.path, _merged(self.path, segments), tuple(overlaps), self.entry_address)

    def _segments(self) -> Iterator[Segment]:
        view = memoryview(self._data).toreadonly()
        records = Records(self._starts, self._offsets, self.pitch)
        for address, (start, end) in zip(self._addresses, pairwise([*self._runs, len(view)]), strict=True):
            provenance = shifted(records, start)
            if self.pitch == 1 and records.record_of(start) == records.record_of(end - 1):
                provenance = Linear(records.offset_at(start))
            yield Segment(address, view[start:end], provenance)


@dataclass(slots=True)
class AddressSpaces(Generic[Key]):
    """The memories one file fills, each under its own key, and what all of them together may take.

    When a limit is reached nothing more is added, and ``stopped`` says which one.
    """

    path: str
    limits: Limits
    pitch: int
    stopped: str = ""
    _builders: dict[Key, AddressMapBuilder] = field(default_factory=dict)
    _free_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        self._free_bytes = self.limits.entry_bytes

    def add(self, key: Key, address: int, data: bytes | memoryview, offset: int) -> None:
        """Add one record to the memory ``key``; see ``AddressMapBuilder.add``."""
        builder = self._room(key, address, len(data))
        if builder is not None:
            builder.add(address, data, offset)

    def add_equal(self, key: Key, address: int, data: bytes, offset: int, *, record_bytes: int, stride: int) -> None:
        """Add many records to the memory ``key``; see ``AddressMapBuilder.add_equal``."""
        builder = self._room(key, address, len(data))
        if builder is not None:
            builder.add_equal(address, data, offset, record_bytes=record_bytes, stride=stride)

    def _room(self, key: Key, address: int, size: int) -> AddressMapBuilder | None:
        """Return where ``size`` bytes go, or None when a limit is reached."""
        if self.stopped:
            return None
        builder = self._builders.get(key)
        if builder is None:
            builder = self._builders[key] = AddressMapBuilder(self.path, self.pitch, self.limits.segments)
        self._free_bytes -= size
        if self._free_bytes < 0:
            self.stopped = f"more than {self.limits.entry_bytes} bytes of content"
        elif len(self._builders) > MOST_SPACES:
            self.stopped = f"more than {MOST_SPACES} separate memories"
        elif not builder.takes(address):
            self.stopped = f"more than {self.limits.segments} separate address ranges"
        return None if self.stopped else builder

    @property
    def limits_hit(self) -> tuple[str, ...]:
        """What was left out, in words."""
        return (f"{self.stopped}, the rest was not loaded",) if self.stopped else ()

    def finish(self, entry_address: int | None = None) -> dict[Key, AddressMap]:
        """Return the memories in the order they first appear; ``entry_address`` goes to those that define it."""
        maps: dict[Key, AddressMap] = {}
        for key, builder in self._builders.items():
            memory = builder.finish()
            if entry_address is not None and memory.find(entry_address) is not None:
                memory = replace(memory, entry_address=entry_address)
            if memory.segments:
                maps[key] = memory
        return maps


def facts_of(maps: Iterable[AddressMap]) -> dict[str, Fact]:
    """Return what a report says of the memories of one file, counted over all of them."""
    listed = list(maps)
    overlaps = [overlap for memory in listed for overlap in memory.overlaps]
    return {
        "data_bytes": sum(memory.size for memory in listed),
        "address_ranges": sum(len(memory.segments) for memory in listed),
        "gaps": sum(len(memory.gaps) for memory in listed),
        "overlaps": len(overlaps),
        "conflicting_overlaps": sum(overlap.differs for overlap in overlaps),
    }


def _address(segment: Segment) -> int:
    return segment.address


def _end(segment: Segment) -> int:
    return segment.end


def _place(segments: list[Segment], overlaps: list[Overlap], new: Segment) -> None:
    """Insert ``new`` into the sorted ``segments``; cut away what it overwrites."""
    low = bisect_right(segments, new.address, key=_end)
    high = low
    kept = [new]
    while high < len(segments) and segments[high].address < new.end:
        old = segments[high]
        overlaps.append(_overlap(old, new))
        if old.address < new.address:
            kept.insert(0, old.part(old.address, new.address))
        if old.end > new.end:
            kept.append(old.part(new.end, old.end))
        high += 1
    segments[low:high] = kept


def _overlap(old: Segment, new: Segment) -> Overlap:
    start, end = max(old.address, new.address), min(old.end, new.end)
    differs = old.part(start, end).data != new.part(start, end).data
    return Overlap(start, end, new.provenance.offset_at(start - new.address), differs)


def _merged(path: str, segments: Iterable[Segment]) -> tuple[Segment, ...]:
    """Return the sorted ``segments`` with those that touch made one."""
    groups: list[list[Segment]] = []
    for segment in segments:
        if groups and groups[-1][-1].end == segment.address:
            groups[-1].append(segment)
        else:
            groups.append([segment])
    return tuple(_as_one(path, group) for group in groups)


def _as_one(path: str, group: Sequence[Segment]) -> Segment:
    if len(group) == 1:
        return group[0]
    span = _lay_out(path, group)
    return Segment(group[0].address, span.window.view, span.provenance)


def _lay_out(path: str, group: Sequence[Segment]) -> Span:
    """Return sorted segments as one span, the gaps between them as holes."""
    if len(group) == 1:
        only = group[0]
        return Span(path, Window.of(only.data), only.provenance, only.address)
    base = group[0].address
    chunks: list[bytes | memoryview] = []
    holes: list[tuple[int, int]] = []
    starts, ends = array("Q"), array("Q")
    position = 0
    for segment in group:
        start = segment.address - base
        if start > position:
            holes.append((position, start))
            chunks.append(b"\xff" * (start - position))
        chunks.append(segment.data)
        position = start + len(segment.data)
        starts.append(start)
        ends.append(position)
    pieces = Pieces(starts, ends, tuple(segment.provenance for segment in group))
    return Span(path, Window.of(b"".join(chunks)), pieces, base, tuple(holes))
