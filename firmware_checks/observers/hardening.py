"""Which protections a program for Linux was built with, and which risky functions it calls."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from firmware_checks.fact_reader import Content
from firmware_checks.observer import Observation, Observer
from firmware_checks.readers.elf_file import MAGIC, RELOCATABLE, ElfFile, SectionType, SegmentType
from firmware_checks.structure.imported_calls import dynamic_rows

__all__ = ["NETWORK", "OBSERVER", "Hardening", "imported_names"]

SHARED: Final = 3
"""Type of ELF files that may be loaded anywhere: libraries, and programs built for that."""
STACK, RELRO, PROPERTIES = 0x6474_E551, 0x6474_E552, 0x6474_E553
PROPERTY_NOTE, PROPERTIES_AT = 5, 16
FLOW: Final = {
    0xC000_0002: ((1, "IBT"), (2, "SHSTK")),
    0xC000_0000: ((1, "BTI"), (2, "PAC")),
}
"""Kind of property, and its bits. Sources: x86-64 psABI, "Program Property"; ELF for the Arm 64-bit Architecture."""
X86_64, AARCH64 = 62, 183
BIND_NOW, FLAGS, FLAGS_1, RPATH, RUNPATH, STRINGS, STRINGS_BYTES = 24, 30, 0x6FFF_FFFB, 15, 29, 5, 10
NOW_IN_FLAGS, NOW_IN_FLAGS_1 = 0x8, 0x1
RISKY: Final = ("gets", "strcpy", "strcat", "sprintf", "vsprintf", "system", "popen", "execl", "scanf", "sscanf")
NETWORK: Final = (b"\0recv\0", b"\0recvfrom\0", b"\0accept\0", b"\0listen\0")
LONGEST_PATH = 200
FORMATTERS: Final = (b"\0printf\0", b"\0fprintf\0", b"\0sprintf\0", b"\0snprintf\0", b"\0vsnprintf\0", b"\0syslog\0")
"""Functions that FORTIFY replaces wherever they are called."""
BASE, LOADER_PLACE, DYNAMIC_PLACE, NOTE_PLACE, STRINGS_PLACE = 0x40_0000, 0x160, 0x180, 0x1D8, 0x200
"""Where the example has its parts."""
_RISKY_MARKS = tuple((name, b"\0" + name.encode() + b"\0") for name in RISKY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardening(Observation):
    """One program or library."""

    is_program: bool
    stack_is_code: bool
    writes_code: bool
    """Whether a part of it may be written and run."""
    is_movable: bool
    relocations: str
    """``none``, ``partial`` or ``full``: how far tables of addresses are made read-only."""
    has_canary: bool
    has_fortify: bool
    search_path: str
    has_debug: bool
    """Whether information for debuggers was left in."""
    has_symbols: bool
    is_on_network: bool
    risky: tuple[str, ...]
    """Risky functions it imports."""
    could_fortify: bool
    """Whether it calls functions of the GNU library that FORTIFY replaces."""
    guards_flow: bool | None
    """Whether jumps may only land where they should; None where its processor is not known to help with that."""


def _read(content: Content) -> Iterator[Observation]:
    elf = content.elf
    if elf is None or not elf.is_hosted or elf.header.type == RELOCATABLE:
        return
    rows = dict(dynamic_rows(elf))
    names = imported_names(elf, rows)
    sections = {section.name for section in elf.sections}
    loads = list(elf.loads())
    stack = next((s for s in elf.segments if s.type == STACK), None)
    now = BIND_NOW in rows or rows.get(FLAGS, 0) & NOW_IN_FLAGS or rows.get(FLAGS_1, 0) & NOW_IN_FLAGS_1
    has_relro = any(s.type == RELRO for s in elf.segments)
    yield Hardening(
        offset=0,
        excerpt=f"ELF, {elf.bits} bits",
        is_program=elf.interpreter() is not None or not rows,
        stack_is_code=stack is not None and "x" in stack.rights,
        writes_code=any("w" in s.rights and "x" in s.rights for s in loads),
        is_movable=elf.header.type == SHARED,
        relocations=("full" if now else "partial") if has_relro else "none",
        has_canary=b"__stack_chk_fail" in names or b"__stack_chk_guard" in names,
        has_fortify=b"_chk\0" in names.replace(b"__stack_chk", b""),
        search_path=_path(elf, rows),
        has_debug=".debug_info" in sections or ".zdebug_info" in sections,
        has_symbols=any(s.type == SectionType.SYMBOLS for s in elf.sections),
        is_on_network=any(name in names for name in NETWORK),
        risky=tuple(name for name, mark in _RISKY_MARKS if mark in names),
        could_fortify=b"\0libc.so.6\0" in names and any(name in names for name in FORMATTERS),
        guards_flow=_guards_flow(elf, names),
    )


def _guards_flow(elf: ElfFile, names: bytes) -> bool | None:
    """Tell whether IBT, BTI or the control flow integrity of Clang is on."""
    if b"\0__cfi_" in names or "IBT" in (marks := set(_properties(elf))) or "BTI" in marks:
        return True
    return False if elf.header.machine in (X86_64, AARCH64) else None


def _properties(elf: ElfFile) -> Iterator[str]:
    """Yield what the note of program properties says. Source: Linux gABI, "Program property"."""
    segment = next((s for s in elf.segments if s.type == PROPERTIES), None)
    data = bytes(elf.data(segment)) if segment is not None else b""
    if len(data) < PROPERTIES_AT or data[12:16] != b"GNU\0":
        return
    place, unit = PROPERTIES_AT, 8 if elf.bits == 64 else 4
    while place + 12 <= len(data):
        kind, size, value = struct.unpack_from(f"{elf.byte_order}III", data, place)
        yield from (name for bit, name in FLOW.get(kind, ()) if value & bit)
        place += 8 + (size + unit - 1) // unit * unit


def imported_names(elf: ElfFile, rows: Mapping[int, int]) -> bytes:
    """Return the names of dynamic symbols one after the other; of a static program those of its symbol table."""
    wanted = SectionType.DYNAMIC_SYMBOLS if rows else SectionType.SYMBOLS
    table = next((s for s in elf.sections if s.type == wanted), None)
    if table is not None and table.link < len(elf.sections):
        return bytes(elf.data(elf.sections[table.link]))
    start = elf.offset_of(rows[STRINGS]) if STRINGS in rows else None
    size = min(rows.get(STRINGS_BYTES, 0), 1 << 20)
    return bytes(elf.window.view[start : start + size]) if start is not None else b""


def _path(elf: ElfFile, rows: dict[int, int]) -> str:
    """Return where it looks for libraries first, as it was built in."""
    at = rows.get(RUNPATH, rows.get(RPATH))
    start = elf.offset_of(rows[STRINGS]) if at is not None and STRINGS in rows else None
    if at is None or start is None:
        return ""
    text = bytes(elf.window.view[start + at : start + at + LONGEST_PATH])
    return text.partition(b"\0")[0].decode("utf-8", "replace")


def _wants(content: Content) -> bool:
    return content.head.startswith(MAGIC)


def example_program(
    *,
    stack_flags: int = 7,
    path: str = "/home/user/lib",
    names: str = "strcpy\0recv\0",
    debug: bool = False,
    properties: int = 0,
) -> bytes:
    """Build a 64-bit program that is never run, with the given rights of its stack, search path and imports.

    ``debug`` gives it a section of information for debuggers, ``properties`` the bits of IBT and shadow stack.
    """
    strings = b"\0" + path.encode() + b"\0" + names.encode()
    interpreter = b"/lib/ld.so.1\0"
    rows = ((STRINGS, BASE + STRINGS_PLACE), (STRINGS_BYTES, len(strings)), (RUNPATH, 1), (0, 0))
    dynamic = b"".join(struct.pack("<QQ", *row) for row in rows)
    section_names = b"\0.debug_info\0.shstrtab\0" if debug else b""
    note = struct.pack("<III4sIIII", 4, 16, PROPERTY_NOTE, b"GNU\0", 0xC000_0002, 4, properties, 0)
    sections_at = STRINGS_PLACE + len(strings) + len(section_names)

    def segment(kind: int, flags: int, at: int, size: int) -> bytes:
        return struct.pack("<IIQQQQQQ", kind, flags, at, BASE + at, BASE + at, size, size, 8)

    def section(name: int, kind: int, at: int, size: int) -> bytes:
        return struct.pack("<IIQQQQIIQQ", name, kind, 0, 0, at, size, 0, 0, 1, 0)

    table = segment(SegmentType.LOAD, 5, 0, STRINGS_PLACE + len(strings))
    table += segment(SegmentType.INTERPRETER, 4, LOADER_PLACE, len(interpreter))
    table += segment(SegmentType.DYNAMIC, 6, DYNAMIC_PLACE, len(dynamic)) + segment(STACK, stack_flags, 0, 0)
    table += segment(PROPERTIES, 4, NOTE_PLACE, len(note))
    count, at = (3, sections_at) if debug else (0, 0)
    ident = MAGIC + bytes([2, 1, 1]) + bytes(9)
    head = ident + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, BASE, 64, at, 0, 64, 56, 5, 64, count, max(0, count - 1))
    body = (head + table).ljust(LOADER_PLACE, b"\0") + interpreter
    body = (body.ljust(DYNAMIC_PLACE, b"\0") + dynamic).ljust(NOTE_PLACE, b"\0") + note
    body = body.ljust(STRINGS_PLACE, b"\0") + strings + section_names
    if debug:
        named_at = sections_at - len(section_names)
        body += section(0, 0, 0, 0) + section(1, 1, DYNAMIC_PLACE, 16) + section(13, 3, named_at, len(section_names))
    return body


OBSERVER = Observer(
    name="hardening",
    title="Protections of programs for Linux",
    source="System V ABI, chapters 4 and 5; Linux Standard Base, PT_GNU_STACK; x86-64 psABI; gcc(1), ld(1)",
    wants=_wants,
    read=_read,
    example=lambda: ("usr/bin/pumpd", example_program()),
    shows=1,
)
