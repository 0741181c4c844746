"""ext2, ext3 and ext4: the file systems of Linux on memory cards, eMMC and disks."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from firmware_checks.format import EntryKind, ImageFormat, Magic, Opened
from firmware_checks.readers import ext_inode
from firmware_checks.readers.block_map import FolderBlocks
from firmware_checks.readers.entry_names import visible
from firmware_checks.readers.ext_example import build_example
from firmware_checks.readers.ext_inode import ENCRYPTED, EXTENTS, INLINE, VERITY, Attributes
from firmware_checks.readers.ext_super import (
    INCOMPATIBLE,
    LAYOUT,
    MAGIC,
    SUPER_AT,
    Geometry,
    SuperBlock,
    feature_names,
    geometry,
    super_integrity,
    version_of,
)
from firmware_checks.readers.inode_tree import Inode
from firmware_checks.readers.tree_listing import device_of, list_tree, told_kind
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.problems import Problems
from toolkit.core.window import Window
from toolkit.report.model import Fact, RegionKind

__all__ = ["FORMAT"]

ROOT = 2
TARGET_BYTES = 4096
"""Longest link target. Source: Linux, include/uapi/linux/limits.h, PATH_MAX."""
SHORT_TARGET_BYTES = 60
"""A shorter target stands in the inode itself."""
CLEAN, WITH_ERRORS = 0x1, 0x2
NEEDS_RECOVERY = 0x4
_RECORD = struct.Struct("<IHBB")
"""Inode, bytes to the next record, bytes of the name, type. Source: Linux, ext4/directory.rst."""


@dataclass(slots=True, repr=False)
class _FileSystem:
    window: Window
    sizes: Geometry
    problems: Problems
    counts: Counter[str] = field(default_factory=Counter)
    attributes: Attributes = field(init=False)
    _folders: FolderBlocks = field(init=False)

    def __post_init__(self) -> None:
        self.attributes = Attributes(self.window, self.sizes)
        self._folders = FolderBlocks(self.window.size, self.sizes.block_bytes)

    def names(self, folder: int) -> Iterator[tuple[bytes, int]]:
        """Yield the names in a folder, block after block; an index in it hides in records that look unused."""
        inode = ext_inode.read_inode(folder, self.window, self.sizes)
        if told_kind(inode.mode) is not EntryKind.FOLDER:
            raise FormatError(f"inode {folder} is no folder")
        if inode.flags & INLINE:
            for area in ext_inode.inline_areas(inode):
                yield from _records(area)
            return
        for block in self._folders.of(inode.size, ext_inode.runs(inode, self.window, self.sizes)):
            try:
                yield from _records(self.window.take(block * self.sizes.block_bytes, self.sizes.block_bytes))
            except FormatError:
                self.problems.add("part of a folder is damaged", block)

    def inode(self, number: int) -> Inode:
        """Return what stands in an inode; the content of a file is read when it is asked for."""
        inode = ext_inode.read_inode(number, self.window, self.sizes)
        kind = told_kind(inode.mode)
        self.counts["encrypted"] += bool(inode.flags & ENCRYPTED)
        self.counts["verity"] += bool(inode.flags & VERITY)
        is_device = kind in (EntryKind.CHARACTER_DEVICE, EntryKind.BLOCK_DEVICE)
        return Inode(
            kind=kind,
            read=partial(self._read, number),
            packed_bytes=min(inode.size, len(inode.map)) if inode.flags & INLINE else inode.packed_bytes,
            unpacked_bytes=inode.size,
            mode=inode.mode & 0o7777,
            uid=inode.uid,
            gid=inode.gid,
            modified_s=inode.modified_s,
            target=self._target(inode, number) if kind is EntryKind.SYMBOLIC_LINK else "",
            device=_device(inode.map) if is_device else None,
            extended=self._extended(inode, number),
            offset=self._offset(inode) if kind is EntryKind.FILE else None,
        )

    def _read(self, number: int, max_bytes: int) -> bytes:
        return ext_inode.content(
            ext_inode.read_inode(number, self.window, self.sizes), self.window, self.sizes, max_bytes
        )

    def _target(self, inode: ext_inode.Inode, number: int) -> str:
        try:
            return visible(self._target_bytes(inode).decode("utf-8", "backslashreplace"), most_characters=TARGET_BYTES)
        except FormatError as error:
            self.problems.add("the target of a link could not be read", f"inode {number}: {error}")
            return ""

    def _target_bytes(self, inode: ext_inode.Inode) -> bytes:
        if inode.size < SHORT_TARGET_BYTES and not inode.flags & (EXTENTS | INLINE | ENCRYPTED):
            return inode.map[: inode.size]
        if inode.size > TARGET_BYTES:
            raise FormatError(f"{inode.size} bytes are too long for a path")
        return ext_inode.content(inode, self.window, self.sizes, TARGET_BYTES)

    def _extended(self, inode: ext_inode.Inode, number: int) -> dict[str, bytes]:
        try:
            return dict(self.attributes.of(inode))
        except FormatError as error:
            self.problems.add("extended attributes could not be read", f"inode {number}: {error}")
            return {}

    def _offset(self, inode: ext_inode.Inode) -> int | None:
        """Return where the first block of a file stands; None when it starts with a hole."""
        if inode.flags & INLINE:
            return inode.at + ext_inode.MAP_AT
        try:
            block, _count = next(ext_inode.runs(inode, self.window, self.sizes), (0, 0))
        except FormatError:  # told when the file is read
            return None
        return block * self.sizes.block_bytes or None


def _records(block: memoryview) -> Iterator[tuple[bytes, int]]:
    at = 0
    while at + _RECORD.size <= len(block):
        number, size, name_bytes, _kind = _RECORD.unpack_from(block, at)
        if size in (0, 0xFFFF):  # a block of 64 KiB is one more than 16 bits can say
            size = len(block) - at
        if size < _RECORD.size + name_bytes or at + size > len(block):
            raise FormatError("a folder's record reaches past its block")
        if number:
            yield bytes(block[at + _RECORD.size : at + _RECORD.size + name_bytes]), number
        at += size


def _device(block_map: bytes) -> tuple[int, int]:
    """Return major and minor number. Source: Linux, include/linux/kdev_t.h, old_decode_dev and new_decode_dev."""
    old, new = struct.unpack_from("<II", block_map)
    if old:
        return device_of(old)
    return new >> 8 & 0xFFF, new & 0xFF | new >> 12 & 0xFFF00


def _open(span: Span, limits: Limits) -> Opened:
    window = span.window
    if not window.starts_with(MAGIC.to_bytes(2, "little"), SUPER_AT + 56):
        raise FormatError(f"no ext super block at {window.origin:#x}")
    block = LAYOUT.read(window, SUPER_AT)
    sizes = geometry(block)
    size = min(sizes.size_bytes, window.size)
    problems = Problems(unit="block")
    _judge(block, problems)
    if size < sizes.size_bytes:
        problems.add(f"only {size} of its {sizes.size_bytes} bytes are there")
    system = _FileSystem(window.sub(0, size), sizes, problems)
    listing = list_tree(system, ROOT, limits, problems)
    return Opened(
        size=size,
        kind=RegionKind.CONTAINER,
        title=f"{version_of(block)} file system",
        facts={**_facts(block, sizes), **listing.facts, **_marked(system.counts)},
        integrity=super_integrity(block, window),
        entries=listing.entries,
        problems=problems.sentences(),
        limits_hit=listing.limits_hit,
    )


def _judge(block: SuperBlock, problems: Problems) -> None:
    if block.incompatible & NEEDS_RECOVERY:
        problems.add("it was not unmounted: changes that stand in its journal are not applied, files may be older")
    elif not block.state & CLEAN:
        problems.add("it was not unmounted")
    if block.state & WITH_ERRORS:
        problems.add("it is marked as having errors")
    unknown = block.incompatible & ~sum(INCOMPATIBLE)
    if block.revision and unknown:
        problems.add(f"it uses features that are not known ({unknown:#x}), and may be read wrongly")


def _facts(block: SuperBlock, sizes: Geometry) -> dict[str, Fact]:
    facts: dict[str, Fact] = {"block_bytes": sizes.block_bytes, "features": feature_names(block)}
    if any(block.uuid):
        facts["uuid"] = str(UUID(bytes=block.uuid))
    for name, value in (("label", block.label), ("last_mounted_on", block.mounted_on)):
        text = visible(value.partition(b"\0")[0].decode("utf-8", "backslashreplace"))
        if text:
            facts[name] = text
    for name, seconds in (("created", block.created_s), ("written", block.written_s)):
        if seconds:
            facts[name] = datetime.fromtimestamp(seconds, UTC).isoformat()
    return facts


def _marked(counts: Counter[str]) -> dict[str, Fact]:
    return {name: count for name, count in sorted(counts.items()) if count}


FORMAT = ImageFormat(
    name="ext",
    title="ext2, ext3 or ext4 file system",
    source=(
        "Linux kernel, Documentation/filesystems/ext4 (super.rst, group_descr.rst, inodes.rst, ifork.rst, "
        "directory.rst, attributes.rst, inlinedata.rst); e2fsprogs, lib/e2p/feature.c"
    ),
    limits=(
        "The journal is not replayed; encrypted files are listed and not read; deleted files are not looked for; of "
        "the check sums only that of the super block is verified; a file system whose first super block is lost is not "
        "found."
    ),
    open=_open,
    magics=(
        Magic(
            rb"\x53\xef[\x00-\xff]\x00[\x00-\xff]\x00[\x00-\xff]{10}[\x00-\xff]\x00\x00\x00[\x00\x01]\x00\x00\x00",
            offset=SUPER_AT + 56,
            anchor=b"\x53\xef",
        ),
    ),
    example=build_example,
)
