"""Exclusive or of 32-bit words, a check value that Microsoft's formats like, at the speed of big integers."""

from __future__ import annotations

__all__ = ["xor_words"]


def xor_words(data: bytes | memoryview) -> int:
    """Return the exclusive or of all whole little-endian 32-bit words in ``data``; what is left over is ignored."""
    words = len(data) // 4
    number = int.from_bytes(data[: 4 * words], "little")
    while words > 1:
        words = (words + 1) // 2
        number = (number >> (32 * words)) ^ (number & ((1 << (32 * words)) - 1))
    return number
