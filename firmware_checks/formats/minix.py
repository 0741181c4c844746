"""Minix file systems, versions 1 to 3: small, simple, and still used for RAM disks and floppies of old devices."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from firmware_checks.format import EntryKind, ImageFormat, Magic, Opened
from firmware_checks.readers.block_map import FolderBlocks, Run, Tables, gathered, mapped_runs
from firmware_checks.readers.entry_names import visible
from firmware_checks.readers.inode_tree import Inode
from firmware_checks.readers.tree_listing import device_of, list_tree, told_kind
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.problems import Problems
from toolkit.core.window import Window
from toolkit.report.model import RegionKind

__all__ = ["FORMAT"]

SUPER_AT = 1024
BLOCK_BYTES = 1024
"""Of the first two versions; the third says how large its blocks are."""
ROOT = 1
DIRECT_BLOCKS = 7
TARGET_BYTES = 4096
WITH_ERRORS, CLEAN = 2, 1


@dataclass(frozen=True, slots=True)
class Version:
    """How one version of the format writes its records."""

    number: int
    name_bytes: int
    super_fields: str
    inode_fields: str
    pointer: str
    number_field: str
    """Of the inode in a folder's record."""


_OLD_SUPER = "6HI2HI"
"""Inodes, blocks, blocks of two maps, first data block, zone size, longest file, magic, state, blocks (version 2)."""
_NEW_SUPER = "I6H2I3H"
_FIRST = ("2H2I2B9H", "H", "H")
_SECOND = ("4H4I10I", "I", "H")

VERSIONS: Final = {
    0x137F: Version(1, 14, _OLD_SUPER, *_FIRST),
    0x138F: Version(1, 30, _OLD_SUPER, *_FIRST),
    0x2468: Version(2, 14, _OLD_SUPER, *_SECOND),
    0x2478: Version(2, 30, _OLD_SUPER, *_SECOND),
    0x4D5A: Version(3, 60, _NEW_SUPER, "4H4I10I", "I", "I"),
}
"""By magic. Source: Linux, include/uapi/linux/minix_fs.h."""
OLD_MAGIC_AT, NEW_MAGIC_AT = 16, 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """Where things stand; every offset counts from the first byte of the file system."""

    version: Version
    sign: str
    inodes: int
    blocks: int
    block_bytes: int
    inode_table: int
    """Offset of inode 1."""
    state: int

    @property
    def inode_bytes(self) -> int:
        """Bytes of one inode: 32 or 64."""
        return struct.calcsize(self.sign + self.version.inode_fields)


@dataclass(frozen=True, slots=True)
class Record:
    """One inode. Source: Linux, include/uapi/linux/minix_fs.h, struct minix_inode and minix2_inode."""

    mode: int
    uid: int
    gid: int
    size: int
    modified_s: int
    pointers: tuple[int, ...]


