"""exFAT file systems: large memory cards and USB sticks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from typing import Final

from firmware_checks.format import EntryKind, ImageFormat, Magic, Opened
from firmware_checks.readers.clusters import ClusterHeap, SiblingNames
from firmware_checks.readers.entry_names import visible
from firmware_checks.readers.inode_tree import Inode, TreeWalk
from firmware_checks.readers.windows_metadata import dos_time_s
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.layout import U8, U16LE, U32LE, U64LE, Layout, const, raw, wire
from toolkit.core.limits import Limits
from toolkit.core.problems import Problems
from toolkit.core.window import Window
from toolkit.report.model import Fact, Integrity, RegionKind

__all__ = ["FORMAT"]

NAME: Final = b"EXFAT   "
SECTOR_SHIFTS: Final = range(9, 13)
MOST_CLUSTER_SHIFT: Final = 25
CHECKED_SECTORS, BOOT_SECTORS = 11, 12
"""The boot region: sectors that are check-summed, and the one that holds their check sum."""
CHANGING: Final = (106, 107, 112)
"""Bytes of the boot sector that change in use and are left out of its check sum."""
SECOND_TABLE, DIRTY, MEDIA_FAILURE = 0x1, 0x2, 0x4
FIRST_ENTRY: Final = b"\xf8\xff\xff\xff"
ROW_BYTES: Final = 32
MOST_FOLDER_BYTES: Final = 256 << 20
MOST_UPCASE_BYTES: Final = 128 << 10
END, IN_USE, FILE, DELETED_FILE = 0x00, 0x80, 0x85, 0x05
LABEL, UPCASE, STREAM, NAME_PIECE = 0x83, 0x82, 0xC0, 0xC1
LABEL_UNITS: Final = 11
CONTIGUOUS: Final = 0x2
READ_ONLY, HIDDEN, SYSTEM, FOLDER = 0x01, 0x02, 0x04, 0x10
ROOT: Final = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExfatBoot:
    """The boot sector; places in sectors. Source: Microsoft, exFAT file system specification, 3.1."""

    jump: bytes = wire(const(b"\xeb\x76\x90"))
    name: bytes = wire(const(NAME))
    zeros: bytes = wire(const(bytes(53)))
    partition_offset: int = wire(U64LE)
    sectors: int = wire(U64LE)
    table_sector: int = wire(U32LE)
    table_sectors: int = wire(U32LE)
    heap_sector: int = wire(U32LE)
    clusters: int = wire(U32LE)
    root_cluster: int = wire(U32LE)
    serial: int = wire(U32LE)
    revision: int = wire(U16LE)
    flags: int = wire(U16LE)
    sector_shift: int = wire(U8)
    cluster_shift: int = wire(U8)
    tables: int = wire(U8)
    drive: int = wire(U8)
    percent_in_use: int = wire(U8)
    reserved: bytes = wire(raw(7))
    boot_code: bytes = wire(raw(390))
    signature: bytes = wire(const(b"\x55\xaa"))

    @property
    def sector_bytes(self) -> int:
        """Bytes in a sector."""
        return 1 << self.sector_shift

    @property
    def is_possible(self) -> bool:
        """Whether sizes and places agree with each other."""
        if self.sector_shift not in SECTOR_SHIFTS or self.sector_shift + self.cluster_shift > MOST_CLUSTER_SHIFT:
            return False
        heap_sectors = self.clusters << self.cluster_shift
        table_end = self.table_sector + self.tables * self.table_sectors
        return (
            self.tables in (1, 2)
            and self.table_sector >= 2 * BOOT_SECTORS
            and self.table_sectors * self.sector_bytes >= 4 * (self.clusters + 2)
            and table_end <= self.heap_sector
            and self.clusters > 0
            and self.heap_sector + heap_sectors <= self.sectors
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """First row of a file or folder. Source: Microsoft, exFAT file system specification, 7.4."""

    kind: int = wire(U8)
    more_rows: int = wire(U8)
    check_sum: int = wire(U16LE)
    attributes: int = wire(U16LE)
    reserved: int = wire(U16LE)
    created: int = wire(U32LE)
    modified: int = wire(U32LE)
    accessed: int = wire(U32LE)
    created_10ms: int = wire(U8)
    modified_10ms: int = wire(U8)
    created_zone: int = wire(U8)
    modified_zone: int = wire(U8)
    accessed_zone: int = wire(U8)
    rest: bytes = wire(raw(7))

    @property
    def modified_s(self) -> int | None:
        """Time of the last change in seconds since 1970; taken as UTC where no zone is written."""
        seconds = dos_time_s(self.modified >> 16, self.modified & 0xFFFF)
        if seconds is None:
            return None
        quarters = ((self.modified_zone & 0x7F) ^ 0x40) - 0x40 if self.modified_zone & 0x80 else 0
        return seconds + self.modified_10ms // 100 - quarters * 900


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRow:
    """Where the content is. Source: Microsoft, exFAT file system specification, 7.6."""

    kind: int = wire(const(STREAM, U8))
    flags: int = wire(U8)
    reserved: int = wire(U8)
    name_units: int = wire(U8)
    name_hash: int = wire(U16LE)
    reserved_2: int = wire(U16LE)
    valid_bytes: int = wire(U64LE)
    """As far as the content was written; zeros follow."""
    reserved_3: int = wire(U32LE)
    first_cluster: int = wire(U32LE)
    size: int = wire(U64LE)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpcaseRow:
    """Where the table of capital letters is. Source: Microsoft, exFAT file system specification, 7.2."""

    kind: int = wire(const(UPCASE, U8))
    reserved: bytes = wire(raw(3))
    check_sum: int = wire(U32LE)
    reserved_2: bytes = wire(raw(12))
    first_cluster: int = wire(U32LE)
    size: int = wire(U64LE)


BOOT = Layout(ExfatBoot, size=512)
FILE_ROW = Layout(FileRow, size=ROW_BYTES)
STREAM_ROW = Layout(StreamRow, size=ROW_BYTES)
UPCASE_ROW = Layout(UpcaseRow, size=ROW_BYTES)


@dataclass(frozen=True, slots=True)
class _Item:
    """A file or folder as its rows describe it."""

    name: str
    place: int
    file: FileRow
    stream: StreamRow

    @property
    def is_folder(self) -> bool:
        return bool(self.file.attributes & FOLDER)


@dataclass(slots=True)
class _Volume:
    """An exFAT volume as ``TreeWalk`` sees it: a folder's number is its first cluster, negative; a file's its place."""

    window: Window
    boot: ExfatBoot
    heap: ClusterHeap
    tally: Problems
    label: str = ""
    deleted: int = 0
    hidden: int = 0
    without_zone: int = 0
    verdicts: list[Integrity] = field(default_factory=list)
    _items: dict[int, _Item] = field(default_factory=dict)

    def children(self, folder: int) -> Iterator[tuple[bytes, int]]:
        """See ``InodeTree``."""
        names = SiblingNames()
        try:
            for item in self._listed(folder):
                if problem := names.problem(item.name):
                    self.tally.add(problem, visible(item.name))
                if item.is_folder and not self.heap.has(item.stream.first_cluster):
                    self.tally.add("a folder has no cluster in the volume and was not read", visible(item.name))
                    continue
                self.hidden += bool(item.file.attributes & (HIDDEN | SYSTEM))
                self.without_zone += not item.file.modified_zone & 0x80
                number = -item.stream.first_cluster if item.is_folder else item.place
                self._items.setdefault(number, item)
                yield item.name.encode("utf-8", "backslashreplace"), number
        except FormatError as error:
            self.tally.add(f"a folder was not read to its end: {error}")

    def inode(self, number: int) -> Inode:
        """See ``InodeTree``."""
        item = self._items[number]
        stream = item.stream
        writable = 0 if item.file.attributes & READ_ONLY else 0o200
        return Inode(
            kind=EntryKind.FOLDER if item.is_folder else EntryKind.FILE,
            read=partial(_read, self.heap, stream),
            packed_bytes=0 if item.is_folder else min(stream.valid_bytes, stream.size, self.window.size),
            unpacked_bytes=0 if item.is_folder else stream.size,
            mode=(0o555 if item.is_folder else 0o444) | writable,
            modified_s=item.file.modified_s,
            offset=self.heap.place(stream.first_cluster) if self.heap.has(stream.first_cluster) else None,
        )

    def _listed(self, folder: int) -> Iterator[_Item]:
        """Yield what the rows of ``folder`` describe."""
        rows = self._rows(folder)
        for place, row in rows:
            if row[0] == DELETED_FILE:
                self.deleted += 1
            elif row[0] == FILE:
                item = self._item(place, row, rows)
                if item is not None:
                    yield item
            elif folder == ROOT:
                self._volume_row(row)

    def _item(self, place: int, row: bytes, rows: Iterator[tuple[int, bytes]]) -> _Item | None:
        """Read the rows that belong to the file whose first is ``row``; None when they do not fit together."""
        file = FILE_ROW.read(Window.of(row))
        more = [data for _, (_, data) in zip(range(file.more_rows), rows, strict=False)]
        if len(more) < file.more_rows or not more or more[0][0] != STREAM:
            self.tally.add("the rows of a file do not fit together; it was passed over")
            return None
        stream = STREAM_ROW.read(Window.of(more[0]))
        pieces = b"".join(data[2:] for data in more[1:] if data[0] == NAME_PIECE)
        name = pieces[: 2 * stream.name_units].decode("utf-16-le", "surrogatepass")
        if _rotated_16(b"".join([row[:2], row[4:], *more])) != file.check_sum:
            self.tally.add("the check sum of a file's rows is wrong", visible(name))
        return _Item(name, place, file, stream)

    def _volume_row(self, row: bytes) -> None:
        if row[0] == LABEL:
            units = min(row[1], LABEL_UNITS)
            self.label = visible(row[2 : 2 + 2 * units].decode("utf-16-le", "surrogatepass"))
        elif row[0] == UPCASE and not any(verdict.algorithm == "exfat-upcase" for verdict in self.verdicts):
            upcase = UPCASE_ROW.read(Window.of(row))
            table = self.heap.read(upcase.first_cluster, upcase.size, MOST_UPCASE_BYTES)
            self.verdicts.append(
                _verdict("exfat-upcase", "the table of capital letters", upcase.check_sum, _rotated_32(table))
            )

    def _rows(self, folder: int) -> Iterator[tuple[int, bytes]]:
        """Yield the rows of ``folder`` up to its end mark, with their places."""
        for start, piece in self._pieces(folder):
            data = bytes(piece)
            for at in range(0, len(data), ROW_BYTES):
                if data[at] == END:
                    return
                yield start + at, data[at : at + ROW_BYTES]

    def _pieces(self, folder: int) -> Iterator[tuple[int, memoryview]]:
        if folder == ROOT:
            return self.heap.folder(self.boot.root_cluster, MOST_FOLDER_BYTES)
        stream = self._items[folder].stream
        if not stream.flags & CONTIGUOUS:
            return self.heap.folder(stream.first_cluster, MOST_FOLDER_BYTES)
        count = -(-min(stream.size, MOST_FOLDER_BYTES) // self.heap.cluster_bytes)
        clusters = range(stream.first_cluster, stream.first_cluster + count)
        return map(self.heap.folder_piece, takewhile(self.heap.has, clusters))


def _read(heap: ClusterHeap, stream: StreamRow, max_bytes: int) -> bytes:
    """Return a file's content; what was never written of it is zeros."""
    if stream.size > max_bytes:
        raise LimitExceeded("entry_bytes", f"holds more than {max_bytes} bytes")
    if stream.size > heap.clusters * heap.cluster_bytes:
        raise FormatError(f"claims {stream.size} bytes, more than the volume has")
    written = min(stream.valid_bytes, stream.size)
    read = heap.read_contiguous if stream.flags & CONTIGUOUS else heap.read
    return read(stream.first_cluster, written, max_bytes).ljust(stream.size, b"\0")


