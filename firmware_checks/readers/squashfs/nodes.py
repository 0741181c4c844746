"""Inodes of a squashfs, in the layouts of versions 2, 3 and 4, and the names in its folders.

Sources: Linux fs/squashfs/squashfs_fs.h (version 4); squashfs-tools squashfs_compat.h (versions 2 and 3, whose bit
fields fill a word from its low end in little-endian images and from its high end in big-endian ones).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from firmware_checks.format import EntryKind
from firmware_checks.readers.squashfs.metadata import Cursor, Metadata
from firmware_checks.readers.squashfs.super_block import SuperBlock
from toolkit.core.errors import FormatError

__all__ = ["KINDS", "NO_FRAGMENT", "Name", "Node", "Nodes"]

NO_FRAGMENT: Final = 0xFFFF_FFFF
NO_ATTRIBUTES: Final = 0xFFFF_FFFF
KINDS: Final = {
    1: EntryKind.FOLDER,
    2: EntryKind.FILE,
    3: EntryKind.SYMBOLIC_LINK,
    4: EntryKind.BLOCK_DEVICE,
    5: EntryKind.CHARACTER_DEVICE,
    6: EntryKind.PIPE,
    7: EntryKind.SOCKET,
}
EXTENDED: Final = 7
"""Added to the type of an inode that has more fields: more than 4 GiB, several names, attributes, an index."""
DOT_ENTRIES_BYTES: Final = 3
"""From version 3 on the size of a folder counts these for ``.`` and ``..``, which are not stored."""
MOST_NAMES_A_HEADER: Final = 256
MOST_NAME_BYTES: Final = 256
MOST_TARGET_BYTES: Final = 65_535
LISTS_BYTES: Final = 64 << 20
"""Lists of data blocks of all files together: those of 2 TiB in blocks of 128 KiB."""
OWNER_IS_USER: Final = 0xFF
"""Versions 2 and 3: a group index that stands for the group with the user's number."""


class Node(NamedTuple):
    """What an inode says, in whatever version; sizes in bytes."""

    kind: EntryKind
    mode: int
    user: int
    """Index into the table of users, as ``group`` is into that of groups."""
    group: int
    modified_s: int
    size: int = 0
    start: int = 0
    """Place of a file's first data block in the image, or of a folder's names in the folder table."""
    offset: int = 0
    """Offset in the block of the folder table, or in the fragment block."""
    fragment: int = NO_FRAGMENT
    blocks: bytes | None = b""
    """The stored size of each data block, a word each; None when it is more than may be read."""
    target: bytes = b""
    device: tuple[int, int] | None = None
    attributes: int = NO_ATTRIBUTES


class Name(NamedTuple):
    """One name in a folder: the inode it stands for, and what kind of thing the folder says it is."""

    name: bytes
    inode: int
    kind: int


