"""Microsoft compound files: older Office documents and Windows installers (MSI)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from firmware_checks.format import ImageFormat, Magic, Opened
from firmware_checks.readers.entry_names import visible
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.layout import U16LE, U32LE, Layout, array, const, raw, wire
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Fact, RegionKind

__all__ = ["FORMAT"]

MAGIC: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
HEADER_BYTES = 512
LAST_SECTOR = 0xFFFF_FFFA
"""2.1: sector numbers above this one are marks."""
FREE_SECTOR = 0xFFFF_FFFF
DIRECTORY_ENTRY_BYTES = 128
DIRECTORY_ENTRIES = 64
"""Names that are looked at to tell what the file is; the telling ones stand first."""
INSTALLER_CLASS = bytes.fromhex("84100c0000000000c000000000000046")
"""Class of the root storage of an MSI: {000C1084-0000-0000-C000-000000000046}."""

STREAMS: Final = {
    "WordDocument": "Microsoft Word document",
    "Workbook": "Microsoft Excel workbook",
    "Book": "Microsoft Excel workbook",
    "PowerPoint Document": "Microsoft PowerPoint presentation",
    "VisioDocument": "Microsoft Visio drawing",
    "__properties_version1.0": "Microsoft Outlook message",
}
"""Names of streams that tell which program wrote the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompoundHeader:
    """Start of the file. Source: MS-CFB 2.2 Compound File Header."""

    magic: bytes = wire(const(MAGIC))
    class_id: bytes = wire(raw(16))
    minor_version: int = wire(U16LE)
    major_version: int = wire(U16LE)
    byte_order: int = wire(const(0xFFFE, U16LE))
    sector_shift: int = wire(U16LE)
    mini_sector_shift: int = wire(U16LE)
    reserved: bytes = wire(raw(6))
    directory_sectors: int = wire(U32LE)
    fat_sectors: int = wire(U32LE)
    first_directory_sector: int = wire(U32LE)
    transaction: int = wire(U32LE)
    mini_stream_cutoff: int = wire(U32LE)
    first_mini_fat_sector: int = wire(U32LE)
    mini_fat_sectors: int = wire(U32LE)
    first_difat_sector: int = wire(U32LE)
    difat_sectors: int = wire(U32LE)
    difat: list[int] = wire(array(109, U32LE))


HEADER = Layout(CompoundHeader, size=HEADER_BYTES)


def _open(span: Span, limits: Limits) -> Opened:  # noqa: ARG001  # the contract of every format
    window = span.window
    header = HEADER.read(window)
    if (header.major_version, header.sector_shift) not in ((3, 9), (4, 12)):
        raise FormatError(f"no compound file at {window.origin:#x}: its sector size does not fit its version")
    size = _size(window, header)
    names, root_class = _directory(window, header)
    facts: dict[str, Fact] = {"version": header.major_version, "streams": names}
    content = next((title for name, title in STREAMS.items() if name in names), "")
    if root_class == INSTALLER_CLASS:
        content = "Windows installer (MSI)"
    if content:
        facts["content"] = content
    if any(name in names for name in ("VBA", "Macros", "_VBA_PROJECT_CUR")):
        facts["macros"] = True
    problems = (f"the file is cut short: {size - window.size} bytes are missing",) if size > window.size else ()
    return Opened(
        size=min(size, window.size),
        kind=RegionKind.DATA,
        title=content or "Microsoft Office or MSI file",
        facts=facts,
        problems=problems,
    )


