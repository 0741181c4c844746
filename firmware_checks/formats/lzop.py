"""lzop files: one file compressed with LZO, with its name, time and rights, and check sums of every block."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Final

from firmware_checks.format import ImageFormat, Magic, Opened
from firmware_checks.readers.block_codecs import lzo1x
from firmware_checks.readers.entry_names import name_problems, unpacked_name, visible
from firmware_checks.readers.unpack import Content
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.layout import U8, U16BE, U32BE, Layout, const, wire
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Fact, Integrity, RegionKind

__all__ = ["FORMAT"]

MAGIC = b"\x89LZO\x00\x0d\x0a\x1a\x0a"
FIRST_WITH_LEVEL = 0x0940
"""Version of lzop since which the header has the version needed, the level and the upper half of the time."""
ADLER_UNPACKED, ADLER_PACKED, CRC_UNPACKED, CRC_PACKED = 0x1, 0x2, 0x100, 0x200
EXTRA_FIELD, FILTER, HEADER_CRC = 0x40, 0x800, 0x1000
METHODS: Final = {1: "LZO1X-1", 2: "LZO1X-1(15)", 3: "LZO1X-999", 128: "zlib"}
SYSTEMS: Final = (
    "FAT", "Amiga", "VMS", "Unix", "VM/CMS", "Atari", "OS/2", "Macintosh", "Z-System", "CP/M", "TOPS-20", "NTFS",
    "QDOS", "Acorn", "VFAT", "MFS", "BeOS", "Tandem",
)  # fmt: skip
"""By the top byte of the flags."""
MOST_BLOCK_BYTES = 1 << 20
"""lzop writes blocks of 256 KiB; one of larger ones can be made to fill the memory, as LZO packs up to 1 to 255."""
VERDICTS = 16
"""Check values that are reported; of those of blocks only the wrong ones, once one was right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LzopStart:
    """Start of a file; what follows depends on the version. Source: lzop 1.04, write_header in src/lzop.c."""

    magic: bytes = wire(const(MAGIC))
    version: int = wire(U16BE)
    library_version: int = wire(U16BE)


@dataclass(frozen=True, slots=True, kw_only=True)
class LzopDetails:
    """The header from the method on, as it is since version 0.940."""

    needed_version: int = wire(U16BE)
    method: int = wire(U8)
    level: int = wire(U8)
    flags: int = wire(U32BE)


@dataclass(frozen=True, slots=True, kw_only=True)
class LzopFile:
    """What the header says about the file that was packed; its name follows."""

    mode: int = wire(U32BE)
    modified_low: int = wire(U32BE)
    modified_high: int = wire(U32BE)
    name_bytes: int = wire(U8)


START = Layout(LzopStart, size=13)
DETAILS = Layout(LzopDetails, size=8)
FILE = Layout(LzopFile, size=13)


