"""Reads chosen keys of a Windows registry hive without Windows.

Source: M. Suhanov, Windows registry file format specification (github.com/msuhanov/regf).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from toolkit.core.errors import FormatError
from toolkit.core.window import Window

__all__ = ["Hive", "HiveKey"]

BINS_AT: Final = 4096
ROOT_PLACE: Final = 36
NONE: Final = 0xFFFF_FFFF
ASCII_KEY, ASCII_VALUE = 0x20, 0x1
INLINE: Final = 0x8000_0000
MOST_KEYS = 20_000
"""Below one key; the longest list, that of services, has some hundreds."""
MOST_VALUES = 1000
MOST_VALUE_BYTES = 4096
MOST_DEPTH = 8
"""Lists of lists of keys; real ones have two."""
STRING, EXPANDED, NUMBER = 1, 2, 4


@dataclass(frozen=True, slots=True)
class HiveKey:
    """A key: its name, and where its lists stand."""

    name: str
    offset: int
    """Of the key in the file."""
    keys_at: int
    value_count: int
    values_at: int


@dataclass(frozen=True, slots=True)
class Hive:
    """A hive; ``FormatError`` where it is damaged."""

    window: Window

    def root(self) -> HiveKey:
        """Return the topmost key."""
        (place,) = struct.unpack("<I", self.window.take(ROOT_PLACE, 4))
        return self._key(place)

    def child(self, key: HiveKey, name: str) -> HiveKey | None:
        """Return the key below ``key`` of that name, in whatever case."""
        return next((k for k in self.children(key) if k.name.lower() == name.lower()), None)

    def children(self, key: HiveKey) -> Iterator[HiveKey]:
        """Yield the keys below ``key``."""
        left = MOST_KEYS
        for place in self._places(key.keys_at, MOST_DEPTH):
            yield self._key(place)
            left -= 1
            if left == 0:
                return

    def values(self, key: HiveKey) -> Iterator[tuple[str, str | int, int]]:
        """Yield name, value and offset of the texts and numbers of ``key``."""
        count = min(key.value_count, MOST_VALUES)
        if count == 0 or key.values_at == NONE:
            return
        for (place,) in struct.iter_unpack("<I", self._cell(key.values_at, 4 * count)):
            head = bytes(self._cell(place, 20))
            magic, name_bytes, size, data_at, kind, flags = struct.unpack("<2sHIIIH", head[:18])
            if magic != b"vk":
                raise FormatError(f"no value where the hive says, at {place + BINS_AT:#x}")
            name = _text(bytes(self._cell(place + 20, min(name_bytes, 512))), is_ascii=bool(flags & ASCII_VALUE))
            inline = size & INLINE
            size = min(size & ~INLINE, MOST_VALUE_BYTES)
            data = head[8:12][: min(size, 4)] if inline else bytes(self._cell(data_at, size))
            if kind in (STRING, EXPANDED):
                yield name, data.decode("utf-16-le", "replace").partition("\0")[0], place + BINS_AT + 4
            elif kind == NUMBER and len(data) >= 4:
                yield name, int.from_bytes(data[:4], "little"), place + BINS_AT + 4

    def _cell(self, place: int, size: int) -> memoryview:
        """Return the first bytes of a cell; its own size stands in four bytes before them."""
        return self.window.take(BINS_AT + place + 4, size)

    def _places(self, place: int, depth: int) -> Iterator[int]:
        if place == NONE or depth == 0:
            return
        magic, count = struct.unpack("<2sH", self._cell(place, 4))
        if magic in (b"lf", b"lh"):
            yield from (row[0] for row in struct.iter_unpack("<II", self._cell(place + 4, 8 * count)))
        elif magic in (b"li", b"ri"):
            for (inner,) in struct.iter_unpack("<I", self._cell(place + 4, 4 * count)):
                if magic == b"li":
                    yield inner
                else:
                    yield from self._places(inner, depth - 1)

    def _key(self, place: int) -> HiveKey:
        head = bytes(self._cell(place, 76))
        magic, flags = struct.unpack_from("<2sH", head)
        if magic != b"nk":
            raise FormatError(f"no key where the hive says, at {place + BINS_AT:#x}")
        (keys_at,) = struct.unpack_from("<I", head, 28)
        value_count, values_at = struct.unpack_from("<II", head, 36)
        (name_bytes,) = struct.unpack_from("<H", head, 72)
        name = _text(bytes(self._cell(place + 76, min(name_bytes, 512))), is_ascii=bool(flags & ASCII_KEY))
        return HiveKey(name, place + BINS_AT + 4, keys_at, value_count, values_at)


def _text(data: bytes, *, is_ascii: bool) -> str:
    return data.decode("latin-1" if is_ascii else "utf-16-le", "replace")