def _size(window: Window, header: CompoundHeader) -> int:
    """Return where the last sector in use ends, from the file allocation table (2.3)."""
    sector_bytes = 1 << header.sector_shift
    last_used = 0
    for index, sector in enumerate(_fat_sectors(window, header)):
        used = _sector(window, sector_bytes, sector).tobytes().rstrip(b"\xff")
        last_in_table = index * (sector_bytes // 4) + (len(used) - 1) // 4 if used else 0
        last_used = max(last_used, sector, last_in_table)
    return (last_used + 2) * sector_bytes


def _fat_sectors(window: Window, header: CompoundHeader) -> Iterator[int]:
    """Yield the sectors that hold the allocation table; stop where the list leaves the file or turns back."""
    seen: set[int] = set()
    for sector in _fat_list(window, header):
        if sector > LAST_SECTOR:
            continue
        if sector in seen or not _sector(window, 1 << header.sector_shift, sector):
            return
        seen.add(sector)
        yield sector


def _fat_list(window: Window, header: CompoundHeader) -> Iterator[int]:
    """Yield what the list of allocation table sectors holds: 109 are in the header, more in chained sectors (2.5)."""
    yield from header.difat
    sector_bytes = 1 << header.sector_shift
    sector = header.first_difat_sector
    seen: set[int] = set()
    while sector <= LAST_SECTOR and sector not in seen:
        seen.add(sector)
        table = _sector(window, sector_bytes, sector)
        if len(table) < sector_bytes:
            return
        *named, sector = struct.unpack(f"<{sector_bytes // 4}I", table)
        yield from named


def _sector(window: Window, sector_bytes: int, number: int) -> memoryview:
    """Return sector ``number``, short or empty when the file ends before."""
    start = (number + 1) * sector_bytes
    return window.view[start : start + sector_bytes]


def _directory(window: Window, header: CompoundHeader) -> tuple[tuple[str, ...], bytes]:
    """Return the names in the first directory sectors and the class of the root storage (2.6)."""
    start = (header.first_directory_sector + 1) << header.sector_shift
    names: list[str] = []
    root_class = b""
    for index in range(DIRECTORY_ENTRIES):
        entry = window.view[start + index * DIRECTORY_ENTRY_BYTES : start + (index + 1) * DIRECTORY_ENTRY_BYTES]
        if len(entry) < DIRECTORY_ENTRY_BYTES or entry[66] not in (1, 2, 5):
            break
        name_bytes = min(int.from_bytes(entry[64:66], "little"), 64)
        names.append(visible(entry[:name_bytes].tobytes().decode("utf-16-le", "replace").rstrip("\0")))
        if index == 0:
            root_class = bytes(entry[80:96])
    return tuple(names), root_class


def _example() -> bytes:
    """Build a file of four sectors: header, allocation table, directory, one sector of text."""
    header = CompoundHeader(
        magic=MAGIC, class_id=bytes(16), minor_version=0x3E, major_version=3, byte_order=0xFFFE, sector_shift=9,
        mini_sector_shift=6, reserved=bytes(6), directory_sectors=0, fat_sectors=1, first_directory_sector=1,
        transaction=0, mini_stream_cutoff=4096, first_mini_fat_sector=0xFFFF_FFFE, mini_fat_sectors=0,
        first_difat_sector=0xFFFF_FFFE, difat_sectors=0, difat=[0] + [FREE_SECTOR] * 108,
    )  # fmt: skip
    table = struct.pack("<3I", 0xFFFF_FFFD, 0xFFFF_FFFE, 0xFFFF_FFFE).ljust(512, b"\xff")
    entries = b"".join(_built(name, kind) for name, kind in (("Root Entry", 5), ("WordDocument", 2)))
    return HEADER.build(header) + table + entries.ljust(512, b"\0") + b"Instructions for use".ljust(512, b"\0")


def _built(name: str, kind: int) -> bytes:
    text = (name + "\0").encode("utf-16-le")
    return text.ljust(64, b"\0") + struct.pack("<HB", len(text), kind) + bytes(61)


FORMAT = ImageFormat(
    name="ole",
    title="Microsoft compound file",
    source="Microsoft MS-CFB, Compound File Binary File Format, revision 14",
    limits="Only recognised and measured; streams are not read.",
    open=_open,
    magics=(Magic(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),),
    example=_example,
)
