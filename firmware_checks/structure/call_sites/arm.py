"""Stubs, calls and arguments on 32-bit Arm, in Arm and in Thumb code.

Sources: Arm Architecture Reference Manual (DDI 0406), A5, A6 and A8.8; AAPCS32; GNU ld, elf32-arm.c (stubs).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Collection, Iterator
from functools import lru_cache
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

_BL = re.compile(rb"\xeb")
CHUNK_BYTES: Final = 1 << 16
_KEPT = range(4, 12)
"""Registers that functions leave as they are. Source: AAPCS32, 6.1.1."""
_STUB = re.compile(rb"(?s)\xc6\x8f\xe2(.)\xca\x8c\xe2(.[\xf0-\xff])\xbc\xe5")


def _stubs(stretch: Stretch, slots: Collection[int]) -> Iterator[tuple[int, int]]:
    """Find ``add ip, pc, #a; add ip, ip, #b; ldr pc, [ip, #c]!``, with ``bx pc`` in Thumb before it or not."""
    for found in _STUB.finditer(stretch.data):
        place = found.start() - 1
        if place >= 0 and place % 4 == 0:
            address = stretch.address + place
            low = int.from_bytes(found[2], "little") & 0xFFF
            slot = address + 8 + (stretch.data[place] << 20) + (found[1][0] << 12) + low & 0xFFFF_FFFF
            if slot in slots:
                yield address, slot
                yield address - 4, slot


def _calls(stretch: Stretch, stubs: Collection[int], _slots: Collection[int]) -> Iterator[tuple[int, int]]:
    for place, word in words(stretch, _BL):
        target = stretch.address + place + 8 + 4 * signed(word, 24)
        if target in stubs:
            yield place, target
    if stubs:
        yield from _calls_from_thumb(stretch, stubs)


def _calls_from_thumb(stretch: Stretch, stubs: Collection[int]) -> Iterator[tuple[int, int]]:
    data, address = stretch.data, stretch.address
    first, last = min(stubs) - CHUNK_BYTES - 4, max(stubs)
    for start in range(0, len(data), CHUNK_BYTES):
        here, end = address + start, start + CHUNK_BYTES
        for pattern in _blx_over(first - here >> 12, last - here >> 12):
            for found in pattern.finditer(data, start, end):
                place = found.start() - 1
                if place % 2 == 0:
                    target = (address + place + 4 & ~3) + _blx_distance(data[place : place + 4])
                    if target in stubs:
                        yield place, target


@lru_cache(maxsize=512)
def _blx_over(first: int, last: int) -> tuple[re.Pattern[bytes], ...]:
    """Return what matches, from its second byte on, BLX whose distance in units of 4 KiB is among these.

    Looking at every call of a large program in Python would take as long as all other looks together.
    """
    lows: dict[int, set[int]] = {}
    for number in range(first, last + 1):
        half = 0xF000 | (0x400 if number < 0 else 0) | number & 0x3FF
        lows.setdefault(half >> 8, set()).add(half & 0xFF)
    return tuple(_blx_with(high, bytes(sorted(low))) for high, low in lows.items())


def _blx_with(high: int, lows: bytes) -> re.Pattern[bytes]:
    byte = re.escape(bytes((high,)))
    return re.compile(byte + rb"(?<=[" + re.escape(lows) + rb"]" + byte + rb")(?=[\x00-\xff][\xc0-\xcf\xe0-\xef])")


def _blx_distance(instruction: bytes) -> int:
    """Return the distance of BLX from Thumb to Arm code; encoding T2."""
    first, second = instruction[0] | instruction[1] << 8, instruction[2] | instruction[3] << 8
    sign = first >> 10 & 1
    ones = (~(second >> 13 ^ sign) & 1) << 23 | (~(second >> 11 ^ sign) & 1) << 22
    distance = ones | (first & 0x3FF) << 12 | (second & 0x7FE) << 1
    return distance - (1 << 24 if sign else 0)


def _argument(stretch: Stretch, place: int, number: int) -> int | Origin:
    is_arm = place % 4 == 0 and stretch.data[place + 3 : place + 4] == b"\xeb"
    if is_arm:
        return _arm_set(stretch, place, number, REACH_BYTES, may_follow=True)
    return _thumb_set(stretch, place, number, REACH_BYTES, may_follow=True)


