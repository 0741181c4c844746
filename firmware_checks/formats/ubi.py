"""UBI: volumes on raw flash whose blocks are scattered, because worn and broken erase blocks are swapped for others.

Each erase block says in two headers how often it was erased and which block of which volume it holds.
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from math import gcd
from typing import Final, NamedTuple

from firmware_checks.format import Entry, ImageFormat, Magic, Opened
from firmware_checks.readers.byte_search import positions
from firmware_checks.readers.inode_tree import safe_name
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.problems import Problems
from toolkit.core.window import Window
from toolkit.report.model import Fact, Integrity, RegionKind

__all__ = ["FORMAT"]

EC_MAGIC, VID_MAGIC = b"UBI#", b"UBI!"
VERSION = 1
DYNAMIC, STATIC = 1, 2
FIRST_INTERNAL = 0x7FFF_FFFF - 4096
"""Volume numbers from here on are UBI's own; this one holds the volume table, twice."""
LAYOUT_COPIES = 2
MOST_VOLUMES = 128
LEAST_DATA_BYTES = 512
"""Real erase blocks hold 15 KiB at least."""
SEARCHED_BYTES = 64 << 20
HEADERS_COMPARED = 8
"""So many headers are enough to see at which distance they stand."""
MOST_FOREIGN = 40
"""Erase blocks in a row without a header that may be broken ones; more are something else."""
ERASED: Final = b"\xff" * 64


class EraseCounter(NamedTuple):
    """First header of an erase block. Source: Linux drivers/mtd/ubi/ubi-media.h, ubi_ec_hdr."""

    magic: bytes
    version: int
    erased_times: int
    volume_header_at: int
    data_at: int
    image_sequence: int
    crc32: int


class VolumeHeader(NamedTuple):
    """Second header: which block of which volume this is. Source: Linux ubi-media.h, ubi_vid_hdr."""

    magic: bytes
    version: int
    type: int
    is_copy: int
    compatibility: int
    volume: int
    block: int
    data_bytes: int
    used_blocks: int
    unused_bytes: int
    data_crc32: int
    sequence: int
    crc32: int


class VolumeRecord(NamedTuple):
    """A row of the volume table. Source: Linux ubi-media.h, ubi_vtbl_record."""

    reserved_blocks: int
    alignment: int
    unused_bytes: int
    type: int
    is_updating: int
    name_bytes: int
    name: bytes
    flags: int
    crc32: int


EC_LAYOUT: Final = struct.Struct(">4sB3xQIII32xI")
VID_LAYOUT: Final = struct.Struct(">4sBBBBII4xIIII4xQ12xI")
RECORD_LAYOUT: Final = struct.Struct(">IIIBBH128sB23xI")


def crc32(data: bytes | memoryview) -> int:
    """Return the CRC-32 as UBI stores it: not inverted at the end."""
    return zlib.crc32(data) ^ 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class _Block:
    """A block of a volume and where its data starts."""

    header: VolumeHeader
    data_at: int