def _rotated_16(data: bytes) -> int:
    """Return the check sum of a file's rows without its own field. Source: specification, 6.3.3."""
    value = 0
    for byte in data:
        value = ((value >> 1 | value << 15) + byte) & 0xFFFF
    return value


def _rotated_32(data: bytes) -> int:
    """Return the check sum of the boot region or of the table of capital letters. Source: specification, 3.4, 7.2.2.

    A piece of 32 zeros turns the sum round once and leaves it as it was.
    """
    value = 0
    for start in range(0, len(data), 32):
        piece = data[start : start + 32]
        if len(piece) == 32 and not any(piece):
            continue
        for byte in piece:
            value = ((value >> 1 | value << 31) + byte) & 0xFFFF_FFFF
    return value


def _verdict(algorithm: str, covers: str, stored: int, computed: int) -> Integrity:
    return Integrity(
        algorithm=algorithm,
        covers=covers,
        stored=f"{stored:08x}",
        computed=f"{computed:08x}",
        valid=stored == computed,
    )


def _without_changing(region: bytes) -> bytes:
    first, second, third = CHANGING
    return region[:first] + region[second + 1 : third] + region[third + 1 :]


def _boot_verdict(window: Window, boot: ExfatBoot) -> Integrity:
    checked = bytes(window.take(0, CHECKED_SECTORS * boot.sector_bytes))
    stored = bytes(window.take(len(checked), boot.sector_bytes))
    computed = _rotated_32(_without_changing(checked))
    told = int.from_bytes(stored[:4], "little")
    return _verdict("exfat-boot", "the boot region", told, computed)


