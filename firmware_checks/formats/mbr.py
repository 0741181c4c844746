"""Disks with an MBR: the partition table of PCs and of most memory cards and eMMC chips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from firmware_checks.format import ImageFormat, Magic, Opened, Part
from firmware_checks.readers.partitions import MBR_TYPES, Partition, disk_parts
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.layout import U8, U32LE, Layout, const, raw, wire
from toolkit.core.limits import Limits
from toolkit.core.problems import Problems
from toolkit.core.window import Window
from toolkit.report.model import Fact, RegionKind

__all__ = ["FORMAT"]

SECTOR_BYTES = 512
ACTIVE: Final = 0x80
EXTENDED: Final = frozenset({0x05, 0x0F, 0x85})
PROTECTIVE: Final = 0xEE
MOST_LOGICAL = 128
"""Logical partitions that are followed; Windows and Linux stop at about half of that."""
BOOT_SECTOR_NAMES: Final = (b"NTFS    ", b"EXFAT   ", b"-FVE-FS-")
"""What stands at byte 3 of a file system's boot sector, which ends in 55 AA like an MBR."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MbrEntry:
    """One row of the table; places and sizes in sectors. Source: UEFI Specification 2.10, 5.2.1."""

    status: int = wire(U8)
    first_chs: bytes = wire(raw(3))
    type: int = wire(U8)
    last_chs: bytes = wire(raw(3))
    first_sector: int = wire(U32LE)
    sectors: int = wire(U32LE)

    @property
    def is_used(self) -> bool:
        """Whether the row stands for a partition."""
        return self.type != 0

    @property
    def is_possible(self) -> bool:
        """Whether status, type, place and size agree with each other."""
        if self.status not in (0, ACTIVE):
            return False
        if not self.is_used:
            return self.status == 0 and self.first_sector == 0 and self.sectors == 0
        return self.first_sector > 0 and self.sectors > 0


ENTRY = Layout(MbrEntry, size=16)


@dataclass(frozen=True, slots=True, kw_only=True)
class MbrSector:
    """A sector with a partition table. Source: UEFI Specification 2.10, 5.2.1."""

    boot_code: bytes = wire(raw(440))
    disk_signature: int = wire(U32LE)
    unknown: bytes = wire(raw(2))
    entries: bytes = wire(raw(4 * ENTRY.size))
    signature: bytes = wire(const(b"\x55\xaa"))


SECTOR = Layout(MbrSector, size=SECTOR_BYTES)


@dataclass(slots=True)
class _Disk:
    window: Window
    tally: Problems = field(default_factory=lambda: Problems(unit="byte"))
    partitions: list[Partition] = field(default_factory=list)
    framing: list[Part] = field(default_factory=list)

    def add_sector(self, offset: int, title: str) -> None:
        end = offset + SECTOR_BYTES
        self.framing.append(Part(start=offset, end=end, title=title, kind=RegionKind.METADATA))

    def add(self, entry: MbrEntry, base_sector: int) -> None:
        """Add the partition of ``entry``, whose place is counted from ``base_sector``."""
        name = MBR_TYPES.get(entry.type, "unknown type")
        number = len(self.partitions) + 1
        start = (base_sector + entry.first_sector) * SECTOR_BYTES
        facts: dict[str, Fact] = {
            "number": number,
            "type": f"{entry.type:#04x}",
            "type_name": name,
            "active": entry.status == ACTIVE,
            "logical": base_sector > 0,
        }
        title = f"partition {number}: {name}"
        end = start + entry.sectors * SECTOR_BYTES
        self.partitions.append(Partition(title=title, start=start, end=end, facts=facts))

    def add_logical(self, base_sector: int) -> None:
        """Follow the chain of tables in the extended partition at ``base_sector``, each of which names the next."""
        seen: set[int] = set()
        sector = base_sector
        while sector not in seen and len(seen) < MOST_LOGICAL:
            seen.add(sector)
            following = self._extended_table(sector, base_sector)
            if following is None:
                return
            sector = following
        self.tally.add("the chain of logical partitions runs in a circle or does not end", sector * SECTOR_BYTES)

    def _extended_table(self, sector: int, base_sector: int) -> int | None:
        """Read the table at ``sector`` and return where the next one is."""
        offset = sector * SECTOR_BYTES
        try:
            entries = _entries(SECTOR.read(self.window, offset))
        except FormatError:
            self.tally.add("an extended partition has no table where one must stand", offset)
            return None
        self.add_sector(offset, "extended boot record")
        for entry in entries[:2]:
            if entry.is_used and entry.type not in EXTENDED and entry.is_possible:
                self.add(entry, sector)
        links = [entry for entry in entries[:2] if entry.type in EXTENDED]
        return base_sector + links[0].first_sector if links else None


def _entries(sector: MbrSector) -> list[MbrEntry]:
    table = Window.of(sector.entries)
    return [ENTRY.read(table, row * ENTRY.size) for row in range(4)]


