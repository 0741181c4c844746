"""TRX images: what Broadcom routers, and boards made from them, write to their flash memory."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from firmware_checks.format import ImageFormat, Magic, Opened, Part
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.layout import U16LE, U32LE, Layout, array, const, wire
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Integrity, RegionKind

__all__ = ["FORMAT", "build_image"]

MAGIC = b"HDR0"
COVERED_FROM = 12
"""The check sum covers everything behind it: flags and version first."""
PARTITIONS: Final = {1: 3, 2: 4}
"""How many offsets the header of each version has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrxHeader:
    """Start of an image; version 2 has a fourth offset. Source: Linux drivers/mtd/parsers/parser_trx.c."""

    magic: bytes = wire(const(MAGIC))
    total_bytes: int = wire(U32LE)
    """With the header."""
    crc32: int = wire(U32LE)
    flags: int = wire(U16LE)
    version: int = wire(U16LE)
    offsets: list[int] = wire(array(3, U32LE))
    """Where partitions start; 0 for none."""


HEADER = Layout(TrxHeader, size=28)


def _open(span: Span, limits: Limits) -> Opened:  # noqa: ARG001  # the contract of every format
    window = span.window
    header = HEADER.read(window)
    if header.version not in PARTITIONS:
        raise FormatError(f"TRX version {header.version} at {window.origin:#x} is not known")
    header_bytes = HEADER.size + 4 * (PARTITIONS[header.version] - len(header.offsets))
    offsets = list(header.offsets)
    if header.version > 1:
        offsets += struct.unpack("<I", window.take(HEADER.size, 4))
    used = [offset for offset in offsets if offset]
    if header.total_bytes <= header_bytes or any(not header_bytes <= at < header.total_bytes for at in used):
        raise FormatError(f"what follows the TRX magic at {window.origin:#x} is no header")
    size = min(header.total_bytes, window.size)
    missing = header.total_bytes - size
    return Opened(
        size=size,
        kind=RegionKind.CONTAINER,
        title="TRX image",
        facts={"version": header.version, "flags": header.flags, "partitions": len(used)},
        integrity=() if missing else (_verdict(window, header),),
        parts=tuple(_parts(used, header_bytes, size)),
        problems=(f"the file is cut short: {missing} bytes are missing",) if missing else (),
    )


def _verdict(window: Window, header: TrxHeader) -> Integrity:
    """Compute the check sum, a CRC-32 whose last step, the inversion, is left out."""
    computed = _crc32(window.take(COVERED_FROM, header.total_bytes - COVERED_FROM))
    return Integrity(
        algorithm="crc32, not inverted at the end",
        covers="all that follows the check sum",
        stored=f"{header.crc32:08x}",
        computed=f"{computed:08x}",
        valid=header.crc32 == computed,
    )


def _crc32(data: bytes | memoryview) -> int:
    return zlib.crc32(data) ^ 0xFFFF_FFFF


def _parts(offsets: list[int], header_bytes: int, size: int) -> Iterator[Part]:
    """Yield header and partitions; a partition goes on to the start of the next in the file."""
    yield Part(start=0, end=min(header_bytes, size), title="TRX header", kind=RegionKind.METADATA)
    starts = sorted({min(offset, size) for offset in offsets} or {header_bytes})
    for number, (start, end) in enumerate(pairwise([*starts, size])):
        if start < end:
            title = f"partition {number}"
            yield Part(start=start, end=end, title=title, kind=RegionKind.DATA, look_inside=True)


def build_image(*partitions: bytes, version: int = 1) -> bytes:
    """Return an image of up to three (version 2: four) partitions, each on a word, with the check sum right."""
    count = PARTITIONS[version]
    place = COVERED_FROM + 4 + 4 * count
    offsets: list[int] = []
    body = b""
    for partition in partitions:
        offsets.append(place + len(body))
        body += partition + bytes(-len(partition) % 4)
    covered = struct.pack(f"<2H{count}I", 0, version, *offsets, *[0] * (count - len(offsets))) + body
    return MAGIC + struct.pack("<2I", COVERED_FROM + len(covered), _crc32(covered)) + covered


def _example() -> bytes:
    return build_image(b"boot loader of a pump", b"kernel of a pump")


FORMAT = ImageFormat(
    name="trx",
    title="TRX image",
    source="Linux drivers/mtd/parsers/parser_trx.c (header); OpenWrt firmware-utils trx (check sum)",
    limits="Little-endian headers of versions 1 and 2.",
    open=_open,
    magics=(Magic(rb"HDR0"),),
    stands_alone=True,
    example=_example,
)
