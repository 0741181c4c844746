"""FAT file systems of 12, 16 and 32 bits: memory cards, USB sticks, EFI partitions, drives that devices imitate."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NamedTuple

from firmware_checks.format import EntryKind, ImageFormat, Magic, Opened
from firmware_checks.readers.clusters import FIRST_CLUSTER, ClusterHeap, SiblingNames
from firmware_checks.readers.entry_names import visible
from firmware_checks.readers.inode_tree import Inode, TreeWalk
from firmware_checks.readers.windows_metadata import dos_time_s
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.layout import U8, U16LE, U32LE, Layout, raw, wire
from toolkit.core.limits import Limits
from toolkit.core.problems import Problems
from toolkit.core.window import Window
from toolkit.report.model import Fact, RegionKind

__all__ = ["FORMAT"]

SECTOR_SIZES: Final = (512, 1024, 2048, 4096)
ROW_BYTES: Final = 32
MOST_FOLDER_BYTES: Final = 65_536 * ROW_BYTES
"""A folder has no more rows than that. Source: Microsoft FAT specification, 6."""
READ_ONLY, HIDDEN, SYSTEM, LABEL, FOLDER, LONG_NAME = 0x01, 0x02, 0x04, 0x08, 0x10, 0x0F
LOWER_STEM, LOWER_SUFFIX = 0x08, 0x10
END, DELETED, ESCAPED_E5 = 0x00, 0xE5, 0x05
LAST_LONG, LONG_NUMBER = 0x40, 0x3F
FIRST_OF_16, FIRST_OF_32 = 4085, 65_525
"""A volume with fewer clusters has entries of 12 bits; one with fewer of 16. Source: Microsoft FAT, 3.5."""
ROOT: Final = 0
DOTS: Final = (b".          ", b"..         ")
ROW: Final = struct.Struct("<11sBB7xHHHHI")
"""Short name, attributes, capital letters, first cluster (high), time, date, first cluster (low), size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BootSector:
    """What all FAT volumes start with. Source: Microsoft FAT specification (2005), 3.1."""

    jump: bytes = wire(raw(3))
    system: bytes = wire(raw(8))
    sector_bytes: int = wire(U16LE)
    cluster_sectors: int = wire(U8)
    reserved_sectors: int = wire(U16LE)
    tables: int = wire(U8)
    root_rows: int = wire(U16LE)
    sectors_16: int = wire(U16LE)
    media: int = wire(U8)
    table_sectors_16: int = wire(U16LE)
    track_sectors: int = wire(U16LE)
    heads: int = wire(U16LE)
    hidden_sectors: int = wire(U32LE)
    sectors_32: int = wire(U32LE)


@dataclass(frozen=True, slots=True, kw_only=True)
class BootSector32:
    """What follows in FAT32. Source: Microsoft FAT specification (2005), 3.3."""

    table_sectors: int = wire(U32LE)
    flags: int = wire(U16LE)
    version: int = wire(U16LE)
    root_cluster: int = wire(U32LE)
    info_sector: int = wire(U16LE)
    backup_sector: int = wire(U16LE)
    reserved: bytes = wire(raw(12))


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeId:
    """The last fields, behind those of FAT32 where there are some. Source: Microsoft FAT specification (2005), 3.2."""

    drive: int = wire(U8)
    reserved: int = wire(U8)
    mark: int = wire(U8)
    serial: int = wire(U32LE)
    label: bytes = wire(raw(11))
    type: bytes = wire(raw(8))


BOOT = Layout(BootSector, size=36)
BOOT_32 = Layout(BootSector32, size=28)
VOLUME_ID = Layout(VolumeId, size=26)
VOLUME_ID_MARK: Final = 0x29
MIRRORING_OFF, ACTIVE_TABLE = 0x80, 0x0F
CLEAN: Final = {16: 0x8000, 32: 0x0800_0000}
"""Bit of the second table entry that is set when the volume was taken out properly."""


@dataclass(frozen=True, slots=True)
class _Geometry:
    """Where everything is, in bytes."""

    boot: BootSector
    boot_32: BootSector32 | None
    bits: int
    table: int
    table_bytes: int
    root: int
    root_bytes: int
    heap: int
    cluster_bytes: int
    clusters: int
    size: int


