"""Sums and CRCs that firmware tools append, at the speed of the C library.

Source: the catalogue of parametrised CRC algorithms by G. Cook (names and parameters); STM32 hardware CRC: RM0008, 4.
"""

from __future__ import annotations

import binascii
import sys
import zlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

__all__ = ["ALGORITHMS", "Algorithm", "crc16_8005", "crc32_mpeg2", "crc32_stm32"]

_REVERSED_BITS = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))
_ORDER_8005 = 32_767
"""x to the power of 8 times this is 1 modulo x^16 + x^15 + x^2 + 1, so bytes this far apart weigh the same."""


def _table_8005() -> tuple[int, ...]:
    table: list[int] = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)  # noqa: PLW2901 - the register shifts
        table.append(value)
    return tuple(table)


_TABLE_8005 = _table_8005()


def crc16_8005(data: bytes, start: int) -> int:
    """Return the reflected CRC with polynomial 0x8005: ARC with ``start`` 0, MODBUS with 0xFFFF.

    There is no C code for it. As its polynomial divides x^262136 + 1, blocks of 32767 bytes are first laid over each
    other with exclusive or, which big integers do at memory speed; only one block goes through the table.
    """
    seeded = bytearray(data)
    if len(seeded) >= 2:
        seeded[0] ^= start & 0xFF
        seeded[1] ^= start >> 8
        start = 0
    folded = bytes(seeded)
    if len(folded) > _ORDER_8005:
        head = len(folded) % _ORDER_8005
        total = int.from_bytes(folded[:head], "little") << 8 * (_ORDER_8005 - head) if head else 0
        for position in range(head, len(folded), _ORDER_8005):
            total ^= int.from_bytes(folded[position : position + _ORDER_8005], "little")
        folded = total.to_bytes(_ORDER_8005, "little")
    register = start
    for byte in folded:
        register = register >> 8 ^ _TABLE_8005[(register ^ byte) & 0xFF]
    return register


def crc32_mpeg2(data: bytes) -> int:
    """Return CRC-32/MPEG-2: zlib's polynomial, most significant bit first, not inverted at the end."""
    reflected = zlib.crc32(data.translate(_REVERSED_BITS))
    return ~int(f"{reflected:032b}"[::-1], 2) & 0xFFFF_FFFF


def crc32_stm32(data: bytes) -> int:
    """Return what the CRC unit of STM32 makes of ``data`` as words; bytes at the end that fill no word are left out."""
    return crc32_mpeg2(_swapped(data[: len(data) & ~3]))


def _swapped(data: bytes) -> bytes:
    words = array("I", data)
    words.byteswap()
    return words.tobytes()


def _sum_of_words(data: bytes, width: int) -> int:
    words = array("H" if width == 2 else "I", data[: len(data) // width * width])
    if sys.byteorder == "big":  # pragma: no cover - big-endian machines
        words.byteswap()
    return sum(words)


@dataclass(frozen=True, slots=True)
class Algorithm:
    """A check value of ``width`` bytes."""

    name: str
    width: int
    compute: Callable[[bytes], int]
    complements: bool = False
    """Whether the value is also stored inverted or negated, as sums are."""
    largest_per_byte: int = 0
    """The most one byte adds, where the value does not wrap around; 0 where every value can come out."""

    def possible(self, stored: Sequence[int], size: int) -> bool:
        """Tell whether one of ``stored`` can be the value over ``size`` bytes: a glance that saves most sums."""
        if not self.largest_per_byte:
            return True
        most, mask = self.largest_per_byte * size, (1 << 8 * self.width) - 1
        return any(value <= most or ~value & mask <= most for value in stored)

    def variants(self, computed: int) -> Iterator[tuple[str, int]]:
        """Yield the names and values under which ``computed`` is stored."""
        mask = (1 << 8 * self.width) - 1
        yield self.name, computed & mask
        if self.complements:
            yield f"{self.name}, inverted", ~computed & mask
            yield f"{self.name}, negated", -computed & mask


ALGORITHMS = (
    Algorithm("crc32", 4, zlib.crc32, complements=True),
    Algorithm("crc32-mpeg2", 4, crc32_mpeg2, complements=True),
    Algorithm("crc32-stm32", 4, crc32_stm32),
    Algorithm("sum32 of bytes", 4, sum, complements=True, largest_per_byte=255),
    Algorithm("sum32 of words", 4, lambda data: _sum_of_words(data, 4), complements=True),
    Algorithm("crc16-ccitt-false", 2, lambda data: binascii.crc_hqx(data, 0xFFFF)),
    Algorithm("crc16-xmodem", 2, lambda data: binascii.crc_hqx(data, 0)),
    Algorithm("crc16-modbus", 2, lambda data: crc16_8005(data, 0xFFFF)),
    Algorithm("crc16-arc", 2, lambda data: crc16_8005(data, 0)),
    Algorithm("sum16 of bytes", 2, sum, complements=True),
    Algorithm("sum16 of words", 2, lambda data: _sum_of_words(data, 2), complements=True),
)
