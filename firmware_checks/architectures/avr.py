"""Microchip (Atmel) AVR, 8 bits: ATmega, ATtiny, XMEGA."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from firmware_checks.architecture import Architecture, Code, Recognition
from firmware_checks.structure.calls import CallFinder, judge, measure
from firmware_checks.structure.examples import ring_of_calls
from firmware_checks.structure.load_base import count_votes

__all__ = ["ARCHITECTURE"]

SCANNED_BYTES = 1 << 18
"""The largest AVR has 384 KiB of flash; a part of it answers."""
FLASH_BYTES = 0x6_0000
BOOT_ALIGNMENT = 0x100
MINIMUM_VECTORS = 12
MAXIMUM_VECTORS = 128
MINIMUM_RATIO = 0.5
START_UP = re.compile(rb"\x11\x24(?:\x1f\xbe|[\x80-\x8f]\xb7|\x8f[\xe0-\xef])")
"""``clr r1`` and ``out SREG, r1`` or the read of MCUSR: how programs of avr-gcc begin."""
START_UP_BYTES = 0x400
NOP, JMP, CALL, LONG_MASK = 0x0000, 0x940C, 0x940E, 0xFE0E
_STARTS = re.compile(
    rb"(?:.{6}(?:\x08\x95|\x18\x95|.[\xc0-\xcf])|.{4}\x0c\x94.."  # after ret, reti, rjmp, jmp
    rb"|.{8}[\x0f\x1f\x2f\x3f\x4f\x5f\x6f\x7f\x8f\x9f\xaf\xbf\xcf\xdf\xef\xff][\x92\x93])",  # push
    re.DOTALL,
)
_AFTER_RETURN = re.compile(rb"(?:[\x08\x18]\x95|.[\xc0-\xcf]|[\x0c\x0d]\x94..)", re.DOTALL)
_RCALL = re.compile(rb"[\xd0-\xdf]")
_LONG = re.compile(rb"[\x0c-\x0f]\x94..", re.DOTALL)
_RETURN = b"\x08\x95"


def _recognise(code: Code) -> Recognition | None:
    if not any(_RETURN in data for _, data in code.windows):
        return None
    start = code.plain[0][0] & ~1 if code.plain else 0
    vectors = _vectors(code, start)
    signs: tuple[str, ...] = ()
    if len(vectors) >= MINIMUM_VECTORS:
        signs += (f"{len(vectors)} jumps in a row are an interrupt vector table",)
    if START_UP.search(code.bytes_at(start, START_UP_BYTES)):
        signs += ("the start-up code of an AVR compiler",)
    near = judge(measure(code, _finder(0), _STARTS), signs=signs, minimum_ratio=MINIMUM_RATIO)
    base, notes = _base(code) if near or signs else (code.address, ())
    landing = measure(code, _finder(base or 0), _STARTS)
    ratio = MINIMUM_RATIO / 4 if signs else MINIMUM_RATIO
    entry = base + start if base is not None and signs else None
    return judge(landing, signs=signs, notes=notes, minimum_ratio=ratio, load_address=base, entry_address=entry)


def _base(code: Code) -> tuple[int | None, tuple[str, ...]]:
    """Return the byte address of the first byte: as the file says, or where the absolute jumps lead to functions."""
    if code.address is not None:
        return code.address, (f"placed at {code.address:#x} by the file",)
    data = bytes(code.view[:SCANNED_BYTES])
    targets = {_long_target(match.group()) for match in _LONG.finditer(data) if not match.start() & 1}
    starts = [match.end() for match in _AFTER_RETURN.finditer(data) if not match.start() & 1]
    votes = count_votes(targets, starts, low=0, high=FLASH_BYTES, residue=0, step=BOOT_ALIGNMENT)
    if not votes:
        return None, ()
    best, count = max(votes.items(), key=lambda item: (item[1], -item[0]))
    if count < 3 or count < 2 * max((n for base, n in votes.items() if base != best), default=0):
        return None, ()
    return best, (f"{count} jumps and calls fit when the first byte is at {best:#x}",)


def _long_target(instruction: bytes) -> int:
    """Return the byte address in a JMP or CALL; 22 bits of word address."""
    word, low = int.from_bytes(instruction[:2], "little"), int.from_bytes(instruction[2:], "little")
    return 2 * (((word & 0x1F0) >> 3 | word & 1) << 16 | low)


def _vectors(code: Code, start: int) -> list[int]:
    """Return the jumps in a row at ``start``: JMP, RJMP, or RJMP with a NOP, as compilers fill vector tables."""
    data = code.bytes_at(start, 4 * MAXIMUM_VECTORS)
    words = [word for (word,) in struct.iter_unpack("<H", data[: len(data) & ~1])]
    long = bool(words) and words[0] & LONG_MASK == JMP
    step = 2 if long or words[1:2] == [NOP] else 1
    jumps: list[int] = []
    for index, word in enumerate(words[::step]):
        if not (word & LONG_MASK == JMP if long else word >> 12 == 0xC):
            break
        jumps.append(index * 2 * step)
    return jumps


def _distance(word: int) -> int:
    value = word & 0xFFF
    return 2 * (value - (0x1000 if value >> 11 else 0))


def _finder(base: int) -> CallFinder:
    """Return a finder of calls; absolute ones lead to an offset counted from ``base``."""

    def calls(data: bytes, offset: int) -> Iterator[int]:
        for match in _RCALL.finditer(data[1::2]):
            position = 2 * match.start()
            yield offset + position + 2 + _distance(data[position] | data[position + 1] << 8)
        for match in _LONG.finditer(data):
            if not match.start() & 1 and match.group()[0] & 0xE == CALL & 0xE:
                yield _long_target(match.group()) - base

    return calls


def _example() -> bytes:
    def function(_: int, target: int) -> bytes:
        return struct.pack("<5H", 0x93CF, 0x940E, target // 2, 0x91CF, 0x9508)

    vectors = struct.pack("<HH", 0x940C, 0x60 // 2) + struct.pack("<HH", 0x940C, 0x5C // 2) * 22
    return vectors + struct.pack("<HH", 0x940C, 0) + ring_of_calls(function, start=0x60)


ARCHITECTURE = Architecture(
    name="avr",
    title="Microchip AVR",
    source="AVR Instruction Set Manual (DS40002198)",
    recognise=_recognise,
    example=_example,
)
