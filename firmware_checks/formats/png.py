"""PNG pictures."""

from __future__ import annotations

import struct
import zlib
from typing import Final

from firmware_checks.format import ImageFormat, Magic, Opened
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, Truncated
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Integrity, RegionKind

__all__ = ["FORMAT"]

MAGIC: Final = b"\x89PNG\r\n\x1a\n"
HEADER_BYTES = 13
CHUNK = struct.Struct(">I4s")
"""5.3: bytes of data, type; the data and a crc32 over type and data follow."""
CHECK_BYTES = 4
CHUNKS = 100_000
"""Chunks that are read; real pictures have a few, animations some thousand."""


def _open(span: Span, limits: Limits) -> Opened:  # noqa: ARG001  # the contract of every format
    window = span.window
    kind, data, valid, end = _chunk(window, len(MAGIC)) if window.starts_with(MAGIC) else (b"", b"", False, 0)
    if kind != b"IHDR" or len(data) != HEADER_BYTES or not valid:
        raise FormatError(f"no PNG picture at {window.origin:#x}")
    width, height = struct.unpack_from(">2I", data)
    chunks, wrong, problems = 1, 0, []
    while kind != b"IEND" and chunks < CHUNKS:
        try:
            kind, _, valid, end = _chunk(window, end)
        except FormatError as error:
            problems.append(f"the picture is {'cut short' if isinstance(error, Truncated) else 'damaged'}: {error}")
            break
        chunks += 1
        wrong += not valid
    verdict = Integrity(
        algorithm="crc32",
        covers="each chunk",
        stored=f"{chunks} chunks",
        computed=f"{chunks - wrong} agree",
        valid=not wrong,
    )
    return Opened(
        size=end,
        kind=RegionKind.DATA,
        title="PNG picture",
        facts={"width": width, "height": height},
        integrity=(verdict,),
        problems=tuple(problems),
    )


def _is_whole(window: Window) -> bool:
    """Tell whether the chunks reach just to the end; what their check sums say is left to who opens the picture."""
    place = len(MAGIC)
    for _ in range(CHUNKS):
        head = window.view[place : place + CHUNK.size]
        if len(head) < CHUNK.size:
            return False
        size, kind = CHUNK.unpack(head)
        place += CHUNK.size + size + CHECK_BYTES
        if kind == b"IEND":
            return bool(place == window.size)
    return False


def _chunk(window: Window, place: int) -> tuple[bytes, memoryview, bool, int]:
    """Return type and data of the chunk at ``place``, whether its check sum is right, and where the next one starts."""
    size, kind = CHUNK.unpack(window.take(place, CHUNK.size))
    if not kind.isalpha():
        raise FormatError(f"no PNG chunk at {window.origin + place:#x}")
    data = window.take(place + CHUNK.size, size)
    stored = int.from_bytes(window.take(place + CHUNK.size + size, CHECK_BYTES), "big")
    return kind, data, zlib.crc32(data, zlib.crc32(kind)) == stored, place + CHUNK.size + size + CHECK_BYTES


def _built(kind: bytes, data: bytes) -> bytes:
    return CHUNK.pack(len(data), kind) + data + zlib.crc32(kind + data).to_bytes(4, "big")


def _example() -> bytes:
    header = struct.pack(">2I5B", 1, 1, 8, 0, 0, 0, 0)
    return MAGIC + _built(b"IHDR", header) + _built(b"IDAT", zlib.compress(b"\0\0")) + _built(b"IEND", b"")


FORMAT = ImageFormat(
    name="png",
    title="PNG picture",
    source="W3C PNG specification (third edition), 5 Datastream structure",
    limits="Only recognised and measured; the picture is not decoded.",
    open=_open,
    magics=(Magic(rb"\x89PNG\r\n\x1a\n"),),
    closed=_is_whole,
    example=_example,
)
