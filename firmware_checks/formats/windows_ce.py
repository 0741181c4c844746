"""Windows CE images: the records of an NK.bin, and the ROM they make with its programs and files."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Final

from firmware_checks.address_map import AddressSpaces, facts_of
from firmware_checks.format import Entry, EntryKind, ImageFormat, Magic, Memory, Opened
from firmware_checks.readers.entry_names import name_problems, visible
from firmware_checks.readers.windows_metadata import attribute_letters, filetime_s
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.layout import U16LE, U32LE, Layout, const, raw, wire
from toolkit.core.limits import Limits
from toolkit.core.problems import Problems
from toolkit.core.window import Window
from toolkit.report.model import Fact, Integrity, RegionKind

__all__ = ["FORMAT"]

RECORDS_MAGIC: Final = b"B000FF\n"
ROM_MAGIC: Final = b"ECEC"
ROM_MAGIC_AT: Final = 0x40
RECORD: Final = struct.Struct("<3I")
"""Address, bytes and check sum of a record; its bytes follow."""
LARGEST_IMAGE = 1 << 30
FAR_BYTES = 1 << 28
"""Records further than this from the image's own address are taken for damage."""
VERDICTS = 16
"""Check sums that are reported: the first and the wrong ones."""
PAGE_BYTES = 4096
MOST_SECTIONS = 96
NAME_BYTES = 260
NAMES_TOLD = 64
COMPRESSED = 0x2000
"""Flag of a section that is compressed."""

MACHINES: Final = {
    0x014C: "x86", 0x0166: "MIPS R4000", 0x0169: "MIPS WCE", 0x0266: "MIPS16", 0x0366: "MIPS with FPU",
    0x0466: "MIPS16 with FPU", 0x01A2: "SH-3", 0x01A3: "SH-3 DSP", 0x01A6: "SH-4", 0x01A8: "SH-5", 0x01C0: "ARM",
    0x01C2: "ARM Thumb", 0x01C4: "ARM Thumb-2", 0x01F0: "PowerPC",
}  # fmt: skip
"""Processors by machine type. Source: Microsoft PE Format; winnt.h of Windows CE."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsHeader:
    """Start of an NK.bin. Source: Microsoft, Windows CE Binary Image Data Format (ms924510)."""

    magic: bytes = wire(const(RECORDS_MAGIC))
    address: int = wire(U32LE)
    image_bytes: int = wire(U32LE)


@dataclass(frozen=True, slots=True, kw_only=True)
class RomHeader:
    """Table of contents of a ROM; programs and files follow. Source: romldr.h of Windows CE, ROMHDR."""

    first_library: int = wire(U32LE)
    last_library: int = wire(U32LE)
    start: int = wire(U32LE)
    end: int = wire(U32LE)
    modules: int = wire(U32LE)
    ram_start: int = wire(U32LE)
    ram_free: int = wire(U32LE)
    ram_end: int = wire(U32LE)
    copies: int = wire(U32LE)
    copies_at: int = wire(U32LE)
    profile_bytes: int = wire(U32LE)
    profile_at: int = wire(U32LE)
    files: int = wire(U32LE)
    kernel_flags: int = wire(U32LE)
    ram_for_files: int = wire(U32LE)
    drivers_start: int = wire(U32LE)
    drivers_bytes: int = wire(U32LE)
    machine: int = wire(U16LE)
    flags: int = wire(U16LE)
    extensions: int = wire(U32LE)
    tracking_start: int = wire(U32LE)
    tracking_bytes: int = wire(U32LE)


@dataclass(frozen=True, slots=True, kw_only=True)
class RomModule:
    """A program or library whose sections lie in the ROM. Source: romldr.h of Windows CE, TOCentry."""

    attributes: int = wire(U32LE)
    modified: bytes = wire(raw(8))
    file_bytes: int = wire(U32LE)
    name_at: int = wire(U32LE)
    program_at: int = wire(U32LE)
    sections_at: int = wire(U32LE)
    load_at: int = wire(U32LE)


@dataclass(frozen=True, slots=True, kw_only=True)
class RomFile:
    """A file in the ROM. Source: romldr.h of Windows CE, FILESentry."""

    attributes: int = wire(U32LE)
    modified: bytes = wire(raw(8))
    unpacked_bytes: int = wire(U32LE)
    packed_bytes: int = wire(U32LE)
    name_at: int = wire(U32LE)
    data_at: int = wire(U32LE)


@dataclass(frozen=True, slots=True, kw_only=True)
class RomProgram:
    """Start of what the ROM keeps of a program's headers. Source: pehdr.h of Windows CE, e32_rom."""

    sections: int = wire(U16LE)
    flags: int = wire(U16LE)
    entry: int = wire(U32LE)
    base_address: int = wire(U32LE)
    subsystem_major: int = wire(U16LE)
    subsystem_minor: int = wire(U16LE)
    stack_bytes: int = wire(U32LE)
    memory_bytes: int = wire(U32LE)