@dataclass(slots=True)
class _Reader:
    window: Window
    flags: int = 0
    method: int = 0
    filter: int = 0
    name: str = ""
    mode: int = 0
    modified_s: int = 0
    facts: dict[str, Fact] = field(default_factory=dict)
    verdicts: list[Integrity] = field(default_factory=list)
    judged: set[str] = field(default_factory=set)

    def read_header(self) -> int:
        """Read the header and return where the first block starts."""
        start = START.read(self.window)
        if start.version < FIRST_WITH_LEVEL:
            raise FormatError(f"lzop files of version {start.version:#x} (before 1998) are not read")
        details = DETAILS.read(self.window, START.size)
        place = START.size + DETAILS.size
        self.flags, self.method = details.flags, details.method
        if self.method not in METHODS:
            raise FormatError(f"no lzop method has the number {self.method}")
        if self.flags & FILTER:
            self.filter = self._number(place)
            place += 4
        file = FILE.read(self.window, place)
        place += FILE.size
        self.name = bytes(self.window.take(place, file.name_bytes)).decode("utf-8", "surrogateescape")
        self.mode, self.modified_s = file.mode, file.modified_high << 32 | file.modified_low
        place += file.name_bytes
        self._judge_header(len(MAGIC), place, "header")
        place += 4
        self.facts = self._told(details)
        return self._skip_extra(place) if self.flags & EXTRA_FIELD else place

    def _skip_extra(self, place: int) -> int:
        end = place + 4 + self._number(place)
        self._judge_header(place, end, "extra field")
        return end + 4

    def _judge_header(self, start: int, end: int, covers: str) -> None:
        data = self.window.take(start, end - start)
        algorithm, check = ("crc32", zlib.crc32) if self.flags & HEADER_CRC else ("adler32", zlib.adler32)
        self._verdict(algorithm, covers, self._number(end), check(data))

    def _told(self, details: LzopDetails) -> dict[str, Fact]:
        facts: dict[str, Fact] = {"method": METHODS[self.method], "level": details.level}
        if self.name:
            facts["name"] = visible(self.name)
        if 0 < self.modified_s < 1 << 34:
            facts["modified"] = datetime.fromtimestamp(self.modified_s, UTC).isoformat()
        system = self.flags >> 24
        if system < len(SYSTEMS):
            facts["packed_on"] = SYSTEMS[system]
        return facts

    def pieces(self, place: int) -> Iterator[tuple[int, bytes]]:
        """Yield each block unpacked, and where it ends; judge the check sums on the way."""
        if self.filter:
            raise FormatError(f"is filtered with number {self.filter} before it is packed, which is not read")
        while size := self._number(place):
            packed_bytes = self._number(place + 4)
            if size > MOST_BLOCK_BYTES or packed_bytes > size:
                raise FormatError(f"no lzop block at {self.window.origin + place:#x}")
            whole, packed, start = self._checks(place + 8, stored=packed_bytes == size)
            data = self.window.take(start, packed_bytes)
            self._judge_block(packed, data, "packed blocks")
            piece = bytes(data) if packed_bytes == size else self._unpacked(data, size)
            self._judge_block(whole, piece, "unpacked blocks")
            place = start + packed_bytes
            yield place, piece
        yield place + 4, b""

    def _checks(self, place: int, *, stored: bool) -> tuple[list[_Check], list[_Check], int]:
        """Return the check sums of a block, unpacked and packed, and where its data starts.

        A stored block has none of the packed data, which would be the same.
        """
        sides: list[list[_Check]] = [[], []]
        for side, flag, algorithm, function in CHECKS:
            if self.flags & flag and not (side and stored):
                sides[side].append((algorithm, function, self._number(place)))
                place += 4
        return sides[0], sides[1], place

    def _judge_block(self, checks: list[_Check], data: bytes | memoryview, covers: str) -> None:
        for algorithm, function, stored in checks:
            self._verdict(algorithm, covers, stored, function(data))

    def _unpacked(self, data: memoryview, size: int) -> bytes:
        piece = _inflated(data, size) if METHODS[self.method] == "zlib" else lzo1x(data, size)
        if len(piece) != size:
            raise FormatError(f"a block unpacks to {len(piece)} bytes, its header says {size}")
        return piece

    def _verdict(self, algorithm: str, covers: str, stored: int, computed: int) -> None:
        valid = stored == computed
        if len(self.verdicts) < VERDICTS and not (valid and (algorithm + covers) in self.judged):
            self.judged.add(algorithm + covers)
            self.verdicts.append(
                Integrity(
                    algorithm=algorithm,
                    covers=covers,
                    stored=f"{stored:08x}",
                    computed=f"{computed:08x}",
                    valid=valid,
                )
            )

    def _number(self, place: int) -> int:
        return int.from_bytes(self.window.take(place, 4), "big")


_Function = Callable[[bytes | memoryview], int]
_Check = tuple[str, _Function, int]
CHECKS: Final[tuple[tuple[int, int, str, _Function], ...]] = (
    (0, ADLER_UNPACKED, "adler32", zlib.adler32),
    (0, CRC_UNPACKED, "crc32", zlib.crc32),
    (1, ADLER_PACKED, "adler32", zlib.adler32),
    (1, CRC_PACKED, "crc32", zlib.crc32),
)
"""In the order in which they stand before a block: 0 for unpacked data, 1 for packed; the flag; the algorithm."""


def _inflated(data: memoryview, size: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, size + 1)
    except zlib.error as error:
        raise FormatError(f"damaged block: {error}") from error


def _open(span: Span, limits: Limits) -> Opened:
    reader = _Reader(span.window)
    start = reader.read_header()
    content = Content(limits)
    result = content.unpack_pieces(partial(reader.pieces, start))
    name = visible(reader.name) or unpacked_name(span.path)
    entry = replace(
        content.entry(name, packed_bytes=result.consumed_bytes, offset=0),
        mode=reader.mode & 0o7777,
        modified_s=reader.modified_s,
    )
    return Opened(
        size=result.consumed_bytes,
        kind=RegionKind.CONTAINER,
        title="lzop file",
        facts={**reader.facts, "unpacked_bytes": content.size},
        integrity=tuple(reader.verdicts),
        entries=(entry,),
        problems=(*(name_problems(reader.name) if reader.name else ()), *content.problems),
    )


def _example() -> bytes:
    """Build a file of one stored block, with check sums of it."""
    content = b"pump settings\n" * 20
    name = b"settings.ini"
    flags = 3 << 24 | ADLER_UNPACKED | CRC_UNPACKED | HEADER_CRC
    head = (
        START.build(LzopStart(magic=MAGIC, version=0x1040, library_version=0x20A0))
        + DETAILS.build(LzopDetails(needed_version=0x940, method=1, level=5, flags=flags))
        + FILE.build(LzopFile(mode=0o100644, modified_low=1_577_836_800, modified_high=0, name_bytes=len(name)))
        + name
    )
    numbers = (zlib.crc32(head[len(MAGIC) :]), len(content), len(content), zlib.adler32(content), zlib.crc32(content))
    return head + b"".join(number.to_bytes(4, "big") for number in numbers) + content + bytes(4)


FORMAT = ImageFormat(
    name="lzop",
    title="lzop file",
    source="lzop 1.04 manual and the header and block fields it writes; LZO 2.10 documentation",
    limits="Files of lzop before 0.940, filtered ones and blocks of more than 1 MiB are not unpacked.",
    open=_open,
    magics=(Magic(rb"\x89LZO\x00\x0d\x0a\x1a\x0a"),),
    example=_example,
)
