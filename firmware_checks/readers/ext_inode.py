"""Inodes of ext2, ext3 and ext4: what a file is, where its content stands, and its extended attributes."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from firmware_checks.readers.block_map import Run, Tables, gathered, mapped_runs
from firmware_checks.readers.ext_super import Geometry
from toolkit.core.errors import FormatError
from toolkit.core.window import Window

__all__ = [
    "ENCRYPTED",
    "EXTENTS",
    "INLINE",
    "MAP_AT",
    "VERITY",
    "Attributes",
    "Inode",
    "content",
    "inline_areas",
    "read_inode",
    "runs",
]

_FIXED = struct.Struct("<HHIIIIIHHIII60sIIIIHHHHHH")
"""Source: Linux, Documentation/filesystems/ext4/inodes.rst."""
FIXED_BYTES = 128

COMPRESSED, ENCRYPTED, HUGE, EXTENTS, VERITY, INLINE = 0x4, 0x800, 0x40000, 0x80000, 0x100000, 0x1000_0000
SECTOR_BYTES = 512
MAP_AT = 0x28
"""Where the 60 bytes of block numbers stand in an inode."""

DIRECT_BLOCKS = 12
EXTENT_MAGIC = 0xF30A
_EXTENT_HEADER = struct.Struct("<HHHHI")
_EXTENT = struct.Struct("<IHHI")
_EXTENT_INDEX = struct.Struct("<IIHH")
MOST_LEVELS = 5
"""Levels of an extent tree. Source: Linux, fs/ext4/ext4_extents.h, EXT4_MAX_EXTENT_DEPTH."""
UNWRITTEN = 32768
"""A longer extent is reserved and not written: it reads as zeros."""

ATTRIBUTE_MAGIC = 0xEA020000
ATTRIBUTE_BLOCK_HEADER = 32
_ATTRIBUTE = struct.Struct("<BBHIII")
PREFIXES: Final = {
    0: "",
    1: "user.",
    2: "system.posix_acl_access",
    3: "system.posix_acl_default",
    4: "trusted.",
    5: "lustre.",
    6: "security.",
    7: "system.",
    8: "system.richacl",
    9: "encryption.",
    10: "gnu.",
}
"""What stands before a name, by number. Source: Linux, Documentation/filesystems/ext4/attributes.rst."""
INLINE_NAME = "system.data"
"""The attribute that holds the rest of a small file behind its first 60 bytes."""
VALUE_BYTES = 1 << 16
"""Longest value. Source: Linux, include/uapi/linux/limits.h, XATTR_SIZE_MAX."""
ALL_VALUE_BYTES = 16 << 20
"""Values that are kept of one file system: ten times what labels on 100,000 files come to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inode:
    """One file, folder, link or device."""

    at: int
    """Offset in the file system."""
    mode: int
    uid: int
    gid: int
    size: int
    modified_s: int
    packed_bytes: int
    flags: int
    map: bytes
    """60 bytes: block numbers, the root of an extent tree, a short link target, or the content itself."""
    attribute_block: int
    attribute_area: memoryview
    """What the inode holds of extended attributes, behind their magic."""


def read_inode(number: int, window: Window, sizes: Geometry) -> Inode:
    """Return inode ``number``; raise ``FormatError`` when it is outside of the image or was deleted."""
    at = sizes.inode_at(number, window)
    data = window.take(at, sizes.inode_bytes)
    (
        mode, uid, size, _accessed, _changed, modified, deleted, gid, links, sectors, flags, _version, block_map,
        _generation, attributes, size_high, _fragment, sectors_high, attributes_high, uid_high, gid_high, _sum, _unused,
    ) = _FIXED.unpack_from(data)  # fmt: skip
    if mode == 0 or (links == 0 and deleted):
        raise FormatError(f"inode {number} is not in use")
    extra = int.from_bytes(data[FIXED_BYTES : FIXED_BYTES + 2], "little")
    return Inode(
        at=at,
        mode=mode,
        uid=uid | uid_high << 16,
        gid=gid | gid_high << 16,
        size=size | (size_high << 32 if mode >> 12 == 0o10 else 0),
        modified_s=_seconds(modified, data, extra),
        packed_bytes=min((sectors | sectors_high << 32) * _unit(flags, sizes), sizes.size_bytes),
        flags=flags,
        map=block_map,
        attribute_block=attributes | attributes_high << 32,
        attribute_area=_attribute_area(data, FIXED_BYTES + extra),
    )