_ARM_RULES: Final = (
    (0xFFFF_0000, 0xE59F_0000, Origin.CONSTANT),  # ldr rN, [pc, #imm]
    (0xFFB0_0000, 0xE300_0000, Origin.CONSTANT),  # movw, movt
    (0xFFFF_0FF0, 0xE08F_0000, Origin.CONSTANT),  # add rN, pc, rM
    (0xFFF0_0FFF, 0xE080_000F, Origin.CONSTANT),  # add rN, rM, pc
    (0xFFFF_0000, 0xE28D_0000, Origin.BUFFER),  # add rN, sp, #imm
    (0xFFFF_0000, 0xE24B_0000, Origin.BUFFER),  # sub rN, fp, #imm
    (0xFFFF_0FFF, 0xE1A0_000D, Origin.BUFFER),  # mov rN, sp
    (0x0C00_0000, 0x0000_0000, Origin.ELSEWHERE),  # all other arithmetic
    (0x0C10_0000, 0x0410_0000, Origin.ELSEWHERE),  # all other loads of one register
)
"""Mask, value and what it says; the register is in bits 12 to 15."""


def _arm_set(stretch: Stretch, place: int, register: int, reach: int, *, may_follow: bool) -> Origin:
    """Return what the last Arm instruction before ``place`` that sets ``register`` puts there."""
    start = max(0, place - reach)
    words = struct.unpack(f"<{(place - start) // 4}I", stretch.data[start : start + (place - start) // 4 * 4])
    for index in range(len(words) - 1, -1, -1):
        word = words[index]
        is_gone = register not in _KEPT and word >> 24 & 0xF == 0xB  # bl
        if is_gone or (word & 0x0E10_0000 == 0x0810_0000 and word >> register & 1):  # ldm
            return Origin.ELSEWHERE
        if word >> 12 & 0xF != register:
            continue
        if word & 0xFFFF_0FF0 == 0xE1A0_0000 and word & 0xF != STACK and may_follow:  # mov rN, rM
            return _arm_set(stretch, start + 4 * index, word & 0xF, FAR_REACH_BYTES, may_follow=False)
        origin = next((origin for mask, value, origin in _ARM_RULES if word & mask == value), None)
        if origin is not None:
            return origin
    return Origin.ELSEWHERE


STACK, COUNTER, FRAME = 13, 15, 7
"""Numbers of the stack pointer, the program counter, and what GCC makes the frame pointer in Thumb code."""
_NARROW: Final = (
    (0xF800, 0x4800, 8, Origin.CONSTANT),  # ldr rN, [pc, #imm]
    (0xF800, 0xA000, 8, Origin.CONSTANT),  # adr rN
    (0xF800, 0xA800, 8, Origin.BUFFER),  # add rN, sp, #imm
    (0xF800, 0x9800, 8, Origin.ELSEWHERE),  # ldr rN, [sp, #imm]
    (0xF800, 0x2000, 8, Origin.ELSEWHERE),  # movs rN, #imm
    (0xF000, 0x3000, 8, Origin.ELSEWHERE),  # adds, subs rN, #imm
    (0xE000, 0x0000, 0, Origin.ELSEWHERE),  # shifts and sums of two others
    (0xFC00, 0x4000, 0, Origin.ELSEWHERE),  # arithmetic
    (0xF800, 0x5800, 0, Origin.ELSEWHERE),  # ldr rN, [rM, rO]
    (0xF800, 0x6800, 0, Origin.ELSEWHERE),  # ldr rN, [rM, #imm]
    (0xF800, 0x7800, 0, Origin.ELSEWHERE),  # ldrb
    (0xF800, 0x8800, 0, Origin.ELSEWHERE),  # ldrh
)
"""16-bit instructions: mask, value, where the register stands in three bits, and what it says."""
_WIDE: Final = (
    (0xFBF0, 0xF240, 8, Origin.CONSTANT),  # movw
    (0xFBF0, 0xF2C0, 8, Origin.CONSTANT),  # movt
    (0xFFFF, 0xF8DF, 12, Origin.CONSTANT),  # ldr.w rN, [pc, #imm]
    (0xFBFF, 0xF10D, 8, Origin.BUFFER),  # add.w rN, sp, #imm
    (0xFBFF, 0xF20D, 8, Origin.BUFFER),  # addw rN, sp, #imm
    (0xFE10, 0xF810, 12, Origin.ELSEWHERE),  # loads
    (0xFE50, 0xE850, 12, Origin.ELSEWHERE),  # loads of two
    (0xF800, 0xF000, 8, Origin.ELSEWHERE),  # arithmetic with a number
    (0xFE00, 0xEA00, 8, Origin.ELSEWHERE),  # arithmetic
)
"""32-bit instructions: mask and value of the first half, where the register stands in the second, and what it says."""
_ON_FRAME: Final = (0xF107, 0xF207, 0xF1A7, 0xF2A7)
_FRAME_MADE = re.compile(rb"[\x00-\xff]\xaf|\x6f\x46")
"""``add r7, sp, #imm`` and ``mov r7, sp``."""
FRAME_REACH_BYTES: Final = 2048


def _thumb_set(stretch: Stretch, place: int, register: int, reach: int, *, may_follow: bool) -> Origin:
    """Return what the last Thumb instruction before ``place`` that sets ``register`` puts there."""
    start = max(0, place - reach) & ~1
    for here, first, second in reversed(list(_thumb_instructions(stretch.data, start, place))):
        if second is not None and first & 0xF800 == 0xF000 and second & 0xC000 == 0xC000:  # bl, blx
            if register not in _KEPT:
                return Origin.ELSEWHERE
            continue
        effect = _narrow(first, register) if second is None else _wide(first, second, register)
        if isinstance(effect, Origin):
            return effect
        if effect == FRAME and (second is not None or first & 0xFE00 == 0x1C00):
            has_frame = _FRAME_MADE.search(stretch.data, max(0, here - FRAME_REACH_BYTES), here) is not None
            return Origin.BUFFER if has_frame else Origin.ELSEWHERE
        if effect is not None:
            return (
                _thumb_set(stretch, here, effect, FAR_REACH_BYTES, may_follow=False) if may_follow else Origin.ELSEWHERE
            )
    return Origin.ELSEWHERE


def _thumb_instructions(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int | None]]:
    """Yield place and halves of the instructions; a start inside of one sets itself right after a few."""
    place = start
    while place + 2 <= min(end, len(data)):
        first = data[place] | data[place + 1] << 8
        is_wide = first >> 11 in (0x1D, 0x1E, 0x1F) and place + 4 <= min(end, len(data))
        yield place, first, data[place + 2] | data[place + 3] << 8 if is_wide else None
        place += 4 if is_wide else 2


def _narrow(half: int, register: int) -> Origin | int | None:
    """Return what a 16-bit instruction puts into ``register``, or the register it copies; None when it sets another."""
    high = half >> 4 & 8 | half & 7
    if half & 0xFF00 == 0x4600 and high == register:  # mov rN, rM
        source = half >> 3 & 0xF
        return Origin.BUFFER if source == STACK else source
    if half & 0xFF00 == 0x4400 and high == register:  # add rN, rM
        return Origin.CONSTANT if half >> 3 & 0xF == COUNTER else Origin.ELSEWHERE
    if half & 0xFE00 == 0xBC00 and half >> register & 1 and register <= FRAME:  # pop
        return Origin.ELSEWHERE
    if half & 0xFFC7 == 0x1C00 | register:  # adds rN, rM, #0
        return half >> 3 & 7
    for mask, value, shift, origin in _NARROW:
        if half & mask == value:
            return origin if half >> shift & 7 == register else None
    return None


def _wide(first: int, second: int, register: int) -> Origin | int | None:
    """Return what a 32-bit instruction puts into ``register``, or the register it is counted from."""
    if first & 0xFFD0 == 0xE890:  # ldm, pop.w
        return Origin.ELSEWHERE if second >> register & 1 else None
    if first & 0xFBFF in _ON_FRAME and second >> 8 & 0xF == register:
        return FRAME
    if first & 0xFFFF == 0xEA4F and second & 0xF0F0 == 0 and second >> 8 & 0xF == register:  # mov.w rN, rM
        return second & 0xF
    for mask, value, shift, origin in _WIDE:
        if first & mask == value:
            return origin if second >> shift & 0xF == register else None
    return None


MACHINE: Final = Machine(stubs=_stubs, calls=_calls, argument=_argument)
