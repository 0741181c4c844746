"""Contents of the files in a squashfs: data blocks one after the other, and a piece of a block shared with others."""

from __future__ import annotations

import struct
from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from firmware_checks.readers.block_codecs import Decode
from firmware_checks.readers.squashfs.metadata import Metadata
from firmware_checks.readers.squashfs.nodes import NO_FRAGMENT, Node
from firmware_checks.readers.squashfs.super_block import SuperBlock
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.window import Window

__all__ = ["Contents"]

STORED_BIT: Final = 1 << 24
SIZE_BITS: Final = STORED_BIT - 1
TABLE_BLOCK_BYTES: Final = 8192
KEPT_FRAGMENTS_BYTES: Final = 8 << 20
"""Unpacked fragment blocks kept: files are read in the order they were packed, so those that share one are close."""
LEAST_KEPT_FRAGMENTS: Final = 8


@dataclass(slots=True)
class _Kept:
    """A fragment block that is unpacked once, by whoever needs it first; the others wait for just this one."""

    lock: Lock = field(default_factory=Lock)
    data: bytes | None = None
    damage: str = ""


class Contents:
    """Unpacks files; may be used by several threads at once."""

    def __init__(self, window: Window, super_block: SuperBlock, metadata: Metadata, decode: Decode) -> None:
        self._window = window
        self._super = super_block
        self._metadata = metadata
        self._decode = decode
        self._zeros = bytes(super_block.block_bytes)
        self._fragment_entry, self._fragment_place = _fragment_layouts(super_block)
        self._lock = Lock()
        self._kept: OrderedDict[int, _Kept] = OrderedDict()
        self._fragments: dict[int, tuple[int, int]] = {}
        self._most_kept = max(LEAST_KEPT_FRAGMENTS, KEPT_FRAGMENTS_BYTES // super_block.block_bytes)

    def read(self, node: Node, max_bytes: int) -> bytes:
        """Return the content of a file; raise ``LimitExceeded`` beyond ``max_bytes``."""
        if node.blocks is None or node.size > max_bytes:
            raise LimitExceeded("entry_bytes", f"unpacks to more than {max_bytes} bytes")
        pieces: list[bytes | memoryview] = []
        block_bytes = self._super.block_bytes
        place, left = node.start, node.size
        for word in self.words(node.blocks):
            size = word & SIZE_BITS
            pieces.append(self._block(place, word, min(block_bytes, left)))
            place += size
            left -= block_bytes
        if node.fragment != NO_FRAGMENT and left > 0:
            pieces.append(self._tail(node, left))
        return bytes(pieces[0]) if len(pieces) == 1 else b"".join(pieces)

    def words(self, blocks: bytes) -> tuple[int, ...]:
        """Return the words that describe the data blocks of a file."""
        return struct.unpack(f"{self._super.order}{len(blocks) // 4}I", blocks)

    def packed_bytes(self, node: Node) -> int:
        """Return how many bytes of the image a file takes; of a shared block at most as many as it has in it."""
        if node.blocks is None:
            return min(node.size, self._super.bytes_used)
        packed = sum(word & SIZE_BITS for word in self.words(node.blocks))
        tail_bytes = node.size % self._super.block_bytes
        if node.fragment == NO_FRAGMENT or not tail_bytes:
            return packed
        try:
            return packed + min(tail_bytes, self._fragment(node.fragment)[1] & SIZE_BITS)
        except FormatError:
            return packed  # reading the file tells what is wrong

    def _block(self, place: int, word: int, size: int) -> bytes | memoryview:
        """Return the data block of ``size`` bytes at ``place``; one that takes no bytes stands for zeros."""
        packed_bytes = word & SIZE_BITS
        if packed_bytes == 0:
            return self._zeros if size == len(self._zeros) else bytes(size)
        data = self._unpacked(place, word, size)
        if len(data) != size:
            raise FormatError(f"a block unpacks to {len(data)} bytes in place of {size}")
        return data

    def _unpacked(self, place: int, word: int, most_bytes: int) -> bytes | memoryview:
        packed = self._window.take(place, word & SIZE_BITS)
        if not 0 < len(packed) <= self._super.block_bytes:
            raise FormatError(f"a block takes {len(packed)} bytes, it can hold {self._super.block_bytes}")
        return packed if word & STORED_BIT else self._decode(packed, most_bytes)

    def _tail(self, node: Node, size: int) -> memoryview:
        piece = memoryview(self._fragment_block(node.fragment))[node.offset : node.offset + size]
        if len(piece) != size:
            raise FormatError(f"the end of the file lies outside fragment block {node.fragment}")
        return piece

    def _fragment_block(self, number: int) -> bytes:
        with self._lock:
            kept = self._kept.setdefault(number, _Kept())
            self._kept.move_to_end(number)
            if len(self._kept) > self._most_kept:
                self._kept.popitem(last=False)
        with kept.lock:
            if kept.data is None and not kept.damage:
                try:
                    place, word = self._fragment(number)
                    kept.data = bytes(self._unpacked(place, word, self._super.block_bytes))
                except FormatError as error:
                    kept.damage = str(error)
        if kept.data is None:
            raise FormatError(f"fragment block {number}: {kept.damage}")
        return kept.data

    def _fragment(self, number: int) -> tuple[int, int]:
        """Return the place of fragment block ``number`` and the word that says how it is stored."""
        known = self._fragments.get(number)
        if known is None:
            known = self._fragments[number] = self._read_fragment(number)
        return known

    def _read_fragment(self, number: int) -> tuple[int, int]:
        if number >= self._super.fragments:
            raise FormatError(f"there are only {self._super.fragments} fragment blocks")
        block, offset = divmod(number * self._fragment_entry.size, TABLE_BLOCK_BYTES)
        place = self._window.take(
            self._super.fragment_table + block * self._fragment_place.size, self._fragment_place.size
        )
        cursor = self._metadata.cursor(self._fragment_place.unpack(place)[0], 0, offset)
        start, word = cursor.unpack(self._fragment_entry)[:2]
        return start, word


def _fragment_layouts(super_block: SuperBlock) -> tuple[struct.Struct, struct.Struct]:
    """Return the layouts of an entry of the fragment table and of the place of one of its blocks."""
    entry, place = ("II", "I") if super_block.major == 2 else ("QII", "Q")
    return struct.Struct(super_block.order + entry), struct.Struct(super_block.order + place)
