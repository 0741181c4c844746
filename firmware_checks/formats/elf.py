"""ELF files: what linkers make, from microcontroller programs with symbols to Linux programs."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from firmware_checks.address_map import AddressMapBuilder
from firmware_checks.format import ImageFormat, Magic, Memory, Opened, Part
from firmware_checks.readers.arm_attributes import ArmAttributes, read_arm_attributes
from firmware_checks.readers.elf_file import (
    MAGIC,
    ElfFile,
    ElfSection,
    ElfSegment,
    SectionType,
    is_hosted_whole,
    read_elf,
)
from firmware_checks.region import Program
from firmware_checks.span import Span
from toolkit.core.limits import Limits
from toolkit.report.model import Confidence, Fact, RegionKind

__all__ = ["FORMAT"]

TYPES: Final = {1: "relocatable object", 2: "executable", 3: "shared object", 4: "core dump"}
SHARED_OBJECT = 3
ARM, MIPS, RISCV = 40, 8, 243
ARCHITECTURES: Final = {
    (3, 32): "x86",
    (4, 32): "m68k",
    (6, 32): "x86",
    (8, 32): "mips",
    (8, 64): "mips64",
    (10, 32): "mips",
    (20, 32): "powerpc",
    (21, 64): "powerpc64",
    (36, 32): "v850",
    (40, 32): "arm",
    (42, 32): "superh",
    (44, 32): "tricore",
    (45, 32): "arc",
    (62, 32): "x86_64",
    (62, 64): "x86_64",
    (71, 32): "hcs08",
    (83, 32): "avr",
    (87, 32): "v850",
    (93, 32): "arc",
    (94, 32): "xtensa",
    (105, 32): "msp430",
    (141, 32): "c28x",
    (165, 32): "8051",
    (173, 32): "rx",
    (183, 32): "aarch64",
    (183, 64): "aarch64",
    (186, 32): "stm8",
    (195, 32): "arc",
    (197, 32): "rl78",
    (243, 32): "riscv32",
    (243, 64): "riscv64",
    (0x9080, 32): "v850",
}
"""Architecture by machine number and word size. Source: System V ABI, "ELF machine" registry, and GNU binutils."""
ADDRESS_UNIT_BYTES: Final = {141: 2}
"""Machines whose addresses count words and not bytes: TI C28x, 16 bits."""
PIC32_FLASH = (0x1D00_0000, 0x1D40_0000)
"""Physical addresses of a PIC32's program flash. Source: Microchip PIC32 family reference manual, section 3."""
RAM_OF_CORTEX_M = (0x1000_0000, 0x4000_0000)
"""Where a Cortex-M's first stack pointer can lie: code-region RAM and the SRAM region of the Armv7-M memory map."""
LOADED_DATA = ("constants and data", RegionKind.DATA)
MERGE_GAP_BYTES = 64
MAX_NAMES = 64
MAX_COMPILERS = 4
MAX_COMPILER_BYTES = 4096
MAX_LOAD_RATIO = 2
"""Bytes loaded over bytes in the file; more means the same bytes are loaded again and again."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """Bytes ``[start, end)`` of the file that are not loaded, and what they are."""

    start: int
    end: int
    title: str
    kind: RegionKind
    names: tuple[str, ...] = ()
    look_inside: bool = False


@dataclass(frozen=True, slots=True)
class _Load:
    """Bytes ``[start, end)`` of the file that are loaded to ``address``; to run, they are found at ``virtual``."""

    start: int
    end: int
    address: int
    virtual: int
    segment: ElfSegment


def _open(span: Span, limits: Limits) -> Opened:
    elf = read_elf(span.window)
    loads = _loads(elf)
    attributes = _attributes(elf)
    program = _program(elf, loads, attributes)
    parts = _parts(elf, loads, program)
    if elf.is_hosted:
        parts = sorted([*parts, *_loaded_parts(loads, program)], key=lambda part: part.start)
    memories = (_memory(elf, loads, span, limits),) if loads and not elf.is_hosted else ()
    kind = _type(elf)
    return Opened(
        size=max([part.end for part in parts] + [load.end for load in loads]),
        kind=RegionKind.CONTAINER,
        title=f"ELF {kind}",
        facts={"type": kind, **_facts(elf, loads), **_processor_facts(elf, attributes), **_build_facts(elf)},
        parts=tuple(parts),
        memories=memories,
        program=program,
        problems=elf.problems.sentences(),
    )


def _loaded_parts(loads: Sequence[_Load], program: Program | None) -> Iterator[Part]:
    """Yield what the loader of an operating system loads: as the linker says what it is, nobody has to guess."""
    position = 0
    for load in loads:
        start, position = max(load.start, position), max(load.end, position)
        if start == position:
            continue
        title, kind = ("machine code", RegionKind.PROGRAM) if "x" in load.segment.rights else LOADED_DATA
        yield Part(
            start=start,
            end=position,
            title=f"{title}, loaded",
            kind=kind,
            address=load.address + start - load.start,
            look_inside=True,
            settled=True,
            program=program if kind is RegionKind.PROGRAM else None,
        )


def _type(elf: ElfFile) -> str:
    if elf.header.type == SHARED_OBJECT and elf.interpreter() is not None:
        return "position-independent executable"
    return TYPES.get(elf.header.type, f"type {elf.header.type:#x}")


def _loads(elf: ElfFile) -> list[_Load]:
    """Return what is loaded where, in file order; file headers that the first segment takes along are left out."""
    segments = list(elf.loads())
    physical = any(s.physical_address for s in segments)
    headers_end = _headers_end(elf)
    loads: list[_Load] = []
    bytes_left = elf.window.size * MAX_LOAD_RATIO
    for segment in segments:
        load = _load(elf, segment, segment.physical_address if physical else segment.virtual_address, headers_end)
        bytes_left -= load.end - load.start
        if bytes_left < 0:
            elf.problems.add("the same bytes are loaded again and again; the rest of the segments was left out")
            break
        if load.address + load.end - load.start > ADDRESS_UNIT_BYTES.get(elf.header.machine, 1) << elf.bits:
            elf.problems.add(f"the segment at {segment.offset:#x} does not fit the address space")
        elif load.start < load.end:
            loads.append(load)
    return sorted(loads, key=lambda load: load.start)


def _load(elf: ElfFile, segment: ElfSegment, address: int, headers_end: int) -> _Load:
    unit = ADDRESS_UNIT_BYTES.get(elf.header.machine, 1)
    start, end = elf.content(segment)
    if end - start < segment.file_bytes:
        wanted = segment.file_bytes
        elf.problems.add(f"the segment at {segment.offset:#x} has {end - start} of its {wanted} bytes")
    first = min(end, headers_end) if start == 0 else start
    skipped = first - start
    return _Load(first, end, address * unit + skipped, segment.virtual_address * unit + skipped, segment)


def _headers_end(elf: ElfFile) -> int:
    """Return where the content of a segment from offset 0 on starts: behind the headers, at the first section."""
    header = elf.header
    end = header.header_bytes
    if header.segments_at <= end + MERGE_GAP_BYTES:
        end = max(end, header.segments_at + len(elf.segments) * header.segment_row_bytes)
    placed = (elf.content(section) for section in elf.sections if section.is_loaded)
    return min((a for a, b in placed if end <= a < b), default=end)


def _memory(elf: ElfFile, loads: Sequence[_Load], span: Span, limits: Limits) -> Memory:
    entry = _entry(elf)
    builder = AddressMapBuilder(span.path, max_segments=limits.segments, entry_address=entry)
    for load in loads:
        data = elf.window.take(load.start, load.end - load.start)
        builder.add(load.address, data, span.provenance.offset_at(load.start))
    return Memory(map=builder.finish())


def _entry(elf: ElfFile) -> int | None:
    """Return where the program starts, without Arm's Thumb bit; None where the file names no entry."""
    entry = elf.header.entry & ~1 if elf.header.machine == ARM else elf.header.entry
    return entry * ADDRESS_UNIT_BYTES.get(elf.header.machine, 1) or None