def _open(span: Span, limits: Limits) -> Opened:
    window = span.window
    boot = BOOT.read(window)
    if not boot.is_possible:
        raise FormatError(f"the boot sector at {window.origin:#x} describes no exFAT volume")
    tally = Problems()
    sector = boot.sector_bytes
    table_place = boot.table_sector + (boot.table_sectors if boot.tables == 2 and boot.flags & SECOND_TABLE else 0)
    table = window.take(table_place * sector, 4 * (boot.clusters + 2))
    if bytes(table[:4]) != FIRST_ENTRY:
        raise FormatError(f"the table of the exFAT volume at {window.origin:#x} does not start as it must")
    heap = ClusterHeap(
        window, boot.heap_sector * sector, sector << boot.cluster_shift, boot.clusters, partial(_following, table)
    )
    volume = _Volume(window, boot, heap, tally, verdicts=[_boot_verdict(window, boot)])
    walk = TreeWalk(volume, limits, tally)
    walk.walk(ROOT)
    _compare_backup(window, boot, tally)
    size = boot.sectors * sector
    if size > span.size:
        tally.add(f"the volume is cut short: it has {size} bytes and {span.size} are there")
    return Opened(
        size=min(size, span.size),
        kind=RegionKind.CONTAINER,
        title="exFAT file system",
        facts=_facts(boot, volume),
        integrity=tuple(volume.verdicts),
        entries=tuple(walk.entries),
        problems=tally.sentences(),
        limits_hit=(f"more than {limits.entries} entries; the rest was not listed",) if walk.cut else (),
    )


