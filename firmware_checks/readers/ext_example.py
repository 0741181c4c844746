"""A small ext4 file system, built for tests and documentation; e2fsck finds nothing wrong with it."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace

from firmware_checks.readers.ext_super import LAYOUT, MAGIC, SUPER_AT
from toolkit.core.window import Window

__all__ = ["EXAMPLE_FILES", "build_example"]

BLOCK_BYTES = 1024
BLOCKS, INODES, INODE_BYTES = 24, 16, 256
DESCRIPTORS, BLOCK_MAP, INODE_MAP, INODE_TABLE = 2, 3, 4, 5
FIRST_FREE = INODE_TABLE + INODES * INODE_BYTES // BLOCK_BYTES
ROOT, LOST, FOLDER, FILE, LINK, DEVICE = 2, 11, 12, 13, 14, 15
FOLDER_TYPE, FILE_TYPE, DEVICE_TYPE, LINK_TYPE = 2, 1, 3, 7
MADE_S = 1_577_836_800
TARGET = b"etc/pump.conf"
EXAMPLE_FILES = {"etc/pump.conf": b"[pump]\nrate = 5\n" * 100}
"""What the files in it hold."""

EXTENTS = 0x80000
CAPABILITY = struct.pack("<5I", 0x02000001, 0x400, 0, 0, 0)
"""May open network ports below 1024. Source: Linux, include/uapi/linux/capability.h, vfs_cap_data."""


def build_example() -> bytes:
    """Return a file system of 24 KiB with a folder, a file that has an extended attribute, a link and a device."""
    data = next(iter(EXAMPLE_FILES.values()))
    root = [(ROOT, FOLDER_TYPE, b"."), (ROOT, FOLDER_TYPE, b".."), (LOST, FOLDER_TYPE, b"lost+found")]
    root += [(FOLDER, FOLDER_TYPE, b"etc"), (LINK, LINK_TYPE, b"pump.conf"), (DEVICE, DEVICE_TYPE, b"ttyS0")]
    blocks = [
        _folder(root),
        _folder([(LOST, FOLDER_TYPE, b"."), (ROOT, FOLDER_TYPE, b"..")]),
        _folder([(FOLDER, FOLDER_TYPE, b"."), (ROOT, FOLDER_TYPE, b".."), (FILE, FILE_TYPE, b"pump.conf")]),
        data,
    ]
    inodes = {
        ROOT: _inode(0o40755, BLOCK_BYTES, _extent(FIRST_FREE, 1), blocks=1, links=4),
        LOST: _inode(0o40700, BLOCK_BYTES, _extent(FIRST_FREE + 1, 1), blocks=1, links=2),
        FOLDER: _inode(0o40755, BLOCK_BYTES, _extent(FIRST_FREE + 2, 1), blocks=1, links=2),
        FILE: _inode(0o100640, len(data), _extent(FIRST_FREE + 3, 2), blocks=2) + _attribute(),
        LINK: _inode(0o120777, len(TARGET), TARGET),
        DEVICE: _inode(0o20660, 0, struct.pack("<I", 4 << 8 | 64)),
    }
    used = FIRST_FREE + 5
    image = bytearray(BLOCKS * BLOCK_BYTES)
    image[SUPER_AT : SUPER_AT + BLOCK_BYTES] = _super_block(BLOCKS - used)
    _put(image, DESCRIPTORS, struct.pack("<3I4H", BLOCK_MAP, INODE_MAP, INODE_TABLE, BLOCKS - used, 1, 3, 0))
    _put(image, BLOCK_MAP, _bit_map(used - 1, BLOCKS - 1))
    _put(image, INODE_MAP, _bit_map(DEVICE, INODES))
    for number, inode in inodes.items():
        start = INODE_TABLE * BLOCK_BYTES + (number - 1) * INODE_BYTES
        image[start : start + len(inode)] = inode
    for place, block in enumerate(blocks, start=FIRST_FREE):
        _put(image, place, block)
    return bytes(image)


def _put(image: bytearray, block: int, data: bytes) -> None:
    image[block * BLOCK_BYTES : block * BLOCK_BYTES + len(data)] = data


def _super_block(free_blocks: int) -> bytes:
    empty = LAYOUT.read(Window.of(bytes(LAYOUT.size)))
    group = 8 * BLOCK_BYTES
    return LAYOUT.build(
        replace(
            empty,
            inodes=INODES,
            blocks_low=BLOCKS,
            free_blocks_low=free_blocks,
            free_inodes=INODES - DEVICE,
            first_data_block=1,
            blocks_per_group=group,
            clusters_per_group=group,
            inodes_per_group=INODES,
            written_s=MADE_S,
            most_mounts=0xFFFF,
            magic=MAGIC,
            state=1,
            on_errors=1,
            checked_s=MADE_S,
            revision=1,
            first_inode=11,
            inode_bytes=INODE_BYTES,
            compatible=0x8,
            incompatible=0x2 | 0x40,
            read_only=0x1,
            uuid=b"medharden exampl",
            label=b"pump".ljust(16, b"\0"),
            created_s=MADE_S,
        )
    )


def _folder(records: Sequence[tuple[int, int, bytes]]) -> bytes:
    data = b""
    for number, kind, name in records:
        size = (8 + len(name) + 3) & ~3
        if (number, kind, name) == records[-1]:
            size = BLOCK_BYTES - len(data)
        data += struct.pack("<IHBB", number, size, len(name), kind) + name.ljust(size - 8, b"\0")
    return data


def _extent(first: int, count: int) -> bytes:
    return struct.pack("<HHHHI", 0xF30A, 1, 4, 0, 0) + struct.pack("<IHHI", 0, count, 0, first)


def _inode(mode: int, size: int, block_map: bytes, *, blocks: int = 0, links: int = 1) -> bytes:
    head = struct.pack(
        "<HHIIIIIHHIII", mode, 0, size, *[MADE_S] * 3, 0, 0, links, 2 * blocks, EXTENTS * bool(blocks), 0
    )
    return head + block_map.ljust(60, b"\0") + bytes(28) + struct.pack("<HH24x", 28, 0)


def _attribute() -> bytes:
    """Return ``security.capability`` as it stands in an inode; its value is at the end."""
    name = b"capability"
    room = INODE_BYTES - 128 - 28 - 4
    entry = struct.pack("<BBHIII", len(name), 6, room - len(CAPABILITY), 0, len(CAPABILITY), 0) + name
    return struct.pack("<I", 0xEA020000) + entry.ljust(room - len(CAPABILITY), b"\0") + CAPABILITY


def _bit_map(used: int, there: int) -> bytes:
    """Return a block of bits: ones for what is in use and for what is not there, zeros for what is free."""
    bits = (1 << used) - 1 | ((1 << 8 * BLOCK_BYTES) - 1) >> there << there
    return bits.to_bytes(BLOCK_BYTES, "little")
