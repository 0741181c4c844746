"""Which Windows CE the kernel and the core library of a device were built for, from their headers."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from firmware_checks.fact_reader import Content, Fact, FactReader, Relation, Statement
from toolkit.report.model import Confidence

__all__ = ["READER"]

CORE_MODULES = frozenset({"nk.exe", "kernel.dll", "coredll.dll", "k.coredll.dll"})
NEW_HEADER_AT, OPTIONAL_AT = 0x3C, 24
SUBSYSTEM_VERSION_AT, SUBSYSTEM_AT = 48, 68
"""In the optional header, the same for 32 and 64 bits. Source: Microsoft PE Format."""
WINDOWS_CE = 9


def _read(content: Content) -> Iterator[Fact]:
    window = content.span.window
    (header_at,) = struct.unpack("<I", window.take(NEW_HEADER_AT, 4))
    optional = header_at + OPTIONAL_AT
    major, minor = struct.unpack("<HH", window.take(optional + SUBSYSTEM_VERSION_AT, 4))
    (subsystem,) = struct.unpack("<H", window.take(optional + SUBSYSTEM_AT, 2))
    if subsystem == WINDOWS_CE and window.starts_with(b"PE\0\0", header_at):
        yield Statement(
            name="windows-ce",
            version=f"{major}.{minor:02d}".removesuffix("0") if minor else f"{major}.0",
            relation=Relation.IS,
            offset=optional + SUBSYSTEM_VERSION_AT,
            excerpt=f"{content.name}: subsystem Windows CE {major}.{minor}",
            confidence=Confidence.HIGH,
        )


def _wants(content: Content) -> bool:
    return content.name.lower() in CORE_MODULES and content.head.startswith(b"MZ")


def _example() -> tuple[str, bytes]:
    optional = struct.pack("<H", 0x10B).ljust(SUBSYSTEM_VERSION_AT, b"\0") + struct.pack("<HH", 6, 0)
    optional = optional.ljust(SUBSYSTEM_AT, b"\0") + struct.pack("<H", WINDOWS_CE)
    head = b"MZ".ljust(NEW_HEADER_AT, b"\0") + struct.pack("<I", 0x80)
    return "Windows/nk.exe", head.ljust(0x80, b"\0") + b"PE\0\0" + bytes(20) + optional


READER = FactReader(
    name="ce-module",
    title="Header of a Windows CE system module",
    source="Microsoft PE Format: optional header, MajorSubsystemVersion and Subsystem",
    wants=_wants,
    read=_read,
    example=_example,
    states=(("windows-ce", "6.0"),),
)
