"""Installers made with Inno Setup: recognised, measured, and their check sums compared."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from firmware_checks.format import Entry, ImageFormat, Magic, Opened
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Fact, Integrity, RegionKind

__all__ = ["FORMAT"]

TABLE_MAGIC: Final = b"rDlPtS"
IDENTIFIER_BYTES: Final = 64
IDENTIFIER: Final = re.compile(rb"(My Inno Setup Extensions|Inno Setup) Setup Data \((\d[\w.]{0,15})\)( \([uU]\))?\x00")
PIECE_BYTES: Final = 4096
"""Content is cut into pieces of this size with a CRC-32 in front of each."""
ENCRYPTION_BYTES: Final = 49
"""Since 6.5: use, salt, iterations, nonce, password test; a CRC-32 stands in front."""
BLOCKS = 2
"""The script, and where each file is found."""
VERDICTS = 16
"""Check sums of pieces that are reported: the first and the wrong ones."""

TABLES: Final = {
    b"02\x87eVx": ("<8I", "1.2.10"),
    b"04\x87eVx": ("<7I", "4.0.0"),
    b"05\x87eVx": ("<7I", "4.0.3"),
    b"06\x87eVx": ("<8I", "4.0.10"),
    b"07\x87eVx": ("<7I", "4.1.6"),
}
"""Numbers in the loader's table and the version that began it, by what follows the magic.

