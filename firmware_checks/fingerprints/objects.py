"""Compiled libraries with symbols: every function with its name, out of archives, object files and linked programs.

The sections of an object file are laid out in one piece of memory and its relocations carried out, so that its
functions look as they will in a linked image. Sources: "ELF for the Arm Architecture" (IHI 0044), 4.6.1; for AVR,
``include/elf/avr.h`` of GNU Binutils.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from firmware_checks.fingerprints.avr import AvrCode
from firmware_checks.fingerprints.functions import Code, Function
from firmware_checks.formats import ar
from firmware_checks.readers.elf_file import MAGIC, RELOCATABLE, ElfFile, ElfSection, SectionType, read_elf
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window

__all__ = ["NamedFunction", "Table", "functions_of", "processor_of", "tables_of"]

ARM, AVR = 40, 83
CODE_BASE, DATA_BASE = 0x0800_0000, 0x2000_0000
MOST_BYTES = 8 << 20
FAR = 0x1_0000
"""Bytes between the code and what stands for functions of other files, which no jump inside a function spans."""
SYMBOL = struct.Struct("<IIIBBH")
FUNCTION, OBJECT, SECTION = 2, 1, 3
GLOBAL_UNTYPED = 0x10
ABSOLUTE, TARGET1 = 2, 38
CALL, JUMP = 10, 30
MOVW, MOVT = 47, 48
AVR_BRANCH, AVR_NEAR, AVR_FAR = 2, 3, 18
"""Relocations of AVR's conditional branches, of RJMP and RCALL, and of JMP and CALL; others touch no flow."""
AVR_REACH = 2048
"""Words that RJMP goes back."""
PROCESSORS = {ARM: "arm-cortex-m", AVR: "avr"}
OBJECT_BYTES = range(16, 8192)
"""Sizes of constant tables worth knowing."""


@dataclass(frozen=True, slots=True)
class NamedFunction:
    """A function of a library and the names of those it calls."""

    name: str
    function: Function
    calls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A constant table of a library: numbers that no compiler changes."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class _Symbol:
    name: str
    value: int
    size: int
    kind: int
    section: int


@dataclass(slots=True)
class _Loaded:
    """An ELF file laid out in memory."""

    elf: ElfFile
    memory: bytearray
    base: int
    symbols: list[_Symbol]
    arch: str = "arm-cortex-m"
    places: dict[int, int] = field(default_factory=dict)
    """Address of each section."""
    outside: dict[str, int] = field(default_factory=dict)
    """Numbers of symbols that other files define."""

    def address(self, symbol: _Symbol) -> int | None:
        """Return where ``symbol`` is, without the Thumb bit; None when another file defines it."""
        if symbol.section in self.places:
            return self.places[symbol.section] + (symbol.value & ~(symbol.kind == FUNCTION))
        return None

    def outside_offset(self, name: str) -> int:
        """Return an offset behind the memory that stands for a symbol of another file."""
        return len(self.memory) + FAR + 4 * self.outside.setdefault(name, len(self.outside))

    def code(self) -> Code:
        """Return the memory as code."""
        kind = AvrCode if self.arch == "avr" else Code
        return kind(view=memoryview(bytes(self.memory)), base=self.base)


def functions_of(window: Window, most: int = 200_000) -> Iterator[NamedFunction]:
    """Yield the functions of an archive, object file or program; raise ``FormatError`` when it is none of these."""
    count = 0
    for loaded in _loaded(window):
        for function in _named(loaded):
            yield function
            count += 1
            if count >= most:
                return


def processor_of(window: Window) -> str:
    """Return the processor of a file; raise ``FormatError`` when no signatures can be made for it."""
    return next((loaded.arch for loaded in _loaded(window)), PROCESSORS[ARM])


def tables_of(window: Window) -> Iterator[Table]:
    """Yield the constant tables of an archive, object file or program."""
    for loaded in _loaded(window):
        yield from _tables(loaded)


def _loaded(window: Window) -> Iterator[_Loaded]:
    if window.starts_with(MAGIC):
        yield _load(window)
        return
    if not window.starts_with(ar.MAGIC):
        raise FormatError("is neither an archive of object files nor an ELF file")
    opened = ar.FORMAT.open(Span("", window), Limits())
    for entry in opened.entries:
        member = Window.of(entry.read(MOST_BYTES))
        if member.starts_with(MAGIC):
            yield _load(member)


