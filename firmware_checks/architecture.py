"""What a processor architecture is to us: how its machine code is recognised in bytes of unknown origin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from toolkit.report.model import Confidence

__all__ = ["Architecture", "Code", "Recognition"]

WINDOW_BYTES = 0x4000
MAXIMUM_WINDOWS = 8
MINIMUM_STRETCH_BYTES = 64


@dataclass(frozen=True, slots=True)
class Code:
    """Bytes that may be a program; ``plain`` tells which ranges are neither padding nor noise."""

    view: memoryview
    address: int | None = None
    """Where the first byte is placed, if the file says so."""
    plain: tuple[tuple[int, int], ...] = ()
    windows: tuple[tuple[int, bytes], ...] = field(init=False)
    """Offsets and bytes of up to eight samples of 16 KiB, spread over the plain ranges."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "windows", tuple(self._sample()))

    @property
    def size(self) -> int:
        """Number of bytes."""
        return len(self.view)

    def bytes_at(self, offset: int, size: int) -> bytes:
        """Return up to ``size`` bytes at ``offset``; fewer at the ends, none outside."""
        return bytes(self.view[max(0, offset) : max(0, offset + size)])

    def _sample(self) -> list[tuple[int, bytes]]:
        pieces: list[tuple[int, int]] = []
        for start, end in self.plain or ((0, self.size),):
            aligned = start & ~0xF
            for position in range(aligned, end, WINDOW_BYTES):
                stop = min(end, position + WINDOW_BYTES)
                if stop - position >= MINIMUM_STRETCH_BYTES:
                    pieces.append((position, stop))
        step = max(1, -(-len(pieces) // MAXIMUM_WINDOWS))
        return [(start, bytes(self.view[start:end])) for start, end in pieces[::step]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognition:
    """Why bytes are believed to be machine code, and what follows from that."""

    confidence: Confidence
    strength: float
    """Weight of the evidence, comparable between architectures: roughly the number of independent agreements."""
    why: tuple[str, ...]
    byte_order: str = "little"
    load_address: int | None = None
    entry_address: int | None = None
    stack_address: int | None = None
    vectors: tuple[int, int] | None = None
    """Offsets ``[start, end)`` of vectors that the reasons rest on: part of the program, however far they stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """One instruction set: its name, where its facts come from, and how it is recognised."""

    name: str
    title: str
    source: str
    """The manual the encodings were taken from."""
    recognise: Callable[[Code], Recognition | None]
    """Say why ``Code`` holds this architecture's machine code, or None. Never raises on any bytes."""
    example: Callable[[], bytes]
    """Build a small program that is recognised, for tests."""