def _program(elf: ElfFile, loads: Sequence[_Load], attributes: ArmAttributes) -> Program | None:
    machine = elf.header.machine
    arch = ARCHITECTURES.get((machine, elf.bits))
    if arch is None:
        return None
    family = None
    why = [f"the ELF header names machine {machine}"]
    first = min(loads, key=lambda load: load.address, default=None)
    if machine == ARM and attributes.is_microcontroller:
        arch = "arm-cortex-m"
        why.append("its build attributes name the microcontroller profile")
    elif machine == ARM and not attributes.profile and first is not None and _starts_with_vectors(elf, loads, first):
        arch = "arm-cortex-m"
        why.append("it starts with a Cortex-M vector table and its entry is Thumb code")
    elif machine == MIPS and any(PIC32_FLASH[0] <= load.address & 0x1FFF_FFFF < PIC32_FLASH[1] for load in loads):
        family = "PIC32"
        why.append("it is loaded to the program flash of a PIC32")
    return Program(
        arch=arch,
        load_address=None if first is None else first.address,
        entry_address=_entry(elf) if loads else None,
        mcu_family=family,
        mcu_family_confidence=Confidence.MEDIUM if family else None,
        why=tuple(why),
    )


def _starts_with_vectors(elf: ElfFile, loads: Sequence[_Load], first: _Load) -> bool:
    """Tell whether the lowest bytes are a stack pointer in RAM and a Thumb address inside the program."""
    if elf.header.entry & 1 == 0 or first.end - first.start < 8:
        return False
    stack, reset = struct.unpack(f"{elf.byte_order}II", elf.window.take(first.start, 8))
    inside = any(load.virtual <= reset < load.virtual + load.end - load.start for load in loads)
    return bool(stack % 4 == 0 and RAM_OF_CORTEX_M[0] <= stack < RAM_OF_CORTEX_M[1] and reset & 1 and inside)