@dataclass(frozen=True, slots=True, kw_only=True)
class RomSection:
    """One section of a program. Source: pehdr.h of Windows CE, o32_rom."""

    memory_bytes: int = wire(U32LE)
    place: int = wire(U32LE)
    rom_bytes: int = wire(U32LE)
    data_at: int = wire(U32LE)
    address: int = wire(U32LE)
    flags: int = wire(U32LE)


RECORDS_HEADER = Layout(RecordsHeader, size=15)
ROM_HEADER = Layout(RomHeader, size=84)
MODULE = Layout(RomModule, size=32)
FILE = Layout(RomFile, size=28)
PROGRAM = Layout(RomProgram, size=24)
SECTION = Layout(RomSection, size=24)


def _open(span: Span, limits: Limits) -> Opened:
    if span.window.starts_with(RECORDS_MAGIC):
        return _open_records(span, limits)
    return _open_rom(span, limits)


def _sum(data: memoryview) -> int:
    """Return the sum of all bytes; the lower half of Adler-32 is one more than that, for as few as 256 bytes."""
    starts = range(0, len(data), 256)
    return sum(zlib.adler32(data[start : start + 256]) & 0xFFFF for start in starts) - len(starts)


@dataclass(slots=True)
class _Records:
    span: Span
    header: RecordsHeader
    spaces: AddressSpaces[str]
    position: int = RECORDS_HEADER.size
    records: int = 0
    entry_address: int | None = None
    verdicts: list[Integrity] = field(default_factory=list)
    problems: Problems = field(default_factory=lambda: Problems(unit="record"))

    def read_all(self) -> None:
        """Read records up to the one without an address; raise ``FormatError`` when the first one is none."""
        try:
            while self._read_record():
                self.records += 1
        except FormatError as error:
            if not self.records:
                raise
            self.problems.add(f"the end mark is missing: {error}")

    def _read_record(self) -> bool:
        window = self.span.window
        address, size, stored = RECORD.unpack(window.take(self.position, RECORD.size))
        if address == 0:
            self.entry_address = size
            self.position += RECORD.size
            return False
        if abs(address - self.header.address) > self.header.image_bytes + FAR_BYTES or address + size > 1 << 32:
            raise FormatError(f"a record for address {address:#010x} cannot belong to the image")
        start = self.position + RECORD.size
        data = window.take(start, size)
        self._judge(stored, data)
        self.spaces.add("", address, data, self.span.provenance.offset_at(start))
        self.position = start + size
        return True

    def _judge(self, stored: int, data: memoryview) -> None:
        computed = _sum(data)
        valid = stored == computed
        if not valid:
            self.problems.add("check sum is wrong", self.records)
        if (self.records == 0 or not valid) and len(self.verdicts) < VERDICTS:
            self.verdicts.append(
                Integrity(
                    algorithm="sum32", covers=f"record {self.records}", stored=f"{stored:#010x}",
                    computed=f"{computed:#010x}", valid=valid,
                )
            )  # fmt: skip


