"""Bytes together with where they came from and where they go."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from toolkit.core.findings import Evidence
from toolkit.core.window import Window

__all__ = ["Linear", "Provenance", "Records", "Span"]

EXCERPT_BYTES = 80


class Provenance(Protocol):
    """Maps an index in decoded bytes to an offset in the file they were read from."""

    def offset_at(self, index: int) -> int:
        """Return the file offset of decoded byte ``index``."""

    def end_offset_at(self, index: int) -> int:
        """Return the file offset just past decoded byte ``index - 1``."""


@dataclass(frozen=True, slots=True)
class Linear:
    """The bytes stand in the file as they are, from offset ``base``."""

    base: int = 0

    def offset_at(self, index: int) -> int:
        return self.base + index

    def end_offset_at(self, index: int) -> int:
        return self.base + index


@dataclass(frozen=True, slots=True)
class Records:
    """The bytes were written as records: record k holds decoded bytes from ``starts[k]`` on, at ``offsets[k]`` in the file.

    ``pitch`` is how many file bytes one decoded byte takes: 1 in binary records, 2 in hexadecimal, 3 in spaced hexadecimal.
    """

    starts: Sequence[int]
    offsets: Sequence[int]
    pitch: int

    def offset_at(self, index: int) -> int:
        record = max(0, bisect_right(self.starts, index) - 1)
        return self.offsets[record] + (index - self.starts[record]) * self.pitch

    def end_offset_at(self, index: int) -> int:
        return self.offset_at(index - 1) + self.pitch if index > 0 else self.offset_at(0)


@dataclass(frozen=True, slots=True)
class Shifted:
    """The part of ``whole`` that starts at decoded byte ``start``."""

    whole: Provenance
    start: int

    def offset_at(self, index: int) -> int:
        return self.whole.offset_at(self.start + index)

    def end_offset_at(self, index: int) -> int:
        return self.whole.end_offset_at(self.start + index)


@dataclass(frozen=True, slots=True)
class Span:
    """Contiguous bytes: what they are called, where they stand in the file and, if known, in the device's memory.

    ``holes`` are half-open index ranges that the file does not define; they read as 0xFF, like erased flash.
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

    def part(self, start: int, end: int) -> Span:
        """Return the bytes ``[start, end)`` as a span of their own."""
        if start == 0 and end == self.size:
            return self
        return Span(
            path=self.path,
            window=self.window.sub(start, end - start),
            provenance=self._shifted(start),
            address=None if self.address is None else self.address + start,
            holes=tuple((max(a, start) - start, min(b, end) - start) for a, b in self.holes if a < end and b > start),
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

    def _shifted(self, start: int) -> Provenance:
        if isinstance(self.provenance, Linear):
            return Linear(self.provenance.base + start)
        if isinstance(self.provenance, Shifted):
            return Shifted(self.provenance.whole, self.provenance.start + start)
        return Shifted(self.provenance, start)