def _attributes(elf: ElfFile) -> ArmAttributes:
    if elf.header.machine == ARM:
        for section in elf.sections:
            if section.type == SectionType.ATTRIBUTES:
                return read_arm_attributes(elf.data(section), elf.byte_order)
    return ArmAttributes()


def _facts(elf: ElfFile, loads: Sequence[_Load]) -> dict[str, Fact]:
    header = elf.header
    facts: dict[str, Fact] = {"bits": elf.bits, "endianness": elf.endianness, "machine": header.machine}
    if elf.os_abi:
        facts["os_abi"] = elf.os_abi
    if header.flags:
        facts["flags"] = f"{header.flags:#010x}"
    if loads:
        facts["segments"] = tuple(_segment_line(load) for load in loads[:MAX_NAMES])
    unit = ADDRESS_UNIT_BYTES.get(header.machine, 1)
    if unit > 1:
        facts["address_unit_bytes"] = unit
    return facts


def _segment_line(load: _Load) -> str:
    line = f"{load.end - load.start} bytes at {load.address:#010x} {load.segment.rights}"
    return line if load.virtual == load.address else f"{line}, used at {load.virtual:#010x}"


def _processor_facts(elf: ElfFile, attributes: ArmAttributes) -> dict[str, Fact]:
    header = elf.header
    known: dict[str, Fact] = {"cpu": attributes.cpu, "cpu_architecture": attributes.architecture}
    if header.machine == ARM:
        known["abi"] = _arm_abi(header.flags)
        known["thumb_entry"] = bool(header.entry & 1) if header.entry else ""
    elif header.machine == RISCV:
        known["abi"] = _riscv_abi(header.flags)
    return {name: value for name, value in known.items() if value != ""}


def _arm_abi(flags: int) -> str:
    """Return the ABI in words. Source: "ELF for the Arm Architecture", e_flags."""
    words = [f"EABI{flags >> 24}"]
    words += [word for bit, word in ((0x400, "hard float"), (0x200, "soft float"), (0x80_0000, "BE8")) if flags & bit]
    return ", ".join(words)


def _riscv_abi(flags: int) -> str:
    """Return the ABI in words. Source: "RISC-V ELF psABI", e_flags."""
    words = [("soft", "single", "double", "quad")[flags >> 1 & 3] + " float"]
    words += [word for bit, word in ((1, "compressed instructions"), (8, "RV32E")) if flags & bit]
    return ", ".join(words)


def _build_facts(elf: ElfFile) -> dict[str, Fact]:
    needed, own_name = elf.needed()
    known: dict[str, Fact | None] = {
        "build_id": elf.build_id(),
        "interpreter": elf.interpreter(),
        "needed": tuple(needed[:MAX_NAMES]) or None,
        "soname": own_name,
        "compiler": _compiler(elf) or None,
    }
    if elf.sections or not elf.header.section_count:
        known["stripped"] = not any(s.type == SectionType.SYMBOLS and s.size for s in elf.sections)
        known["debug_information"] = any(_is_debug(s.name) for s in elf.sections)
        known["sections"] = tuple(s.name for s in elf.sections[: MAX_NAMES + 1] if s.name) or None
    return {name: value for name, value in known.items() if value is not None}