def _open_records(span: Span, limits: Limits) -> Opened:
    header = RECORDS_HEADER.read(span.window)
    if not 0 < header.image_bytes <= LARGEST_IMAGE:
        raise FormatError(f"the image at {span.window.origin:#x} claims an impossible size")
    reader = _Records(span, header, AddressSpaces(span.path, limits, pitch=1))
    reader.read_all()
    maps = reader.spaces.finish(reader.entry_address)
    facts: dict[str, Fact] = {
        "image_address": header.address,
        "image_bytes": header.image_bytes,
        "records": reader.records,
        **facts_of(maps.values()),
    }
    if reader.entry_address is not None:
        facts["entry_address"] = reader.entry_address
    return Opened(
        size=reader.position,
        kind=RegionKind.CONTAINER,
        title="Windows CE image (NK.bin records)",
        facts=facts,
        integrity=tuple(reader.verdicts),
        memories=tuple(Memory(map=memory) for memory in maps.values()),
        problems=reader.problems.sentences(),
        limits_hit=reader.spaces.limits_hit,
    )


@dataclass(slots=True)
class _Rom:
    """A ROM whose first byte is at the address ``header.start``; everything in it is named by address."""

    window: Window
    header: RomHeader
    contents_at: int
    """Offset of the header."""
    limits: Limits
    problems: Problems = field(default_factory=Problems)
    limits_hit: list[str] = field(default_factory=list)
    modules: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    version: str = ""
    """Version of Windows CE that the first program, the kernel, was made for."""

    def entries(self) -> Iterator[Entry]:
        """Yield programs, each as a folder of its sections, and files."""
        place = self.contents_at + ROM_HEADER.size
        files_at = place + self.header.modules * MODULE.size
        for index in range(self.header.modules):
            try:
                yield from self._module(MODULE.read(self.window, place + index * MODULE.size))
            except FormatError as error:
                self.problems.add(f"a program cannot be read: {error}")
        for index in range(self.header.files):
            try:
                yield self._file(FILE.read(self.window, files_at + index * FILE.size))
            except FormatError as error:
                self.problems.add(f"a file cannot be read: {error}")

    def _at(self, address: int) -> int:
        """Return the offset of ``address``; raise ``FormatError`` when it lies outside."""
        offset = address - self.header.start
        if not 0 <= offset < self.window.size:
            raise FormatError(f"address {address:#010x} lies outside the ROM")
        return offset

    def _name(self, address: int) -> str:
        start = self._at(address)
        text, end, _ = bytes(self.window.view[start : start + NAME_BYTES]).partition(b"\0")
        if not end:
            raise FormatError(f"the name at {address:#010x} has no end")
        name = text.decode("cp1252", "backslashreplace")
        for problem in name_problems(name):
            self.problems.add(problem, name)
        return visible(name)

    def _module(self, row: RomModule) -> Iterator[Entry]:
        name = self._name(row.name_at)
        program = PROGRAM.read(self.window, self._at(row.program_at))
        sections_at = self._at(row.sections_at)
        if program.sections > MOST_SECTIONS:
            raise FormatError(f"'{name}' claims {program.sections} sections")
        self.modules.append(name)
        self.version = self.version or f"{program.subsystem_major}.{program.subsystem_minor}"
        modified_s = filetime_s(int.from_bytes(row.modified, "little"))
        yield Entry(name=name, packed_bytes=0, unpacked_bytes=0, kind=EntryKind.FOLDER, modified_s=modified_s)
        for number in range(program.sections):
            section = SECTION.read(self.window, sections_at + number * SECTION.size)
            if section.rom_bytes:
                yield self._section(f"{name}/S{number:03d}", section, modified_s)

    def _section(self, name: str, section: RomSection, modified_s: int | None) -> Entry:
        compressed = bool(section.flags & COMPRESSED)
        size = section.rom_bytes if compressed else min(section.rom_bytes, section.memory_bytes)
        return Entry(
            name=name,
            packed_bytes=size,
            unpacked_bytes=section.memory_bytes if compressed else size,
            read=partial(self._read, section.data_at, size, compressed=compressed),
            modified_s=modified_s,
            address=section.address,
        )

    def _file(self, row: RomFile) -> Entry:
        name = self._name(row.name_at)
        self.files.append(name)
        letters = attribute_letters(row.attributes)
        return Entry(
            name=name,
            packed_bytes=row.packed_bytes,
            unpacked_bytes=row.unpacked_bytes,
            read=partial(self._read, row.data_at, row.packed_bytes, compressed=row.packed_bytes != row.unpacked_bytes),
            modified_s=filetime_s(int.from_bytes(row.modified, "little")),
            extended={"dos.attributes": letters.encode()} if letters else {},
        )

    def _read(self, address: int, size: int, max_bytes: int, *, compressed: bool) -> bytes:
        if compressed:
            raise FormatError("is compressed the way of Windows CE ROMs, which is not read")
        if size > max_bytes:
            raise LimitExceeded("entry_bytes", f"holds more than {max_bytes} bytes")
        return bytes(self.window.take(self._at(address), size)) if size else b""


