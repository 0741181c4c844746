"""Finding a few literal bytes in a window, piece by piece and only so far."""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.core.window import Window

__all__ = ["positions"]

CHUNK_BYTES = 1 << 20


def positions(window: Window, needle: bytes, start: int, stop: int) -> Iterator[int]:
    """Yield where ``needle`` starts in ``[start, stop)``, in rising order; it must end before ``stop``."""
    stop = min(stop, window.size)
    overlap = len(needle) - 1
    for chunk_start in range(start, stop, CHUNK_BYTES):
        text = bytes(window.view[chunk_start : min(stop, chunk_start + CHUNK_BYTES + overlap)])
        found = text.find(needle)
        while found >= 0:
            yield chunk_start + found
            found = text.find(needle, found + 1)