def _compiler(elf: ElfFile) -> tuple[str, ...]:
    """Return what compilers wrote about themselves, each once."""
    section = next((s for s in elf.sections if s.name == ".comment"), None)
    notes = b"" if section is None else bytes(elf.data(section)[:MAX_COMPILER_BYTES])
    texts = dict.fromkeys("".join(chr(b) for b in raw if 0x20 <= b < 0x7F) for raw in notes.split(b"\0"))
    return tuple(text for text in texts if text)[:MAX_COMPILERS]


def _is_debug(name: str) -> bool:
    return name.startswith((".debug", ".zdebug", ".stab", ".gdb_index", ".gnu.debuglto_"))


def _parts(elf: ElfFile, loads: Sequence[_Load], program: Program | None) -> list[Part]:
    """Return a part for every byte up to the end of the file's tables and sections that is not loaded."""
    loaded = _union((load.start, load.end) for load in loads)
    pieces: list[_Piece] = []
    position = 0
    for claim in sorted([*_headers(elf), *map(_section_piece, _placed(elf))], key=lambda piece: piece.start):
        for start, end in _outside(max(claim.start, position), claim.end, loaded):
            _append(pieces, replace(claim, start=start, end=end), loaded)
        position = max(position, claim.end)
    return [_part(piece, program) for piece in _with_gaps(elf, pieces, loaded)]


def _headers(elf: ElfFile) -> Iterator[_Piece]:
    header = elf.header
    size = elf.window.size
    for title, start, length in (
        ("ELF header", 0, header.header_bytes),
        ("program headers", header.segments_at, len(elf.segments) * header.segment_row_bytes),
        ("section headers", header.sections_at, len(elf.sections) * header.section_row_bytes),
    ):
        if length and start < size:
            yield _Piece(start, min(start + length, size), title, RegionKind.METADATA)


def _placed(elf: ElfFile) -> Iterator[tuple[ElfSection, int, int]]:
    """Yield the sections that have bytes in the file, with their index range."""
    for section in elf.sections:
        start, end = elf.content(section)
        if start < end:
            yield section, start, end


def _section_piece(placed: tuple[ElfSection, int, int]) -> _Piece:
    section, start, end = placed
    title, kind, look_inside = _section_meaning(section)
    return _Piece(start, end, title, kind, (section.name,), look_inside)


MEANING_BY_TYPE: Final = {
    SectionType.SYMBOLS: "symbol and string tables",
    SectionType.STRINGS: "symbol and string tables",
    SectionType.DYNAMIC_SYMBOLS: "symbol and string tables",
    SectionType.RELOCATIONS: "relocations",
    SectionType.RELOCATIONS_WITH_ADDENDS: "relocations",
    SectionType.NOTE: "notes",
    SectionType.ATTRIBUTES: "build attributes",
    SectionType.GNU_ATTRIBUTES: "build attributes",
}


def _section_meaning(section: ElfSection) -> tuple[str, RegionKind, bool]:
    """Return title and kind of a section that is not loaded, and whether its content is worth opening."""
    title = next((words for kind, words in MEANING_BY_TYPE.items() if kind == section.type), "")
    if title:
        return title, RegionKind.METADATA, False
    if _is_debug(section.name):
        return "debug information", RegionKind.METADATA, False
    if section.name.startswith(".gnu"):
        return "toolchain notes", RegionKind.METADATA, False
    if section.name == ".comment":
        return "compiler notes", RegionKind.METADATA, True
    if section.is_code:
        return "machine code", RegionKind.PROGRAM, True
    return (*LOADED_DATA, True) if section.is_loaded else ("section", RegionKind.DATA, True)


