"""gzip files: one compressed file, with its name, its time and a check sum."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime

from firmware_checks.format import ImageFormat, Magic, Opened
from firmware_checks.readers.entry_names import name_problems, unpacked_name, visible
from firmware_checks.readers.unpack import Content, Inflate
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, Truncated
from toolkit.core.layout import U8, U32LE, Layout, const, wire
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Fact, Integrity, RegionKind

__all__ = ["FORMAT"]

MAGIC = b"\x1f\x8b\x08"
HEADER_CRC, EXTRA, NAME, COMMENT, RESERVED = 0x02, 0x04, 0x08, 0x10, 0xE0
TEXT_BYTES = 0xFFFF
"""Longest file name or comment that is read."""
VERDICTS = 16
"""Check values that are reported; a file of many members shows the first and the wrong ones."""

SYSTEMS = ("FAT", "Amiga", "VMS", "Unix", "VM/CMS", "Atari", "HPFS", "Macintosh", "Z-System", "CP/M", "TOPS-20", "NTFS")


@dataclass(frozen=True, slots=True, kw_only=True)
class GzipHeader:
    """Start of a member. Source: RFC 1952, 2.3."""

    magic: bytes = wire(const(MAGIC))
    flags: int = wire(U8)
    modified: int = wire(U32LE)
    """Seconds since 1970; 0 where it is not said."""
    extra_flags: int = wire(U8)
    system: int = wire(U8)


@dataclass(frozen=True, slots=True, kw_only=True)
class GzipTrailer:
    """End of a member. Source: RFC 1952, 2.3.1."""

    crc32: int = wire(U32LE)
    unpacked_bytes: int = wire(U32LE)
    """Modulo 2^32."""


HEADER = Layout(GzipHeader, size=10)
TRAILER = Layout(GzipTrailer, size=8)


@dataclass(slots=True)
class _Reader:
    window: Window
    content: Content
    position: int = 0
    members: int = 0
    facts: dict[str, Fact] = field(default_factory=dict)
    name: str = ""
    verdicts: list[Integrity] = field(default_factory=list)

    def read_member(self) -> bool:
        """Read the member at the current position; return False when none may follow it."""
        try:
            data_start = self._read_header(self.position)
        except FormatError:
            if self.members:  # what follows the last member is no part of the file
                return False
            raise
        result = self.content.unpack(self.window.view[data_start:], Inflate)
        self.position = data_start + result.consumed_bytes
        self.members += 1
        return result.ended and self._read_trailer(result.crc32, result.size)

    def _read_header(self, start: int) -> int:
        """Read the header at ``start`` with its optional fields and return where the compressed data starts."""
        header = HEADER.read(self.window, start)
        if header.flags & RESERVED:
            raise FormatError(f"reserved gzip flags are set at {self.window.origin + start:#x}")
        place = start + HEADER.size
        if header.flags & EXTRA:
            place += 2 + int.from_bytes(self.window.take(place, 2), "little")
        name = comment = ""
        if header.flags & NAME:
            name, place = self._text(place)
        if header.flags & COMMENT:
            comment, place = self._text(place)
        if header.flags & HEADER_CRC:
            self._judge("crc16", "header", place, start, place)
            place += 2
        if self.members == 0:
            self.name = name
            self.facts = _facts(header, name, comment)
        return place

    def _text(self, place: int) -> tuple[str, int]:
        text = bytes(self.window.view[place : place + TEXT_BYTES])
        end = text.find(b"\0")
        if end < 0:
            raise FormatError(f"gzip name at {self.window.origin + place:#x} has no end")
        return text[:end].decode("latin-1"), place + end + 1

    def _judge(self, algorithm: str, covers: str, place: int, start: int, end: int) -> None:
        stored = int.from_bytes(self.window.take(place, 2), "little")
        self._verdict(algorithm, covers, f"{stored:04x}", f"{zlib.crc32(self.window.view[start:end]) & 0xFFFF:04x}")

    def _read_trailer(self, crc32: int, size: int) -> bool:
        try:
            trailer = TRAILER.read(self.window, self.position)
        except Truncated:
            self.content.problems.append("the check sum at the end is missing: the file is cut short")
            self.position = self.window.size
            return False
        self.position += TRAILER.size
        what = f"unpacked content of member {self.members}"
        self._verdict("crc32", what, f"{trailer.crc32:08x}", f"{crc32:08x}")
        self._verdict("size modulo 2^32", what, str(trailer.unpacked_bytes), str(size & 0xFFFF_FFFF))
        return True

    def _verdict(self, algorithm: str, covers: str, stored: str, computed: str) -> None:
        valid = stored == computed
        if len(self.verdicts) < VERDICTS and (not valid or self.members <= 1):
            self.verdicts.append(
                Integrity(algorithm=algorithm, covers=covers, stored=stored, computed=computed, valid=valid)
            )


def _open(span: Span, limits: Limits) -> Opened:
    window = span.window
    reader = _Reader(window, Content(limits))
    while reader.read_member() and window.starts_with(MAGIC, reader.position) and reader.members < limits.entries:
        continue
    name = visible(reader.name) or unpacked_name(span.path)
    return Opened(
        size=reader.position,
        kind=RegionKind.CONTAINER,
        title="gzip file",
        facts={**reader.facts, "members": reader.members, "unpacked_bytes": reader.content.size},
        integrity=tuple(reader.verdicts),
        entries=(reader.content.entry(name, packed_bytes=reader.position, offset=0),),
        problems=(*(name_problems(reader.name) if reader.name else ()), *reader.content.problems),
    )


def _facts(header: GzipHeader, name: str, comment: str) -> dict[str, Fact]:
    facts: dict[str, Fact] = {}
    if name:
        facts["name"] = visible(name)
    if comment:
        facts["comment"] = visible(comment)
    if header.modified:
        facts["modified"] = datetime.fromtimestamp(header.modified, UTC).isoformat()
    if header.system < len(SYSTEMS):
        facts["packed_on"] = SYSTEMS[header.system]
    return facts


def _example() -> bytes:
    data = b"pump settings\n" * 30
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(data) + packer.flush()
    header = GzipHeader(magic=MAGIC, flags=NAME, modified=1_577_836_800, extra_flags=2, system=3)
    trailer = GzipTrailer(crc32=zlib.crc32(data), unpacked_bytes=len(data))
    return HEADER.build(header) + b"settings.ini\0" + packed + TRAILER.build(trailer)


FORMAT = ImageFormat(
    name="gzip",
    title="gzip file",
    source="RFC 1952, GZIP file format specification 4.3",
    limits="Where compressed data is damaged, what comes after the damage is not recovered.",
    open=_open,
    magics=(Magic(rb"\x1f\x8b\x08[\x00-\x1f]"),),
    example=_example,
)
