"""Where a program for Linux calls functions of libraries, and where the argument comes from: text in the file or not.

A light look, no disassembly: the stub of a function is found by the slot it jumps through, calls of the stub by their
distance, and the argument by the last instruction before the call that sets its register. What is set further away, or
in another way, is told to come from elsewhere.

Sources: System V ABI, x86-64 psABI; ELF for the Arm Architecture and for the Arm 64-bit Architecture.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from firmware_checks.readers.elf_file import ElfFile, SegmentType
from firmware_checks.structure.call_sites import aarch64, arm, x86_64
from firmware_checks.structure.call_sites.model import Origin, Stretch

__all__ = ["ImportedCall", "dynamic_rows", "imported_calls"]

SYMBOLS, STRINGS, RELA, RELA_BYTES, REL, REL_BYTES = 6, 5, 7, 8, 17, 18
STUBS, STUBS_BYTES = 23, 2
MOST_RELOCATIONS: Final = 50_000
MOST_CODE_BYTES: Final = 8 << 20
LONGEST_NAME: Final = 64
WRITABLE, EXECUTABLE = 2, 1
MACHINES: Final = {62: x86_64.MACHINE, 183: aarch64.MACHINE, 40: arm.MACHINE}
"""By the number of the machine in the header of an ELF file."""


@dataclass(frozen=True, slots=True)
class ImportedCall:
    """One call; ``offset`` is in the file."""

    function: str
    offset: int
    origin: Origin


def dynamic_rows(elf: ElfFile) -> Iterator[tuple[int, int]]:
    """Yield the rows of the dynamic table. Source: System V ABI, chapter 5, dynamic section."""
    segment = next((s for s in elf.segments if s.type == SegmentType.DYNAMIC), None)
    if segment is None:
        return
    data = bytes(elf.data(segment))
    row = struct.Struct(f"{elf.byte_order}{'II' if elf.bits == 32 else 'QQ'}")
    for tag, value in row.iter_unpack(data[: len(data) // row.size * row.size]):
        if tag == 0:
            return
        yield tag, value


def imported_calls(elf: ElfFile, arguments: Mapping[str, int]) -> Iterator[ImportedCall]:
    """Yield the calls of the functions in ``arguments``, which says the number of the argument to look at."""
    machine = MACHINES.get(elf.header.machine)
    slots = _slots(elf, arguments) if machine is not None and elf.endianness == "little" else {}
    if machine is None or not slots:
        return
    code = [
        Stretch(bytes(elf.data(s)[:MOST_CODE_BYTES]), s.virtual_address, s.offset)
        for s in elf.loads()
        if s.flags & EXECUTABLE
    ]
    stubs = {place: slots[slot] for stretch in code for place, slot in machine.stubs(stretch, slots)}
    functions = {**slots, **stubs}
    for stretch in code:
        for place, target in machine.calls(stretch, stubs, slots):
            function = functions[target]
            address = machine.argument(stretch, place, arguments[function])
            yield ImportedCall(function, stretch.offset + place, _origin(elf, address))


def _origin(elf: ElfFile, address: int | Origin) -> Origin:
    """Return what an address says: a text in the file when nothing may write there."""
    if isinstance(address, Origin):
        return address
    for segment in elf.loads():
        if segment.virtual_address <= address < segment.virtual_address + segment.memory_bytes:
            return Origin.BUFFER if segment.flags & WRITABLE else Origin.CONSTANT
    return Origin.ELSEWHERE


def _slots(elf: ElfFile, wanted: Mapping[str, int]) -> dict[int, str]:
    """Return the function by the address of the slot that the loader fills with where it is."""
    rows = dict(dynamic_rows(elf))
    symbols, strings = (elf.offset_of(rows[tag]) if tag in rows else None for tag in (SYMBOLS, STRINGS))
    if symbols is None or strings is None:
        return {}
    found: dict[int, str] = {}
    for slot, index in _relocations(elf, rows):
        size = 16 if elf.bits == 32 else 24
        head = bytes(elf.window.view[symbols + index * size : symbols + index * size + 4])
        start = strings + int.from_bytes(head, "little")
        name = bytes(elf.window.view[start : start + LONGEST_NAME]).partition(b"\0")[0].decode("ascii", "replace")
        if len(head) == 4 and name in wanted:
            found[slot] = name
    return found


def _relocations(elf: ElfFile, rows: Mapping[int, int]) -> Iterator[tuple[int, int]]:
    """Yield the address of the slot and the number of the symbol of each relocation."""
    has_addends = elf.bits == 64
    layout = struct.Struct("<QQq" if has_addends else "<II")
    shift = 32 if has_addends else 8
    tables = ((STUBS, STUBS_BYTES), (RELA, RELA_BYTES) if has_addends else (REL, REL_BYTES))
    for at, size in tables:
        start = elf.offset_of(rows[at]) if at in rows else None
        if start is None:
            continue
        data = bytes(elf.window.view[start : start + min(rows.get(size, 0), MOST_RELOCATIONS * layout.size)])
        for slot, info, *_addend in layout.iter_unpack(data[: len(data) // layout.size * layout.size]):
            if info >> shift:
                yield slot, info >> shift