def _load(window: Window) -> _Loaded:
    elf = read_elf(window)
    arch = PROCESSORS.get(elf.header.machine)
    if arch is None or elf.bits != 32 or elf.endianness != "little":
        raise FormatError("signatures are made from files for 32-bit little-endian Arm and for AVR only")
    loaded = _Loaded(elf, bytearray(), CODE_BASE if arch != "avr" else 0, list(_symbols(elf)), arch)
    if elf.header.type == RELOCATABLE:
        _lay_out(loaded)
        for section in elf.sections:
            if section.info not in loaded.places:
                continue
            if section.type == SectionType.RELOCATIONS:
                _relocate(loaded, section)
            elif section.type == SectionType.RELOCATIONS_WITH_ADDENDS and arch == "avr":
                _relocate_avr(loaded, section)
    else:
        _place_linked(loaded)
    return loaded


def _symbols(elf: ElfFile) -> Iterator[_Symbol]:
    for section in elf.sections:
        if section.type != SectionType.SYMBOLS:
            continue
        names = bytes(elf.data(elf.sections[section.link])) if section.link < len(elf.sections) else b""
        data = elf.data(section)
        for name, value, size, info, _, index in SYMBOL.iter_unpack(data[: len(data) // SYMBOL.size * SYMBOL.size]):
            end = names.find(b"\0", name)
            text = names[name : end if end >= 0 else None].decode("latin-1") if name < len(names) else ""
            kind = FUNCTION if info == GLOBAL_UNTYPED and _is_avr_code(elf, index) else info & 0xF
            yield _Symbol(text, value, size, kind, index)
        return


def _is_avr_code(elf: ElfFile, index: int) -> bool:
    """Tell whether a section holds AVR instructions: there, functions in assembly language may have no type."""
    return elf.header.machine == AVR and index < len(elf.sections) and elf.sections[index].is_code


def _lay_out(loaded: _Loaded) -> None:
    """Put what is executed or constant behind each other, and give what can be written a place in RAM."""
    ram = DATA_BASE + 0x8000
    for index, section in enumerate(loaded.elf.sections):
        if not section.is_loaded:
            continue
        if section.flags & 1 or section.type != SectionType.PROGBITS:
            loaded.places[index] = ram
            ram += min(section.size, 0x1000)
            continue
        loaded.memory += bytes(-len(loaded.memory) % 8)
        loaded.places[index] = loaded.base + len(loaded.memory)
        loaded.memory += loaded.elf.data(section)
        if len(loaded.memory) > MOST_BYTES:
            raise FormatError(f"more than {MOST_BYTES} bytes of code and constants in one object file")


def _place_linked(loaded: _Loaded) -> None:
    """Put the sections of a linked program at their addresses."""
    kept = [
        (index, s)
        for index, s in enumerate(loaded.elf.sections)
        if s.is_loaded and s.type == SectionType.PROGBITS and not s.flags & 1
    ]
    if not kept:
        return
    loaded.base = min(s.address for _, s in kept) & ~3
    size = max(s.address + s.size for _, s in kept) - loaded.base
    if size > MOST_BYTES:
        raise FormatError(f"the sections of the program lie more than {MOST_BYTES} bytes apart")
    loaded.memory = bytearray(size)
    for index, section in kept:
        data = loaded.elf.data(section)
        start = section.address - loaded.base
        loaded.memory[start : start + len(data)] = data
        loaded.places[index] = 0  # values of symbols are addresses already


def _relocate(loaded: _Loaded, section: ElfSection) -> None:
    place = loaded.places[section.info] - loaded.base
    if not 0 <= place < len(loaded.memory):
        return
    data = loaded.elf.data(section)
    for offset, info in struct.iter_unpack("<II", data[: len(data) & ~7]):
        where, kind = place + offset, info & 0xFF
        if info >> 8 < len(loaded.symbols) and where + 4 <= len(loaded.memory):
            _apply(loaded, where, kind, loaded.symbols[info >> 8])


def _apply(loaded: _Loaded, where: int, kind: int, symbol: _Symbol) -> None:
    memory = loaded.memory
    address = loaded.address(symbol)
    if kind in (ABSOLUTE, TARGET1):
        addend = int.from_bytes(memory[where : where + 4], "little")
        value = (DATA_BASE if address is None else address) + addend + (symbol.kind == FUNCTION)
        memory[where : where + 4] = (value & 0xFFFF_FFFF).to_bytes(4, "little")
    elif kind in (CALL, JUMP):
        target = loaded.outside_offset(symbol.name) if address is None else address - loaded.base
        first, second = struct.unpack_from("<HH", memory, where)
        if symbol.kind == SECTION:
            target += _branch_addend(first, second) + 4
        struct.pack_into("<HH", memory, where, *_branch(second, target - where - 4))
    elif kind in (MOVW, MOVT):
        first, second = struct.unpack_from("<HH", memory, where)
        addend = (first & 0xF) << 12 | (first >> 10 & 1) << 11 | (second >> 12 & 7) << 8 | second & 0xFF
        value = (DATA_BASE if address is None else address) + addend
        value = value >> 16 & 0xFFFF if kind == MOVT else value & 0xFFFF
        first = first & 0xFBF0 | value >> 12 | (value >> 11 & 1) << 10
        second = second & 0x8F00 | (value >> 8 & 7) << 12 | value & 0xFF
        struct.pack_into("<HH", memory, where, first, second)


def _relocate_avr(loaded: _Loaded, section: ElfSection) -> None:
    place = loaded.places[section.info] - loaded.base
    data = loaded.elf.data(section)
    for offset, info, addend in struct.iter_unpack("<IIi", data[: len(data) // 12 * 12]):
        where, kind = place + offset, info & 0xFF
        if info >> 8 < len(loaded.symbols) and 0 <= where <= len(loaded.memory) - 4:
            symbol = loaded.symbols[info >> 8]
            address = loaded.address(symbol)
            target = loaded.outside_offset(symbol.name) if address is None else address - loaded.base
            _apply_avr(loaded.memory, where, kind, target + addend)


def _apply_avr(memory: bytearray, where: int, kind: int, target: int) -> None:
    """Write where an instruction leads to; RJMP and RCALL to another file go as far back as they can."""
    (word,) = struct.unpack_from("<H", memory, where)
    distance = max(-AVR_REACH, (target - where - 2) // 2) if target < len(memory) else -AVR_REACH
    if kind == AVR_FAR:
        place = target // 2
        struct.pack_into("<HH", memory, where, word & 0xFE0E | place >> 13 & 0x1F0 | place >> 16 & 1, place & 0xFFFF)
    elif kind == AVR_NEAR:
        struct.pack_into("<H", memory, where, word & 0xF000 | distance & 0xFFF)
    elif kind == AVR_BRANCH:
        struct.pack_into("<H", memory, where, word & 0xFC07 | (distance & 0x7F) << 3)


def _branch_addend(first: int, second: int) -> int:
    sign = first >> 10 & 1
    i1, i2 = 1 ^ second >> 13 & 1 ^ sign, 1 ^ second >> 11 & 1 ^ sign
    return (i1 << 23 | i2 << 22 | (first & 0x3FF) << 12 | (second & 0x7FF) << 1) - (sign << 24)


def _branch(second: int, distance: int) -> tuple[int, int]:
    """Return the halfwords of BL or B.W over ``distance`` bytes; bits 12 and 14 of ``second`` say which it is."""
    sign = distance >> 24 & 1
    j1, j2 = 1 ^ distance >> 23 & 1 ^ sign, 1 ^ distance >> 22 & 1 ^ sign
    first = 0xF000 | sign << 10 | distance >> 12 & 0x3FF
    return first, second & 0xD000 | j1 << 13 | j2 << 11 | distance >> 1 & 0x7FF


def _named(loaded: _Loaded) -> Iterator[NamedFunction]:
    code = loaded.code()
    names: dict[int, str] = {}
    rows: list[tuple[str, int, int]] = []
    for symbol in loaded.symbols:
        address = loaded.address(symbol)
        if symbol.kind != FUNCTION or address is None or not symbol.name:
            continue
        start = address - loaded.base
        names.setdefault(start, symbol.name)
        if 0 <= start < len(code.view):
            rows.append((symbol.name, start, symbol.size or len(code.view) - start))
    names.update({loaded.outside_offset(name): name for name in loaded.outside})
    for name, start, size in sorted(rows):
        function = code.walk(start, min(start + size, len(code.view)))
        if function is not None:
            yield NamedFunction(name, function, tuple(names[c] for c in function.calls if c in names))


def _tables(loaded: _Loaded) -> Iterator[Table]:
    for symbol in loaded.symbols:
        address = loaded.address(symbol)
        if symbol.kind != OBJECT or address is None or symbol.size not in OBJECT_BYTES:
            continue
        start = address - loaded.base
        content = bytes(loaded.memory[start : start + symbol.size]) if start >= 0 else b""
        if len(content) == symbol.size and len(set(content)) > 8:
            yield Table(symbol.name, content)