def _open_rom(span: Span, limits: Limits) -> Opened:
    window = span.window
    if not window.starts_with(ROM_MAGIC, ROM_MAGIC_AT):
        raise FormatError(f"no Windows CE image at {window.origin:#x}")
    contents_at, header = _contents(span)
    rom_bytes = header.end - header.start
    size = min(rom_bytes, window.size)
    rom = _Rom(window.sub(0, size), header, contents_at, limits)
    entries = tuple(islice(rom.entries(), limits.entries + 1))
    if len(entries) > limits.entries:
        rom.limits_hit.append(f"more than {limits.entries} files, the rest is not listed")
    cut = (f"the ROM is cut short: {rom_bytes - size} bytes are missing",) if rom_bytes > size else ()
    return Opened(
        size=size,
        kind=RegionKind.CONTAINER,
        title="Windows CE ROM",
        facts=_facts(rom),
        entries=entries,
        problems=(*cut, *rom.problems.sentences()),
        limits_hit=tuple(rom.limits_hit),
    )


def _contents(span: Span) -> tuple[int, RomHeader]:
    """Return place and content of the ROM's header.

    Its address stands behind the signature. Where the ROM starts in memory is known from later words there, from the
    span, or has to be found: the header names its own start, which is that of a page.
    """
    window = span.window
    address, distance = struct.unpack("<2I", window.take(ROM_MAGIC_AT + 4, 8))
    places = [distance]
    if span.address is not None:
        places.append(address - span.address)
    for place in places:
        header = _header_at(window, place, address)
        if header is not None:
            return place, header
    if window.origin == 0:  # tried once in a file and not wherever four letters stand
        for place in range(address % PAGE_BYTES, window.size - ROM_HEADER.size + 1, PAGE_BYTES):
            header = _header_at(window, place, address)
            if header is not None:
                return place, header
    raise FormatError(f"the Windows CE image at {window.origin:#x} has no table of contents")


def _header_at(window: Window, place: int, address: int) -> RomHeader | None:
    """Return the header at ``place`` when it says that it is at ``address``."""
    if not ROM_MAGIC_AT < place <= window.size - ROM_HEADER.size:
        return None
    if window.take(place + 8, 4) != ((address - place) & 0xFFFF_FFFF).to_bytes(4, "little"):
        return None
    header = ROM_HEADER.read(window, place)
    rows_end = place + ROM_HEADER.size + header.modules * MODULE.size + header.files * FILE.size
    plausible = header.machine in MACHINES and header.start < address < header.end <= header.start + LARGEST_IMAGE
    return header if plausible and rows_end <= header.end - header.start else None


