"""Stubs, calls and arguments on 64-bit Arm.

Sources: Arm A64 Instruction Set Architecture (DDI 0596); AAPCS64; GNU ld, elfnn-aarch64.c (stubs).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Collection, Iterator
from typing import Final

from firmware_checks.structure.call_sites.model import (
    FAR_REACH_BYTES,
    REACH_BYTES,
    Machine,
    Origin,
    Stretch,
    signed,
    words,
)

__all__ = ["MACHINE"]

_STUB = re.compile(rb"(?s)[\x10]..[\x90\xb0\xd0\xf0]\x11[\x02-\xfe].\xf9")


def _stubs(stretch: Stretch, slots: Collection[int]) -> Iterator[tuple[int, int]]:
    """Find ``adrp x16, page; ldr x17, [x16, #place]``, with ``bti c`` before it or not."""
    for found in _STUB.finditer(stretch.data):
        if found.start() % 4:
            continue
        first, second = struct.unpack("<II", found.group())
        if first & 0x9F00_001F != 0x9000_0010 or second & 0xFFC0_03FF != 0xF940_0211:
            continue
        address = stretch.address + found.start()
        slot = _page(first, address) + (second >> 10 & 0xFFF) * 8
        if slot in slots:
            yield address, slot
            yield address - 4, slot


def _page(instruction: int, address: int) -> int:
    """Return the page that ``adrp`` at ``address`` names."""
    pages = (instruction >> 5 & 0x7FFFF) << 2 | instruction >> 29 & 3
    signed = pages - (1 << 21) if pages & 1 << 20 else pages
    return (address & ~0xFFF) + (signed << 12)


_CALL = re.compile(rb"[\x94-\x97]")


def _calls(stretch: Stretch, stubs: Collection[int], _slots: Collection[int]) -> Iterator[tuple[int, int]]:
    for place, word in words(stretch, _CALL):
        target = stretch.address + place + 4 * signed(word, 26)
        if target in stubs:
            yield place, target


_KEPT = range(19, 29)
"""Registers that functions leave as they are. Source: AAPCS64, 6.1.1."""


def _argument(stretch: Stretch, place: int, number: int) -> int | Origin:
    return _set(stretch, place, number, REACH_BYTES, may_follow=True)


def _set(stretch: Stretch, place: int, number: int, reach: int, *, may_follow: bool) -> int | Origin:
    """Return what the last instruction before ``place`` that sets register ``number`` puts there."""
    start = max(0, place - reach)
    words = struct.unpack(f"<{(place - start) // 4}I", stretch.data[start : start + (place - start) // 4 * 4])
    for index in range(len(words) - 1, -1, -1):
        word, here = words[index], start + 4 * index
        if number not in _KEPT and word >> 26 == 0x25:  # bl
            return Origin.ELSEWHERE
        if not _writes(word, number):
            continue
        if word & 0xFF80_0000 == 0x9100_0000:  # add xN, xM, #imm
            source, value = word >> 5 & 0x1F, word >> 10 & 0xFFF
            return Origin.BUFFER if source in (29, 31) else _page_of(words, index, source, stretch, start, value)
        if word & 0x9F00_0000 == 0x1000_0000:  # adr
            return stretch.address + here + signed((word >> 5 & 0x7FFFF) << 2 | word >> 29 & 3, 21)
        if word & 0xFFE0_FFE0 == 0xAA00_03E0 and may_follow:  # mov xN, xM
            return _set(stretch, here, word >> 16 & 0x1F, FAR_REACH_BYTES, may_follow=False)
        return Origin.ELSEWHERE
    return Origin.ELSEWHERE


def _writes(word: int, number: int) -> bool:
    """Tell whether an instruction sets a register: not branches and stores, and pairs of loads set two."""
    if word >> 26 & 7 == 0b101:
        return False
    if word >> 25 & 0b101 == 0b100:
        is_load, is_pair = word >> 22 & 3 != 0, word >> 27 & 7 == 0b101 and word >> 22 & 1
        return bool(is_load and word & 0x1F == number) or bool(is_pair and word >> 10 & 0x1F == number)
    return word & 0x1F == number


def _page_of(words: tuple[int, ...], index: int, source: int, stretch: Stretch, start: int, value: int) -> int | Origin:
    for before in range(index - 1, -1, -1):
        if words[before] & 0x9F00_001F == 0x9000_0000 | source:
            return _page(words[before], stretch.address + start + 4 * before) + value
    return Origin.ELSEWHERE


MACHINE: Final = Machine(stubs=_stubs, calls=_calls, argument=_argument)
