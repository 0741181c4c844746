"""Which protections a program for Windows was built with: the characteristics of its header."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from firmware_checks.fact_reader import Content
from firmware_checks.observer import Observation, Observer

__all__ = ["OBSERVER", "WindowsProtections", "example_program"]

NEW_HEADER_AT: Final = 0x3C
OPTIONAL_AT, SUBSYSTEM_AT, CHARACTERISTICS_AT = 24, 68, 70
MOVABLE, NO_EXECUTE, GUARDED = 0x40, 0x100, 0x4000
DRIVER, WINDOWS, CONSOLE = 1, 2, 3
DIRECTORIES_AT: Final = {0x10B: 96, 0x20B: 112}
CERTIFICATE_ROW = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowsProtections(Observation):
    """One program, library or driver."""

    is_driver: bool
    is_movable: bool
    has_no_execute: bool
    is_guarded: bool
    """Whether control flow guard is on."""
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
    _, size = struct.unpack("<II", window.take(optional + DIRECTORIES_AT[magic] + 8 * CERTIFICATE_ROW, 8))
    yield WindowsProtections(
        offset=optional + CHARACTERISTICS_AT,
        excerpt=f"DllCharacteristics {flags:#06x}",
        is_driver=subsystem == DRIVER,
        is_movable=bool(flags & MOVABLE),
        has_no_execute=bool(flags & NO_EXECUTE),
        is_guarded=bool(flags & GUARDED),
        is_signed=size > 0,
    )


def example_program(flags: int = 0, subsystem: int = CONSOLE, signature_bytes: int = 0) -> bytes:
    """Build the headers of a 32-bit program that is never run."""
    optional = struct.pack("<H", 0x10B).ljust(SUBSYSTEM_AT, b"\0") + struct.pack("<HH", subsystem, flags)
    rows = bytes(8 * CERTIFICATE_ROW) + struct.pack("<II", 0x200, signature_bytes) + bytes(8 * 11)
    optional = optional.ljust(DIRECTORIES_AT[0x10B], b"\0") + rows
    coff = struct.pack("<HHIIIHH", 0x14C, 1, 0, 0, 0, len(optional), 0x102)
    section = struct.pack("<8sIIIIIIHHI", b".text", 16, 0x1000, 16, 0x1F0, 0, 0, 0, 0, 0x6000_0020)
    head = (b"MZ".ljust(NEW_HEADER_AT, b"\0") + struct.pack("<I", 0x40)).ljust(0x40, b"\0")
    return (head + b"PE\0\0" + coff + optional + section).ljust(0x200, b"\0") + bytes(signature_bytes)


def _wants(content: Content) -> bool:
    return content.head.startswith(b"MZ")


OBSERVER = Observer(
    name="windows-protections",
    title="Protections of programs for Windows",
    source="Microsoft PE Format: optional header, DllCharacteristics; certificate table",
    wants=_wants,
    read=_read,
    example=lambda: ("app/pump.exe", example_program()),
    shows=1,
)