def _following(table: memoryview, cluster: int) -> int:
    return int.from_bytes(table[4 * cluster : 4 * cluster + 4], "little")


def _compare_backup(window: Window, boot: ExfatBoot, tally: Problems) -> None:
    """Say when the second boot region differs from the first."""
    size = BOOT_SECTORS * boot.sector_bytes
    first, second = (_without_changing(bytes(window.view[start : start + size])) for start in (0, size))
    if first != second:
        tally.add("the backup of the boot region differs from the boot region")


def _facts(boot: ExfatBoot, volume: _Volume) -> dict[str, Fact]:
    return {
        "label": volume.label,
        "serial": f"{boot.serial:08x}",
        "revision": f"{boot.revision >> 8}.{boot.revision & 0xFF:02}",
        "cluster_bytes": volume.heap.cluster_bytes,
        "hidden_or_system_entries": volume.hidden,
        "deleted_entries": volume.deleted,
        "entries_without_time_zone": volume.without_zone,
        "removed_cleanly": not boot.flags & DIRTY,
        "media_failures": bool(boot.flags & MEDIA_FAILURE),
    }


def _example() -> bytes:
    """Build a volume of 30 sectors with one file of two clusters."""
    content = b"[pump]\nrate=5\n" * 60
    upcase = b"".join(ord(chr(unit).upper()).to_bytes(2, "little") for unit in range(128))
    name = "settings.ini"
    rows = [
        bytes([LABEL, 4]) + "PUMP".encode("utf-16-le").ljust(30, b"\0"),
        bytes([0x81]) + bytes(19) + (2).to_bytes(4, "little") + (1).to_bytes(8, "little"),
        UPCASE_ROW.build(
            UpcaseRow(
                kind=UPCASE,
                reserved=bytes(3),
                check_sum=_rotated_32(upcase),
                reserved_2=bytes(12),
                first_cluster=3,
                size=len(upcase),
            )
        ),
        *_file_rows(name, content),
    ]
    boot = ExfatBoot(
        jump=b"\xeb\x76\x90",
        name=NAME,
        zeros=bytes(53),
        partition_offset=0,
        sectors=30,
        table_sector=24,
        table_sectors=1,
        heap_sector=25,
        clusters=5,
        root_cluster=4,
        serial=0x1234ABCD,
        revision=0x100,
        flags=0,
        sector_shift=9,
        cluster_shift=0,
        tables=1,
        drive=0x80,
        percent_in_use=100,
        reserved=bytes(7),
        boot_code=bytes(390),
        signature=b"\x55\xaa",
    )
    table = [0xFFFF_FFF8, *[0xFFFF_FFFF] * 4, 0, 0]
    clusters = [b"\x1f", upcase, b"".join(rows), content[:512], content[512:]]
    sectors = [b"".join(entry.to_bytes(4, "little") for entry in table), *clusters]
    return 2 * _boot_region(BOOT.build(boot)) + b"".join(sector.ljust(512, b"\0") for sector in sectors)


