"""Bytes together with where they came from and where they go."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from toolkit.core.findings import Evidence
from toolkit.core.window import Window

__all__ = ["Linear", "Pieces", "Provenance", "Records", "Span", "shifted"]

EXCERPT_BYTES = 80


class Provenance(Protocol):
    """Maps an index in decoded bytes to an offset in the file they were read from."""

    def offset_at(self, index: int) -> int:
        """Return the file offset of decoded byte ``index``."""

    def extent(self, start: int, end: int) -> tuple[int, int]:
        """Return the file range ``[first, last)`` that encloses decoded bytes ``[start, end)``, in whatever order."""


@dataclass(frozen=True, slots=True)
class Linear:
    """The bytes stand in the file as they are, from offset ``base``."""

    base: int = 0

    def offset_at(self, index: int) -> int:
        """See ``Provenance``."""
        return self.base + index

    def extent(self, start: int, end: int) -> tuple[int, int]:
        """See ``Provenance``."""
        return self.base + start, self.base + end


@dataclass(frozen=True, slots=True)
class Records:
    """The bytes were written as records: record k holds bytes from ``starts[k]`` on, at ``offsets[k]`` in the file.

    ``pitch`` is how many file bytes one decoded byte takes: 1 in binary records, 2 in hexadecimal, 3 when spaced.
    """

    starts: Sequence[int]
    offsets: Sequence[int]
    pitch: int

    def offset_at(self, index: int) -> int:
        """See ``Provenance``."""
        record = self.record_of(index)
        return self.offsets[record] + (index - self.starts[record]) * self.pitch

    def extent(self, start: int, end: int) -> tuple[int, int]:
        """See ``Provenance``."""
        if end <= start:
            return self.offset_at(start), self.offset_at(start)
        first, last = self.record_of(start), self.record_of(end - 1)
        touched = range(first, last + 1)
        lowest = min(touched, key=self.offsets.__getitem__)
        highest = max(touched, key=self.offsets.__getitem__)
        final = end if highest == last else self.starts[highest + 1]
        width = min(self.pitch, 2)  # the blank after two digits is no part of them
        return self.offset_at(max(start, self.starts[lowest])), self.offset_at(final - 1) + width

    def record_of(self, index: int) -> int:
        """Return which record holds decoded byte ``index``."""
        return max(0, bisect_right(self.starts, index) - 1)


@dataclass(frozen=True, slots=True)
class Pieces:
    """Several provenances one after the other; piece k covers indices ``[starts[k], ends[k])``.

    An index between two pieces, which no file byte stands for, answers with the last byte before it.
    """

    starts: Sequence[int]
    ends: Sequence[int]
    provenances: Sequence[Provenance]

    def offset_at(self, index: int) -> int:
        """See ``Provenance``."""
        piece = max(0, bisect_right(self.starts, index) - 1)
        return self.provenances[piece].offset_at(min(index, self.ends[piece] - 1) - self.starts[piece])

    def extent(self, start: int, end: int) -> tuple[int, int]:
        """See ``Provenance``."""
        touched = range(bisect_right(self.ends, start), bisect_left(self.starts, end))
        extents = [self._part(piece, start, end) for piece in touched]
        if not extents:
            return self.offset_at(start), self.offset_at(start)
        return min(first for first, _ in extents), max(last for _, last in extents)

    def _part(self, piece: int, start: int, end: int) -> tuple[int, int]:
        base = self.starts[piece]
        return self.provenances[piece].extent(max(start, base) - base, min(end, self.ends[piece]) - base)


@dataclass(frozen=True, slots=True)
class Shifted:
    """The part of ``whole`` that starts at decoded byte ``start``."""

    whole: Provenance
    start: int

    def offset_at(self, index: int) -> int:
        """See ``Provenance``."""
        return self.whole.offset_at(self.start + index)

    def extent(self, start: int, end: int) -> tuple[int, int]:
        """See ``Provenance``."""
        return self.whole.extent(self.start + start, self.start + end)


def shifted(provenance: Provenance, start: int) -> Provenance:
    """Return the provenance of what begins at decoded byte ``start``."""
    if start == 0:
        return provenance
    if isinstance(provenance, Linear):
        return Linear(provenance.base + start)
    if isinstance(provenance, Shifted):
        return Shifted(provenance.whole, provenance.start + start)
    return Shifted(provenance, start)


@dataclass(frozen=True, slots=True)
class Span:
    """Contiguous bytes: what they are called, where they stand in the file and, if known, in the device's memory.

    ``holes`` are half-open index ranges, in order, that the file does not define; they read as 0xFF, like erased flash.
    """

    path: str
    window: Window
    provenance: Provenance = Linear()
    address: int | None = None
    holes: tuple[tuple[int, int], ...] = ()

    @property
    def size(self) -> int:
        """Number of bytes, holes included."""
        return self.window.size

    @property
    def extent(self) -> tuple[int, int]:
        """The file range ``[first, last)`` that encloses these bytes, in whatever order they stand there."""
        return self.provenance.extent(0, self.size)

    def part(self, start: int, end: int) -> Span:
        """Return the bytes ``[start, end)`` as a span of their own."""
        if start == 0 and end == self.size:
            return self
        first = bisect_right(self.holes, start, key=lambda hole: hole[1])
        beyond = bisect_left(self.holes, end, key=lambda hole: hole[0])
        return Span(
            path=self.path,
            window=self.window.sub(start, end - start),
            provenance=shifted(self.provenance, start),
            address=None if self.address is None else self.address + start,
            holes=tuple(
                (max(a, start) - start, min(b, end) - start) for a, b in self.holes[first:beyond] if start < end
            ),
        )

    def at(self, address: int | None) -> Span:
        """Return the same bytes with the first one placed at ``address``."""
        return Span(self.path, self.window, self.provenance, address, self.holes)

    def evidence(self, index: int, *, size: int = 0) -> Evidence:
        """Return where byte ``index`` is, with up to ``size`` bytes from there as a printable excerpt."""
        shown = bytes(self.window.view[index : index + min(size, EXCERPT_BYTES)])
        return Evidence(
            path=self.path,
            offset=self.provenance.offset_at(index),
            address=None if self.address is None else self.address + index,
            excerpt="".join(chr(b) if 32 <= b < 127 else "." for b in shown),
        )
