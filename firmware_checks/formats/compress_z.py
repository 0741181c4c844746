"""Files packed by the Unix program compress (.Z): one file without a name, in codes of 9 to 16 bits."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from firmware_checks.format import ImageFormat, Magic, Opened
from firmware_checks.readers.entry_names import unpacked_name
from firmware_checks.readers.unpack import Content
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import RegionKind

__all__ = ["FORMAT"]

MAGIC = b"\x1f\x9d"
HEADER_BYTES = 3
MOST_BITS_MASK, RESERVED, BLOCK_MODE = 0x1F, 0x60, 0x80
FIRST_BITS, MOST_BITS = 9, 16
CLEAR = 256
"""Code that empties the table, in block mode."""
CODES_PER_GROUP = 8
"""Codes are written eight at a time; when their width changes, the rest of the eight is left out."""


def _open(span: Span, limits: Limits) -> Opened:
    window = span.window
    header = window.take(0, HEADER_BYTES)
    most_bits, block_mode = header[2] & MOST_BITS_MASK, bool(header[2] & BLOCK_MODE)
    if header[:2] != MAGIC or header[2] & RESERVED or not FIRST_BITS < most_bits <= MOST_BITS:
        raise FormatError(f"no compress file at {window.origin:#x}")
    content = Content(limits)
    result = content.unpack_pieces(partial(_pieces, window, most_bits, CLEAR + block_mode, limits.entry_bytes))
    size = window.size if result.ended else result.consumed_bytes
    return Opened(
        size=size,
        kind=RegionKind.CONTAINER,
        title="compress file",
        facts={"most_bits": most_bits, "block_mode": block_mode, "unpacked_bytes": content.size},
        entries=(content.entry(unpacked_name(span.path), packed_bytes=size, offset=0),),
        problems=tuple(content.problems),
    )


def _pieces(window: Window, most_bits: int, first_free: int, most_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Yield what each code stands for: a byte, or what an earlier code stood for with one byte more.

    What a code stands for is a stretch of what was unpacked before; the table holds its bounds, so it stays small.
    """
    table: list[tuple[int, int]] = []
    unpacked = bytearray()
    previous = b""
    codes = _Codes(window)
    while (code := codes.next()) is not None:
        if code == CLEAR < first_free:
            table, unpacked, previous = [], bytearray(), b""
            codes.restart(FIRST_BITS)
            continue
        piece = _piece(code, code - first_free, table, unpacked, previous)
        if first_free + len(table) < 1 << most_bits:
            if previous:
                table.append((len(unpacked) - len(previous), len(unpacked) + 1))
            unpacked += piece
            if len(unpacked) > most_bytes:
                raise LimitExceeded("entry_bytes", f"unpacks to more than {most_bytes} bytes")
        if first_free + len(table) >= 1 << codes.bits and codes.bits < most_bits:
            codes.restart(codes.bits + 1)
        previous = piece
        yield codes.place, piece


def _piece(code: int, row: int, table: list[tuple[int, int]], unpacked: bytearray, previous: bytes) -> bytes:
    if code < 1 << 8:
        return bytes([code])
    if 0 <= row < len(table):
        return bytes(unpacked[slice(*table[row])])
    if row == len(table) and previous:
        return previous + previous[:1]
    raise FormatError(f"code {code} stands for nothing yet")


class _Codes:
    """Reads numbers of ``bits`` bits, the lowest bit first."""

    def __init__(self, window: Window) -> None:
        self.bits = FIRST_BITS
        self.place = HEADER_BYTES
        self._window = window
        self._group = 0
        self._left = 0

    def next(self) -> int | None:
        """Return the next code; None at the end, where fewer bits than a code may be left."""
        if not self._left:
            data = bytes(self._window.view[self.place : self.place + self.bits])
            self._group, self._left = int.from_bytes(data, "little"), len(data) * 8 // self.bits
            self.place += len(data)
        if not self._left:
            return None
        code = self._group & (1 << self.bits) - 1
        self._group >>= self.bits
        self._left -= 1
        return code

    def restart(self, bits: int) -> None:
        """Go on with codes of ``bits`` bits, from the next group of eight."""
        self.bits, self._left = bits, 0


def _example() -> bytes:
    """Build a file of bytes only: codes of 9 bits, eight of them in nine bytes."""
    content = b"pump 1.2"
    codes = sum(byte << FIRST_BITS * place for place, byte in enumerate(content))
    return MAGIC + bytes([BLOCK_MODE | MOST_BITS]) + codes.to_bytes(FIRST_BITS, "little")


FORMAT = ImageFormat(
    name="compress",
    title="compress file",
    source="ncompress 4.2.4 manual page compress(1) and the codes it writes; T. A. Welch, IEEE Computer 17 (6), 1984",
    limits="There is no end mark and no check value: only at the start of a file, and taken to be all of it.",
    open=_open,
    magics=(Magic(rb"\x1f\x9d[\x0a-\x10\x8a-\x90]", anchor=MAGIC, anywhere=False),),
    whole_file_only=True,
    example=_example,
)
