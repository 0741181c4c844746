"""The one door to ELF files: their tables, read with every size checked against the bytes that are there.

An ELF file names itself through numbers that may all be wrong: offsets past the end, tables with billions of rows. What
is impossible is left out and said in ``problems``; only a file without any usable table raises ``FormatError``. The
tables come in four flavours (32 or 64 bits, either byte order), which ``struct`` says with one prefix each.

Source: System V Application Binary Interface, generic part, chapters 4 and 5; "ELF for the Arm Architecture".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import chain, islice
from typing import Final, NamedTuple

from toolkit.core.errors import FormatError
from toolkit.core.problems import Problems
from toolkit.core.window import Window

__all__ = [
    "LINUX_ABI",
    "MAGIC",
    "ElfFile",
    "ElfHeader",
    "ElfSection",
    "ElfSegment",
    "SectionType",
    "SegmentType",
    "constants",
    "is_hosted_whole",
    "read_elf",
]

MAGIC: Final = b"\x7fELF"
IDENT_BYTES = 16
MAX_ROWS = 65_536
"""Rows of one table that are read; the largest real programs have a few thousand sections."""
MAX_TEXT_BYTES = 4096
RELOCATABLE = 1
APPENDED_BYTES = 4096
"""What may follow the file's tables without being another file: the signature of a kernel module."""
MAX_DYNAMIC_ROWS = 4096
MAX_NOTES = 1024
GNU_BUILD_ID = (b"GNU\0", 3)
GNU_ABI_TAG = (b"GNU\0", 1)
"""A note in programs for Linux, also in those linked with all they need. Source: Linux Standard Base Core, 11.2.1."""
LINUX_ABI = 3
"""Identification byte 7 of programs for Linux that use extensions of GNU. Source: ELF gABI, chapter 4."""
NOTE_HEADER_BYTES = 12
CONSTANTS = (".rodata", ".data", ".sdata", ".rdata")
"""How the names of sections with constants and initial data begin."""
MANY_SEGMENTS = MANY_SECTIONS = 0xFFFF
"""The header's 16-bit counts are full; the true count stands in section 0."""


class SegmentType(IntEnum):
    """Types of program headers we act on."""

    LOAD = 1
    DYNAMIC = 2
    INTERPRETER = 3
    NOTE = 4


class SectionType(IntEnum):
    """Types of sections we act on."""

    NULL = 0
    PROGBITS = 1
    SYMBOLS = 2
    STRINGS = 3
    RELOCATIONS_WITH_ADDENDS = 4
    NOTE = 7
    NOBITS = 8
    RELOCATIONS = 9
    DYNAMIC_SYMBOLS = 11
    GNU_ATTRIBUTES = 0x6FFF_FFF5
    ATTRIBUTES = 0x7000_0003
    """Build attributes, on Arm and RISC-V."""


class DynamicTag(IntEnum):
    """Rows of the dynamic table we act on."""

    END = 0
    NEEDED = 1
    STRINGS = 5
    SONAME = 14


class ElfHeader(NamedTuple):
    """What follows the 16 identification bytes."""

    type: int
    machine: int
    version: int
    entry: int
    segments_at: int
    sections_at: int
    flags: int
    header_bytes: int
    segment_row_bytes: int
    segment_count: int
    section_row_bytes: int
    section_count: int
    names_index: int


_RIGHTS = ("---", "--x", "-w-", "-wx", "r--", "r-x", "rw-", "rwx")


class ElfSegment(NamedTuple):
    """A program header: what is loaded from where to where, sizes in bytes."""

    type: int
    flags: int
    offset: int
    virtual_address: int
    physical_address: int
    file_bytes: int
    memory_bytes: int
    alignment: int

    @property
    def rights(self) -> str:
        """Read, write and execute rights as ``rwx``."""
        return _RIGHTS[self.flags & 7]


