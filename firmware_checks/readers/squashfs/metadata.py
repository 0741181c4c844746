"""The packed tables of a squashfs: inodes, folders, fragments, owners and attributes, in blocks of up to 8 KiB."""

from __future__ import annotations

import struct
from collections import OrderedDict
from threading import Lock
from typing import Any, Final

from firmware_checks.readers.block_codecs import Decode
from firmware_checks.readers.squashfs.super_block import SuperBlock
from toolkit.core.errors import FormatError
from toolkit.core.window import Window

__all__ = ["Cursor", "Metadata"]

BLOCK_BYTES: Final = 8192
STORED_BIT: Final = 0x8000
CHECK_DATA_FLAG: Final = 1 << 2
"""Versions before 4: a byte 0xff stands after the size of each block."""
KEPT_BLOCKS: Final = 512
"""Unpacked blocks kept, 4 MiB: the tables of some 50,000 files, so that each of their blocks is unpacked once."""


class Metadata:
    """Unpacks blocks of tables when they are asked for; may be used by several threads at once."""

    def __init__(self, window: Window, super_block: SuperBlock, decode: Decode) -> None:
        self._window = window
        self._order = "big" if super_block.big_endian else "little"
        self._header_bytes = 3 if super_block.flags & CHECK_DATA_FLAG else 2
        self._decode = decode
        self._lock = Lock()
        self._kept: OrderedDict[int, tuple[bytes, int]] = OrderedDict()

    def block(self, place: int) -> tuple[bytes, int]:
        """Return the unpacked block at ``place`` in the image, and where the next one stands."""
        with self._lock:
            kept = self._kept.get(place)
            if kept is not None:
                self._kept.move_to_end(place)
                return kept
        read = self._read(place)
        with self._lock:
            self._kept[place] = read
            if len(self._kept) > KEPT_BLOCKS:
                self._kept.popitem(last=False)
        return read

    def cursor(self, table: int, block: int, offset: int) -> Cursor:
        """Return a reader that starts ``offset`` bytes into the block that stands ``block`` bytes into ``table``."""
        return Cursor(self, table + block, offset)

    def _read(self, place: int) -> tuple[bytes, int]:
        header = self._window.take(place, self._header_bytes)
        word = int.from_bytes(header[:2], self._order)  # type: ignore[arg-type]  # "big" or "little"
        size = word & ~STORED_BIT
        if not 0 < size <= BLOCK_BYTES:
            raise FormatError(f"a squashfs table block of {size} bytes at {self._window.origin + place:#x}")
        start = place + self._header_bytes
        packed = self._window.take(start, size)
        data = bytes(packed) if word & STORED_BIT else self._decode(packed, BLOCK_BYTES)
        if not data:
            raise FormatError(f"an empty squashfs table block at {self._window.origin + place:#x}")
        return data, start + size


class Cursor:
    """Reads on through a table, from block to block."""

    __slots__ = ("_data", "_metadata", "_next", "_place")

    def __init__(self, metadata: Metadata, place: int, offset: int) -> None:
        self._metadata = metadata
        self._data, self._next = metadata.block(place)
        self._place = offset
        if offset >= len(self._data):
            raise FormatError(f"offset {offset} lies outside its squashfs table block")

    def take(self, size: int) -> bytes:
        """Return the next ``size`` bytes; raise ``FormatError`` when the table ends before."""
        end = self._place + size
        taken = self._data[self._place : end]
        while len(taken) < size:
            self._data, self._next = self._metadata.block(self._next)
            end = size - len(taken)
            taken += self._data[:end]
        self._place = end
        return taken

    def unpack(self, layout: struct.Struct) -> tuple[Any, ...]:
        """Return the next fields."""
        place = self._place
        end = place + layout.size
        if end > len(self._data):
            return layout.unpack(self.take(layout.size))
        self._place = end
        return layout.unpack_from(self._data, place)
