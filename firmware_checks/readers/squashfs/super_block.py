"""The super block of a squashfs image: which version, how large, where its tables are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from toolkit.core.errors import FormatError
from toolkit.core.layout import U8, U16LE, U32LE, U64LE, Layout, raw, wire
from toolkit.core.window import Window

__all__ = [
    "NO_TABLE",
    "SUPER2",
    "SUPER3",
    "SUPER4",
    "WIDTHS2",
    "WIDTHS3",
    "WIDTHS4",
    "Super2",
    "Super3",
    "Super4",
    "SuperBlock",
    "read_super_block",
    "turned",
]

NO_TABLE = 0xFFFF_FFFF_FFFF_FFFF
VERSION_AT: Final = 28
"""Offset of the major version, the same in all versions."""
BLOCK_LOGS = range(12, 21)
"""Data blocks of 4 KiB to 1 MiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Super4:
    """Super block of version 4. Source: Linux fs/squashfs/squashfs_fs.h, struct squashfs_super_block."""

    magic: bytes = wire(raw(4))
    inodes: int = wire(U32LE)
    created: int = wire(U32LE)
    block_bytes: int = wire(U32LE)
    fragments: int = wire(U32LE)
    compression: int = wire(U16LE)
    block_log: int = wire(U16LE)
    flags: int = wire(U16LE)
    ids: int = wire(U16LE)
    major: int = wire(U16LE)
    minor: int = wire(U16LE)
    root: int = wire(U64LE)
    bytes_used: int = wire(U64LE)
    id_table: int = wire(U64LE)
    attribute_table: int = wire(U64LE)
    inode_table: int = wire(U64LE)
    folder_table: int = wire(U64LE)
    fragment_table: int = wire(U64LE)
    export_table: int = wire(U64LE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Super2:
    """What versions 2 and 3 have in common. Source: squashfs-tools squashfs_compat.h, struct squashfs_super_block_3."""

    magic: bytes = wire(raw(4))
    inodes: int = wire(U32LE)
    bytes_used: int = wire(U32LE)
    uid_table: int = wire(U32LE)
    gid_table: int = wire(U32LE)
    inode_table: int = wire(U32LE)
    folder_table: int = wire(U32LE)
    major: int = wire(U16LE)
    minor: int = wire(U16LE)
    short_block_bytes: int = wire(U16LE)
    block_log: int = wire(U16LE)
    flags: int = wire(U8)
    uids: int = wire(U8)
    gids: int = wire(U8)
    created: int = wire(U32LE)
    root: int = wire(U64LE)
    block_bytes: int = wire(U32LE)
    fragments: int = wire(U32LE)
    fragment_table: int = wire(U32LE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Super3:
    """What version 3 adds after the fields of version 2, and has in their place."""

    bytes_used: int = wire(U64LE)
    uid_table: int = wire(U64LE)
    gid_table: int = wire(U64LE)
    inode_table: int = wire(U64LE)
    folder_table: int = wire(U64LE)
    fragment_table: int = wire(U64LE)
    export_table: int = wire(U64LE)


SUPER4 = Layout(Super4, size=96)
SUPER2 = Layout(Super2, size=63)
SUPER3 = Layout(Super3, size=56)
WIDTHS4: Final = (4,) * 5 + (2,) * 6 + (8,) * 8
WIDTHS2: Final = (4,) * 7 + (2,) * 4 + (1,) * 3 + (4, 8) + (4,) * 3
WIDTHS3: Final = (8,) * 7


@dataclass(frozen=True, slots=True, kw_only=True)
class SuperBlock:
    """What all versions say; sizes in bytes, places counted from the start of the image."""

    magic: bytes
    big_endian: bool
    major: int
    minor: int
    compression: int
    """0 in versions 2 and 3, which say nothing about it."""
    flags: int
    inodes: int
    created: int
    block_bytes: int
    bytes_used: int
    header_bytes: int
    root: int
    inode_table: int
    folder_table: int
    fragment_table: int
    fragments: int
    uid_table: int
    uids: int
    gid_table: int
    """The same as ``uid_table`` in version 4, which keeps users and groups in one table."""
    gids: int
    attribute_table: int = NO_TABLE

    @property
    def order(self) -> str:
        """The byte order as ``struct`` writes it."""
        return ">" if self.big_endian else "<"


def read_super_block(window: Window) -> SuperBlock:
    """Return the super block at the start of ``window``; raise ``FormatError`` when it cannot be one."""
    version = window.take(VERSION_AT, 2)
    major = int.from_bytes(version, "little")
    big_endian = major >= 0x100
    if big_endian:
        major = int.from_bytes(version, "big")
    if major == 4:
        found = _version4(window, big_endian=big_endian)
    elif major in (2, 3):
        found = _version23(window, big_endian=big_endian, is_3=major == 3)
    else:
        raise FormatError(f"squashfs version {major} is not known")
    _judge(found)
    return found


def _version4(window: Window, *, big_endian: bool) -> SuperBlock:
    block = SUPER4.read(_little(window, 0, WIDTHS4) if big_endian else window)
    return SuperBlock(
        magic=bytes(window.take(0, 4)),
        big_endian=big_endian,
        major=block.major,
        minor=block.minor,
        compression=block.compression,
        flags=block.flags,
        inodes=block.inodes,
        created=block.created,
        block_bytes=_block_bytes(block.block_bytes, block.block_log),
        bytes_used=block.bytes_used,
        header_bytes=SUPER4.size,
        root=block.root,
        inode_table=block.inode_table,
        folder_table=block.folder_table,
        fragment_table=block.fragment_table,
        fragments=block.fragments,
        uid_table=block.id_table,
        uids=block.ids,
        gid_table=block.id_table,
        gids=block.ids,
        attribute_table=block.attribute_table,
    )


def _version23(window: Window, *, big_endian: bool, is_3: bool) -> SuperBlock:
    block = SUPER2.read(_little(window, 0, WIDTHS2) if big_endian else window)
    places: Super2 | Super3 = block
    if is_3:
        places = SUPER3.read(_little(window, SUPER2.size, WIDTHS3) if big_endian else window.sub(SUPER2.size))
    return SuperBlock(
        magic=bytes(window.take(0, 4)),
        big_endian=big_endian,
        major=block.major,
        minor=block.minor,
        compression=0,
        flags=block.flags,
        inodes=block.inodes,
        created=block.created,
        block_bytes=_block_bytes(block.block_bytes, block.block_log),
        bytes_used=places.bytes_used,
        header_bytes=SUPER2.size + (SUPER3.size if is_3 else 0),
        root=block.root,
        inode_table=places.inode_table,
        folder_table=places.folder_table,
        fragment_table=places.fragment_table,
        fragments=block.fragments,
        uid_table=places.uid_table,
        uids=block.uids,
        gid_table=places.gid_table,
        gids=block.gids,
    )


def _little(window: Window, offset: int, widths: Sequence[int]) -> Window:
    """Return big-endian fields of the given widths as little-endian ones."""
    return Window.of(turned(window.take(offset, sum(widths)), widths), origin=window.origin + offset)


def turned(data: bytes | memoryview, widths: Sequence[int]) -> bytes:
    """Return fields of the given widths with the bytes of each turned around: the other byte order."""
    fields = bytearray()
    for width in widths:
        fields += bytes(data[len(fields) : len(fields) + width])[::-1]
    return bytes(fields)


def _block_bytes(block_bytes: int, block_log: int) -> int:
    if block_log not in BLOCK_LOGS or block_bytes != 1 << block_log:
        raise FormatError(f"a squashfs with blocks of {block_bytes} bytes and 2^{block_log} is impossible")
    return block_bytes


def _judge(block: SuperBlock) -> None:
    """Refuse what only looks like a super block: its tables must stand in their order and within the image."""
    places = (block.header_bytes, block.inode_table, block.folder_table, block.bytes_used)
    if list(places) != sorted(places) or block.inode_table + (block.root >> 16) >= block.folder_table:
        raise FormatError("the tables of a squashfs stand in an impossible order")
