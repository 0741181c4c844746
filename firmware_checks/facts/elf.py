"""What an ELF file says through its tables: the libraries it asks for, its own name, versions among its constants."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from firmware_checks.fact_reader import Content, Fact, FactReader, Linkage
from firmware_checks.readers.elf_file import MAGIC, ElfFile, constants
from firmware_checks.version_texts import build_folder, version_texts

__all__ = ["READER"]

VERSION_DEFINITIONS: Final = 0x6FFF_FFFD
MOST_DEFINITIONS = 200
MOST_NEEDED = 256


def _read(content: Content) -> Iterator[Fact]:
    elf = content.elf
    if elf is None:
        return
    needed, soname = elf.needed()
    yield Linkage(
        needed=tuple(needed[:MOST_NEEDED]),
        soname=soname,
        is_dynamic=elf.is_hosted and bool(needed or elf.interpreter()),
        symbol_versions=tuple(_symbol_versions(elf)),
        build_id=elf.build_id(),
    )
    built = build_folder(content.span.window.view)
    if built is not None:
        yield built
    yield from version_texts(content.span.window.view, constants(elf))


def _symbol_versions(elf: ElfFile) -> Iterator[str]:
    """Yield the names in the table of version definitions. Source: Linux Standard Base, symbol versioning."""
    section = next((s for s in elf.sections if s.type == VERSION_DEFINITIONS), None)
    if section is None or section.link >= len(elf.sections):
        return
    data, names = elf.data(section), bytes(elf.data(elf.sections[section.link]))
    row, name_row = struct.Struct(f"{elf.byte_order}HHHHIII"), struct.Struct(f"{elf.byte_order}II")
    position = 0
    for _ in range(MOST_DEFINITIONS):
        if position + row.size > len(data):
            return
        *_, name_at, step = row.unpack_from(data, position)
        if position + name_at + name_row.size <= len(data):
            start, _ = name_row.unpack_from(data, position + name_at)
            yield names[start : names.find(b"\0", start)].decode("ascii", "replace")
        if step == 0:
            return
        position += step


def _wants(content: Content) -> bool:
    return content.head.startswith(MAGIC)


def _example() -> tuple[str, bytes]:
    ident = MAGIC + bytes([1, 1, 1]) + bytes(9)
    constants = b"\0pumpd version 4.7.1\0"
    names = b"\0.rodata\0.shstrtab\0"
    at = 52 + len(constants)
    header = struct.pack("<HHIIIIIHHHHHH", 2, 40, 1, 0, 0, at + len(names), 0, 52, 32, 0, 40, 3, 2)
    sections = bytes(40)
    sections += struct.pack("<10I", 1, 1, 2, 0x8000, 52, len(constants), 0, 0, 4, 0)
    sections += struct.pack("<10I", 9, 3, 0, 0, at, len(names), 0, 0, 1, 0)
    return "usr/sbin/pumpd", ident + header + constants + names + sections


READER = FactReader(
    name="elf",
    title="Tables and constants of an ELF file",
    source="System V ABI, chapters 4 and 5; Linux Standard Base, symbol versioning",
    wants=_wants,
    read=_read,
    example=_example,
    states=(),
)