Source: Inno Setup, Projects/Struct.pas of these versions, TSetupLdrOffsetTable.
"""
NEW_TABLE: Final = b"\xcd\xe6\xd7\x7b\x0b\x2a"
NEW_TABLES: Final = {1: ("<8I", "5.1.5"), 2: ("<I2q2I2q2I", "6.5.0")}
"""The same since 5.1.5, by the number that stands next."""
TABLES_WITH_CHECK_SUM: Final = frozenset({"4.0.10", "4.1.6", "5.1.5", "6.5.0"})
TOTAL_BYTES_AT: Final = {"5.1.5": 1, "6.5.0": 1}
"""Which number is the size of the whole installer; the first in all other tables."""

HEADS: Final = (struct.Struct("<IB"), struct.Struct("<qB"), struct.Struct("<2I"))
"""Head of a block: size and whether it is compressed, since 4.0.9 and since 6.7; before, packed and unpacked size."""


def _open(span: Span, limits: Limits) -> Opened:  # noqa: ARG001  # the contract of every format
    if span.window.starts_with(TABLE_MAGIC):
        return _open_table(span.window)
    return _open_data(span.window)


def _crc_verdict(covers: str, stored: int, data: bytes | memoryview) -> Integrity:
    computed = zlib.crc32(data)
    return Integrity(
        algorithm="crc32", covers=covers, stored=f"{stored:08x}", computed=f"{computed:08x}", valid=stored == computed
    )


def _open_table(window: Window) -> Opened:
    """Open the table by which the small program at the start finds the rest."""
    kind = bytes(window.take(6, 6))
    if kind == NEW_TABLE:
        number = int.from_bytes(window.take(12, 4), "little")
        layout, version = NEW_TABLES.get(number, ("", ""))
    else:
        layout, version = TABLES.get(kind, ("", ""))
    if not layout:
        raise FormatError(f"the Inno Setup table at {window.origin:#x} is of an unknown kind")
    size = 12 + struct.calcsize(layout)
    numbers = struct.unpack(layout, window.take(12, size - 12))
    verdicts: tuple[Integrity, ...] = ()
    if version in TABLES_WITH_CHECK_SUM:
        verdicts = (_crc_verdict("table", numbers[-1], window.take(0, size - 4)),)
    return Opened(
        size=size,
        kind=RegionKind.METADATA,
        title="Inno Setup installer (table of the loader)",
        facts={"table_since_version": version, "installer_bytes": numbers[TOTAL_BYTES_AT.get(version, 0)]},
        integrity=verdicts,
    )


@dataclass(slots=True)
class _Data:
    """Reads the blocks that follow the identifier."""

    window: Window
    position: int = IDENTIFIER_BYTES
    verdicts: list[Integrity] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    facts: dict[str, Fact] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    _pieces: int = 0

    def read_encryption(self) -> None:
        """Read what newer versions put in front, when its check sum fits."""
        head = self.window.view[self.position : self.position + 4 + ENCRYPTION_BYTES]
        if len(head) == 4 + ENCRYPTION_BYTES and zlib.crc32(head[4:]) == int.from_bytes(head[:4], "little"):
            self.verdicts.append(_crc_verdict("encryption header", int.from_bytes(head[:4], "little"), head[4:]))
            self.facts["encryption"] = ("none", "files", "everything")[min(head[4], 2)]
            self.position += len(head)

    def read_block(self, number: int) -> None:
        """Read one block; raise ``FormatError`` where none stands."""
        start = self.position
        stored = int.from_bytes(self.window.take(start, 4), "little")
        for head in HEADS:
            data = self.window.view[start + 4 : start + 4 + head.size]
            if len(data) == head.size and zlib.crc32(data) == stored:
                break
        else:
            raise FormatError(f"no block of Inno Setup stands at {self.window.origin + start:#x}")
        self.verdicts.append(_crc_verdict(f"head of block {number}", stored, data))
        self.position += 4 + head.size
        self._read_pieces(number, _block_bytes(head, data))

    def _read_pieces(self, number: int, size: int) -> None:
        start = self.position
        end = min(start + size, self.window.size)
        if start + size > self.window.size:
            self.problems.append(f"block {number} is cut short: {start + size - end} bytes are missing")
        self.entries.append(Entry(name=f"block {number}", packed_bytes=end - start, unpacked_bytes=None, read=_refuse))
        self.position = end
        for place in range(start, end - 4, 4 + PIECE_BYTES):
            piece = self.window.view[place + 4 : min(place + 4 + PIECE_BYTES, end)]
            verdict = _crc_verdict(
                f"bytes {place + 4:#x} to {place + 4 + len(piece):#x}",
                int.from_bytes(self.window.view[place : place + 4], "little"),
                piece,
            )
            if (place == start or not verdict.valid) and self._pieces < VERDICTS:
                self._pieces += 1
                self.verdicts.append(verdict)


def _block_bytes(head: struct.Struct, data: memoryview) -> int:
    """Return the bytes of a block; older versions give them without those of the check sums."""
    size, other = head.unpack(data)
    if head is not HEADS[2]:
        return max(0, int(size))
    packed = int(other) if size == 0xFFFF_FFFF else int(size)
    return packed + 4 * -(-packed // PIECE_BYTES)


def _open_data(window: Window) -> Opened:
    """Open the script of an installer. The text stands in its program, too: there no block follows."""
    found = IDENTIFIER.match(window.take(0, IDENTIFIER_BYTES))
    if found is None:
        raise FormatError(f"no data of Inno Setup at {window.origin:#x}")
    reader = _Data(window)
    reader.read_encryption()
    reader.read_block(1)
    try:
        for number in range(2, BLOCKS + 1):
            reader.read_block(number)
    except FormatError as error:
        reader.problems.append(str(error))
    return Opened(
        size=reader.position,
        kind=RegionKind.CONTAINER,
        title=f"Inno Setup installer (version {found[2].decode()})",
        facts={"setup_version": found[2].decode(), "unicode": found[3] is not None, **reader.facts},
        integrity=tuple(reader.verdicts),
        entries=tuple(reader.entries),
        problems=tuple(reader.problems),
    )


def _refuse(_max_bytes: int) -> bytes:
    raise FormatError("what an Inno Setup installer carries is not unpacked")


def _example() -> bytes:
    return b"Inno Setup Setup Data (6.2.0) (u)".ljust(IDENTIFIER_BYTES, b"\0") + b"".join(_blocks(b"script", b"files"))


def _blocks(*contents: bytes) -> Iterator[bytes]:
    """Yield contents as blocks that are not compressed."""
    for content in contents:
        pieces = [content[place : place + PIECE_BYTES] for place in range(0, len(content), PIECE_BYTES)]
        body = b"".join(struct.pack("<I", zlib.crc32(piece)) + piece for piece in pieces)
        head = HEADS[0].pack(len(body), 0)
        yield struct.pack("<I", zlib.crc32(head)) + head + body


FORMAT = ImageFormat(
    name="inno-setup",
    title="Inno Setup installer",
    source="Inno Setup, Projects/Struct.pas and Compress.pas, versions 1.2.10 to 6.7",
    limits=(
        "Recognised and measured: the table of the loader and the script of an installer, whose check sums are "
        "compared; neither the script nor the files, which stand elsewhere in the installer, are unpacked."
    ),
    open=_open,
    magics=(
        Magic(rb"rDlPtS(?:0[24-7]\x87eVx|\xcd\xe6\xd7\x7b\x0b\x2a)"),
        Magic(rb"Inno Setup Setup Data \(\d"),
        Magic(rb"My Inno Setup Extensions Setup Data \(\d"),
    ),
    example=_example,
)
