"""Which functions a program holds, where its symbol table was not stripped."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from firmware_checks.fact_reader import Content, Fact, FactReader, Holding, HoldingKind
from firmware_checks.readers.elf_file import MAGIC, RELOCATABLE, ElfFile, SectionType

__all__ = ["READER"]

MOST_FUNCTIONS = 50_000
"""Of a file with more, such as a kernel, none is kept."""
FUNCTION: Final = 2
KIND_MASK: Final = 0xF
LONGEST_NAME = 120


def _read(content: Content) -> Iterator[Fact]:
    elf = content.elf
    table = next((s for s in elf.sections if s.type == SectionType.SYMBOLS), None) if elf is not None else None
    if elf is None or table is None or table.link >= len(elf.sections):
        return
    names = frozenset(_functions(elf, bytes(elf.data(table)), bytes(elf.data(elf.sections[table.link]))))
    if 0 < len(names) <= MOST_FUNCTIONS:
        yield Holding(kind=HoldingKind.FUNCTIONS, names=names)


def _functions(elf: ElfFile, rows: bytes, texts: bytes) -> Iterator[str]:
    """Yield the names of the functions that are defined here. Source: System V ABI, chapter 4, symbol table."""
    is_wide = elf.bits == 64
    row = struct.Struct(f"{elf.byte_order}{'IBBHQQ' if is_wide else 'IIIBBH'}")
    count = min(len(rows) // row.size, 2 * MOST_FUNCTIONS)
    for values in row.iter_unpack(rows[: count * row.size]):
        name_at, info, section = (values[0], values[1], values[3]) if is_wide else (values[0], values[3], values[5])
        if info & KIND_MASK == FUNCTION and section:
            name = texts[name_at : name_at + LONGEST_NAME].partition(b"\0")[0]
            if name:
                yield name.decode("ascii", "replace")


def _wants(content: Content) -> bool:
    """Want libraries and whole firmware: programs of a system take their libraries from other files."""
    elf = content.elf
    return elf is not None and elf.header.type != RELOCATABLE and elf.interpreter() is None


def _example() -> tuple[str, bytes]:
    texts = b"\0pump_start\0"
    symbols = bytes(16) + struct.pack("<IIIBBH", 1, 0x8000, 4, FUNCTION, 0, 1)
    names = b"\0.symtab\0.strtab\0.shstrtab\0"
    at = 52 + len(symbols)
    header = struct.pack("<HHIIIIIHHHHHH", 2, 40, 1, 0, 0, at + len(texts) + len(names), 0, 52, 32, 0, 40, 4, 3)
    sections = bytes(40)
    sections += struct.pack("<10I", 1, 2, 0, 0, 52, len(symbols), 2, 1, 4, 16)
    sections += struct.pack("<10I", 9, 3, 0, 0, at, len(texts), 0, 0, 1, 0)
    sections += struct.pack("<10I", 17, 3, 0, 0, at + len(texts), len(names), 0, 0, 1, 0)
    data = MAGIC + bytes([1, 1, 1]) + bytes(9) + header + symbols + texts + names + sections
    return "usr/sbin/pumpd", data


READER = FactReader(
    name="functions",
    title="Functions of a program",
    source="System V ABI, chapter 4 (symbol table)",
    wants=_wants,
    read=_read,
    example=_example,
    states=(),
)
