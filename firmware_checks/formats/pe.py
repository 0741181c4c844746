"""Windows programs and libraries (PE), such as the service program or the installer of an update."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from firmware_checks.format import ImageFormat, Magic, Opened, Part
from firmware_checks.readers.binaries import windows_identity
from firmware_checks.readers.entry_names import visible
from firmware_checks.region import Program
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.layout import U16LE, U32LE, Layout, const, text, wire
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Fact, RegionKind

__all__ = ["FORMAT"]

NEW_HEADER_AT = 0x3C
"""Where the old DOS header says where the PE header stands."""
LATEST_HEADER = 0x1_0000
MOST_SECTIONS = 96
"""Windows loads no more."""
SYMBOL_BYTES = 18
LIBRARY = 0x2000
EXECUTABLE = 0x2000_0000
"""Characteristic of a section that holds code."""
RESOURCES, CERTIFICATES = 2, 4
"""Numbers of the data directories that point to the resources and to the Authenticode signature."""
DIRECTORIES_AT: Final = {0x10B: 96, 0x20B: 112}
"""Magic of the optional header (32 and 64 bits) and where its data directories start."""

MACHINES: Final = {
    0x014C: "x86", 0x8664: "x86_64", 0x01C0: "arm", 0x01C4: "arm", 0xAA64: "aarch64", 0x0200: "itanium",
    0x0166: "mips", 0x01F0: "powerpc", 0x5032: "riscv32", 0x5064: "riscv64", 0x0EBC: "efi-byte-code",
}  # fmt: skip
"""Architectures by machine type. Source: Microsoft PE Format."""

SUBSYSTEMS: Final = {
    1: "driver", 2: "windows", 3: "console", 9: "Windows CE", 10: "EFI application", 11: "EFI boot driver",
    12: "EFI driver", 14: "Xbox", 16: "boot application",
}  # fmt: skip
"""Windows subsystems. Source: Microsoft PE Format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoffHeader:
    """PE signature and COFF file header. Source: Microsoft PE Format."""

    magic: bytes = wire(const(b"PE\0\0"))
    machine: int = wire(U16LE)
    sections: int = wire(U16LE)
    timestamp: int = wire(U32LE)
    symbols_at: int = wire(U32LE)
    symbols: int = wire(U32LE)
    optional_bytes: int = wire(U16LE)
    characteristics: int = wire(U16LE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One row of the section table. Source: Microsoft PE Format."""

    name: str = wire(text(8))
    memory_bytes: int = wire(U32LE)
    address: int = wire(U32LE)
    file_bytes: int = wire(U32LE)
    file_at: int = wire(U32LE)
    relocations_at: int = wire(U32LE)
    line_numbers_at: int = wire(U32LE)
    relocations: int = wire(U16LE)
    line_numbers: int = wire(U16LE)
    characteristics: int = wire(U32LE)


COFF = Layout(CoffHeader, size=24)
SECTION = Layout(Section, size=40)


def _open(span: Span, limits: Limits) -> Opened:  # noqa: ARG001  # the contract of every format
    window = span.window
    if not window.starts_with(b"MZ"):
        raise FormatError(f"no DOS header at {window.origin:#x}")
    start = int.from_bytes(window.take(NEW_HEADER_AT, 4), "little")
    if not NEW_HEADER_AT < start < LATEST_HEADER:
        raise FormatError(f"no PE header where the DOS header at {window.origin:#x} points to")
    header = COFF.read(window, start)
    if header.machine not in MACHINES or not 0 < header.sections <= MOST_SECTIONS:
        raise FormatError(f"the PE header at {window.origin + start:#x} is none")
    table = start + COFF.size + header.optional_bytes
    sections = [SECTION.read(window, table + index * SECTION.size) for index in range(header.sections)]
    headers_end = table + header.sections * SECTION.size
    end = max(headers_end, *(s.file_at + s.file_bytes for s in sections if s.file_bytes), headers_end)
    end = max(end, _symbols_end(window, header))
    facts = _facts(header, sections)
    facts |= _optional_facts(window, start + COFF.size)
    certificate_at, certificate_bytes = _directory(window, start + COFF.size, header.optional_bytes, CERTIFICATES)
    facts["signed"] = certificate_bytes > 0
    if certificate_bytes and certificate_at == -(-end // 8) * 8:
        end = certificate_at + certificate_bytes
    size = min(end, span.size)
    if certificate_bytes or _directory(window, start + COFF.size, header.optional_bytes, RESOURCES)[1]:
        facts |= _identity_facts(window.take(0, size))
    program = Program(arch=MACHINES[header.machine])
    return Opened(
        size=size,
        kind=RegionKind.PROGRAM,
        title="Windows library" if header.characteristics & LIBRARY else "Windows program",
        facts=facts,
        program=program,
        parts=tuple(_parts(sections, headers_end, size, program)),
        problems=(f"the file is cut short: {end - span.size} bytes are missing",) if end > span.size else (),
    )


def _parts(sections: list[Section], headers_end: int, size: int, program: Program) -> Iterator[Part]:
    """Yield the sections as they stand in the file; where two claim the same bytes the first in the file has them."""
    position = headers_end
    for section in sorted(sections, key=lambda s: s.file_at):
        start, end = max(section.file_at, position), min(section.file_at + section.file_bytes, size)
        if start < end:
            kind = RegionKind.PROGRAM if section.characteristics & EXECUTABLE else RegionKind.DATA
            title = f"section {visible(section.name)}"
            yield Part(start=start, end=end, title=title, kind=kind, look_inside=True, program=program)
            position = end


def _identity_facts(data: memoryview) -> dict[str, Fact]:
    """Return what the program says about itself, which is not proof of anything."""
    identity = windows_identity(data)
    facts = {name: getattr(identity, name) for name in ("product", "company", "version", "original_name")}
    said: dict[str, Fact] = {name: visible(value) for name, value in facts.items() if value}
    return said | ({"signers": tuple(visible(name) for name in identity.signers)} if identity.signers else {})


def _facts(header: CoffHeader, sections: list[Section]) -> dict[str, Fact]:
    facts: dict[str, Fact] = {
        "machine": MACHINES[header.machine],
        "sections": tuple(visible(section.name) for section in sections),
    }
    if header.timestamp:
        facts["built"] = datetime.fromtimestamp(header.timestamp, UTC).isoformat()
    return facts


def _symbols_end(window: Window, header: CoffHeader) -> int:
    """Return where the symbols of a compiler other than Microsoft's end, with the text behind them; 0 without any."""
    if not header.symbols_at:
        return 0
    end = header.symbols_at + SYMBOL_BYTES * header.symbols
    return end + int.from_bytes(window.view[end : end + 4], "little")


def _optional_facts(window: Window, start: int) -> dict[str, Fact]:
    """Return what the optional header says; its subsystem stands at the same place in both kinds."""
    magic, subsystem = (int.from_bytes(window.view[start + at : start + at + 2], "little") for at in (0, 68))
    if magic not in DIRECTORIES_AT:
        return {}
    return {
        "bits": 32 if magic == 0x10B else 64,
        "subsystem": SUBSYSTEMS.get(subsystem, f"number {subsystem}"),
    }


def _directory(window: Window, start: int, optional_bytes: int, number: int) -> tuple[int, int]:
    """Return place and size of a data directory, zeros when there is none; the optional header is at ``start``."""
    directories_at = DIRECTORIES_AT.get(int.from_bytes(window.view[start : start + 2], "little"))
    place = (directories_at or 0) + 8 * number
    if directories_at is None or place + 8 > optional_bytes:
        return 0, 0
    at, size = struct.unpack("<2I", window.take(start + place, 8))
    return at, size


def _example() -> bytes:
    start = 0x80
    dos = b"MZ" + bytes(NEW_HEADER_AT - 2) + start.to_bytes(4, "little")
    optional = struct.pack("<H", 0x10B).ljust(68, b"\0") + struct.pack("<H", 3)
    coff = CoffHeader(
        magic=b"PE\0\0", machine=0x014C, sections=1, timestamp=1_577_836_800, symbols_at=0, symbols=0,
        optional_bytes=len(optional), characteristics=0x0102,
    )  # fmt: skip
    section = Section(
        name=".text", memory_bytes=16, address=0x1000, file_bytes=16, file_at=0x200, relocations_at=0,
        line_numbers_at=0, relocations=0, line_numbers=0, characteristics=0x6000_0020,
    )  # fmt: skip
    head = dos.ljust(start, b"\0") + COFF.build(coff) + optional + SECTION.build(section)
    return head.ljust(0x200, b"\0") + b"\xc3".ljust(16, b"\x90")


FORMAT = ImageFormat(
    name="pe",
    title="Windows program",
    source="Microsoft PE Format (learn.microsoft.com, windows/win32/debug/pe-format)",
    limits="A signature is seen but not verified; resources are not listed.",
    open=_open,
    magics=(
        Magic(rb"MZ\x90\x00\x03\x00"),
        Magic(rb"MZP\x00\x02\x00"),
        Magic(rb"MZ[\x00-\xff]{58,400}?PE\x00\x00", anchor=b"PE\x00\x00"),
    ),
    example=_example,
)
