"""What ARM Thumb code looks like in bytes: calls, beginnings of functions, constants that instructions load.

Source: Arm v7-M Architecture Reference Manual (DDI 0403), chapter A5 and A7.7 for the encodings.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from itertools import compress

from xxhash import xxh3_128_digest

__all__ = ["STARTS", "calls", "constants", "function_starts", "is_wide", "literal_loads"]

STARTS = re.compile(
    rb"(?:.{8}.\xb5"  # push {.., lr}
    rb"|.{8}\x2d\xe9.[\x40-\x5f]"  # push.w {.., lr}
    rb"|.{6}(?:\x70\x47|.\xbd)"  # after bx lr or pop {.., pc}
    rb"|.{4}(?:\x70\x47|.\xbd)(?:\x00\xbf|\xc0\x46|\x00\x00)"  # the same, aligned by a nop
    rb"|.{4}\xbd\xe8.[\x80-\xff])",  # after pop.w {.., pc}
    re.DOTALL,
)
_BL = re.compile(rb"[\xf0-\xf7](?=[\xd0-\xdf\xf0-\xff])")
_PUSH = re.compile(rb"\xb5")
_PUSH_WIDE = re.compile(rb"\xe9(?=[\x40-\x5f])")
_IS_LITERAL_LOAD = bytes(0x48 <= value <= 0x4F for value in range(256))
_WIDE_LITERAL_LOAD = re.compile(rb"\xf8(?=[\x00-\xef])")
_MOVW_MOVT = re.compile(rb"[\x40-\x4f][\xf2\xf6]..[\xc0-\xcf][\xf2\xf6]..", re.DOTALL)
_WIDE = re.compile(rb"[\xe9-\xeb]|(?<![\xf0-\xf7])[\xf8-\xfb]")
"""The first halfwords of 32-bit data instructions; after 0xF0-0xF7 it is the second half of BL, which Cortex-M0 has."""


def calls(data: bytes, offset: int) -> Iterator[int]:
    """Yield where each BL instruction of ``data``, which stands at ``offset``, goes to."""
    low, high = data[0::2], data[1::2]
    for match in _BL.finditer(high):
        index = match.start()
        first = high[index] << 8 | low[index]
        second = high[index + 1] << 8 | low[index + 1]
        yield offset + 2 * index + 4 + _branch_distance(first, second)


def _branch_distance(first: int, second: int) -> int:
    """Return the signed distance of the BL made of two halfwords; encoding T1 of BL."""
    sign = first >> 10 & 1
    i1 = 1 - (second >> 13 & 1 ^ sign)
    i2 = 1 - (second >> 11 & 1 ^ sign)
    distance = i1 << 23 | i2 << 22 | (first & 0x3FF) << 12 | (second & 0x7FF) << 1
    return distance - (1 << 24 if sign else 0)


def function_starts(data: bytes) -> list[int]:
    """Return the offsets of instructions that save the return address: nearly all functions begin with one."""
    low, high = data[0::2], data[1::2]
    starts = [2 * match.start() for match in _PUSH.finditer(high)]
    starts += [2 * match.start() for match in _PUSH_WIDE.finditer(high) if low[match.start()] == 0x2D]
    return starts


_last: tuple[bytes, frozenset[int]] = (b"", frozenset())
"""Digest of the program that was asked about last, and the answer: several ask about the same one after the other."""


def constants(data: bytes) -> frozenset[int]:
    """Return the 32-bit values that instructions in ``data`` load: from literal pools and by MOVW with MOVT."""
    global _last  # noqa: PLW0603  # replaced as a whole, so that threads see one or the other
    digest = xxh3_128_digest(data)
    known, words = _last
    if known != digest:
        words = frozenset(_loaded(data))
        _last = digest, words
    return words


def _loaded(data: bytes) -> Iterator[int]:
    for position in _literal_positions(data):
        if position + 4 <= len(data):
            yield int.from_bytes(data[position : position + 4], "little")
    yield from _movw_movt(data)


def literal_loads(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield where each narrow ``ldr rX, [pc, #imm]`` stands, and where its operand does."""
    low, high = data[0::2], data[1::2]
    loads = high.translate(_IS_LITERAL_LOAD)
    places = compress(range(0, 2 * len(high), 2), loads)
    for place, words in zip(places, compress(low, loads), strict=True):
        yield place, (place + 4 & ~3) + 4 * words


def _literal_positions(data: bytes) -> set[int]:
    """Return where the operands of ``ldr rX, [pc, #imm]`` stand: behind the code, within 1 KiB (4 KiB when wide)."""
    positions = {place for _, place in literal_loads(data)}
    low, high = data[0::2], data[1::2]
    for match in _WIDE_LITERAL_LOAD.finditer(high):
        index = match.start()
        if low[index] == 0xDF and index + 1 < len(low):  # ldr.w rX, [pc, #+imm12]
            positions.add((2 * index + 4 & ~3) + ((high[index + 1] & 0xF) << 8 | low[index + 1]))
    return positions


def _movw_movt(data: bytes) -> Iterator[int]:
    for match in _MOVW_MOVT.finditer(data):
        if match.start() & 1:
            continue
        first, second, third, fourth = struct.unpack("<4H", match.group())
        if second >> 8 & 0xF == fourth >> 8 & 0xF and not (second | fourth) & 0x8000:
            yield _immediate16(first, second) | _immediate16(third, fourth) << 16


def _immediate16(first: int, second: int) -> int:
    """Return the 16-bit immediate of MOVW or MOVT: imm4:i:imm3:imm8."""
    return (first & 0xF) << 12 | (first >> 10 & 1) << 11 | (second >> 12 & 7) << 8 | second & 0xFF


def is_wide(data: bytes) -> bool:
    """Tell whether ``data`` uses 32-bit instructions that Cortex-M0 and M0+ do not have.

    Measured on 40 programs: below 0.4 % of all halfwords for M0 and M0+, above 2.5 % for M3 and M4.
    """
    high = data[1::2]
    return len(_WIDE.findall(high)) * 80 > len(high)