def _file_rows(name: str, content: bytes) -> Sequence[bytes]:
    stream = StreamRow(
        kind=STREAM,
        flags=1 | CONTIGUOUS,
        reserved=0,
        name_units=len(name),
        name_hash=_rotated_16(name.upper().encode("utf-16-le")),
        reserved_2=0,
        valid_bytes=len(content),
        reserved_3=0,
        first_cluster=5,
        size=len(content),
    )
    first = bytes([FILE, 2, 0, 0, READ_ONLY, 0, 0, 0]) + 3 * (0x5A21_6000).to_bytes(4, "little")
    first += bytes([0, 0, 0x84, 0x84, 0x84]) + bytes(7)
    more = STREAM_ROW.build(stream) + bytes([NAME_PIECE, 0]) + name.encode("utf-16-le").ljust(30, b"\0")
    check = _rotated_16(first[:2] + first[4:] + more)
    return [first[:2] + check.to_bytes(2, "little") + first[4:], more]


def _boot_region(boot: bytes) -> bytes:
    extended = (bytes(508) + b"\0\0\x55\xaa") * 8
    checked = (boot + extended).ljust(CHECKED_SECTORS * 512, b"\0")
    return checked + _rotated_32(_without_changing(checked)).to_bytes(4, "little") * 128


FORMAT = ImageFormat(
    name="exfat",
    title="exFAT file system",
    source="Microsoft, exFAT file system specification (2019)",
    limits="Deleted files are counted and not listed. The table of capital letters is verified and not applied: names "
    "that clash are judged by Unicode. Access rights (TexFAT) and vendor rows are passed over.",
    open=_open,
    magics=(Magic(rb"\xeb\x76\x90EXFAT   ", anchor=b"EXFAT   "),),
    example=_example,
)