def _open(span: Span, limits: Limits) -> Opened:  # noqa: ARG001  # the contract of every format
    window = span.window
    if not window.starts_with(b"\x55\xaa", 510):
        raise FormatError(f"no boot sector at {window.origin:#x}")
    sector = SECTOR.read(window)
    entries = _entries(sector)
    _judge(window, entries)
    disk = _Disk(window)
    disk.add_sector(0, "master boot record")
    for entry in entries:
        if entry.type in EXTENDED:
            disk.add_logical(entry.first_sector)
        elif entry.is_used and entry.type != PROTECTIVE:
            disk.add(entry, 0)
    if any(entry.type == PROTECTIVE for entry in entries):
        disk.tally.add("the table only protects a GPT, and no GPT could be read")
    parts = disk_parts(disk.partitions, disk.framing, span.size, disk.tally)
    return Opened(
        size=span.size,
        kind=RegionKind.CONTAINER,
        title="disk with an MBR partition table",
        facts=_facts(sector, disk.partitions),
        parts=tuple(parts),
        problems=disk.tally.sentences(),
    )


def _judge(window: Window, entries: Sequence[MbrEntry]) -> None:
    """Raise ``FormatError`` unless the four rows make sense: the two bytes at the sector's end say very little."""
    used = [entry for entry in entries if entry.is_used]
    if not used or not all(entry.is_possible for entry in entries):
        raise FormatError(f"the boot sector at {window.origin:#x} has no partition table")
    if sum(entry.status == ACTIVE for entry in used) > 1:
        raise FormatError("more than one partition is active")
    if min(entry.first_sector for entry in used) * SECTOR_BYTES >= window.size:
        raise FormatError("all partitions start past the end")
    if _overlap(used) or _is_file_system(window):
        raise FormatError("it is a file system's boot sector, no MBR")


def _overlap(used: Sequence[MbrEntry]) -> bool:
    """Tell whether partitions overlap: bytes that are no table claim that, a disk that works does not."""
    end = 0
    for entry in sorted((e for e in used if e.type != PROTECTIVE), key=lambda e: e.first_sector):
        if entry.first_sector < end:
            return True
        end = entry.first_sector + entry.sectors
    return False


def _is_file_system(window: Window) -> bool:
    """Tell whether the sector starts as one of FAT, exFAT, NTFS or BitLocker does: a jump, then the volume's data."""
    if bytes(window.view[3:11]) in BOOT_SECTOR_NAMES:
        return True
    bytes_per_sector = int.from_bytes(window.take(11, 2), "little")
    sectors_per_cluster, copies = window.view[13], window.view[16]
    return (
        window.view[0] in (0xEB, 0xE9)
        and bytes_per_sector in (512, 1024, 2048, 4096)
        and sectors_per_cluster.bit_count() == 1
        and copies in (1, 2)
    )


def _facts(sector: MbrSector, partitions: Sequence[Partition]) -> dict[str, Fact]:
    return {
        "disk_signature": f"{sector.disk_signature:08x}",
        "boot_code": any(sector.boot_code),
        "partitions": tuple(
            f"{p.facts['number']}: {p.facts['type_name']}, {p.end - p.start} bytes at {p.start:#x}" for p in partitions
        ),
    }


def _table(rows: Sequence[tuple[int, int, int, int]]) -> bytes:
    """Build a sector with the rows ``(status, type, first sector, sectors)``."""
    no_chs = b"\xfe\xff\xff"
    packed = b"".join(
        ENTRY.build(
            MbrEntry(status=status, first_chs=no_chs, type=kind, last_chs=no_chs, first_sector=first, sectors=sectors)
        )
        for status, kind, first, sectors in rows
    )
    return SECTOR.build(
        MbrSector(
            boot_code=bytes(440),
            disk_signature=0x1234ABCD,
            unknown=bytes(2),
            entries=packed.ljust(4 * ENTRY.size, b"\0"),
            signature=b"\x55\xaa",
        )
    )


def _sectors(count: int, text: bytes = b"") -> Iterator[bytes]:
    yield text.ljust(count * SECTOR_BYTES, b"\0")


def _example() -> bytes:
    """Build a disk with a primary partition of two sectors and a logical one of one sector."""
    return b"".join(
        [
            _table([(ACTIVE, 0xDA, 2, 2), (0, 0x05, 4, 2)]),
            *_sectors(1),
            *_sectors(2, b"settings of the pump\n"),
            _table([(0, 0xDA, 1, 1)]),
            *_sectors(1, b"log of the pump\n"),
        ]
    )


FORMAT = ImageFormat(
    name="mbr",
    title="disk with an MBR partition table",
    source="UEFI Specification 2.10, 5.2 (LBA 0 format); Linux block/partitions/msdos.c (extended partitions)",
    limits="Only of a complete file, and with sectors of 512 bytes. The partitions within BSD slices are not listed.",
    open=_open,
    magics=(Magic(rb"\x55\xaa", offset=510, anchor=b"\x55\xaa", anywhere=False),),
    try_order=50,
    whole_file_only=True,
    example=_example,
)
