"""Tables of a squashfs that inodes point into: numbers of users and groups, and extended attributes."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, Final

from firmware_checks.readers.squashfs.metadata import Cursor, Metadata
from firmware_checks.readers.squashfs.nodes import OWNER_IS_USER, Node
from firmware_checks.readers.squashfs.super_block import NO_TABLE, SuperBlock
from toolkit.core.errors import FormatError
from toolkit.core.window import Window

__all__ = ["Attributes", "Owners"]

TABLE_BLOCK_BYTES: Final = 8192
PREFIXES: Final = ("user.", "trusted.", "security.")
"""Of the names of attributes, by number. Source: Linux fs/squashfs/squashfs_fs.h."""
PREFIX_BITS: Final = 0xFF
ELSEWHERE: Final = 0x100
"""The value is a pointer to the value: it is shared with another file."""
MOST_ATTRIBUTES: Final = 1024
MOST_VALUE_BYTES: Final = 65_536
"""Linux takes no longer value (XATTR_SIZE_MAX)."""
MOST_BYTES: Final = 16 << 20
"""Attributes of all files together."""


class Owners:
    """Numbers of users and groups by their index."""

    def __init__(self, window: Window, super_block: SuperBlock, metadata: Metadata) -> None:
        self._window = window
        self._super = super_block
        self._metadata = metadata
        self._number = struct.Struct(super_block.order + "I")
        self._place = struct.Struct(super_block.order + "Q")
        self._known: dict[tuple[int, int], int] = {}

    def of(self, node: Node) -> tuple[int, int]:
        """Return user and group number of an inode."""
        block = self._super
        user = self._look_up(block.uid_table, block.uids, node.user)
        if block.major < 4 and node.group == OWNER_IS_USER:
            return user, user
        return user, self._look_up(block.gid_table, block.gids, node.group)

    def _look_up(self, table: int, count: int, index: int) -> int:
        key = (table, index)
        if key not in self._known:
            if index >= count:
                raise FormatError(f"owner {index} is not in the table, which has {count}")
            self._known[key] = self._read(table, index)
        return self._known[key]

    def _read(self, table: int, index: int) -> int:
        size = self._number.size
        if self._super.major < 4:
            return int(self._number.unpack(self._window.take(table + size * index, size))[0])
        block, offset = divmod(size * index, TABLE_BLOCK_BYTES)
        (place,) = self._place.unpack(self._window.take(table + block * self._place.size, self._place.size))
        return int(self._metadata.cursor(place, 0, offset).unpack(self._number)[0])


class Attributes:
    """Extended attributes by their index; only version 4 has them."""

    def __init__(self, window: Window, super_block: SuperBlock, metadata: Metadata) -> None:
        self._window = window
        self._metadata = metadata
        self._table = super_block.attribute_table
        self._structs = {text: struct.Struct(super_block.order + text) for text in ("QII", "Q", "HH", "I")}
        self._known: dict[int, Mapping[str, bytes]] = {}
        self._bytes_left = MOST_BYTES

    def of(self, index: int) -> Mapping[str, bytes]:
        """Return the attributes that stand under ``index``."""
        if index not in self._known:
            self._known[index] = self._read(index)
        return self._known[index]

    def _read(self, index: int) -> dict[str, bytes]:
        if self._table == NO_TABLE:
            raise FormatError("attributes are named and there is no table of them")
        start, count, _ = self._structs["QII"].unpack(self._window.take(self._table, self._structs["QII"].size))
        if index >= count:
            raise FormatError(f"attributes {index} are not in the table, which has {count}")
        block, offset = divmod(index * self._structs["QII"].size, TABLE_BLOCK_BYTES)
        at = self._table + self._structs["QII"].size + block * self._structs["Q"].size
        (place,) = self._structs["Q"].unpack(self._window.take(at, self._structs["Q"].size))
        where, count, _ = self._metadata.cursor(place, 0, offset).unpack(self._structs["QII"])
        if count > MOST_ATTRIBUTES:
            raise FormatError(f"{count} attributes of one file, {MOST_ATTRIBUTES} are read at most")
        cursor = self._cursor(start, where)
        return dict(filter(None, (self._attribute(cursor, start) for _ in range(count))))

    def _attribute(self, cursor: Cursor, start: int) -> tuple[str, bytes] | None:
        kind, name_bytes = cursor.unpack(self._structs["HH"])
        name = self._counted(cursor, name_bytes)
        value = self._value(cursor)
        if kind & ELSEWHERE:
            value = self._value(self._cursor(start, self._pointer(value)))
        if kind & PREFIX_BITS >= len(PREFIXES):
            return None
        return PREFIXES[kind & PREFIX_BITS] + name.decode("utf-8", "backslashreplace"), value

    def _value(self, cursor: Cursor) -> bytes:
        return self._counted(cursor, cursor.unpack(self._structs["I"])[0])

    def _counted(self, cursor: Cursor, size: int) -> bytes:
        self._bytes_left -= size
        if size > MOST_VALUE_BYTES or self._bytes_left < 0:
            raise FormatError(f"an attribute of {size} bytes is too long, or all together are")
        return cursor.take(size)

    def _pointer(self, value: bytes) -> Any:
        if len(value) != self._structs["Q"].size:
            raise FormatError(f"a pointer to an attribute of {len(value)} bytes")
        return self._structs["Q"].unpack(value)[0]

    def _cursor(self, start: int, where: int) -> Cursor:
        return self._metadata.cursor(start, where >> 16, where & 0xFFFF)
