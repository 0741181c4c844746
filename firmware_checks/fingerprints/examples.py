"""Small libraries and programs made of drawn instructions, to try the signatures on without a compiler."""

from __future__ import annotations

import random
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Made", "made_function", "object_file", "program"]

PUSH, POP, NOP = 0xB510, 0xBD10, 0xBF00
CALL = (0xF7FF, 0xFFFE)
"""BL to a symbol of which nothing is known yet."""
THUMB_CALL = 10
FUNCTION, GLOBAL = 2, 0x10


@dataclass(frozen=True)
class Made:
    """A function: its halfwords, and the names it calls by position of the call."""

    halves: tuple[int, ...]
    calls: Mapping[int, str]


def made_function(seed: object, size: int, calls: Sequence[str] = ()) -> Made:
    """Return a function of about ``size`` instructions, always the same for a seed."""
    chance = random.Random(str(seed))  # noqa: S311  # a repeatable example
    halves = [PUSH]
    places: dict[int, str] = {}
    waiting = list(calls)
    for number in range(size):
        if waiting and number >= size * (len(calls) - len(waiting) + 1) // (len(calls) + 1):
            places[len(halves)] = waiting.pop(0)
            halves += CALL
        halves.append(_drawn(chance))
    halves.append(POP)
    if len(halves) % 2:
        halves.append(NOP)
    return Made(tuple(halves), places)


def _drawn(chance: random.Random) -> int:
    registers = chance.randrange(64)
    kind = chance.randrange(5)
    if kind == 0:
        return 0x2000 | chance.randrange(8) << 8 | chance.randrange(256)  # movs rX, #imm
    if kind == 1:
        return 0x2800 | chance.randrange(8) << 8 | chance.randrange(256)  # cmp rX, #imm
    if kind == 2:
        return 0x6800 | chance.randrange(32) << 6 | registers  # ldr rX, [rY, #offset]
    if kind == 3:
        return 0x6000 | chance.randrange(32) << 6 | registers  # str rX, [rY, #offset]
    return 0x4000 | chance.randrange(16) << 6 | registers  # an operation on two registers


def program(functions: Mapping[str, Made], *, stack: int, base: int) -> bytes:
    """Return the functions linked at ``base`` behind a vector table whose handlers are the first of them."""
    table = 64
    places: dict[str, int] = {}
    position = table
    for name, made in functions.items():
        places[name] = position
        position += 2 * len(made.halves)
    handlers = [base + place | 1 for place in places.values()]
    words = [stack, *(handlers[n % len(handlers)] for n in range(15))]
    data = bytearray(struct.pack("<16I", *words))
    for name, made in functions.items():
        halves = list(made.halves)
        for where, called in made.calls.items():
            distance = places.get(called, places[name]) - (places[name] + 2 * where + 4)
            halves[where : where + 2] = _branch(distance)
        data += struct.pack(f"<{len(halves)}H", *halves)
    return bytes(data)


def _branch(distance: int) -> tuple[int, int]:
    sign = distance >> 24 & 1
    j1, j2 = 1 ^ distance >> 23 & 1 ^ sign, 1 ^ distance >> 22 & 1 ^ sign
    first = 0xF000 | sign << 10 | distance >> 12 & 0x3FF
    return first, 0xD000 | j1 << 13 | j2 << 11 | distance >> 1 & 0x7FF


def object_file(functions: Mapping[str, Made]) -> bytes:
    """Return an ELF object file for Arm with one section of code, its relocations and symbols."""
    text, symbols, relocations = bytearray(), [bytes(16)], bytearray()
    strings = bytearray(b"\0")
    outside = sorted({c for made in functions.values() for c in made.calls.values()} - set(functions))
    numbers = {name: index for index, name in enumerate([*functions, *outside], 1)}
    for name, made in functions.items():
        start = len(text)
        for where, called in sorted(made.calls.items()):
            relocations += struct.pack("<II", start + 2 * where, numbers[called] << 8 | THUMB_CALL)
        text += struct.pack(f"<{len(made.halves)}H", *made.halves)
        kind = GLOBAL | FUNCTION
        symbols.append(struct.pack("<IIIBBH", len(strings), start | 1, len(text) - start, kind, 0, 1))
        strings += name.encode() + b"\0"
    for name in outside:
        symbols.append(struct.pack("<IIIBBH", len(strings), 0, 0, GLOBAL, 0, 0))
        strings += name.encode() + b"\0"
    names = b"\0.text\0.rel\0.symtab\0.strtab\0"
    parts = [bytes(text), bytes(relocations), b"".join(symbols), bytes(strings), names]
    offsets = [52 + sum(len(p) for p in parts[:index]) for index in range(len(parts))]
    rows = [
        bytes(40),
        struct.pack("<10I", 1, 1, 6, 0, offsets[0], len(parts[0]), 0, 0, 4, 0),
        struct.pack("<10I", 7, 9, 0, 0, offsets[1], len(parts[1]), 3, 1, 4, 8),
        struct.pack("<10I", 12, 2, 0, 0, offsets[2], len(parts[2]), 4, 1, 4, 16),
        struct.pack("<10I", 20, 3, 0, 0, offsets[3], len(parts[3]), 0, 0, 1, 0),
        struct.pack("<10I", 0, 3, 0, 0, offsets[4], len(parts[4]), 0, 0, 1, 0),
    ]
    head = b"\x7fELF" + bytes([1, 1, 1]) + bytes(9)
    tables = 52 + sum(map(len, parts))
    head += struct.pack("<HHIIIIIHHHHHH", 1, 40, 1, 0, 0, tables, 0x0500_0000, 52, 0, 0, 40, len(rows), 5)
    return head + b"".join(parts) + b"".join(rows)
