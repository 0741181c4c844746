"""Microsoft compound files: a small file system of storages and streams inside one file."""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.layout import U16LE, U32LE, Layout, const, raw, wire
from toolkit.core.layout import array as fields
from toolkit.core.problems import Problems
from toolkit.core.window import Window

__all__ = ["DIRECTORY_ROW", "HEADER", "MAGIC", "CompoundFile", "CompoundHeader", "Item"]

MAGIC: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
HEADER_BYTES: Final = 512
LAST_SECTOR: Final = 0xFFFF_FFFA
"""2.1: sector numbers above this one are marks."""
NO_ITEM = 0xFFFF_FFFF
ITEM_BYTES: Final = 128
MINI_SECTOR_BYTES = 64
STORAGE, STREAM, ROOT = 1, 2, 5
DEEPEST = 64
"""Storages within storages that are followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompoundHeader:
    """Start of the file. Source: MS-CFB 2.2, Compound File Header."""

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
    difat: list[int] = wire(fields(109, U32LE))


HEADER = Layout(CompoundHeader, size=HEADER_BYTES)
DIRECTORY_ROW: Final = struct.Struct("<64sHBB3I16sI2QIQ")
"""Name and its bytes, type, colour, left, right, child, class, state, created, modified, first sector, size (2.6.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A storage or a stream; ``path`` holds the names from the root down, as they are written."""

    path: tuple[str, ...]
    is_stream: bool
    class_id: bytes
    modified: int
    """FILETIME; 0 where it is not said."""
    size: int = 0
    runs: tuple[tuple[int, int], ...] = ()
    """First unit and number of units of each stretch of the content."""
    mini: bool = False
    damage: str = ""
    """Why the content cannot be read."""


@dataclass(slots=True)
class _Allocation:
    """An allocation table and which of its units belong to a chain already: no two chains may share one."""

    table: array[int]
    taken: bytearray = field(init=False)

    def __post_init__(self) -> None:
        self.taken = bytearray(len(self.table))

    def chain(self, first: int, most: int) -> list[tuple[int, int]]:
        """Return the first ``most`` units of the chain from ``first`` on as runs; fewer where it ends or is damaged."""
        runs: list[tuple[int, int]] = []
        unit = first
        while most > 0 and unit < len(self.table) and not self.taken[unit]:
            self.taken[unit] = 1
            if runs and sum(runs[-1]) == unit:
                runs[-1] = (runs[-1][0], runs[-1][1] + 1)
            else:
                runs.append((unit, 1))
            unit = self.table[unit]
            most -= 1
        return runs


class CompoundFile:
    """Reads the tables of the file at the start of ``window``; raise ``FormatError`` when there is none."""

    def __init__(self, window: Window, most_items: int) -> None:
        self.header = HEADER.read(window)
        if (self.header.major_version, self.header.sector_shift) not in ((3, 9), (4, 12)):
            raise FormatError(f"no compound file at {window.origin:#x}: its sector size does not fit its version")
        self.problems = Problems()
        self._window = window
        self._most_items = most_items
        self.sector_bytes = 1 << self.header.sector_shift
        fat_sectors = list(self._fat_sectors())
        self._fat = _Allocation(_numbers(b"".join(self._sector(sector) for sector in fat_sectors)))
        self.size = self._size(fat_sectors)
        self._mini_homes: array[int] = array("I")
        self.items = tuple(self._items())

    def read(self, item: Item, max_bytes: int) -> bytes:
        """Return the content of a stream."""
        if item.size > max_bytes:
            raise LimitExceeded("entry_bytes", f"holds more than {max_bytes} bytes")
        if item.damage:
            raise FormatError(item.damage)
        data = b"".join(self._small_pieces(item.runs)) if item.mini else self._content(item.runs)
        if len(data) < item.size:
            raise FormatError("its sectors lie behind the end of the file")
        return data[: item.size]

    def _content(self, runs: Iterable[tuple[int, int]]) -> bytes:
        unit = self.sector_bytes
        return b"".join(self._window.view[(first + 1) * unit : (first + 1 + count) * unit] for first, count in runs)

    def _small_pieces(self, runs: Iterable[tuple[int, int]]) -> Iterator[memoryview]:
        """Yield small units, which stand one after the other in the sectors of the root."""
        for first, count in runs:
            for place in range(first * MINI_SECTOR_BYTES, (first + count) * MINI_SECTOR_BYTES, MINI_SECTOR_BYTES):
                number, start = divmod(place, self.sector_bytes)
                if number < len(self._mini_homes):
                    yield self._sector(self._mini_homes[number])[start : start + MINI_SECTOR_BYTES]

    def _size(self, fat_sectors: list[int]) -> int:
        """Return where the last sector in use ends, from the allocation table (2.3)."""
        table = self._fat.table
        last = len(table) - 1
        while last >= 0 and table[last] == NO_ITEM:
            last -= 1
        return (max(last, *fat_sectors, 0) + 2) * self.sector_bytes

    def _fat_sectors(self) -> Iterator[int]:
        """Yield the sectors that hold the allocation table; stop where the list leaves the file or turns back."""
        seen: set[int] = set()
        for sector in self._fat_list():
            if sector > LAST_SECTOR:
                continue
            if sector in seen or len(self._sector(sector)) < self.sector_bytes:
                self.problems.add("the list of allocation tables leaves the file or turns back")
                return
            seen.add(sector)
            yield sector

    def _fat_list(self) -> Iterator[int]:
        """Yield what the list of allocation table sectors holds: 109 in the header, more in chained sectors (2.5)."""
        yield from self.header.difat
        sector = self.header.first_difat_sector
        seen: set[int] = set()
        while sector <= LAST_SECTOR and sector not in seen:
            seen.add(sector)
            table = self._sector(sector)
            if len(table) < self.sector_bytes:
                return
            *named, sector = struct.unpack(f"<{self.sector_bytes // 4}I", table)
            yield from named

    def _sector(self, number: int) -> memoryview:
        """Return sector ``number``, short or empty when the file ends before."""
        start = (number + 1) * self.sector_bytes
        return self._window.view[start : start + self.sector_bytes]

    def _items(self) -> Iterator[Item]:
        """Yield the root, named by an empty path, and what is below it (2.6)."""
        rows = self._directory()
        if not rows:
            self.problems.add("the directory is missing")
            return
        root = rows[0]
        yield Item(path=(), is_stream=False, class_id=root.class_id, modified=root.modified)
        runs, damage = self._placed(self._fat, root, self.sector_bytes)
        if damage:
            self.problems.add(f"the stream of small streams: {damage}")
        for first, count in runs:
            self._mini_homes.extend(range(first, first + count))
        mini_runs = self._fat.chain(self.header.first_mini_fat_sector, len(self._fat.table))
        mini_fat = _Allocation(_numbers(self._content(mini_runs)))
        for row, path in self._walk(rows):
            yield self._item(row, path, mini_fat)

    def _directory(self) -> list[_Row]:
        most_sectors = self._most_items * ITEM_BYTES // self.sector_bytes + 1
        data = self._content(self._fat.chain(self.header.first_directory_sector, most_sectors))
        rows = min(len(data) // ITEM_BYTES, self._most_items + 1)
        return [_Row.of(data, index * ITEM_BYTES, self.header.major_version) for index in range(rows)]

    def _walk(self, rows: list[_Row]) -> Iterator[tuple[_Row, tuple[str, ...]]]:
        """Yield all that hangs below the root, each once; siblings hang on each other like the branches of a tree."""
        seen = {0}
        waiting: list[tuple[int, tuple[str, ...]]] = [(rows[0].child, ())]
        while waiting:
            number, parent = waiting.pop()
            if number == NO_ITEM:
                continue
            if number >= len(rows) or number in seen or len(parent) >= DEEPEST:
                self.problems.add("the directory refers to itself or beyond its end")
                continue
            seen.add(number)
            row = rows[number]
            path = (*parent, row.name)
            waiting += [(row.right, parent), (row.left, parent)]
            if row.kind == STORAGE:
                waiting.append((row.child, path))
            if row.kind in (STORAGE, STREAM):
                yield row, path

    def _item(self, row: _Row, path: tuple[str, ...], mini_fat: _Allocation) -> Item:
        if row.kind == STORAGE:
            return Item(path=path, is_stream=False, class_id=row.class_id, modified=row.modified)
        mini = row.size < self.header.mini_stream_cutoff
        table, unit = (mini_fat, MINI_SECTOR_BYTES) if mini else (self._fat, self.sector_bytes)
        runs, damage = self._placed(table, row, unit)
        return Item(
            path=path, is_stream=True, class_id=row.class_id, modified=row.modified, size=row.size, runs=runs,
            mini=mini, damage=damage,
        )  # fmt: skip

    def _placed(self, table: _Allocation, row: _Row, unit: int) -> tuple[tuple[tuple[int, int], ...], str]:
        """Return where the content of ``row`` stands, and what is wrong with it."""
        wanted = -(-row.size // unit)
        runs = tuple(table.chain(row.first, wanted)) if wanted else ()
        there = sum(count for _, count in runs)
        if there < wanted:
            return runs, f"its chain of sectors ends after {there} of {wanted} or meets another chain"
        return runs, ""


@dataclass(frozen=True, slots=True)
class _Row:
    """One entry of the directory."""

    name: str
    kind: int
    left: int
    right: int
    child: int
    class_id: bytes
    modified: int
    first: int
    size: int

    @classmethod
    def of(cls, data: bytes, at: int, version: int) -> _Row:
        name, name_bytes, kind, _, left, right, child, class_id, _, _, modified, first, size = (
            DIRECTORY_ROW.unpack_from(data, at)
        )  # fmt: skip
        text = name[: min(name_bytes, 64)].decode("utf-16-le", "backslashreplace").rstrip("\0")
        return cls(
            text, kind, left, right, child, class_id, modified, first, size if version > 3 else size & 0xFFFF_FFFF
        )


def _numbers(data: bytes) -> array[int]:
    numbers = array("I", data[: len(data) & ~3])
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
