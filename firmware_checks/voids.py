"""Vast stretches of one byte value in dumps of large memories, passed over before anything is searched.

A dump of a half-empty 16 GiB card is mostly erased; a file system that keeps holes stores such a file in a few pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

__all__ = ["VAST_BYTES", "voids"]

VAST_BYTES = 64 << 20
"""No microcontroller has this much: within programs padding has a meaning, and is left to the analysis."""
CHUNK_BYTES = 1 << 20


def voids(view: memoryview, on_chunk: Callable[[], None]) -> Iterator[tuple[int, int, int]]:
    """Yield ``(start, end, value)`` of vast runs of whole chunks of one value; ``on_chunk`` hears of each chunk."""
    if len(view) < VAST_BYTES:
        return
    start, value = 0, -1
    for position in range(0, len(view), CHUNK_BYTES):
        chunk = bytes(view[position : position + CHUNK_BYTES])
        here = chunk[0] if chunk.count(chunk[:1]) == len(chunk) else -1
        if here != value:
            if value >= 0 and position - start >= VAST_BYTES:
                yield start, position, value
            start, value = position, here
        on_chunk()
    if value >= 0 and len(view) - start >= VAST_BYTES:
        yield start, len(view), value
