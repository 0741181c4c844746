"""Deflate data of a known size without header and check sum, as flash file systems hold it in their nodes."""

from __future__ import annotations

import zlib

from toolkit.core.errors import FormatError

__all__ = ["raw_deflate"]


def raw_deflate(packed: bytes | memoryview, max_bytes: int) -> bytes:
    """Return at most ``max_bytes`` of what the Deflate stream (RFC 1951) unpacks to; what follows is not asked for."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, max_bytes)
    except zlib.error as error:
        raise FormatError(f"compressed data is damaged: {error}") from error