def _facts(rom: _Rom) -> dict[str, Fact]:
    header = rom.header
    return {
        "machine": MACHINES[header.machine],
        "subsystem_version": rom.version,
        "rom_start_address": header.start,
        "rom_end_address": header.end,
        "ram_start_address": header.ram_start,
        "ram_end_address": header.ram_end,
        "modules": header.modules,
        "files": header.files,
        "module_names": tuple(rom.modules[:NAMES_TOLD]),
        "file_names": tuple(rom.files[:NAMES_TOLD]),
    }


def _example_rom(start: int) -> bytes:
    """Build a ROM of 0x400 bytes at address ``start`` with one program of one section and one file."""
    modified = (132_223_104_000_000_000).to_bytes(8, "little")
    header = RomHeader(
        first_library=0, last_library=0, start=start, end=start + 0x400, modules=1, ram_start=start + 0x10_0000,
        ram_free=start + 0x11_0000, ram_end=start + 0x20_0000, copies=0, copies_at=0, profile_bytes=0, profile_at=0,
        files=1, kernel_flags=0, ram_for_files=0, drivers_start=0, drivers_bytes=0, machine=0x01C0, flags=0,
        extensions=0, tracking_start=0, tracking_bytes=0,
    )  # fmt: skip
    module = RomModule(
        attributes=7, modified=modified, file_bytes=0x20, name_at=start + 0x200, program_at=start + 0x220,
        sections_at=start + 0x240, load_at=start + 0x300,
    )  # fmt: skip
    file = RomFile(
        attributes=7, modified=modified, unpacked_bytes=7, packed_bytes=7, name_at=start + 0x210, data_at=start + 0x340
    )
    program = RomProgram(
        sections=1, flags=0, entry=0x1000, base_address=start, subsystem_major=5, subsystem_minor=0,
        stack_bytes=0x1_0000, memory_bytes=0x2000,
    )  # fmt: skip
    section = RomSection(
        memory_bytes=0x20, place=0x1000, rom_bytes=0x20, data_at=start + 0x300, address=start + 0x300, flags=0x6000_0020
    )
    pieces = {
        0x40: ROM_MAGIC + struct.pack("<2I", start + 0x100, 0x100),
        0x100: ROM_HEADER.build(header) + MODULE.build(module) + FILE.build(file),
        0x200: b"nk.exe\0",
        0x210: b"pump.ini\0",
        0x220: PROGRAM.build(program),
        0x240: SECTION.build(section),
        0x300: b"\x1e\xff\x2f\xe1" * 8,
        0x340: b"rate=5\n",
    }
    rom = bytearray(0x400)
    for place, data in pieces.items():
        rom[place : place + len(data)] = data
    return bytes(rom)


def _example() -> bytes:
    start = 0x8010_0000
    rom = _example_rom(start)
    records = b""
    for place in range(0, len(rom), 0x200):
        piece = rom[place : place + 0x200]
        records += RECORD.pack(start + place, len(piece), sum(piece)) + piece
    header = RecordsHeader(magic=RECORDS_MAGIC, address=start, image_bytes=len(rom))
    return RECORDS_HEADER.build(header) + records + RECORD.pack(0, start + 0x300, 0)


FORMAT = ImageFormat(
    name="windows-ce-image",
    title="Windows CE image",
    source=(
        "Microsoft, Windows CE Binary Image Data Format (ms924510); romldr.h and pehdr.h of Windows CE (ROMHDR, "
        "TOCentry, FILESentry, e32_rom, o32_rom)"
    ),
    limits=(
        "What is compressed in a ROM is listed and not read; images of several regions (X000FF), IMGFS and BINFS "
        "partitions are not opened."
    ),
    open=_open,
    magics=(Magic(rb"B000FF\x0a"), Magic(rb"ECEC", offset=ROM_MAGIC_AT)),
    stands_alone=True,
    example=_example,
)