def _union(ranges: Iterator[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the ranges sorted, with those that touch or overlap as one."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def _outside(start: int, end: int, loaded: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the pieces of ``[start, end)`` that are in none of the sorted ranges ``loaded``."""
    for index in range(bisect_right(loaded, start, key=_end_of), len(loaded)):
        low, high = loaded[index]
        if low >= end:
            break
        if start < low:
            yield start, low
        start = high
    if start < end:
        yield start, end


def _end_of(bounds: tuple[int, int]) -> int:
    return bounds[1]


def _append(pieces: list[_Piece], new: _Piece, loaded: Sequence[tuple[int, int]]) -> None:
    """Append ``new``; sections of one meaning that follow each other closely are one piece."""
    if pieces and _continues(pieces[-1], new, loaded):
        last = pieces[-1]
        pieces[-1] = replace(last, end=new.end, names=(*last.names, *new.names)[:MAX_NAMES])
    else:
        pieces.append(new)


def _continues(last: _Piece, new: _Piece, loaded: Sequence[tuple[int, int]]) -> bool:
    gap = (last.end, new.start)
    return (
        (last.title, last.kind) == (new.title, new.kind)
        and new.start - last.end <= MERGE_GAP_BYTES
        and (last.end == new.start or list(_outside(*gap, loaded)) == [gap])
    )


def _with_gaps(elf: ElfFile, pieces: Sequence[_Piece], loaded: Sequence[tuple[int, int]]) -> list[_Piece]:
    """Return the pieces and, between them, what no table names."""
    taken = _union(iter([*((piece.start, piece.end) for piece in pieces), *loaded]))
    gaps: list[_Piece] = []
    for start, end in _outside(0, taken[-1][1], taken):
        data = bytes(elf.window.take(start, end - start))
        if data.strip(b"\0") and data.strip(b"\xff"):
            gaps.append(_Piece(start, end, "bytes that no table names", RegionKind.UNKNOWN, look_inside=True))
        else:
            gaps.append(_Piece(start, end, "alignment", RegionKind.PADDING))
    return sorted([*pieces, *gaps], key=lambda piece: piece.start)


def _part(piece: _Piece, program: Program | None) -> Part:
    return Part(
        start=piece.start,
        end=piece.end,
        title=piece.title,
        kind=piece.kind,
        look_inside=piece.look_inside,
        settled=any(piece.names),
        program=program if piece.kind is RegionKind.PROGRAM else None,
        facts={"sections": piece.names} if any(piece.names) else {},
    )


def _example() -> bytes:
    """Build a Cortex-M program: vectors and code in flash, initial data copied to RAM, and a symbol table."""
    code = struct.pack("<II", 0x2000_1000, 0x0800_0009) + b"\xfe\xe7" * 4
    data = b"pump-42\0"
    names = b"\0.text\0.data\0.symtab\0.shstrtab\0"
    text_at = 52 + 2 * 32
    data_at = text_at + len(code)
    symbols_at = data_at + len(data)
    names_at = symbols_at + 16
    sections_at = names_at + len(names)
    ident = MAGIC + bytes([1, 1, 1]) + bytes(9)
    header = struct.pack("<HHIIIIIHHHHHH", 2, ARM, 1, 0x0800_0009, 52, sections_at, 0x0500_0000, 52, 32, 2, 40, 5, 4)
    segments = struct.pack("<8I", 1, text_at, 0x0800_0000, 0x0800_0000, len(code), len(code), 5, 4)
    segments += struct.pack("<8I", 1, data_at, 0x2000_0000, 0x0800_0000 + len(code), len(data), len(data), 6, 4)
    sections = bytes(40)
    sections += struct.pack("<10I", 1, 1, 6, 0x0800_0000, text_at, len(code), 0, 0, 4, 0)
    sections += struct.pack("<10I", 7, 1, 3, 0x2000_0000, data_at, len(data), 0, 0, 4, 0)
    sections += struct.pack("<10I", 13, 2, 0, 0, symbols_at, 16, 4, 1, 4, 16)
    sections += struct.pack("<10I", 21, 3, 0, 0, names_at, len(names), 0, 0, 1, 0)
    return ident + header + segments + code + data + bytes(16) + names + sections


FORMAT = ImageFormat(
    name="elf",
    title="ELF file",
    source="System V ABI, generic part, chapters 4 and 5; ELF for the Arm Architecture; RISC-V ELF psABI",
    limits="Symbols and debug information are measured, not read.",
    open=_open,
    closed=is_hosted_whole,
    magics=(Magic(rb"\x7fELF[\x01\x02][\x01\x02]\x01", anchor=MAGIC),),
    example=_example,
)