class ElfSection(NamedTuple):
    """A section header with its name."""

    name: str
    type: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int
    row_bytes: int

    @property
    def is_loaded(self) -> bool:
        """Whether the section takes memory at run time."""
        return bool(self.flags & 0x2)

    @property
    def is_code(self) -> bool:
        """Whether the section holds machine instructions."""
        return bool(self.flags & 0x4)


@dataclass(frozen=True, slots=True)
class _Flavour:
    """The ``struct`` formats of one of the four flavours."""

    bits: int
    order: str

    @property
    def header(self) -> str:
        return self.order + ("HHIIIIIHHHHHH" if self.bits == 32 else "HHIQQQIHHHHHH")

    @property
    def segment(self) -> str:
        return self.order + ("8I" if self.bits == 32 else "IIQQQQQQ")

    @property
    def section(self) -> str:
        return self.order + ("10I" if self.bits == 32 else "IIQQQQIIQQ")

    @property
    def dynamic(self) -> str:
        return self.order + ("II" if self.bits == 32 else "QQ")


@dataclass(slots=True)
class ElfFile:
    """The tables of one ELF file; every offset in them may still be wrong, ``content`` clips to what is there."""

    window: Window
    bits: int
    endianness: str
    os_abi: int
    header: ElfHeader
    segments: tuple[ElfSegment, ...] = ()
    sections: tuple[ElfSection, ...] = ()
    problems: Problems = field(default_factory=Problems)

    @property
    def byte_order(self) -> str:
        """The ``struct`` prefix of the file's byte order."""
        return "<" if self.endianness == "little" else ">"

    @property
    def is_hosted(self) -> bool:
        """Whether it runs on an operating system: it asks for a loader, or was linked with all that it needs."""
        if any(s.type in {SegmentType.DYNAMIC, SegmentType.INTERPRETER} for s in self.segments):
            return True
        return self.os_abi == LINUX_ABI or any((owner, kind) == GNU_ABI_TAG for owner, kind, _ in self._all_notes())

    def content(self, row: ElfSegment | ElfSection) -> tuple[int, int]:
        """Return the index range of the row's bytes in the file, clipped to the bytes that are there."""
        size = row.file_bytes if isinstance(row, ElfSegment) else row.size
        if isinstance(row, ElfSection) and row.type in {SectionType.NOBITS, SectionType.NULL}:
            size = 0
        start = min(row.offset, self.window.size)
        return start, min(start + size, self.window.size)

    def data(self, row: ElfSegment | ElfSection) -> memoryview:
        """Return the row's bytes, as far as they are there."""
        start, end = self.content(row)
        return self.window.take(start, end - start)

    def loads(self) -> Iterator[ElfSegment]:
        """Yield the segments that bring bytes of the file into memory."""
        return (s for s in self.segments if s.type == SegmentType.LOAD and s.file_bytes)

    def interpreter(self) -> str | None:
        """Return the path of the program loader the file asks for; None on bare metal and in static programs."""
        for segment in self.segments:
            if segment.type == SegmentType.INTERPRETER:
                return _text_at(self.data(segment), 0)
        return None

    def needed(self) -> tuple[list[str], str | None]:
        """Return the names of the shared libraries the file asks for, and its own name as one."""
        rows = list(self._dynamic_rows())
        strings_at = next((self.offset_of(value) for tag, value in rows if tag == DynamicTag.STRINGS), None)
        if strings_at is None:
            return [], None
        strings = self.window.take(strings_at, self.window.size - strings_at)
        names = {
            wanted: [_text_at(strings, value) for tag, value in rows if tag == wanted]
            for wanted in (DynamicTag.NEEDED, DynamicTag.SONAME)
        }
        return names[DynamicTag.NEEDED], next(iter(names[DynamicTag.SONAME]), None)

    def build_id(self) -> str | None:
        """Return the identifier the linker gave this build, as hexadecimal text."""
        notes = self._all_notes()
        return next((content.hex() for owner, kind, content in notes if (owner, kind) == GNU_BUILD_ID), None)

    def _dynamic_rows(self) -> Iterator[tuple[int, int]]:
        layout = struct.Struct(_Flavour(self.bits, self.byte_order).dynamic)
        segment = next((s for s in self.segments if s.type == SegmentType.DYNAMIC), None)
        data = memoryview(b"") if segment is None else self.data(segment)
        rows = min(len(data) // layout.size, MAX_DYNAMIC_ROWS)
        for tag, value in layout.iter_unpack(data[: rows * layout.size]):
            if tag == DynamicTag.END:
                return
            yield tag, value

    def offset_of(self, address: int) -> int | None:
        """Return where in the file the byte of a virtual address stands."""
        for segment in self.loads():
            index = segment.offset + address - segment.virtual_address
            start, end = self.content(segment)
            if start <= index < end:
                return index
        return None

    def _all_notes(self) -> Iterator[tuple[bytes, int, bytes]]:
        """Yield the owner, kind and content of the notes in segments and sections."""
        rows: list[ElfSegment | ElfSection] = [s for s in self.segments if s.type == SegmentType.NOTE]
        rows += [s for s in self.sections if s.type == SectionType.NOTE]
        return islice(chain.from_iterable(map(self._notes, rows)), MAX_NOTES)

    def _notes(self, row: ElfSegment | ElfSection) -> Iterator[tuple[bytes, int, bytes]]:
        """Yield the owner, kind and content of each note."""
        data = self.data(row)
        unit = 8 if row.alignment == 8 else 4
        position = 0
        while position + NOTE_HEADER_BYTES <= len(data):
            name_bytes, content_bytes, kind = struct.unpack_from(f"{self.byte_order}III", data, position)
            name_at = position + NOTE_HEADER_BYTES
            content_at = _aligned(name_at + name_bytes, unit)
            position = _aligned(content_at + content_bytes, unit)
            if content_at + content_bytes > len(data):
                return
            yield (
                bytes(data[name_at : name_at + name_bytes]),
                kind,
                bytes(data[content_at : content_at + content_bytes]),
            )


def read_elf(window: Window) -> ElfFile:
    """Read the tables of the ELF file at the start of ``window``; raise ``FormatError`` when it is none."""
    bits, order = _identify(window)
    flavour = _Flavour(bits, order)
    header_bytes = struct.calcsize(flavour.header)
    header = ElfHeader(*struct.unpack(flavour.header, window.take(IDENT_BYTES, header_bytes)))
    if header.version != 1 or header.header_bytes != IDENT_BYTES + header_bytes:
        raise FormatError(f"no ELF file: version {header.version}, header of {header.header_bytes} bytes")
    endianness = "little" if order == "<" else "big"
    elf = ElfFile(window, bits, endianness, window.take(0, IDENT_BYTES)[7], header)
    _read_tables(elf, flavour)
    if not elf.segments and not elf.sections:
        reasons = elf.problems.sentences() or ("it has neither segments nor sections",)
        raise FormatError("no ELF file: " + "; ".join(reasons))
    return elf


def constants(elf: ElfFile) -> list[tuple[int, int]]:
    """Return where the constants are: by sections, else in all that is loaded, else anywhere."""
    sections = [
        elf.content(s)
        for s in elf.sections
        if s.type == SectionType.PROGBITS and s.is_loaded and not s.is_code and s.name.startswith(CONSTANTS)
    ]
    return sections or [elf.content(segment) for segment in elf.loads()] or [(0, elf.window.size)]


def is_hosted_whole(window: Window) -> bool:
    """Tell at a glance whether ``window`` is a program, library or module of an operating system and nothing more.

    Kernels are none: they are loaded without its help, and carry file systems. What stands behind the last table is
    no part of the file.
    """
    try:
        bits, order = _identify(window)
        flavour = _Flavour(bits, order)
        header = ElfHeader(*struct.unpack(flavour.header, window.take(IDENT_BYTES, struct.calcsize(flavour.header))))
        table = window.take(header.segments_at, header.segment_count * header.segment_row_bytes)
    except FormatError:
        return False
    end = header.sections_at + header.section_count * header.section_row_bytes
    if not 0 <= window.size - end < APPENDED_BYTES:
        return False
    if header.type == RELOCATABLE:
        return True
    if header.segment_row_bytes != struct.calcsize(flavour.segment):
        return False
    kinds = {row[0] for row in struct.iter_unpack(flavour.segment, table)}
    return not kinds.isdisjoint({SegmentType.DYNAMIC, SegmentType.INTERPRETER})


def _identify(window: Window) -> tuple[int, str]:
    ident = bytes(window.take(0, IDENT_BYTES))
    bits = {1: 32, 2: 64}.get(ident[4])
    order = {1: "<", 2: ">"}.get(ident[5])
    if ident[:4] != MAGIC or bits is None or order is None or ident[6] != 1:
        raise FormatError("no ELF file: its identification is impossible")
    return bits, order


def _read_tables(elf: ElfFile, flavour: _Flavour) -> None:
    header = elf.header
    section_count, segment_count, names_index = header.section_count, header.segment_count, header.names_index
    sections = _Table("section header", flavour.section, header.sections_at, header.section_row_bytes)
    if header.sections_at and (section_count == 0 or segment_count == MANY_SEGMENTS or names_index == MANY_SECTIONS):
        first = next(sections.rows(elf, 1), None)
        if first is not None:
            section_count = section_count or first[5]
            names_index = first[6] if names_index == MANY_SECTIONS else names_index
            segment_count = first[7] if segment_count == MANY_SEGMENTS else segment_count
    segments = _Table("program header", flavour.segment, header.segments_at, header.segment_row_bytes)
    elf.segments = tuple(_segment(row, flavour.bits) for row in segments.rows(elf, segment_count))
    rows = list(sections.rows(elf, section_count))
    names = elf.data(ElfSection("", *rows[names_index][1:])) if names_index < len(rows) else memoryview(b"")
    elf.sections = tuple(ElfSection(_text_at(names, row[0]), *row[1:]) for row in rows)


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of rows in the file."""

    title: str
    layout: str
    offset: int
    row_bytes: int

    def rows(self, elf: ElfFile, count: int) -> Iterator[tuple[int, ...]]:
        """Return the rows, as many as are there; what is missing is noted in the file's problems."""
        size = struct.calcsize(self.layout)
        if count == 0:
            return iter(())
        if self.row_bytes != size:
            elf.problems.add(f"a {self.title} has {self.row_bytes} bytes, {size} are right")
            return iter(())
        available = max(0, elf.window.size - self.offset) // size
        wanted = min(count, MAX_ROWS)
        if available < wanted or wanted < count:
            usable = min(available, wanted)
            elf.problems.add(f"of {count} {self.title}s at {self.offset:#x} only {usable} are there and read")
        data = elf.window.take(min(self.offset, elf.window.size), min(available, wanted) * size)
        return struct.iter_unpack(self.layout, data)


def _segment(row: tuple[int, ...], bits: int) -> ElfSegment:
    """Put the fields of a program header in one order: 64-bit files have the flags second, the others last but one."""
    if bits == 64:
        return ElfSegment(*row)
    kind, offset, virtual, physical, file_bytes, memory_bytes, flags, alignment = row
    return ElfSegment(kind, flags, offset, virtual, physical, file_bytes, memory_bytes, alignment)


def _text_at(data: memoryview, offset: int) -> str:
    """Return the NUL-terminated text at ``offset``, with dots for what cannot be printed; empty outside of ``data``."""
    text = bytes(data[offset : offset + MAX_TEXT_BYTES]).split(b"\0", 1)[0]
    if text.isascii() and (plain := text.decode("ascii")).isprintable():
        return plain
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in text)


def _aligned(position: int, unit: int) -> int:
    return -(-position // unit) * unit
