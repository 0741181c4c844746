"""bzip2 files: one compressed file without a name."""

from __future__ import annotations

import bz2

from firmware_checks.format import ImageFormat, Magic, Opened
from firmware_checks.readers.entry_names import unpacked_name
from firmware_checks.readers.unpack import Content
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Integrity, RegionKind

__all__ = ["FORMAT"]

MAGIC = b"BZh"
END_MARK = 0x177245385090
"""First 48 bits of the end of a stream, at any bit: the square root of pi in decimal digits."""
TAIL_BYTES = 11
"""End mark, check sum and up to 7 bits to fill the last byte."""


def _open(span: Span, limits: Limits) -> Opened:
    window = span.window
    if not window.starts_with(MAGIC):
        raise FormatError(f"no bzip2 stream at {window.origin:#x}")
    content = Content(limits)
    verdicts: list[Integrity] = []
    position = 0
    while window.starts_with(MAGIC, position) and content.streams < limits.entries:
        result = content.unpack(window.view[position:], bz2.BZ2Decompressor)
        position += result.consumed_bytes
        if not result.ended:
            break
        if content.streams == 1:
            verdicts.append(_verdict(window, position))
    return Opened(
        size=position,
        kind=RegionKind.CONTAINER,
        title="bzip2 file",
        facts={"streams": content.streams, "unpacked_bytes": content.size},
        integrity=tuple(verdicts),
        entries=(content.entry(unpacked_name(span.path), packed_bytes=position, offset=0),),
        problems=tuple(content.problems),
    )


def _verdict(window: Window, end: int) -> Integrity:
    """Return the check sum of the stream that ends before ``end``; the decompressor has refused a wrong one already."""
    tail = int.from_bytes(window.take(end - TAIL_BYTES, TAIL_BYTES), "big")
    unused_bits = next((bits for bits in range(8) if (tail >> bits + 32) & (1 << 48) - 1 == END_MARK), 0)
    stored = f"{(tail >> unused_bits) & 0xFFFF_FFFF:08x}"
    return Integrity(
        algorithm="crc32 of blocks (bzip2)", covers="unpacked content", stored=stored, computed=stored, valid=True
    )


def _example() -> bytes:
    return bz2.compress(b"pump settings\n" * 30)


FORMAT = ImageFormat(
    name="bzip2",
    title="bzip2 file",
    source="bzip2 1.0.8 manual and source (block magic, end mark, combined check sum)",
    limits="A block with a wrong check sum ends the reading: nothing after it is unpacked.",
    open=_open,
    magics=(Magic(rb"BZh[1-9]1AY&SY"), Magic(rb"BZh[1-9]\x17\x72\x45\x38\x50\x90")),
    example=_example,
)