@dataclass(slots=True)
class _Device:
    """All erase blocks of one UBI device, sorted by what they hold."""

    window: Window
    first: EraseCounter
    block_bytes: int
    end: int = 0
    problems: Problems = field(default_factory=lambda: Problems(unit="erase block"))
    counts: Counter[str] = field(default_factory=Counter)
    most_erased: int = 0
    volumes: dict[int, dict[int, _Block]] = field(default_factory=dict)

    @property
    def data_bytes(self) -> int:
        """How much of an erase block is content."""
        return self.block_bytes - self.first.data_at

    def scan(self) -> None:
        """Read the headers of erase block after erase block, until what follows is none of this device."""
        foreign = 0
        sequence = self.first.image_sequence
        for offset in range(0, self.window.size - self.block_bytes + 1, self.block_bytes):
            counter = _erase_counter(self.window, offset)
            if counter is not None and self._is_ours(counter, sequence):
                sequence = sequence or counter.image_sequence
                self.counts["without_header"] += foreign
                foreign = 0
                self._take(offset, counter)
            elif counter is not None or foreign >= MOST_FOREIGN:
                return
            elif self.window.view[offset : offset + len(ERASED)] != ERASED:
                foreign += 1

    def _is_ours(self, counter: EraseCounter, sequence: int) -> bool:
        """Tell whether a header belongs to this device: a sequence of zero fits every device, as in Linux."""
        places = counter.volume_header_at, counter.data_at
        same = counter.image_sequence == sequence or not counter.image_sequence or not sequence
        return same and places == (self.first.volume_header_at, self.first.data_at)

    def _take(self, offset: int, counter: EraseCounter) -> None:
        self.end = offset + self.block_bytes
        self.counts["erase_blocks"] += 1
        self.most_erased = max(self.most_erased, counter.erased_times)
        data = bytes(self.window.view[offset + counter.volume_header_at :][: VID_LAYOUT.size])
        header = VolumeHeader._make(VID_LAYOUT.unpack(data))
        if header.magic != VID_MAGIC or crc32(data[:-4]) != header.crc32:
            self.counts["free_blocks"] += 1
            if data != ERASED:
                self.problems.add("a volume header is damaged and its block was left out", offset // self.block_bytes)
            return
        if not self._is_possible(header):
            self.problems.add("a volume header has impossible numbers", offset // self.block_bytes)
            return
        blocks = self.volumes.setdefault(header.volume, {})
        new = _Block(header, offset + counter.data_at)
        old = blocks.get(header.block)
        blocks[header.block] = new if old is None else self._newer(old, new)

    def _is_possible(self, header: VolumeHeader) -> bool:
        known = header.volume < MOST_VOLUMES or header.volume >= FIRST_INTERNAL
        used = header.unused_bytes + LEAST_DATA_BYTES <= self.data_bytes
        return known and used and header.data_bytes <= self.data_bytes

    def _newer(self, one: _Block, other: _Block) -> _Block:
        """Return the later of two states of one block, or the earlier when the later is an unfinished copy."""
        old, new = sorted((one, other), key=lambda block: block.header.sequence)
        self.counts["outdated_blocks"] += 1
        return old if new.header.is_copy and not self.is_right(new) else new

    def is_right(self, block: _Block) -> bool:
        """Tell whether the data of ``block`` has the check sum in its header."""
        return crc32(self.window.take(block.data_at, block.header.data_bytes)) == block.header.data_crc32

    def records(self) -> dict[int, VolumeRecord]:
        """Return the rows of the volume table that are in use, each from the first copy where it is not damaged."""
        records: dict[int, VolumeRecord] = {}
        damaged: set[int] = set()
        for copy in range(LAYOUT_COPIES):
            block = self.volumes.get(FIRST_INTERNAL, {}).get(copy)
            if block is not None:
                for volume, record in self._rows(block.data_at):
                    if record is None:
                        damaged.add(volume)
                    else:
                        records.setdefault(volume, record)
        for volume in sorted(damaged - records.keys()):
            self.problems.add(f"row {volume} of the volume table is damaged")
        return {volume: record for volume, record in records.items() if record.reserved_blocks}

    def _rows(self, start: int) -> Iterator[tuple[int, VolumeRecord | None]]:
        for volume in range(min(MOST_VOLUMES, self.data_bytes // RECORD_LAYOUT.size)):
            data = self.window.take(start + volume * RECORD_LAYOUT.size, RECORD_LAYOUT.size)
            record = VolumeRecord._make(RECORD_LAYOUT.unpack(data))
            yield volume, record if crc32(data[:-4]) == record.crc32 else None


@dataclass(frozen=True, slots=True)
class _Volume:
    """One volume: its blocks in order, with erased flash where there is none."""

    window: Window
    data_bytes: int
    """Content of one block, as far as the volume uses it."""
    blocks: dict[int, _Block]
    is_static: bool

    @property
    def count(self) -> int:
        """Number of blocks, those between that are not there included."""
        if self.is_static:
            return max((block.header.used_blocks for block in self.blocks.values()), default=0)
        return max(self.blocks, default=-1) + 1

    @property
    def size(self) -> int:
        """Bytes of the whole volume; of a static one the last block is only as long as its data."""
        if not self.is_static:
            return self.count * self.data_bytes
        last = self.blocks.get(self.count - 1)
        return max(0, self.count - 1) * self.data_bytes + (last.header.data_bytes if last else 0)

    def read(self, max_bytes: int) -> bytes:
        """Return the volume in one piece."""
        size = self.size
        if size > max_bytes:
            raise LimitExceeded("entry_bytes", f"holds more than {max_bytes} bytes")
        erased = memoryview(b"\xff" * self.data_bytes)
        pieces = [self._piece(self.blocks.get(number), erased) for number in range(self.count)]
        return b"".join(pieces)[:size] if self.is_static else b"".join(pieces)

    def _piece(self, block: _Block | None, erased: memoryview) -> memoryview:
        return erased if block is None else self.window.take(block.data_at, self.data_bytes)


def _erase_counter(window: Window, offset: int) -> EraseCounter | None:
    if offset + EC_LAYOUT.size > window.size:
        return None
    data = window.view[offset : offset + EC_LAYOUT.size]
    header = EraseCounter._make(EC_LAYOUT.unpack(data))
    return header if header.magic == EC_MAGIC and crc32(data[:-4]) == header.crc32 else None


def _block_bytes(window: Window, first: EraseCounter) -> int:
    """Return the size of an erase block, which no header tells, from the distances between headers."""
    starts = (
        start
        for start in positions(window, EC_MAGIC, EC_LAYOUT.size, SEARCHED_BYTES)
        if (header := _erase_counter(window, start)) is not None
        and header[3:6] == (first.volume_header_at, first.data_at, first.image_sequence)
    )
    size = gcd(*islice(starts, HEADERS_COMPARED))
    if size < first.data_at + LEAST_DATA_BYTES:
        raise FormatError(f"the size of UBI erase blocks cannot be told at {window.origin:#x}")
    return size


def _open(span: Span, limits: Limits) -> Opened:  # noqa: ARG001  # the contract of every format
    window = span.window
    first = _erase_counter(window, 0)
    if first is None or first.version != VERSION:
        raise FormatError(f"no UBI erase block at {window.origin:#x}")
    if not EC_LAYOUT.size <= first.volume_header_at <= first.data_at - VID_LAYOUT.size:
        raise FormatError(f"a UBI header at {window.origin:#x} has impossible places")
    device = _Device(window, first, _block_bytes(window, first))
    device.scan()
    records = device.records()
    if not records:
        device.problems.add("the volume table is missing: volumes are named by their numbers")
    entries: dict[str, Entry] = {}
    verdicts: list[Integrity] = []
    told: list[str] = []
    for number in sorted({*records, *(n for n in device.volumes if n < FIRST_INTERNAL)}):
        volume, name = _volume(device, number, records.get(number))
        name = f"{name} ({number})" if name in entries else name
        told.append(f"{name}: {'static' if volume.is_static else 'dynamic'}, {volume.size} bytes")
        entries[name] = _entry(device, volume, name)
        verdicts += _verdicts(device, volume, name)
    facts: dict[str, Fact] = {
        "volumes": tuple(told),
        "erase_block_bytes": device.block_bytes,
        "logical_block_bytes": device.data_bytes,
        "image_sequence": first.image_sequence,
        "most_erased_times": device.most_erased,
        **{name: device.counts[name] for name in ("erase_blocks", "free_blocks", "outdated_blocks", "without_header")},
    }
    return Opened(
        size=device.end,
        kind=RegionKind.CONTAINER,
        title="UBI device",
        facts=facts,
        integrity=tuple(verdicts),
        entries=tuple(entries.values()),
        problems=device.problems.sentences(),
    )


def _volume(device: _Device, number: int, record: VolumeRecord | None) -> tuple[_Volume, str]:
    blocks = device.volumes.get(number, {})
    name = f"volume-{number}"
    kinds = {block.header.type for block in blocks.values()}
    unused = min((block.header.unused_bytes for block in blocks.values()), default=0)
    if record is not None:
        name = safe_name(record.name[: record.name_bytes].split(b"\0", 1)[0], device.problems) or name
        kinds = {record.type}
        if record.is_updating:
            device.problems.add("an update of a volume was not finished", name)
    elif device.volumes.get(FIRST_INTERNAL):
        device.problems.add("a volume is not in the volume table", name)
    volume = _Volume(device.window, device.data_bytes - unused, blocks, kinds == {STATIC})
    if volume.is_static and len(blocks) < volume.count:
        device.problems.add("a static volume is not complete and was filled up with 0xFF", name)
    return volume, name


def _entry(device: _Device, volume: _Volume, name: str) -> Entry:
    first = volume.blocks.get(0)
    return Entry(
        name=name,
        packed_bytes=len(volume.blocks) * device.block_bytes,
        unpacked_bytes=volume.size,
        read=partial(_Volume.read, volume),
        offset=None if first is None else first.data_at,
    )


def _verdicts(device: _Device, volume: _Volume, name: str) -> Iterator[Integrity]:
    """Yield whether the blocks of a static volume have the check sums in their headers."""
    if volume.is_static and volume.blocks:
        wrong = sum(not device.is_right(block) for block in volume.blocks.values())
        yield Integrity(
            algorithm="crc32 of each block",
            covers=f"static volume '{name}'",
            stored=f"{len(volume.blocks)} check sums",
            computed=f"{len(volume.blocks) - wrong} right",
            valid=wrong == 0,
        )


def _with_crc(data: bytes) -> bytes:
    return data + crc32(data).to_bytes(4, "big")


def _erase_block(volume: int, block: int, data: bytes, *, kind: int, used_blocks: int = 0) -> bytes:
    """Return an erase block of 1 KiB with headers of 64 bytes each."""
    size = len(data) if kind == STATIC else 0
    counter = _with_crc(EC_LAYOUT.pack(EC_MAGIC, VERSION, 1, 64, 128, 7, 0)[:-4])
    fields = (0, 0, volume, block, size, used_blocks, 0, crc32(data) if size else 0, 0, 0)
    header = _with_crc(VID_LAYOUT.pack(VID_MAGIC, VERSION, kind, *fields)[:-4])
    return (counter + header + data).ljust(1024, b"\xff")


def _example() -> bytes:
    text = b"[pump]\nrate = 5\n" * 20
    used = _with_crc(RECORD_LAYOUT.pack(1, 1, 0, STATIC, 0, 8, b"settings", 0, 0)[:-4])
    table = used + _with_crc(bytes(RECORD_LAYOUT.size - 4)) * 4
    copies = [_erase_block(FIRST_INTERNAL, copy, table, kind=DYNAMIC) for copy in range(LAYOUT_COPIES)]
    return b"".join([*copies, _erase_block(0, 0, text, kind=STATIC, used_blocks=1)])


FORMAT = ImageFormat(
    name="ubi",
    title="UBI device",
    source="Linux drivers/mtd/ubi/ubi-media.h and attach.c",
    limits=(
        "A volume is put together in memory before it is looked at, and offsets in it count from its own start. An "
        "image of a single erase block is not opened, since nothing says how large it is."
    ),
    open=_open,
    magics=(Magic(rb"UBI#\x01\x00\x00\x00"),),
    example=_example,
)
