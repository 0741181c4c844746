"""The one address-map model: what every microcontroller container becomes in the device's memory.

A container's reader adds records in file order; ``finish`` sorts and joins them, notes overlaps and gaps, and keeps for
every byte the way back to its place in the file.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from firmware_checks.span import Linear, Provenance, Records, Span
from toolkit.core.errors import LimitExceeded
from toolkit.core.window import Window

__all__ = ["AddressMap", "AddressMapBuilder", "Overlap", "Segment"]

JOIN_GAP_BYTES = 0x1_0000
"""Segments nearer than this are looked at as one program: linkers leave holes between vectors, options and code."""


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
    """Defined memory, sorted by address, without overlaps."""

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
        pairs = zip(self.segments, self.segments[1:], strict=False)
        return tuple((a.end, b.address) for a, b in pairs)

    def find(self, address: int) -> tuple[Segment, int] | None:
        """Return the segment that defines ``address`` and the index in it, or None."""
        index = bisect_right(self.segments, address, key=_end)
        if index < len(self.segments) and self.segments[index].address <= address:
            return self.segments[index], address - self.segments[index].address
        return None

    def spans(self) -> Iterator[Span]:
        """Yield the memory as spans; segments with small gaps between them are one span with holes."""
        group: list[Segment] = []
        for segment in self.segments:
            if group and segment.address - group[-1].end >= JOIN_GAP_BYTES:
                yield _join(self.path, group)
                group = []
            group.append(segment)
        if group:
            yield _join(self.path, group)


@dataclass(slots=True)
class _Run:
    """Records that continue each other, in file order."""

    address: int
    data: bytearray
    starts: array[int]
    offsets: array[int]


@dataclass(slots=True)
class AddressMapBuilder:
    """Collects records; ``pitch`` is how many file bytes one decoded byte takes (see ``Records``)."""

    path: str
    pitch: int = 1
    max_segments: int = 65_536
    entry_address: int | None = None
    _runs: list[_Run] = field(default_factory=list)

    def add(self, address: int, data: bytes | memoryview, offset: int) -> None:
        """Add one record: ``data`` at ``address``, its first byte written at file ``offset``."""
        if not data:
            return
        runs = self._runs
        if runs and runs[-1].address + len(runs[-1].data) == address:
            run = runs[-1]
        else:
            if len(runs) >= self.max_segments:
                message = f"{self.path}: more than {self.max_segments} separate address ranges"
                raise LimitExceeded("segments", message)
            run = _Run(address, bytearray(), array("Q"), array("Q"))
            runs.append(run)
        last_start = run.starts[-1] if run.starts else 0
        expected = run.offsets[-1] + (len(run.data) - last_start) * self.pitch if run.offsets else -1
        if offset != expected:
            run.starts.append(len(run.data))
            run.offsets.append(offset)
        run.data += data

    def finish(self) -> AddressMap:
        """Return the map; where the file defines an address twice the later record wins, as in a programmer."""
        overlaps: list[Overlap] = []
        segments = sorted((_segment(run, self.pitch) for run in self._runs), key=lambda s: s.address)
        if any(a.end > b.address for a, b in zip(segments, segments[1:], strict=False)):
            segments = []
            for run in self._runs:
                _place(segments, overlaps, _segment(run, self.pitch))
        return AddressMap(self.path, tuple(segments), tuple(overlaps), self.entry_address)


def _segment(run: _Run, pitch: int) -> Segment:
    records = Records(run.starts, run.offsets, pitch)
    provenance: Provenance = Linear(run.offsets[0]) if pitch == 1 and len(run.offsets) == 1 else records
    return Segment(run.address, memoryview(run.data).toreadonly(), provenance)


def _place(segments: list[Segment], overlaps: list[Overlap], new: Segment) -> None:
    """Insert ``new`` into the sorted ``segments``; cut away what it overwrites."""
    low = bisect_right(segments, new.address, key=_end)
    high = low
    kept: list[Segment] = []
    while high < len(segments) and segments[high].address < new.end:
        old = segments[high]
        kept += _outside(old, new)
        overlaps.append(_overlap(old, new))
        high += 1
    segments[low:high] = sorted([*kept, new], key=lambda s: s.address)


def _end(segment: Segment) -> int:
    return segment.end


def _outside(old: Segment, new: Segment) -> list[Segment]:
    span = Span("", Window.of(old.data), old.provenance, old.address)
    pieces: list[Segment] = []
    if old.address < new.address:
        head = span.part(0, new.address - old.address)
        pieces.append(Segment(old.address, head.window.view, head.provenance))
    if old.end > new.end:
        tail = span.part(new.end - old.address, span.size)
        pieces.append(Segment(new.end, tail.window.view, tail.provenance))
    return pieces


def _overlap(old: Segment, new: Segment) -> Overlap:
    start, end = max(old.address, new.address), min(old.end, new.end)
    before = old.data[start - old.address : end - old.address]
    after = new.data[start - new.address : end - new.address]
    return Overlap(start, end, new.provenance.offset_at(start - new.address), differs=before != after)


def _join(path: str, group: Sequence[Segment]) -> Span:
    if len(group) == 1:
        only = group[0]
        return Span(path, Window.of(only.data), only.provenance, only.address)
    base = group[0].address
    data = bytearray(b"\xff") * (group[-1].end - base)
    holes: list[tuple[int, int]] = []
    starts: list[int] = []
    previous_end = 0
    for segment in group:
        start = segment.address - base
        data[start : start + len(segment.data)] = segment.data
        if start > previous_end:
            holes.append((previous_end, start))
        previous_end = start + len(segment.data)
        starts.append(start)
    provenances = tuple(segment.provenance for segment in group)
    return Span(path, Window.of(data), Pieces(tuple(starts), provenances), base, tuple(holes))


@dataclass(frozen=True, slots=True)
class Pieces:
    """Several provenances one after the other; piece k covers indices from ``starts[k]`` on."""

    starts: tuple[int, ...]
    provenances: tuple[Provenance, ...]

    def offset_at(self, index: int) -> int:
        piece = self._piece(index)
        return self.provenances[piece].offset_at(index - self.starts[piece])

    def end_offset_at(self, index: int) -> int:
        piece = self._piece(max(0, index - 1))
        return self.provenances[piece].end_offset_at(index - self.starts[piece])

    def _piece(self, index: int) -> int:
        return max(0, bisect_right(self.starts, index) - 1)