def _unit(flags: int, sizes: Geometry) -> int:
    return sizes.block_bytes if flags & HUGE else SECTOR_BYTES


def _seconds(low: int, data: memoryview, extra: int) -> int:
    """Return seconds since 1970 from 32 bits with a sign, and two more bits above them in larger inodes."""
    signed = low - (1 << 32 if low & 0x8000_0000 else 0)
    more = data[0x88] & 3 if extra >= 12 and len(data) >= 0x8C else 0
    return signed + (more << 32)


def _attribute_area(data: memoryview, start: int) -> memoryview:
    magic = int.from_bytes(data[start : start + 4], "little")
    return data[start + 4 :] if len(data) > FIXED_BYTES and magic == ATTRIBUTE_MAGIC else data[:0]


def content(inode: Inode, window: Window, sizes: Geometry, max_bytes: int) -> bytes:
    """Return what a file or a long link holds; at most one copy of it is made."""
    if inode.flags & ENCRYPTED:
        raise FormatError("is encrypted, and the key is not in the image")
    if inode.flags & COMPRESSED:
        raise FormatError("is compressed by an extension of ext2 that is not read")
    if inode.flags & INLINE:
        data = inode.map + _inline_rest(inode)
        if len(data) < inode.size:
            raise FormatError(f"only {len(data)} of {inode.size} bytes are in its inode")
        return data[: inode.size]
    return gathered(window, runs(inode, window, sizes), sizes.block_bytes, inode.size, max_bytes)


def inline_areas(inode: Inode) -> tuple[memoryview, memoryview]:
    """Return the two stretches of records of a folder within its inode, behind the number of its parent."""
    return memoryview(inode.map)[4:], memoryview(_inline_rest(inode))


def _inline_rest(inode: Inode) -> bytes:
    area = inode.attribute_area
    return next((bytes(value) for name, value, _ in _attributes(area, 0) if name == INLINE_NAME), b"")


def runs(inode: Inode, window: Window, sizes: Geometry) -> Iterator[Run]:
    """Yield the runs of blocks of a file, holes included; raise ``FormatError`` where its map is damaged."""
    if inode.flags & EXTENTS:
        return _filled(_Extents(window, sizes.block_bytes).below(memoryview(inode.map), MOST_LEVELS))
    count = sizes.block_bytes // 4
    table = struct.Struct(f"<{count}I")
    pointers = struct.unpack("<15I", inode.map)

    def read(block: int) -> tuple[int, ...]:
        return table.unpack(window.take(block * sizes.block_bytes, sizes.block_bytes))

    return mapped_runs(pointers, DIRECT_BLOCKS, Tables(read, count))


def _filled(extents: Iterator[tuple[int, int, int]]) -> Iterator[Run]:
    """Yield runs in order, with holes where the extents leave some."""
    position = 0
    for logical, block, count in extents:
        if logical < position or count == 0:
            raise FormatError("extents of a file are not in order")
        if logical > position:
            yield 0, logical - position
        yield block, count
        position = logical + count


