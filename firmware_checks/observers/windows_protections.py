"""Which protections a program for Windows was built with: the characteristics of its header."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from firmware_checks.fact_reader import Content
from firmware_checks.observer import Observation, Observer
from toolkit.core.window import Window

__all__ = ["OBSERVER", "WindowsProtections", "example_program"]

NEW_HEADER_AT: Final = 0x3C
OPTIONAL_AT, SUBSYSTEM_AT, CHARACTERISTICS_AT = 24, 68, 70
MOVABLE, NO_EXECUTE, NO_HANDLERS, GUARDED = 0x40, 0x100, 0x400, 0x4000
DRIVER, WINDOWS, CONSOLE = 1, 2, 3
DIRECTORIES_AT: Final = {0x10B: 96, 0x20B: 112}
CERTIFICATE_ROW, SETTINGS_ROW, MANAGED_ROW, ROWS = 4, 10, 14, 16
X86: Final = 0x14C
HANDLERS_AT, HANDLERS_END = 64, 72
"""Where the settings of a 32-bit program point to its list of handlers, and where that ends."""
SECTION_BYTES, MOST_SECTIONS = 40, 96


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowsProtections(Observation):
    """One program, library or driver."""

    is_driver: bool
    is_movable: bool
    has_no_execute: bool
    is_guarded: bool
    """Whether control flow guard is on."""
    is_managed: bool
    """Whether it is a program for .NET, which is not made of machine code."""
    has_safe_handlers: bool
    """Whether only known handlers of errors are run (SafeSEH); always so where the processor is not a 32-bit x86."""
    is_signed: bool
    """Whether a signature is there; it is not verified here."""


def _read(content: Content) -> Iterator[Observation]:
    window = content.span.window
    (header,) = struct.unpack("<I", window.take(NEW_HEADER_AT, 4))
    if not window.starts_with(b"PE\0\0", header):
        return
    optional = header + OPTIONAL_AT
    (magic,) = struct.unpack("<H", window.take(optional, 2))
    subsystem, flags = struct.unpack("<HH", window.take(optional + SUBSYSTEM_AT, 4))
    if subsystem not in (DRIVER, WINDOWS, CONSOLE) or magic not in DIRECTORIES_AT:
        return
    rows = [_row(window, optional + DIRECTORIES_AT[magic], number) for number in range(ROWS)]
    yield WindowsProtections(
        offset=optional + CHARACTERISTICS_AT,
        excerpt=f"DllCharacteristics {flags:#06x}",
        is_driver=subsystem == DRIVER,
        is_movable=bool(flags & MOVABLE),
        has_no_execute=bool(flags & NO_EXECUTE),
        is_guarded=bool(flags & GUARDED),
        is_managed=rows[MANAGED_ROW][1] > 0,
        has_safe_handlers=_has_safe_handlers(window, header, flags, rows[SETTINGS_ROW][0]),
        is_signed=rows[CERTIFICATE_ROW][1] > 0,
    )


def _row(window: Window, directories: int, number: int) -> tuple[int, int]:
    """Return address and size of a data directory; zeros where the header ends before it."""
    (count,) = struct.unpack("<I", window.take(directories - 4, 4))
    if number >= count:
        return 0, 0
    address, size = struct.unpack("<II", window.take(directories + 8 * number, 8))
    return address, size


def _has_safe_handlers(window: Window, header: int, flags: int, settings: int) -> bool:
    """Tell whether a list of handlers of errors is there, or none are used. Source: PE Format, load configuration."""
    (machine,) = struct.unpack("<H", window.take(header + 4, 2))
    if machine != X86 or flags & NO_HANDLERS:
        return True
    place = _place(window, header, settings) if settings else None
    if place is None or place + HANDLERS_END > window.size:
        return False
    size, table = (int.from_bytes(window.take(place + at, 4), "little") for at in (0, HANDLERS_AT))
    return size >= HANDLERS_END and table != 0


def _place(window: Window, header: int, address: int) -> int | None:
    """Return where in the file the byte stands that is loaded at ``address``; None where none is."""
    count, optional_bytes = (int.from_bytes(window.take(header + at, 2), "little") for at in (6, 20))
    table = header + OPTIONAL_AT + optional_bytes
    for number in range(min(count, MOST_SECTIONS)):
        row = table + number * SECTION_BYTES
        memory, start, size, place = struct.unpack("<IIII", window.take(row + 8, 16))
        if start <= address < start + min(max(memory, size), size or memory):
            return int(place) + address - int(start)
    return None


def example_program(flags: int = 0, subsystem: int = CONSOLE, signature_bytes: int = 0) -> bytes:
    """Build the headers of a 32-bit program that is never run."""
    optional = struct.pack("<H", 0x10B).ljust(SUBSYSTEM_AT, b"\0") + struct.pack("<HH", subsystem, flags)
    optional = optional.ljust(DIRECTORIES_AT[0x10B] - 4, b"\0") + struct.pack("<I", ROWS)
    rows = bytes(8 * CERTIFICATE_ROW) + struct.pack("<II", 0x200, signature_bytes) + bytes(8 * 11)
    optional += rows
    coff = struct.pack("<HHIIIHH", 0x14C, 1, 0, 0, 0, len(optional), 0x102)
    section = struct.pack("<8sIIIIIIHHI", b".text", 16, 0x1000, 16, 0x1F0, 0, 0, 0, 0, 0x6000_0020)
    head = (b"MZ".ljust(NEW_HEADER_AT, b"\0") + struct.pack("<I", 0x40)).ljust(0x40, b"\0")
    return (head + b"PE\0\0" + coff + optional + section).ljust(0x200, b"\0") + bytes(signature_bytes)


def _wants(content: Content) -> bool:
    return content.head.startswith(b"MZ")


OBSERVER = Observer(
    name="windows-protections",
    title="Protections of programs for Windows",
    source="Microsoft PE Format: optional header, DllCharacteristics; certificate table; load configuration structure",
    wants=_wants,
    read=_read,
    example=lambda: ("app/pump.exe", example_program()),
    shows=1,
)