def _geometry(window: Window) -> _Geometry:
    """Return where everything is; raise ``FormatError`` unless all numbers of the boot sector make sense."""
    boot = BOOT.read(window)
    _judge(window, boot)
    boot_32 = BOOT_32.read(window, BOOT.size) if boot.table_sectors_16 == 0 else None
    sector = boot.sector_bytes
    table_bytes = sector * (boot.table_sectors_16 if boot_32 is None else boot_32.table_sectors)
    table = boot.reserved_sectors * sector
    root = table + boot.tables * table_bytes
    root_bytes = -(-boot.root_rows * ROW_BYTES // sector) * sector
    heap = root + root_bytes
    size = (boot.sectors_16 or boot.sectors_32) * sector
    cluster_bytes = boot.cluster_sectors * sector
    clusters = (size - heap) // cluster_bytes
    bits = 32 if boot_32 else 12 if clusters < FIRST_OF_16 else 16
    fits = table_bytes * 8 // bits - FIRST_CLUSTER
    if clusters < 1 or fits < 1 or (boot_32 is None) != (boot.root_rows > 0) or (bits == 16 and clusters > FIRST_OF_32):
        raise FormatError(f"the boot sector at {window.origin:#x} describes no FAT volume")
    clusters = min(clusters, fits)
    return _Geometry(boot, boot_32, bits, table, table_bytes, root, root_bytes, heap, cluster_bytes, clusters, size)


def _judge(window: Window, boot: BootSector) -> None:
    possible = (
        window.starts_with(b"\x55\xaa", 510)
        and (boot.jump[0] == 0xE9 or (boot.jump[0] == 0xEB and boot.jump[2] == 0x90))
        and boot.sector_bytes in SECTOR_SIZES
        and boot.cluster_sectors.bit_count() == 1
        and boot.reserved_sectors > 0
        and 1 <= boot.tables <= 4
        and (boot.media == 0xF0 or boot.media >= 0xF8)
    )
    if not possible:
        raise FormatError(f"no FAT boot sector at {window.origin:#x}")


@dataclass(frozen=True, slots=True)
class _Table:
    """One copy of the table that says which cluster follows which."""

    view: memoryview
    bits: int

    def entry(self, cluster: int) -> int:
        """Return what the table says of ``cluster``; that of FAT32 has 28 bits."""
        if self.bits == 12:
            place = cluster * 3 // 2
            pair = self.view[place] | self.view[place + 1] << 8
            return pair >> 4 if cluster & 1 else pair & 0xFFF
        step = self.bits // 8
        value = int.from_bytes(self.view[cluster * step : (cluster + 1) * step], "little")
        return value & 0x0FFF_FFFF


def _tables(window: Window, geometry: _Geometry, tally: Problems) -> _Table:
    """Return the copy of the table to be used; say when the copies differ."""
    boot, size = geometry.boot, geometry.table_bytes
    copies = [
        _Table(window.take(geometry.table + n * size, size), geometry.bits)
        for n in range(boot.tables)
        if geometry.table + (n + 1) * size <= window.size
    ]
    flags = geometry.boot_32.flags if geometry.boot_32 else 0
    if flags & MIRRORING_OFF:
        copies = copies[flags & ACTIVE_TABLE :][:1]
    right = [copy for copy in copies if copy.view[0] == boot.media]
    if not right:
        raise FormatError(f"the table of the FAT volume at {window.origin:#x} does not start as it must")
    if any(copy.view != copies[0].view for copy in copies[1:]):
        tally.add("the copies of the table differ: the volume was not written properly, or is damaged")
    return right[0]


class _Row(NamedTuple):
    """What a folder says of a file or folder."""

    name: str
    attributes: int
    cluster: int
    size: int
    modified_s: int | None


@dataclass(slots=True)
class _Volume:
    """A FAT volume as ``TreeWalk`` sees it: a folder's number is its first cluster, negative; a file's is its place."""

    window: Window
    geometry: _Geometry
    heap: ClusterHeap
    tally: Problems
    label: str = ""
    deleted: int = 0
    hidden: int = 0
    _rows: dict[int, _Row] = field(default_factory=dict)

    def children(self, folder: int) -> Iterator[tuple[bytes, int]]:
        """See ``InodeTree``."""
        names = SiblingNames()
        try:
            for place, row in self._named(folder):
                if problem := names.problem(row.name):
                    self.tally.add(problem, visible(row.name))
                number = place
                if row.attributes & FOLDER:
                    number = -row.cluster
                    if not self.heap.has(row.cluster):
                        self.tally.add("a folder has no cluster in the volume and was not read", visible(row.name))
                        continue
                self.hidden += bool(row.attributes & (HIDDEN | SYSTEM))
                self._rows.setdefault(number, row)
                yield row.name.encode("utf-8", "backslashreplace"), number
        except FormatError as error:
            self.tally.add(f"a folder was not read to its end: {error}")

    def inode(self, number: int) -> Inode:
        """See ``InodeTree``."""
        row = self._rows[number]
        is_folder = number < 0
        writable = 0 if row.attributes & READ_ONLY else 0o200
        return Inode(
            kind=EntryKind.FOLDER if is_folder else EntryKind.FILE,
            read=partial(self.heap.read, row.cluster, row.size),
            packed_bytes=0 if is_folder else min(row.size, self.window.size),
            unpacked_bytes=0 if is_folder else row.size,
            mode=(0o555 if is_folder else 0o444) | writable,
            modified_s=row.modified_s,
            offset=self.heap.place(row.cluster) if self.heap.has(row.cluster) else None,
        )

    def _named(self, folder: int) -> Iterator[tuple[int, _Row]]:
        """Yield the rows of ``folder`` that stand for files and folders, with their places."""
        long_name = _LongName()
        for place, data in self._table_rows(folder):
            attributes = data[11]
            if data[0] == DELETED:
                self.deleted += attributes != LONG_NAME
                long_name = _LongName()
            elif attributes & 0x3F == LONG_NAME:
                long_name.add(data)
            elif attributes & LABEL:
                self.label = self.label or _label(bytes(data[:11])) if folder == ROOT else self.label
                long_name = _LongName()
            elif bytes(data[:11]) not in DOTS:
                yield place, self._row(data, long_name)
                long_name = _LongName()

    def _row(self, data: memoryview, long_name: _LongName) -> _Row:
        short, attributes, letters, high, time, date, low, size = ROW.unpack(data)
        name, problem = long_name.of(short)
        if problem:
            self.tally.add(problem, visible(_short_name(short, letters)))
        cluster = high << 16 | low if self.geometry.bits == 32 else low
        return _Row(name or _short_name(short, letters), attributes, cluster, size, dos_time_s(date, time))

    def _table_rows(self, folder: int) -> Iterator[tuple[int, memoryview]]:
        for start, piece in self._pieces(folder):
            for at in range(0, len(piece) - ROW_BYTES + 1, ROW_BYTES):
                if piece[at] == END:
                    return
                yield start + at, piece[at : at + ROW_BYTES]

    def _pieces(self, folder: int) -> Iterator[tuple[int, memoryview]]:
        geometry = self.geometry
        if folder != ROOT:
            return self.heap.folder(-folder, MOST_FOLDER_BYTES)
        if geometry.boot_32 is not None:
            return self.heap.folder(geometry.boot_32.root_cluster, MOST_FOLDER_BYTES)
        return iter([(geometry.root, self.window.take(geometry.root, geometry.root_bytes))])


@dataclass(slots=True)
class _LongName:
    """The rows before a file's own that hold its long name, the last piece first."""

    pieces: list[bytes] = field(default_factory=list)
    expected: int = 0
    check: int = -1
    broken: bool = False

    def add(self, row: memoryview) -> None:
        """Take the next row."""
        number = row[0] & LONG_NUMBER
        if row[0] & LAST_LONG:
            self.pieces, self.expected, self.check, self.broken = [], number, row[13], False
        self.broken = self.broken or number != self.expected or row[13] != self.check or number == 0
        self.expected -= 1
        self.pieces.insert(0, bytes(row[1:11]) + bytes(row[14:26]) + bytes(row[28:32]))

    def of(self, short: bytes) -> tuple[str, str]:
        """Return the long name of the file with this short one, and what is wrong; empty where there is none."""
        if not self.pieces:
            return "", ""
        if self.broken or self.expected != 0 or self.check != _short_check(short):
            return "", "a long name does not belong to the file it stands before, and was passed over"
        text = b"".join(self.pieces).decode("utf-16-le", "surrogatepass")
        return text.rstrip("\uffff").removesuffix("\0"), ""


def _short_check(short: bytes) -> int:
    """Return the check sum of a short name. Source: Microsoft FAT specification (2005), 7.2."""
    value = 0
    for byte in short:
        value = ((value >> 1 | value << 7) + byte) & 0xFF
    return value


def _short_name(short: bytes, letters: int) -> str:
    """Return a short name as text; the code page is not written, and that of the first PCs is taken."""
    if short[0] == ESCAPED_E5:
        short = b"\xe5" + short[1:]
    stem, suffix = (part.decode("cp437").rstrip(" ") for part in (short[:8], short[8:]))
    stem = stem.lower() if letters & LOWER_STEM else stem
    suffix = suffix.lower() if letters & LOWER_SUFFIX else suffix
    return f"{stem}.{suffix}" if suffix else stem


def _label(data: bytes) -> str:
    return visible(data.decode("cp437").rstrip(" \0"))


def _open(span: Span, limits: Limits) -> Opened:
    window = span.window
    geometry = _geometry(window)
    tally = Problems(unit="copy")
    table = _tables(window, geometry, tally)
    heap = ClusterHeap(window, geometry.heap, geometry.cluster_bytes, geometry.clusters, table.entry)
    volume = _Volume(window, geometry, heap, tally)
    walk = TreeWalk(volume, limits, tally)
    walk.walk(ROOT)
    if geometry.size > span.size:
        tally.add(f"the volume is cut short: it has {geometry.size} bytes and {span.size} are there")
    _compare_backup(window, geometry, tally)
    return Opened(
        size=min(geometry.size, span.size),
        kind=RegionKind.CONTAINER,
        title=f"FAT{geometry.bits} file system",
        facts=_facts(window, geometry, volume, table),
        entries=tuple(walk.entries),
        problems=tally.sentences(),
        limits_hit=(f"more than {limits.entries} entries; the rest was not listed",) if walk.cut else (),
    )


def _compare_backup(window: Window, geometry: _Geometry, tally: Problems) -> None:
    """Say when FAT32's second boot sector differs from the first."""
    boot_32, size = geometry.boot_32, geometry.boot.sector_bytes
    if boot_32 is None or not 0 < boot_32.backup_sector < geometry.boot.reserved_sectors:
        return
    if window.view[:size] != window.view[boot_32.backup_sector * size :][:size]:
        tally.add("the backup of the boot sector differs from the boot sector")


def _facts(window: Window, geometry: _Geometry, volume: _Volume, table: _Table) -> dict[str, Fact]:
    identity = VOLUME_ID.read(window, BOOT.size + (BOOT_32.size if geometry.boot_32 else 0))
    known = identity.mark == VOLUME_ID_MARK
    facts: dict[str, Fact] = {
        "label": volume.label or (_label(identity.label) if known else ""),
        "made_by": visible(geometry.boot.system.decode("cp437").rstrip()),
        "cluster_bytes": geometry.cluster_bytes,
        "hidden_or_system_entries": volume.hidden,
        "deleted_entries": volume.deleted,
        "times": "local time of the writer; the zone is not stored",
    }
    if known:
        facts["serial"] = f"{identity.serial:08x}"
    if geometry.bits in CLEAN:
        facts["removed_cleanly"] = bool(table.entry(1) & CLEAN[geometry.bits])
    return facts


def _example() -> bytes:
    """Build a FAT12 volume of twelve sectors with one file of two clusters and a long name."""
    boot = BOOT.build(
        BootSector(
            jump=b"\xeb\x3c\x90",
            system=b"MEDHARD ",
            sector_bytes=512,
            cluster_sectors=1,
            reserved_sectors=1,
            tables=2,
            root_rows=16,
            sectors_16=12,
            media=0xF8,
            table_sectors_16=1,
            track_sectors=1,
            heads=1,
            hidden_sectors=0,
            sectors_32=0,
        )
    )
    label = b"PUMP       "
    identity = VolumeId(drive=0x80, reserved=0, mark=VOLUME_ID_MARK, serial=0x1234ABCD, label=label, type=b"FAT12   ")
    sector = (boot + VOLUME_ID.build(identity)).ljust(510, b"\0") + b"\x55\xaa"
    table = b"\xf8\xff\xff\x03\xf0\xff".ljust(512, b"\0")
    short = b"SETTIN~1INI"
    characters = "settings.ini\0".encode("utf-16-le")
    long_row = bytes([LAST_LONG | 1]) + characters[:10] + bytes([LONG_NAME, 0, _short_check(short)])
    long_row += characters[10:22] + bytes(2) + characters[22:26]
    content = b"[pump]\nrate=5\n" * 50
    rows = [
        ROW.pack(label, LABEL, 0, 0, 0, 0x5A21, 0, 0),
        long_row,
        ROW.pack(short, READ_ONLY, 0, 0, 0x6000, 0x5A21, 2, len(content)),
    ]
    return b"".join([sector, table, table, b"".join(rows).ljust(512, b"\0"), content.ljust(8 * 512, b"\0")])


_NUMBERS = rb"[\xe9\xeb][\x00-\xff]{10}\x00[\x02\x04\x08\x10][\x01\x02\x04\x08\x10\x20\x40\x80]"
"""The jump, and the sizes of sectors and clusters behind the writer's name."""

FORMAT = ImageFormat(
    name="fat",
    title="FAT file system",
    source="Microsoft EFI FAT32 File System Specification 1.03 (2000); Microsoft FAT File System Specification (2005)",
    limits="Deleted files are counted and not listed. Short names are read in code page 437. Access and creation times "
    "are not told. A volume whose boot sector does not name its type is only recognised where a content begins.",
    open=_open,
    magics=(
        Magic(rb"FAT1[26]   ", offset=0x36, anchor=b"FAT1"),
        Magic(rb"FAT32   ", offset=0x52, anchor=b"FAT3"),
        Magic(_NUMBERS, anchor=b"\xeb", anywhere=False),
    ),
    example=_example,
)