@dataclass(slots=True, repr=False)
class _FileSystem:
    window: Window
    sizes: Geometry
    problems: Problems
    _folders: FolderBlocks = field(init=False)

    def __post_init__(self) -> None:
        self._folders = FolderBlocks(self.window.size, self.sizes.block_bytes)

    def names(self, folder: int) -> Iterator[tuple[bytes, int]]:
        """Yield the names in a folder: records of one size, of which those with number 0 are free."""
        record = self._record(folder)
        if told_kind(record.mode) is not EntryKind.FOLDER:
            raise FormatError(f"inode {folder} is no folder")
        version = self.sizes.version
        layout = struct.Struct(f"{self.sizes.sign}{version.number_field}{version.name_bytes}s")
        left = record.size // layout.size
        for block in self._folders.of(record.size, self._runs(record)):
            data = self.window.take(block * self.sizes.block_bytes, self.sizes.block_bytes)
            for number, name in layout.iter_unpack(data[: layout.size * min(left, len(data) // layout.size)]):
                left -= 1
                if number:
                    yield name.partition(b"\0")[0], number

    def inode(self, number: int) -> Inode:
        """Return what stands in an inode; the content of a file is read when it is asked for."""
        record = self._record(number)
        kind = told_kind(record.mode)
        is_device = kind in (EntryKind.CHARACTER_DEVICE, EntryKind.BLOCK_DEVICE)
        return Inode(
            kind=kind,
            read=partial(self._read, record),
            packed_bytes=min(record.size, self.window.size),
            unpacked_bytes=record.size,
            mode=record.mode & 0o7777,
            uid=record.uid,
            gid=record.gid,
            modified_s=record.modified_s,
            target=self._target(record) if kind is EntryKind.SYMBOLIC_LINK else "",
            device=device_of(record.pointers[0]) if is_device else None,
            offset=(record.pointers[0] * self.sizes.block_bytes or None) if kind is EntryKind.FILE else None,
        )

    def _record(self, number: int) -> Record:
        if not 1 <= number <= self.sizes.inodes:
            raise FormatError(f"there is no inode {number}")
        size = self.sizes.inode_bytes
        data = self.window.take(self.sizes.inode_table + (number - 1) * size, size)
        fields = struct.unpack(self.sizes.sign + self.sizes.version.inode_fields, data)
        if self.sizes.version.number == 1:
            mode, uid, size, modified, gid, _links, *pointers = fields
        else:
            mode, _links, uid, gid, size, _accessed, modified, _changed, *pointers = fields
        if mode == 0:
            raise FormatError(f"inode {number} is not in use")
        return Record(mode, uid, gid, size, modified, tuple(pointers))

    def _runs(self, record: Record) -> Iterator[Run]:
        block_bytes = self.sizes.block_bytes
        layout = self.sizes.version.pointer
        count = block_bytes // struct.calcsize(f"={layout}")
        table = struct.Struct(f"{self.sizes.sign}{count}{layout}")

        def read(block: int) -> tuple[int, ...]:
            return table.unpack(self.window.take(block * block_bytes, block_bytes))

        return mapped_runs(record.pointers, DIRECT_BLOCKS, Tables(read, count))

    def _read(self, record: Record, max_bytes: int) -> bytes:
        return gathered(self.window, self._runs(record), self.sizes.block_bytes, record.size, max_bytes)

    def _target(self, record: Record) -> str:
        try:
            data = self._read(record, TARGET_BYTES)
        except (FormatError, LimitExceeded) as error:
            self.problems.add("the target of a link could not be read", str(error))
            return ""
        return visible(data.partition(b"\0")[0].decode("utf-8", "backslashreplace"), most_characters=TARGET_BYTES)


def _open(span: Span, limits: Limits) -> Opened:
    window = span.window
    sizes = _geometry(window)
    whole = sizes.blocks * sizes.block_bytes
    size = min(whole, window.size)
    problems = Problems()
    if size < whole:
        problems.add(f"only {size} of its {whole} bytes are there")
    if sizes.version.number < 3 and not sizes.state & CLEAN:
        problems.add("it was not unmounted")
    if sizes.state & WITH_ERRORS:
        problems.add("it is marked as having errors")
    listing = list_tree(_FileSystem(window.sub(0, size), sizes, problems), ROOT, limits, problems)
    return Opened(
        size=size,
        kind=RegionKind.CONTAINER,
        title=f"Minix file system, version {sizes.version.number}",
        facts={
            "byte_order": "little" if sizes.sign == "<" else "big",
            "block_bytes": sizes.block_bytes,
            "longest_name_bytes": sizes.version.name_bytes,
            **listing.facts,
        },
        entries=listing.entries,
        problems=problems.sentences(),
        limits_hit=listing.limits_hit,
    )


def _geometry(window: Window) -> Geometry:
    """Return the sizes of the super block; raise ``FormatError`` when it is none, or cannot be true."""
    version, sign = _version(window)
    fields = sign + version.super_fields
    values = struct.unpack(fields, window.take(SUPER_AT, struct.calcsize(fields)))
    block_bytes, state = BLOCK_BYTES, 0
    if version.number == 3:
        inodes, _pad, inode_map, block_map, first, log_zone, _pad, _longest, blocks, _magic, _pad, block_bytes = values
    else:
        inodes, blocks, inode_map, block_map, first, log_zone, _longest, _magic, state, wide_blocks = values
        blocks = wide_blocks if version.number == 2 else blocks
    if block_bytes < BLOCK_BYTES or block_bytes & (block_bytes - 1) or log_zone:
        raise FormatError(f"Minix file system at {window.origin:#x} has blocks of a size that is not read")
    table = 2 + inode_map + block_map
    sizes = Geometry(
        version=version,
        sign=sign,
        inodes=inodes,
        blocks=blocks,
        block_bytes=block_bytes,
        inode_table=table * block_bytes,
        state=state,
    )
    table_blocks = -(-inodes * sizes.inode_bytes // block_bytes)
    mapped = min(inode_map * block_bytes * 8 // (inodes + 1), block_map * block_bytes * 8 // max(1, blocks - first))
    if not inodes or not mapped or not table + table_blocks <= first < blocks:
        raise FormatError(f"Minix file system at {window.origin:#x} has sizes that do not fit each other")
    return sizes


def _version(window: Window) -> tuple[Version, str]:
    for at in (OLD_MAGIC_AT, NEW_MAGIC_AT):
        magic = bytes(window.take(SUPER_AT + at, 2))
        for sign in "<>":
            version = VERSIONS.get(struct.unpack(f"{sign}H", magic)[0])
            if version is not None and (version.number == 3) == (at == NEW_MAGIC_AT):
                return version, sign
    raise FormatError(f"no Minix super block at {window.origin:#x}")


def _example() -> bytes:
    content = b"rate = 5\n" * 200
    made_s = 1_577_836_800
    records = (
        (0o40755, 0, 5 * 32, made_s, 0, 2, 5),
        (0o100640, 100, len(content), made_s, 10, 1, 6, 7),
        (0o120777, 0, 9, made_s, 0, 1, 8),
        (0o20660, 0, 0, made_s, 0, 1, 4 << 8 | 64),
    )
    names = ((1, b"."), (1, b".."), (2, b"pump.conf"), (3, b"conf"), (4, b"ttyS0"))
    blocks = [b""] * 10
    blocks[1] = struct.pack("<" + _OLD_SUPER, 32, 10, 1, 1, 5, 0, 0x10081C00, 0x138F, CLEAN, 0)
    blocks[2] = _bit_map(1 + len(records), 33)
    blocks[3] = _bit_map(1 + 4, 10 - 5 + 1)
    blocks[4] = b"".join(struct.pack("<2H2I2B9H", *(record + (0,) * 9)[:15]) for record in records)
    blocks[5] = b"".join(struct.pack("<H30s", number, name) for number, name in names)
    blocks[6:9] = content[:BLOCK_BYTES], content[BLOCK_BYTES:], b"pump.conf"
    return b"".join(block.ljust(BLOCK_BYTES, b"\0") for block in blocks)


def _bit_map(used: int, there: int) -> bytes:
    """Return a block of bits: ones for what is in use and for what is not there, zeros for what is free."""
    bits = (1 << used) - 1 | ((1 << 8 * BLOCK_BYTES) - 1) >> there << there
    return bits.to_bytes(BLOCK_BYTES, "little")


FORMAT = ImageFormat(
    name="minix",
    title="Minix file system",
    source="Linux kernel, include/uapi/linux/minix_fs.h, fs/minix/inode.c, fs/minix/itree_common.c",
    limits=(
        "Zones are of one block, as Linux has them; found by the limit of a file's size that mkfs writes before the "
        "magic."
    ),
    open=_open,
    magics=(
        Magic(rb"\x00\x00\x00\x1c\x08\x10[\x7f\x8f]\x13", offset=SUPER_AT + 10),
        Magic(rb"\x00\x00\x10\x08\x1c\x00\x13[\x7f\x8f]", offset=SUPER_AT + 10),
        Magic(rb"\x00\x00\xff\xff\xff\x7f[\x68\x78]\x24", offset=SUPER_AT + 10),
        Magic(rb"\x00\x00\x7f\xff\xff\xff\x24[\x68\x78]", offset=SUPER_AT + 10),
        Magic(rb"\x00\x00\x00\x00\xff\xff\xff\x7f[\x00-\xff]{4}\x5a\x4d\x00\x00", offset=SUPER_AT + 12),
        Magic(rb"\x00\x00\x00\x00\x7f\xff\xff\xff[\x00-\xff]{4}\x4d\x5a\x00\x00", offset=SUPER_AT + 12),
    ),
    example=_example,
)