@dataclass(slots=True)
class _Extents:
    """Reads the extent tree of one file. Source: Linux, Documentation/filesystems/ext4/ifork.rst, extent tree."""

    window: Window
    block_bytes: int
    _met: set[int] = field(default_factory=set)

    def below(self, node: memoryview, levels: int) -> Iterator[tuple[int, int, int]]:
        """Yield first logical block, first block in the image (0: zeros) and count of each extent below ``node``."""
        magic, entries, _most, depth, _generation = _EXTENT_HEADER.unpack_from(node)
        empty = entries == 0 and levels < MOST_LEVELS
        if magic != EXTENT_MAGIC or depth > levels or 12 * (entries + 1) > len(node) or empty:
            raise FormatError("extent tree of a file is damaged")
        for at in range(12, 12 * (entries + 1), 12):
            if depth:
                yield from self.below(self._index(node, at), depth - 1)
            else:
                yield _extent(node, at)

    def _index(self, node: memoryview, at: int) -> memoryview:
        _logical, low, high, _unused = _EXTENT_INDEX.unpack_from(node, at)
        block = low | high << 32
        if block in self._met:
            raise FormatError(f"block {block} is in an extent tree twice")
        self._met.add(block)
        return self.window.take(block * self.block_bytes, self.block_bytes)


def _extent(node: memoryview, at: int) -> tuple[int, int, int]:
    logical, count, high, low = _EXTENT.unpack_from(node, at)
    if count > UNWRITTEN:
        return logical, 0, count - UNWRITTEN
    return logical, low | high << 32, count


@dataclass(slots=True)
class Attributes:
    """Reads the extended attributes of a file system, each block of them once, and no more than is sensible."""

    window: Window
    sizes: Geometry
    _blocks: dict[int, Mapping[str, bytes]] = field(default_factory=dict)
    _kept_bytes: int = 0

    def of(self, inode: Inode) -> Mapping[str, bytes]:
        """Return the attributes of ``inode`` by their full names; raise ``FormatError`` when they are damaged."""
        found = self._kept(inode.attribute_area, 0) if len(inode.attribute_area) else {}
        if not inode.attribute_block:
            return found
        block = self._blocks.get(inode.attribute_block)
        if block is None:
            self._blocks[inode.attribute_block] = {}  # what is damaged is told once
            block = self._blocks[inode.attribute_block] = self._block(inode.attribute_block)
        return {**found, **block} if found else block

    def _block(self, number: int) -> Mapping[str, bytes]:
        data = self.window.take(number * self.sizes.block_bytes, self.sizes.block_bytes)
        if int.from_bytes(data[:4], "little") != ATTRIBUTE_MAGIC:
            raise FormatError(f"block {number} holds no extended attributes")
        return self._kept(data, ATTRIBUTE_BLOCK_HEADER)

    def _kept(self, area: memoryview, first: int) -> dict[str, bytes]:
        kept: dict[str, bytes] = {}
        for name, value, holder in _attributes(area, first):
            if name == INLINE_NAME:
                continue
            kept[name] = self._held(*holder) if holder else bytes(value)
            self._kept_bytes += _ATTRIBUTE.size + len(name) + len(kept[name])
            if self._kept_bytes > ALL_VALUE_BYTES:
                raise FormatError(f"extended attributes of more than {ALL_VALUE_BYTES} bytes; the rest was not read")
        return kept

    def _held(self, number: int, size: int) -> bytes:
        """Return a large value, which is the content of an inode of its own."""
        inode = read_inode(number, self.window, self.sizes)
        return content(inode, self.window, self.sizes, VALUE_BYTES)[:size]


def _attributes(area: memoryview, first: int) -> Iterator[tuple[str, memoryview, tuple[int, int] | None]]:
    """Yield name, value, and inode and size of a value that stands outside, for entries from ``first`` on."""
    at = first
    while at + 4 <= len(area) and any(area[at : at + 4]):
        if at + _ATTRIBUTE.size > len(area):
            raise FormatError("extended attributes are damaged")
        name_bytes, index, start, holder, size, _hash = _ATTRIBUTE.unpack_from(area, at)
        name_at = at + _ATTRIBUTE.size
        inside = start + size <= len(area)
        if name_at + name_bytes > len(area) or size > VALUE_BYTES or not (holder or inside):
            raise FormatError("extended attributes are damaged")
        name = bytes(area[name_at : name_at + name_bytes]).decode("utf-8", "backslashreplace")
        full = f"{PREFIXES.get(index, f'{index}.')}{name}"
        yield full, area[start : start + size], (holder, size) if holder else None
        at = name_at + (name_bytes + 3 & ~3)