class Nodes:
    """Reads inodes and folders of one image."""

    def __init__(self, super_block: SuperBlock, metadata: Metadata, most_file_bytes: int) -> None:
        self._super = super_block
        self._metadata = metadata
        self._most_blocks = most_file_bytes // super_block.block_bytes + 1
        self._lists_bytes_left = LISTS_BYTES
        order = super_block.order
        self._high_first = super_block.big_endian
        self._structs = {text: struct.Struct(order + text) for text in _TEXTS}
        self._read = {2: self._node2, 3: self._node3, 4: self._node4}[super_block.major]

    def node(self, inode: int) -> Node:
        """Return the inode: the block of the inode table it stands in times 65,536, plus its offset there."""
        return self._read(self._metadata.cursor(self._super.inode_table, inode >> 16, inode & 0xFFFF))

    def names(self, folder: Node) -> Iterator[Name]:
        """Yield the names in ``folder``; raise ``FormatError`` where its list is damaged."""
        major = self._super.major
        left = folder.size - (DOT_ENTRIES_BYTES if major >= 3 else 0)
        if left <= 0:
            return
        cursor = self._metadata.cursor(self._super.folder_table, folder.start, folder.offset)
        header, entry = (self._structs[text] for text in _FOLDERS[major])
        while left > 0:
            count, start = self._folder_header(cursor, header)
            left -= header.size
            for _ in range(count):
                offset, kind, name_bytes = self._folder_entry(cursor, entry)
                left -= entry.size + name_bytes
                if left < 0:
                    raise FormatError("a name reaches out of its folder")
                yield Name(cursor.take(name_bytes), start << 16 | offset, kind)

    def _folder_header(self, cursor: Cursor, layout: struct.Struct) -> tuple[int, int]:
        """Return how many names follow, and which block of the inode table they are about."""
        fields = cursor.unpack(layout)
        count, start = self._bits(fields[0], 8, 32) if self._super.major == 2 else fields[:2]
        if count >= MOST_NAMES_A_HEADER:
            raise FormatError(f"{count + 1} names under one header of a folder, {MOST_NAMES_A_HEADER} are possible")
        return count + 1, start

    def _folder_entry(self, cursor: Cursor, layout: struct.Struct) -> tuple[int, int, int]:
        """Return offset, kind and length of the next name."""
        fields = cursor.unpack(layout)
        if self._super.major == 4:
            offset, _, kind, size = fields
        else:
            offset, kind = self._bits(fields[0], 13, 16)
            size = fields[1]
        if size >= MOST_NAME_BYTES:
            raise FormatError(f"a name of {size + 1} bytes, {MOST_NAME_BYTES} are possible")
        return offset, kind, size + 1

    def _bits(self, word: int, first_bits: int, all_bits: int) -> tuple[int, int]:
        """Split ``word`` into its first field of ``first_bits`` and the second, which has the rest."""
        rest_bits = all_bits - first_bits
        if self._high_first:
            return word >> rest_bits, word & (1 << rest_bits) - 1
        return word & (1 << first_bits) - 1, word >> first_bits

    def _fields(self, cursor: Cursor, text: str) -> tuple[Any, ...]:
        return cursor.unpack(self._structs[text])

    def _number(self, cursor: Cursor, size: int) -> int:
        return int.from_bytes(cursor.take(size), "big" if self._high_first else "little")

    def _node4(self, cursor: Cursor) -> Node:
        kind, mode, user, group, modified_s, _ = self._fields(cursor, "HHHHII")
        extended = kind > EXTENDED
        common = _common(kind - EXTENDED if extended else kind, mode, user, group, modified_s)
        match common["kind"]:
            case EntryKind.FOLDER:
                return Node(**common, **self._folder4(cursor, extended=extended))
            case EntryKind.FILE:
                return Node(**common, **self._file4(cursor, extended=extended))
            case EntryKind.SYMBOLIC_LINK:
                _, size = self._fields(cursor, "II")
                more = {"size": size, "target": _target(cursor, size)}
            case EntryKind.BLOCK_DEVICE | EntryKind.CHARACTER_DEVICE:
                _, device = self._fields(cursor, "II")
                more = {"device": (device >> 8 & 0xFFF, device & 0xFF | device >> 12 & 0xFFF00)}
            case _:
                self._fields(cursor, "I")
                more = {}
        if extended:
            more["attributes"] = self._fields(cursor, "I")[0]
        return Node(**common, **more)

    def _folder4(self, cursor: Cursor, *, extended: bool) -> dict[str, Any]:
        if extended:
            _, size, start, _, _, offset, attributes = self._fields(cursor, "IIIIHHI")
            return {"size": size, "start": start, "offset": offset, "attributes": attributes}
        start, _, size, offset, _ = self._fields(cursor, "IIHHI")
        return {"size": size, "start": start, "offset": offset}

    def _file4(self, cursor: Cursor, *, extended: bool) -> dict[str, Any]:
        attributes = NO_ATTRIBUTES
        if extended:
            start, size, _, _, fragment, offset, attributes = self._fields(cursor, "QQQIIII")
        else:
            start, fragment, offset, size = self._fields(cursor, "IIII")
        return {**self._file(cursor, start, fragment, offset, size), "attributes": attributes}

    def _file(self, cursor: Cursor, start: int, fragment: int, offset: int, size: int) -> dict[str, Any]:
        block_bytes = self._super.block_bytes
        count = size // block_bytes if fragment != NO_FRAGMENT else -(-size // block_bytes)
        blocks = None
        if count <= self._most_blocks and 4 * count <= self._lists_bytes_left:
            self._lists_bytes_left -= 4 * count
            blocks = cursor.take(4 * count)
        return {"size": size, "start": start, "offset": offset, "fragment": fragment, "blocks": blocks}

    def _node3(self, cursor: Cursor) -> Node:
        word, user, group, modified_s, _ = self._fields(cursor, "HBBII")
        kind, mode = self._bits(word, 4, 16)
        if kind == 1 + EXTENDED:
            return Node(**_common(1, mode, user, group, modified_s), **self._large_folder3(cursor))
        if kind == 2 + EXTENDED:
            _, start, fragment, offset, size = self._fields(cursor, "IQIIQ")
            file = self._file(cursor, start, fragment, offset, size)
            return Node(**_common(2, mode, user, group, modified_s), **file)
        common = _common(kind, mode, user, group, modified_s)
        match common["kind"]:
            case EntryKind.FOLDER:
                _, word, start, _ = self._fields(cursor, "IIII")
                size, offset = self._bits(word, 19, 32)
                return Node(**common, size=size, start=start, offset=offset)
            case EntryKind.FILE:
                return Node(**common, **self._file(cursor, *self._fields(cursor, "QIII")))
        self._fields(cursor, "I")
        return Node(**common, **self._special(cursor, common["kind"]))

    def _large_folder3(self, cursor: Cursor) -> dict[str, Any]:
        self._fields(cursor, "I")
        size, offset = self._bits(self._number(cursor, 5), 27, 40)
        return {"size": size, "offset": offset, "start": self._fields(cursor, "I")[0]}

    def _node2(self, cursor: Cursor) -> Node:
        word, user, group = self._fields(cursor, "HBB")
        kind, mode = self._bits(word, 4, 16)
        if kind in (1, 1 + EXTENDED):
            return Node(**_common(1, mode, user, group, 0) | self._folder2(cursor, extended=kind > EXTENDED))
        common = _common(kind, mode, user, group, self._super.created)
        if kind != 2:
            return Node(**common, **self._special(cursor, common["kind"]))
        modified_s, start, fragment, offset, size = self._fields(cursor, "IIIII")
        return Node(**common | {"modified_s": modified_s} | self._file(cursor, start, fragment, offset, size))

    def _folder2(self, cursor: Cursor, *, extended: bool) -> dict[str, Any]:
        size_bits, word_bytes = (27, 5) if extended else (19, 4)
        size, offset = self._bits(self._number(cursor, word_bytes), size_bits, 8 * word_bytes)
        modified_s = self._fields(cursor, "I")[0]
        return {"size": size, "offset": offset, "modified_s": modified_s, "start": self._number(cursor, 3)}

    def _special(self, cursor: Cursor, kind: EntryKind) -> dict[str, Any]:
        """Read what versions 2 and 3 have for links and devices; pipes and sockets have nothing."""
        if kind in (EntryKind.PIPE, EntryKind.SOCKET):
            return {}
        (value,) = self._fields(cursor, "H")
        if kind is EntryKind.SYMBOLIC_LINK:
            return {"size": value, "target": _target(cursor, value)}
        return {"device": (value >> 8, value & 0xFF)}


_FOLDERS: Final = {2: ("I", "HB"), 3: ("BII", "HBh"), 4: ("III", "HhHH")}
"""Layouts of the header and of the entries of a folder, by version."""
_TEXTS: Final = (
    *(text for texts in _FOLDERS.values() for text in texts),
    *("HHHHII", "II", "IIIIHHI", "IIHHI", "QQQIIII", "IIII", "HBBII", "IQIIQ", "QIII", "HBB", "IIIII", "H"),
)


def _common(kind: int, mode: int, user: int, group: int, modified_s: int) -> dict[str, Any]:
    if kind not in KINDS:
        raise FormatError(f"inode type {kind} is not known")
    return {"kind": KINDS[kind], "mode": mode & 0o7777, "user": user, "group": group, "modified_s": modified_s}


def _target(cursor: Cursor, size: int) -> bytes:
    if size > MOST_TARGET_BYTES:
        raise FormatError(f"a link to a path of {size} bytes")
    return cursor.take(size)
