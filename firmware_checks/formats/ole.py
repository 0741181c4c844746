"""Microsoft compound files: older Office documents and Windows installers (MSI)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import partial
from typing import Final

from firmware_checks.format import Entry, EntryKind, ImageFormat, Magic, Opened
from firmware_checks.readers.compound_file import DIRECTORY_ROW, HEADER, MAGIC, CompoundFile, CompoundHeader, Item
from firmware_checks.readers.entry_names import visible
from firmware_checks.readers.msi_database import DATABASE_STREAMS, decoded_name, properties
from firmware_checks.readers.windows_metadata import filetime_s
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import MIB, Limits
from toolkit.report.model import Fact, RegionKind

__all__ = ["FORMAT"]

NAMES_TOLD = 64
DATABASE_BYTES = 16 * MIB
"""Largest stream that is read to learn what an installer is."""
SIGNATURE = "\x05DigitalSignature"
MACROS: Final = frozenset({"VBA", "Macros", "_VBA_PROJECT_CUR"})

INSTALLERS: Final = {
    "000c1084-0000-0000-c000-000000000046": "Windows Installer package (MSI)",
    "000c1086-0000-0000-c000-000000000046": "Windows Installer patch (MSP)",
    "000c1082-0000-0000-c000-000000000046": "Windows Installer transform (MST)",
}
"""Class of the root storage. Source: Microsoft Windows SDK, msidefs.h and the registered classes of msi.dll."""

DOCUMENTS: Final = {
    "WordDocument": "Microsoft Word document",
    "Workbook": "Microsoft Excel workbook",
    "Book": "Microsoft Excel workbook",
    "PowerPoint Document": "Microsoft PowerPoint presentation",
    "VisioDocument": "Microsoft Visio drawing",
    "__properties_version1.0": "Microsoft Outlook message",
}
"""Names of streams that tell which program wrote the file."""

PROPERTIES: Final = {
    "ProductName": "product", "ProductVersion": "version", "Manufacturer": "company", "ProductCode": "product_code",
    "UpgradeCode": "upgrade_code",
}  # fmt: skip
"""What an installer says about its product, and the facts it becomes."""


def _open(span: Span, limits: Limits) -> Opened:
    file = CompoundFile(span.window, limits.entries)
    items = file.items[1:]
    installer = INSTALLERS.get(_class_name(file.items[0].class_id), "") if file.items else ""
    if not installer and any(decoded_name(item.path[0]) in DATABASE_STREAMS for item in items):
        installer = INSTALLERS["000c1084-0000-0000-c000-000000000046"]
    shown = decoded_name if installer else str
    names = ["/".join(shown(name) for name in item.path) for item in items]
    facts: dict[str, Fact] = {
        "format_version": file.header.major_version,
        "streams": sum(item.is_stream for item in items),
        "stream_names": tuple(visible(name) for name in names[:NAMES_TOLD]),
    }
    if installer:
        facts |= _installer_facts(file, dict(zip(names, items, strict=True)))
    document = next((title for name, title in DOCUMENTS.items() if name in names), "Microsoft compound file")
    if any(not MACROS.isdisjoint(item.path) for item in items):
        facts["macros"] = True
    missing = file.size - span.size
    cut = (f"the file is cut short: {missing} bytes are missing",) if missing > 0 else ()
    return Opened(
        size=min(file.size, span.size),
        kind=RegionKind.CONTAINER,
        title=installer or document,
        facts=facts,
        entries=tuple(_entry(file, item, name) for item, name in zip(items, names, strict=True)),
        problems=(*cut, *file.problems.sentences()),
    )


def _class_name(data: bytes) -> str:
    """Return a class identifier as it is usually written."""
    first, second, third = struct.unpack_from("<I2H", data)
    return f"{first:08x}-{second:04x}-{third:04x}-{data[8:10].hex()}-{data[10:].hex()}"


def _installer_facts(file: CompoundFile, items: dict[str, Item]) -> dict[str, Fact]:
    facts: dict[str, Fact] = {"signed": SIGNATURE in items}
    try:
        streams = [file.read(items[name], DATABASE_BYTES) for name in DATABASE_STREAMS]
        known = properties(*streams)
    except KeyError:
        return facts
    except (FormatError, LimitExceeded) as error:
        file.problems.add(f"the properties of the installer cannot be read: {error}")
        return facts
    told = {fact: visible(known[name]) for name, fact in PROPERTIES.items() if known.get(name)}
    return {**facts, **told}


def _entry(file: CompoundFile, item: Item, name: str) -> Entry:
    modified_s = filetime_s(item.modified)
    if not item.is_stream:
        kind = EntryKind.FOLDER
        return Entry(name=visible(name), packed_bytes=0, unpacked_bytes=0, kind=kind, modified_s=modified_s)
    return Entry(
        name=visible(name),
        packed_bytes=item.size,
        unpacked_bytes=item.size,
        read=partial(file.read, item),
        modified_s=modified_s,
    )


def _example() -> bytes:
    """Build a file of five sectors: header, allocation table, directory, small streams and their table."""
    free, end = 0xFFFF_FFFF, 0xFFFF_FFFE
    header = CompoundHeader(
        magic=MAGIC, class_id=bytes(16), minor_version=0x3E, major_version=3, byte_order=0xFFFE, sector_shift=9,
        mini_sector_shift=6, reserved=bytes(6), directory_sectors=0, fat_sectors=1, first_directory_sector=1,
        transaction=0, mini_stream_cutoff=4096, first_mini_fat_sector=3, mini_fat_sectors=1,
        first_difat_sector=end, difat_sectors=0, difat=[0] + [free] * 108,
    )  # fmt: skip
    text = b"Instructions for use"
    table = struct.pack("<4I", 0xFFFF_FFFD, end, end, end).ljust(512, b"\xff")
    rows = (("Root Entry", 5, free, 1, 2, 512), ("WordDocument", 2, free, free, 0, len(text)))
    directory = b"".join(_rows(rows)).ljust(512, b"\0")
    return (
        HEADER.build(header)
        + table
        + directory
        + text.ljust(512, b"\0")
        + end.to_bytes(4, "little").ljust(512, b"\xff")
    )


def _rows(rows: tuple[tuple[str, int, int, int, int, int], ...]) -> Iterator[bytes]:
    """Yield directory entries of name, type, right sibling, child, first sector and size."""
    for name, kind, right, child, first, size in rows:
        text = (name + "\0").encode("utf-16-le")
        yield DIRECTORY_ROW.pack(text, len(text), kind, 1, 0xFFFF_FFFF, right, child, bytes(16), 0, 0, 0, first, size)


FORMAT = ImageFormat(
    name="ole",
    title="Microsoft compound file",
    source="Microsoft MS-CFB, Compound File Binary File Format, revision 14; Wine dlls/msi (names and strings of MSI)",
    limits=(
        "Streams are read as they are; of the tables of an installer only its properties are understood. "
        "A signature of an installer is seen but not verified."
    ),
    open=_open,
    magics=(Magic(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),),
    example=_example,
)
