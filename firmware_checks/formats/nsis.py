"""Installers made with NSIS (Nullsoft Scriptable Install System): recognised and measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from firmware_checks.format import Entry, ImageFormat, Magic, Opened
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.layout import U32LE, Layout, const, wire
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Fact, RegionKind

__all__ = ["FORMAT"]

SIGNATURE: Final = 0xDEAD_BEEF
MAGIC: Final = b"NullsoftInst"
UNINSTALLER, SILENT, NO_CHECK_SUM, FORCE_CHECK_SUM = 1, 2, 4, 8
KNOWN_FLAGS = 0xFF
"""Four bits of NSIS and four of its variant for large installers."""
COMPRESSED = 0x80
LZMA_START: Final = b"\x5d\x00\x00"
"""Properties of LZMA as NSIS writes them, and the lower bytes of the dictionary's size."""
BZIP2_START: Final = b"1"


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstHeader:
    """Start of what an installer carries behind its program. Source: NSIS Source/exehead/fileform.h, firstheader."""

    flags: int = wire(U32LE)
    signature: int = wire(const(SIGNATURE, U32LE))
    magic: bytes = wire(const(MAGIC))
    header_bytes: int = wire(U32LE)
    """Unpacked size of the script."""
    all_bytes: int = wire(U32LE)
    """This header, everything that follows and the check sum."""


HEADER = Layout(FirstHeader, size=28)


def _open(span: Span, limits: Limits) -> Opened:  # noqa: ARG001  # the contract of every format
    window = span.window
    header = HEADER.read(window)
    if header.flags > KNOWN_FLAGS or header.all_bytes < HEADER.size:
        raise FormatError(f"the NSIS header at {window.origin:#x} contradicts itself")
    size = min(header.all_bytes, window.size)
    missing = header.all_bytes - window.size
    facts: dict[str, Fact] = {
        "script_bytes": header.header_bytes,
        "compression": _compression(window),
        "has_check_sum": not header.flags & NO_CHECK_SUM or bool(header.flags & FORCE_CHECK_SUM),
        "silent": bool(header.flags & SILENT),
    }
    packed_bytes = size - HEADER.size
    return Opened(
        size=size,
        kind=RegionKind.CONTAINER,
        title="NSIS uninstaller" if header.flags & UNINSTALLER else "NSIS installer",
        facts=facts,
        entries=(Entry(name="content", packed_bytes=packed_bytes, unpacked_bytes=None, read=_refuse),),
        problems=(f"the file is cut short: {missing} bytes are missing",) if missing > 0 else (),
    )


def _compression(window: Window) -> str:
    """Return how the content is packed: all in one (solid), or each piece behind a size whose top bit says so."""
    start = bytes(window.view[HEADER.size : HEADER.size + 12])
    if start.startswith(LZMA_START):
        return "LZMA, solid"
    if len(start) < 8 or not start[3] & COMPRESSED:
        return "bzip2, solid" if start.startswith(BZIP2_START) else "none, or deflate, solid"
    piece = start[4:]
    if LZMA_START in piece[:4]:  # one byte in front of it says whether a filter for programs was used
        return "LZMA"
    return "bzip2" if piece.startswith(BZIP2_START) else "deflate"


def _refuse(_max_bytes: int) -> bytes:
    raise FormatError("what an NSIS installer carries is not unpacked")


def _example() -> bytes:
    content = b"\x0b\x00\x00\x80" + bytes.fromhex("2b282d2d4a2d2e5628294a4c") + bytes(20)
    header = FirstHeader(
        flags=0, signature=SIGNATURE, magic=MAGIC, header_bytes=11, all_bytes=HEADER.size + len(content)
    )
    return HEADER.build(header) + content


FORMAT = ImageFormat(
    name="nsis",
    title="NSIS installer",
    source="NSIS 3, Source/exehead/fileform.h (firstheader)",
    limits=(
        "Recognised and measured; the files inside are not unpacked. "
        "The check sum covers the program before it, too, and is not verified."
    ),
    open=_open,
    magics=(Magic(rb"\xef\xbe\xad\xdeNullsoftInst", offset=4),),
    example=_example,
)
