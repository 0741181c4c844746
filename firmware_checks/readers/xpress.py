"""XPRESS decompression with Huffman codes, as Windows images (WIM) use it."""

from __future__ import annotations

from typing import Final

from firmware_checks.readers.lzx import copy_match
from firmware_checks.readers.prefix_codes import PrefixCode
from toolkit.core.errors import FormatError

__all__ = ["unpack_xpress"]

TABLE_BYTES: Final = 256
"""Lengths of 512 codes, two in a byte."""
LITERALS: Final = 256
LONG_LENGTH, VERY_LONG_LENGTH = 15, 255
"""A length that goes on in a byte, and a byte that goes on in 16 bits."""
SHORTEST_MATCH = 3


def unpack_xpress(packed: bytes, size: int) -> bytes:
    """Return the ``size`` bytes of one chunk; raise ``FormatError`` when it is damaged.

    Source: MS-XCA 2.2.4, LZ77+Huffman decompression. Plain Python: a few megabytes of output per second.
    """
    if len(packed) < TABLE_BYTES:
        raise FormatError("XPRESS data ends within its table of code lengths")
    reader = _Reader(packed)
    try:
        reader.read(size)
    except (IndexError, ValueError) as error:
        raise FormatError("XPRESS data is damaged or ends early") from error
    if len(reader.out) != size:
        raise FormatError("an XPRESS match runs over the end of its chunk")
    return bytes(reader.out)


class _Reader:
    """Bits come from 16-bit words of which one is always read ahead; long lengths stand as bytes between them."""

    def __init__(self, packed: bytes) -> None:
        self._packed = packed
        self._code = PrefixCode.of([nibble for byte in packed[:TABLE_BYTES] for nibble in (byte & 15, byte >> 4)])
        self._next = TABLE_BYTES + 4
        self._held = int.from_bytes(packed[TABLE_BYTES + 2 : TABLE_BYTES + 4], "little")
        self._held |= int.from_bytes(packed[TABLE_BYTES : TABLE_BYTES + 2], "little") << 16
        self._count = 32
        self.out = bytearray()

    def read(self, size: int) -> None:
        """Decode until at least ``size`` bytes are out."""
        out, table, bits = self.out, self._code.table, self._code.bits
        packed, place, held, count = self._packed, self._next, self._held, self._count
        while len(out) < size:
            entry = table[held >> (count - bits)]
            count -= entry & 31
            held &= (1 << count) - 1
            if count < 16:
                held = held << 16 | int.from_bytes(packed[place : place + 2], "little")
                count += 16
                place += 2
            symbol = entry >> 5
            if symbol < LITERALS:
                out.append(symbol)  # raises ValueError where no symbol has these bits
                continue
            self._next, self._held, self._count = place, held, count
            self._match(symbol - LITERALS)
            place, held, count = self._next, self._held, self._count

    def _match(self, symbol: int) -> None:
        length = symbol & 15
        if length == LONG_LENGTH:
            length += self._packed[self._next]
            self._next += 1
            if length == LONG_LENGTH + VERY_LONG_LENGTH:
                length = self._packed[self._next] | self._packed[self._next + 1] << 8
                self._next += 2
        offset_bits = symbol >> 4
        self._count -= offset_bits
        distance = (1 << offset_bits) + (self._held >> self._count)
        self._held &= (1 << self._count) - 1
        if self._count < 16:
            self._held = self._held << 16 | int.from_bytes(self._packed[self._next : self._next + 2], "little")
            self._count += 16
            self._next += 2
        copy_match(self.out, distance, length + SHORTEST_MATCH)
