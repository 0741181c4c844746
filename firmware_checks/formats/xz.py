"""xz files: one compressed file without a name."""

from __future__ import annotations

import lzma
import zlib
from dataclasses import dataclass
from typing import Final

from firmware_checks.format import ImageFormat, Magic, Opened
from firmware_checks.readers.entry_names import unpacked_name
from firmware_checks.readers.unpack import Content
from firmware_checks.span import Span
from toolkit.core.layout import U32LE, Layout, const, raw, wire
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Integrity, RegionKind

__all__ = ["FORMAT"]

MAGIC = b"\xfd7zXZ\x00"
CHECKS: Final = {0: "none", 1: "crc32", 4: "crc64", 10: "sha256"}
"""Check of the unpacked content by its number. Source: The .xz file format 1.2.0, 2.1.1.2."""
DECODER_MEMORY_BYTES = 256 << 20
PADDING_BYTES = 512
"""Padding between streams that is skipped; writers use none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class XzHeader:
    """Start of a stream. Source: The .xz file format 1.2.0, 2.1.1."""

    magic: bytes = wire(const(MAGIC))
    flags: bytes = wire(raw(2))
    crc32: int = wire(U32LE)


HEADER = Layout(XzHeader, size=12)


def _open(span: Span, limits: Limits) -> Opened:
    window = span.window
    header = HEADER.read(window)
    content = Content(limits)
    end = position = 0
    while window.starts_with(MAGIC, position) and content.streams < limits.entries:
        result = content.unpack(window.view[position:], _decoder)
        end = position + result.consumed_bytes
        if not result.ended:
            break
        position = _after_padding(window, end)
    check = header.flags[1] & 0x0F
    return Opened(
        size=end,
        kind=RegionKind.CONTAINER,
        title="xz file",
        facts={
            "check": CHECKS.get(check, f"number {check}"),
            "streams": content.streams,
            "unpacked_bytes": content.size,
        },
        integrity=(_verdict(header),),
        entries=(content.entry(unpacked_name(span.path), packed_bytes=end, offset=0),),
        problems=tuple(content.problems),
    )


def _decoder() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=DECODER_MEMORY_BYTES)


def _after_padding(window: Window, end: int) -> int:
    """Return where the next stream may start: zero bytes in fours may stand between."""
    padding = bytes(window.view[end : end + PADDING_BYTES])
    return end + (len(padding) - len(padding.lstrip(b"\0"))) // 4 * 4


def _verdict(header: XzHeader) -> Integrity:
    computed = zlib.crc32(header.flags)
    return Integrity(
        algorithm="crc32",
        covers="stream flags",
        stored=f"{header.crc32:08x}",
        computed=f"{computed:08x}",
        valid=header.crc32 == computed,
    )


def _example() -> bytes:
    return lzma.compress(b"pump settings\n" * 30, format=lzma.FORMAT_XZ, check=lzma.CHECK_CRC32)


FORMAT = ImageFormat(
    name="xz",
    title="xz file",
    source="The .xz file format 1.2.0 (tukaani.org)",
    limits="A wrong check sum ends the reading. Streams that need more than 256 MiB of memory are not unpacked.",
    open=_open,
    magics=(Magic(rb"\xfd7zXZ\x00"),),
    example=_example,
)
