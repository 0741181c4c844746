"""Disks with a GPT: the partition table of EFI machines and of many eMMC chips, kept twice and check-summed."""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from firmware_checks.format import ImageFormat, Magic, Opened, Part
from firmware_checks.readers.entry_names import visible
from firmware_checks.readers.partitions import GUID_TYPES, Partition, disk_parts
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.layout import U32LE, U64LE, Layout, const, raw, wire
from toolkit.core.limits import Limits
from toolkit.core.problems import Problems
from toolkit.core.window import Window
from toolkit.report.model import Fact, Integrity, RegionKind

__all__ = ["FORMAT"]

SIGNATURE: Final = b"EFI PART"
SECTOR_SIZES: Final = (512, 4096)
MOST_ROWS = 4096
"""Rows that are read; disks come with 128."""
MOST_TABLE_BYTES = 1 << 20
UNUSED: Final = bytes(16)
ATTRIBUTES: Final = {0: "required", 1: "not for EFI", 2: "legacy bootable", 60: "read-only", 62: "hidden"}
"""Source: UEFI Specification 2.10, 5.3.3; bits 60 and up as Microsoft defines them for its basic data partitions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GptHeader:
    """Header of either copy; places in sectors. Source: UEFI Specification 2.10, 5.3.2."""

    signature: bytes = wire(const(SIGNATURE))
    revision: int = wire(U32LE)
    header_bytes: int = wire(U32LE)
    header_crc: int = wire(U32LE)
    reserved: bytes = wire(raw(4))
    own_sector: int = wire(U64LE)
    other_sector: int = wire(U64LE)
    """Where the other copy of the header is: the last sector of the disk, or the second."""
    first_usable: int = wire(U64LE)
    last_usable: int = wire(U64LE)
    disk_guid: bytes = wire(raw(16))
    table_sector: int = wire(U64LE)
    rows: int = wire(U32LE)
    row_bytes: int = wire(U32LE)
    table_crc: int = wire(U32LE)


HEADER = Layout(GptHeader, size=92)


@dataclass(frozen=True, slots=True, kw_only=True)
class GptRow:
    """One partition; both sectors belong to it. Source: UEFI Specification 2.10, 5.3.3."""

    type_guid: bytes = wire(raw(16))
    guid: bytes = wire(raw(16))
    first_sector: int = wire(U64LE)
    last_sector: int = wire(U64LE)
    attributes: int = wire(U64LE)
    name: bytes = wire(raw(72))

    @property
    def title(self) -> str:
        """The name, with hidden characters spelled out."""
        return visible(self.name.decode("utf-16-le", "surrogatepass").partition("\0")[0])

    @property
    def type_name(self) -> str:
        """What the partition is for, in words."""
        return GUID_TYPES.get(_guid(self.type_guid), "unknown type")


ROW = Layout(GptRow, size=128)


@dataclass(frozen=True, slots=True)
class _Copy:
    """One of the two copies of header and table; places in bytes."""

    title: str
    header: GptHeader
    offset: int
    sector_bytes: int
    table: memoryview
    verdicts: tuple[Integrity, ...]

    @property
    def is_valid(self) -> bool:
        return all(verdict.valid for verdict in self.verdicts)

    @property
    def table_offset(self) -> int:
        return self.header.table_sector * self.sector_bytes

    def used_rows(self) -> list[tuple[int, GptRow]]:
        """Return the rows that stand for a partition, each with its number as Linux counts them."""
        rows = Window.of(self.table)
        step = self.header.row_bytes
        numbers = range(min(self.header.rows, MOST_ROWS))
        return [(n + 1, ROW.read(rows, n * step)) for n in numbers if self.table[n * step : n * step + 16] != UNUSED]

    def framing(self) -> list[Part]:
        end = self.offset + self.sector_bytes
        table_end = self.table_offset + len(self.table)
        kind = RegionKind.METADATA
        return [
            Part(start=self.offset, end=end, title=f"{self.title} GPT header", kind=kind),
            Part(start=self.table_offset, end=table_end, title=f"{self.title} GPT table", kind=kind),
        ]


def _read_copy(window: Window, sector: int, sector_bytes: int, title: str) -> _Copy:
    """Return the copy whose header is in ``sector``; raise ``FormatError`` when it cannot be one."""
    offset = sector * sector_bytes
    header = HEADER.read(window, offset)
    whole_rows = header.row_bytes % ROW.size == 0 and header.row_bytes > 0
    table_bytes = header.rows * header.row_bytes
    if not (HEADER.size <= header.header_bytes <= sector_bytes and whole_rows and table_bytes <= MOST_TABLE_BYTES):
        raise FormatError(f"the GPT header at {window.origin + offset:#x} has impossible sizes")
    if header.own_sector != sector:
        raise FormatError(f"the GPT header at {window.origin + offset:#x} belongs elsewhere")
    table = window.take(header.table_sector * sector_bytes, table_bytes)
    stored = bytes(window.take(offset, header.header_bytes))
    blanked = stored[:16] + bytes(4) + stored[20:]
    verdicts = (
        _verdict(f"the {title} GPT header", header.header_crc, blanked),
        _verdict(f"the {title} GPT table", header.table_crc, table),
    )
    return _Copy(title, header, offset, sector_bytes, table, verdicts)


def _verdict(covers: str, stored: int, data: bytes | memoryview) -> Integrity:
    computed = zlib.crc32(data)
    return Integrity(
        algorithm="crc32",
        covers=covers,
        stored=f"{stored:08x}",
        computed=f"{computed:08x}",
        valid=stored == computed,
    )


def _open(span: Span, limits: Limits) -> Opened:  # noqa: ARG001  # the contract of every format
    window = span.window
    if not window.starts_with(b"\x55\xaa", 510):
        raise FormatError(f"no protective boot record at {window.origin:#x}")
    tally = Problems()
    copies = _copies(window, tally)
    used = next((copy for copy in copies if copy.is_valid), copies[0])
    if not used.is_valid:
        tally.add("neither copy of the GPT is undamaged")
    sectors = max(used.header.own_sector, used.header.other_sector, used.header.last_usable) + 1
    size = min(sectors * used.sector_bytes, span.size)
    if size < sectors * used.sector_bytes:
        tally.add(f"the disk is cut short: it has {sectors * used.sector_bytes} bytes and {size} are there")
    rows = used.used_rows()
    boot_record = Part(start=0, end=used.sector_bytes, title="protective boot record", kind=RegionKind.METADATA)
    framing = [boot_record, *(part for copy in copies for part in copy.framing() if part.end <= size)]
    partitions = [partition for number, row in rows if (partition := _partition(number, row, used, tally))]
    return Opened(
        size=size,
        kind=RegionKind.CONTAINER,
        title="disk with a GPT partition table",
        facts=_facts(used, partitions),
        integrity=tuple(verdict for copy in copies for verdict in copy.verdicts),
        parts=tuple(disk_parts(partitions, _apart(framing), size, tally)),
        problems=tally.sentences(),
    )


def _copies(window: Window, tally: Problems) -> list[_Copy]:
    """Return the copies that can be read, the primary first; raise ``FormatError`` when none can."""
    copies: list[_Copy] = []
    for sector_bytes in SECTOR_SIZES:
        try:
            copies.append(_read_copy(window, 1, sector_bytes, "primary"))
        except FormatError:
            continue
        break
    if copies:
        places = [(copies[0].header.other_sector, copies[0].sector_bytes)]
    else:
        tally.add("the primary GPT is missing; its backup was read")
        places = [(window.size // sector_bytes - 1, sector_bytes) for sector_bytes in SECTOR_SIZES]
    backups = [copy for sector, size in places if sector > 1 and (copy := _backup(window, sector, size))]
    if not copies and not any(copy.is_valid for copy in backups):
        raise FormatError(f"no GPT at {window.origin:#x}")
    if not backups:
        tally.add("the backup GPT is missing")
    elif copies and backups[0].table != copies[0].table:
        tally.add("the two copies of the GPT differ")
    return [*copies, *backups[:1]]


def _backup(window: Window, sector: int, sector_bytes: int) -> _Copy | None:
    try:
        return _read_copy(window, sector, sector_bytes, "backup")
    except FormatError:
        return None


def _apart(framing: Sequence[Part]) -> list[Part]:
    """Return those of ``framing`` that do not overlap one before: a damaged table may stand in its own header."""
    apart: list[Part] = []
    for part in framing:
        if all(part.end <= other.start or other.end <= part.start for other in apart):
            apart.append(part)
    return apart


def _partition(number: int, row: GptRow, copy: _Copy, tally: Problems) -> Partition | None:
    title = f"partition {number}: {row.title or row.type_name}"
    if row.last_sector < row.first_sector:
        tally.add("a partition ends before it starts", title)
        return None
    facts: dict[str, Fact] = {
        "number": number,
        "name": row.title,
        "type": _guid(row.type_guid),
        "type_name": row.type_name,
        "guid": _guid(row.guid),
        "attributes": tuple(name for bit, name in ATTRIBUTES.items() if row.attributes >> bit & 1),
    }
    start, end = row.first_sector * copy.sector_bytes, (row.last_sector + 1) * copy.sector_bytes
    return Partition(title=title, start=start, end=end, facts=facts)


def _guid(data: bytes) -> str:
    return str(uuid.UUID(bytes_le=data))


def _facts(copy: _Copy, partitions: Sequence[Partition]) -> dict[str, Fact]:
    return {
        "disk_guid": _guid(copy.header.disk_guid),
        "sector_bytes": copy.sector_bytes,
        "partitions": tuple(
            f"{p.facts['number']}: {p.facts['name']} ({p.facts['type_name']}), {p.end - p.start} bytes at {p.start:#x}"
            for p in partitions
        ),
    }


def _sealed(header: GptHeader) -> bytes:
    """Build ``header`` with its check value."""
    blank = HEADER.build(replace(header, header_crc=0))
    return HEADER.build(replace(header, header_crc=zlib.crc32(blank)))


def _example() -> bytes:
    """Build a disk of eleven sectors with one partition of three and a table of four rows."""
    linux = uuid.UUID("0fc63daf-8483-4772-8e79-3d69d8477de4").bytes_le
    row = GptRow(
        type_guid=linux,
        guid=bytes(range(16)),
        first_sector=4,
        last_sector=6,
        attributes=0,
        name="settings".encode("utf-16-le").ljust(72, b"\0"),
    )
    table = ROW.build(row).ljust(4 * ROW.size, b"\0")
    primary = GptHeader(
        signature=SIGNATURE,
        revision=0x10000,
        header_bytes=HEADER.size,
        header_crc=0,
        reserved=bytes(4),
        own_sector=1,
        other_sector=10,
        first_usable=3,
        last_usable=8,
        disk_guid=bytes(range(16, 32)),
        table_sector=2,
        rows=4,
        row_bytes=ROW.size,
        table_crc=zlib.crc32(table),
    )
    backup = replace(primary, own_sector=10, other_sector=1, table_sector=9)
    protective = b"\0\0\2\0\xee\xff\xff\xff\1\0\0\0\x0a\0\0\0"
    boot_record = bytes(446) + protective + bytes(48) + b"\x55\xaa"
    content = b"settings of the pump\n".ljust(3 * 512, b"\0")
    sectors = [boot_record, _sealed(primary), table, b"", content, b"", b"", table, _sealed(backup)]
    return b"".join(sector.ljust(512, b"\0") for sector in sectors)


FORMAT = ImageFormat(
    name="gpt",
    title="disk with a GPT partition table",
    source="UEFI Specification 2.10, 5.3 (GUID Partition Table disk layout)",
    limits=f"No more than {MOST_ROWS} rows are read. A disk without its protective boot record is not recognised.",
    open=_open,
    magics=(
        Magic(rb"EFI PART\x00\x00\x01\x00", offset=512),
        Magic(rb"EFI PART\x00\x00\x01\x00(?=[\x5c-\xff])", offset=4096),
        Magic(rb"\x55\xaa", offset=510, anchor=b"\x55\xaa", anywhere=False),
    ),
    try_order=40,
    example=_example,
)
