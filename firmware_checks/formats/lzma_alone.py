"""LZMA files of the old kind: thirteen bytes of header without a magic number, then one compressed stream."""

from __future__ import annotations

import lzma
from dataclasses import dataclass
from typing import Final

from firmware_checks.format import ImageFormat, Magic, Opened
from firmware_checks.readers.entry_names import unpacked_name
from firmware_checks.readers.unpack import Content
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.layout import U8, U32LE, U64LE, Layout, wire
from toolkit.core.limits import Limits
from toolkit.report.model import Fact, RegionKind

__all__ = ["FORMAT"]

UNKNOWN_SIZE = (1 << 64) - 1
MOST_BYTES = 1 << 38
"""256 GiB; more is no file. Source: XZ Utils, lzma_alone_decoder, takes the same bound to tell the format."""
DICTIONARY_BYTES: Final = frozenset(shape << shift for shape in (2, 3) for shift in range(11, 30))
"""Powers of two, and halfway between two, from 4 KiB on: all that writers use."""
MOST_PROPERTIES = (4 * 5 + 4) * 9 + 8
DECODER_MEMORY_BYTES = 256 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LzmaHeader:
    """Source: XZ Utils, doc/lzma-file-format.txt, 1.1."""

    properties: int = wire(U8)
    """(position bits * 5 + literal position bits) * 9 + literal context bits."""
    dictionary_bytes: int = wire(U32LE)
    unpacked_bytes: int = wire(U64LE)
    first_byte: int = wire(U8)
    """Of the compressed stream: always 0, as the range coder starts with it."""


HEADER = Layout(LzmaHeader, size=14)


def _open(span: Span, limits: Limits) -> Opened:
    window = span.window
    header = HEADER.read(window)
    if not _plausible(header):
        raise FormatError(f"no LZMA header at {window.origin:#x}")
    content = Content(limits)
    result = content.unpack(window.view, _decoder)
    facts: dict[str, Fact] = {
        "dictionary_bytes": header.dictionary_bytes,
        "literal_context_bits": header.properties % 9,
        "literal_position_bits": header.properties // 9 % 5,
        "position_bits": header.properties // 45,
        "unpacked_bytes": content.size,
    }
    return Opened(
        size=result.consumed_bytes,
        kind=RegionKind.CONTAINER,
        title="LZMA file",
        facts=facts,
        entries=(content.entry(unpacked_name(span.path), packed_bytes=result.consumed_bytes, offset=0),),
        problems=tuple(content.problems),
    )


def _decoder() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=DECODER_MEMORY_BYTES)


def _plausible(header: LzmaHeader) -> bool:
    return (
        header.properties <= MOST_PROPERTIES
        and header.properties % 9 + header.properties // 9 % 5 <= 4
        and header.dictionary_bytes in DICTIONARY_BYTES
        and (header.unpacked_bytes == UNKNOWN_SIZE or 0 < header.unpacked_bytes < MOST_BYTES)
        and header.first_byte == 0
    )


def _example() -> bytes:
    return lzma.compress(b"pump settings\n" * 30, format=lzma.FORMAT_ALONE, filters=[{"id": lzma.FILTER_LZMA1}])


DICTIONARY = rb"\x00\x00(?:[\x01\x02\x03\x04\x06\x08\x0c\x10\x18\x20\x30\x40\x60\x80\xc0]\x00|\x00[\x01-\x04\x06\x08])"
"""Little-endian sizes from 64 KiB to 128 MiB."""
SIZE = rb"(?:\xff{8}|[\x00-\xff]{4}[\x00-\x3f]\x00\x00\x00)"

FORMAT = ImageFormat(
    name="lzma",
    title="LZMA file",
    source="XZ Utils, doc/lzma-file-format.txt (.lzma file format); LZMA SDK, lzma-specification.txt",
    limits=(
        "There is no check value: damage is not always seen. Inside other bytes only files with the usual properties"
        " (first byte 0x5d) and a dictionary of 64 KiB to 128 MiB are found."
    ),
    open=_open,
    magics=(
        Magic(rb"\x5d" + DICTIONARY + SIZE + rb"\x00", anchor=b"\x5d\x00\x00"),
        Magic(rb"[\x00-\xe0][\x00-\xff]{4}" + SIZE + rb"\x00", anchor=b"\x00", anywhere=False),
    ),
    try_order=10,
    example=_example,
)
