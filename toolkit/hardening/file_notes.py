"""What sort of program a file is, told from its content while that is held: a note of a few words.

Sources: System V ABI (ELF), Microsoft PE format, Linux kernel/module (``.modinfo``).
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from firmware_checks.formats.elf import ARCHITECTURES
from firmware_checks.readers.elf_file import MAGIC, RELOCATABLE, ElfFile, read_elf
from toolkit.core.errors import FormatError
from toolkit.core.window import Window
from toolkit.hardening.subject import FileKind

__all__ = ["FileNote", "kind_by_name", "note_of", "read_note"]

SHARED: Final = 3
"""Type of ELF files that may be loaded anywhere: libraries, and programs built for that."""
PE_OFFSET_PLACE: Final = 0x3C
PE_MAGIC: Final = b"PE\0\0"
PE_LIBRARY: Final = 0x2000
"""Flag of the file header: a DLL."""
PE_SUBSYSTEM_PLACE: Final = 24 + 68
PE_NATIVE: Final = 1
"""Subsystem of drivers."""
PE_MACHINES: Final = {0x14C: "x86", 0x8664: "x86_64", 0x1C0: "arm", 0x1C4: "arm", 0xAA64: "aarch64"}
SCRIPT_SUFFIXES: Final = frozenset(
    {
        "sh", "bash", "ksh", "csh", "py", "pyc", "pl", "pm", "rb", "lua", "js", "php", "tcl", "jar", "cgi",
        "bat", "cmd", "ps1", "psm1", "psd1", "vbs", "vbe", "wsf", "wsh", "hta", "msi", "msp", "mst",
    }
)  # fmt: skip
"""What an interpreter or installer runs although it may not say so in its first bytes."""
MODULE_ENDS: Final = (".ko.gz", ".ko.xz", ".ko.zst", ".ko.bz2", ".ko.lzma")
"""Kernel modules that the loader of modules unpacks."""
SEPARATOR: Final = " "


class FileNote(NamedTuple):
    """What was noted of a content."""

    kind: FileKind = FileKind.OTHER
    arch: str = ""
    build_id: str = ""


def note_of(content: bytes) -> str:
    """Return the note of a content; empty for what is no program. Never raises on any bytes."""
    try:
        if content.startswith(MAGIC):
            note = _elf(read_elf(Window.of(content)))
        elif content.startswith(b"MZ"):
            note = _windows(Window.of(content))
        elif content.startswith(b"#!"):
            return FileKind.SCRIPT.value
        else:
            return ""
    except FormatError:
        return ""
    return SEPARATOR.join(note)


def read_note(note: str) -> FileNote:
    """Return what ``note_of`` noted."""
    kind, *rest = note.split(SEPARATOR) if note else [FileKind.OTHER.value]
    return FileNote(FileKind(kind), *rest)


def kind_by_name(name: str) -> FileKind:
    """Return what a file is that says nothing about itself in its first bytes, by its suffix."""
    base = name.rpartition("/")[2].lower()
    if base.endswith(MODULE_ENDS):
        return FileKind.KERNEL_MODULE
    _, dot, suffix = base.rpartition(".")
    return FileKind.SCRIPT if dot and suffix in SCRIPT_SUFFIXES else FileKind.OTHER


def _elf(elf: ElfFile) -> FileNote:
    arch = ARCHITECTURES.get((elf.header.machine, elf.bits), f"machine-{elf.header.machine}")
    if elf.header.type == RELOCATABLE:
        is_module = any(section.name == ".modinfo" for section in elf.sections)
        return FileNote(FileKind.KERNEL_MODULE if is_module else FileKind.OTHER, arch, elf.build_id() or "")
    is_library = elf.header.type == SHARED and elf.interpreter() is None
    return FileNote(FileKind.LIBRARY if is_library else FileKind.PROGRAM, arch, elf.build_id() or "")


def _windows(window: Window) -> FileNote:
    (start,) = struct.unpack("<I", window.take(PE_OFFSET_PLACE, 4))
    if not window.starts_with(PE_MAGIC, start):
        return FileNote(FileKind.WINDOWS_PROGRAM)  # of DOS or 16-bit Windows; it runs all the same
    machine, flags = struct.unpack("<4xH16xH", window.take(start, 24))
    (subsystem,) = struct.unpack("<H", window.take(start + PE_SUBSYSTEM_PLACE, 2))
    kind = FileKind.WINDOWS_LIBRARY if flags & PE_LIBRARY else FileKind.WINDOWS_PROGRAM
    kind = FileKind.WINDOWS_DRIVER if subsystem == PE_NATIVE else kind
    return FileNote(kind, PE_MACHINES.get(machine, f"machine-{machine:#x}"))
