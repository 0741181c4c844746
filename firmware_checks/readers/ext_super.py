"""The super block of ext2, ext3 and ext4: sizes, features, and where the tables of inodes stand."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from firmware_checks.readers.crc32c import crc32c
from toolkit.core.errors import FormatError
from toolkit.core.layout import U8, U16LE, U32LE, U64LE, Layout, array, raw, wire
from toolkit.core.window import Window
from toolkit.report.model import Integrity

__all__ = [
    "COMPATIBLE",
    "INCOMPATIBLE",
    "JOURNAL",
    "LAYOUT",
    "MAGIC",
    "READ_ONLY",
    "SUPER_AT",
    "Geometry",
    "SuperBlock",
    "feature_names",
    "geometry",
    "super_integrity",
    "version_of",
]

MAGIC = 0xEF53
SUPER_AT = 1024
"""The super block stands behind 1 KiB left for a boot loader."""
LOGS = range(7)
"""Blocks are of 1 KiB shifted by this; 64 KiB is the largest."""

JOURNAL, SPARSE_SUPER_2 = 0x4, 0x200
SPARSE_SUPER, METADATA_CHECKSUM = 0x1, 0x400
_SPARSE_GROUPS = frozenset({0, *(base**power for base in (3, 5, 7) for power in range(21))})
META_GROUPS, WIDE = 0x10, 0x80
CRC32C = 1
"""The only type of check sum there is."""

COMPATIBLE: Final = {
    0x1: "dir_prealloc",
    0x2: "imagic_inodes",
    0x4: "has_journal",
    0x8: "ext_attr",
    0x10: "resize_inode",
    0x20: "dir_index",
    0x200: "sparse_super2",
    0x400: "fast_commit",
    0x800: "stable_inodes",
    0x1000: "orphan_file",
}
INCOMPATIBLE: Final = {
    0x1: "compression",
    0x2: "filetype",
    0x4: "needs_recovery",
    0x8: "journal_dev",
    0x10: "meta_bg",
    0x40: "extent",
    0x80: "64bit",
    0x100: "mmp",
    0x200: "flex_bg",
    0x400: "ea_inode",
    0x1000: "dirdata",
    0x2000: "metadata_csum_seed",
    0x4000: "large_dir",
    0x8000: "inline_data",
    0x10000: "encrypt",
    0x20000: "casefold",
}
READ_ONLY: Final = {
    0x1: "sparse_super",
    0x2: "large_file",
    0x8: "huge_file",
    0x10: "uninit_bg",
    0x20: "dir_nlink",
    0x40: "extra_isize",
    0x100: "quota",
    0x200: "bigalloc",
    0x400: "metadata_csum",
    0x1000: "read-only",
    0x2000: "project",
    0x4000: "shared_blocks",
    0x8000: "verity",
    0x10000: "orphan_present",
}
"""Names as mke2fs writes them. Source: e2fsprogs, lib/e2p/feature.c."""
EXT4_INCOMPATIBLE = 0x40 | 0x80 | 0x200 | 0x400 | 0x2000 | 0x4000 | 0x8000 | 0x10000 | 0x20000
EXT4_READ_ONLY = 0x8 | 0x10 | 0x20 | 0x40 | 0x100 | 0x200 | 0x400 | 0x2000 | 0x8000


@dataclass(frozen=True, slots=True, kw_only=True)
class SuperBlock:
    """Super block; counts are of blocks unless they say so. Source: Linux, Documentation/filesystems/ext4/super.rst."""

    inodes: int = wire(U32LE)
    blocks_low: int = wire(U32LE)
    reserved_blocks_low: int = wire(U32LE)
    free_blocks_low: int = wire(U32LE)
    free_inodes: int = wire(U32LE)
    first_data_block: int = wire(U32LE)
    log_block_size: int = wire(U32LE)
    log_cluster_size: int = wire(U32LE)
    blocks_per_group: int = wire(U32LE)
    clusters_per_group: int = wire(U32LE)
    inodes_per_group: int = wire(U32LE)
    mounted_s: int = wire(U32LE)
    written_s: int = wire(U32LE)
    mounts: int = wire(U16LE)
    most_mounts: int = wire(U16LE)
    magic: int = wire(U16LE)
    state: int = wire(U16LE)
    on_errors: int = wire(U16LE)
    minor_revision: int = wire(U16LE)
    checked_s: int = wire(U32LE)
    check_interval_s: int = wire(U32LE)
    creator: int = wire(U32LE)
    revision: int = wire(U32LE)
    reserved_user: int = wire(U16LE)
    reserved_group: int = wire(U16LE)
    first_inode: int = wire(U32LE)
    inode_bytes: int = wire(U16LE)
    group_of_this_copy: int = wire(U16LE)
    compatible: int = wire(U32LE)
    incompatible: int = wire(U32LE)
    read_only: int = wire(U32LE)
    uuid: bytes = wire(raw(16))
    label: bytes = wire(raw(16))
    mounted_on: bytes = wire(raw(64))
    compression: int = wire(U32LE)
    preallocation: bytes = wire(raw(4))
    journal_uuid: bytes = wire(raw(16))
    journal_inode: int = wire(U32LE)
    journal_device: int = wire(U32LE)
    last_orphan: int = wire(U32LE)
    hash_seed: bytes = wire(raw(16))
    hash_version: int = wire(U8)
    journal_backup: int = wire(U8)
    descriptor_bytes: int = wire(U16LE)
    mount_options: int = wire(U32LE)
    first_meta_group: int = wire(U32LE)
    created_s: int = wire(U32LE)
    journal_blocks: bytes = wire(raw(68))
    blocks_high: int = wire(U32LE)
    reserved_blocks_high: int = wire(U32LE)
    free_blocks_high: int = wire(U32LE)
    least_extra: int = wire(U16LE)
    wanted_extra: int = wire(U16LE)
    flags: int = wire(U32LE)
    raid: bytes = wire(raw(16))
    log_groups_per_flex: int = wire(U8)
    checksum_type: int = wire(U8)
    encryption_level: int = wire(U8)
    padding: int = wire(U8)
    written_kib: int = wire(U64LE)
    snapshots: bytes = wire(raw(20))
    errors: int = wire(U32LE)
    error_details: bytes = wire(raw(104))
    mount_options_text: bytes = wire(raw(64))
    quotas: bytes = wire(raw(8))
    overhead_blocks: int = wire(U32LE)
    backup_groups: list[int] = wire(array(2, U32LE))
    encryption_algorithms: bytes = wire(raw(4))
    encryption_salt: bytes = wire(raw(16))
    later_fields: bytes = wire(raw(404))
    checksum: int = wire(U32LE)


LAYOUT = Layout(SuperBlock, size=1024)


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """Where things stand in one file system; every offset counts from its first byte."""

    block_bytes: int
    blocks: int
    first_data_block: int
    blocks_per_group: int
    inodes: int
    inodes_per_group: int
    inode_bytes: int
    descriptor_bytes: int
    first_meta_group: int | None
    """First block of descriptors that stands in its own group; None where all stand together."""
    spare_block: int
    """1 where clusters and blocks of 1 KiB leave a block before the super block."""
    copies: frozenset[int] | None
    """Groups that start with a copy of the super block; None where all do."""

    @property
    def size_bytes(self) -> int:
        """Bytes the file system takes."""
        return self.blocks * self.block_bytes

    @property
    def groups(self) -> int:
        """Number of block groups."""
        return -(-(self.blocks - self.first_data_block) // self.blocks_per_group)

    def inode_at(self, number: int, window: Window) -> int:
        """Return the offset of inode ``number``, by the descriptor of its group in ``window``."""
        if not 1 <= number <= self.inodes:
            raise FormatError(f"there is no inode {number}")
        group, index = divmod(number - 1, self.inodes_per_group)
        return self._inode_table(group, window) * self.block_bytes + index * self.inode_bytes

    def _inode_table(self, group: int, window: Window) -> int:
        """Return the block where the inodes of ``group`` start. Source: Linux, ext4/group_descr.rst."""
        at = self._descriptor_at(group)
        low: int = struct.unpack("<I", window.take(at + 8, 4))[0]
        if self.descriptor_bytes < 64:
            return low
        return low | int.from_bytes(window.take(at + 40, 4), "little") << 32

    def _descriptor_at(self, group: int) -> int:
        """Return the offset of a group descriptor. Source: Linux, ext4/blockgroup.rst, meta block groups."""
        per_block = self.block_bytes // self.descriptor_bytes
        block, index = divmod(group, per_block)
        if self.first_meta_group is None or block < self.first_meta_group:
            place = SUPER_AT // self.block_bytes + 1 + block
        else:
            own_group = block * per_block
            has_copy = self.copies is None or own_group in self.copies
            place = self.first_data_block + own_group * self.blocks_per_group + has_copy
            place += self.spare_block if own_group == 0 else 0
        return place * self.block_bytes + index * self.descriptor_bytes


def geometry(block: SuperBlock) -> Geometry:
    """Return the sizes that a super block gives; raise ``FormatError`` when they cannot be true."""
    _judge(block)
    dynamic = block.revision > 0
    incompatible = block.incompatible if dynamic else 0
    wide = bool(incompatible & WIDE)
    block_bytes = 1024 << block.log_block_size
    sizes = Geometry(
        block_bytes=block_bytes,
        blocks=block.blocks_low | (block.blocks_high << 32 if wide else 0),
        first_data_block=block.first_data_block,
        blocks_per_group=block.blocks_per_group,
        inodes=block.inodes,
        inodes_per_group=block.inodes_per_group,
        inode_bytes=block.inode_bytes if dynamic else 128,
        descriptor_bytes=block.descriptor_bytes if wide else 32,
        first_meta_group=block.first_meta_group if incompatible & META_GROUPS else None,
        spare_block=int(block_bytes == SUPER_AT and block.first_data_block == 0),
        copies=_copies(block),
    )
    _judge_sizes(sizes)
    return sizes


def _judge(block: SuperBlock) -> None:
    """Refuse what is no primary super block; the magic of two bytes is met by chance every 64 KiB."""
    if block.revision > 1 or block.log_block_size not in LOGS or block.first_data_block > 1:
        raise FormatError("ext super block has a revision or a block size that does not exist")
    if block.revision and block.group_of_this_copy:
        raise FormatError(f"this is the copy of an ext super block in group {block.group_of_this_copy}")


def _judge_sizes(sizes: Geometry) -> None:
    if sizes.blocks <= sizes.first_data_block or not sizes.blocks_per_group or not sizes.inodes_per_group:
        raise FormatError("ext super block has no blocks or no inodes")
    if sizes.inodes != sizes.inodes_per_group * sizes.groups or sizes.inodes_per_group > 8 * sizes.block_bytes:
        raise FormatError(f"ext super block has {sizes.inodes} inodes, which do not fit {sizes.groups} groups")
    for size, least in ((sizes.inode_bytes, 128), (sizes.descriptor_bytes, 32)):
        if not least <= size <= sizes.block_bytes or size & (size - 1):
            raise FormatError(f"ext super block gives {size} bytes for an inode or a group descriptor")


def _copies(block: SuperBlock) -> frozenset[int] | None:
    """Return which groups hold a copy of the super block: all, or group 0, 1 and powers of 3, 5, 7, or as told."""
    if block.compatible & SPARSE_SUPER_2:
        return frozenset({0, *block.backup_groups})
    if not block.read_only & SPARSE_SUPER:
        return None
    return _SPARSE_GROUPS


def super_integrity(block: SuperBlock, window: Window) -> tuple[Integrity, ...]:
    """Hold the super block's check sum against its bytes, where the file system has check sums."""
    if not block.read_only & METADATA_CHECKSUM or block.checksum_type != CRC32C:
        return ()
    computed = crc32c(window.take(SUPER_AT, LAYOUT.size - 4)) ^ 0xFFFF_FFFF
    return (
        Integrity(
            algorithm="crc32c",
            covers="super block",
            stored=f"{block.checksum:08x}",
            computed=f"{computed:08x}",
            valid=block.checksum == computed,
        ),
    )


def feature_names(block: SuperBlock) -> tuple[str, ...]:
    """Return the features in use, as ``mke2fs -O`` names them; unknown ones as numbers."""
    names: list[str] = []
    for value, known, kind in (
        (block.compatible, COMPATIBLE, "compatible"),
        (block.incompatible, INCOMPATIBLE, "incompatible"),
        (block.read_only, READ_ONLY, "read-only compatible"),
    ):
        bits = [1 << bit for bit in range(32) if value >> bit & 1]
        names += [known.get(bit, f"{kind} {bit:#x}") for bit in bits]
    return tuple(names)


def version_of(block: SuperBlock) -> str:
    """Return which of the three the features make it: what the oldest driver is called that can use it."""
    if block.incompatible & EXT4_INCOMPATIBLE or block.read_only & EXT4_READ_ONLY:
        return "ext4"
    return "ext3" if block.compatible & JOURNAL else "ext2"
