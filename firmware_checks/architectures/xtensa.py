"""Tensilica Xtensa: ESP8266, ESP32, Atheros radios; both byte orders, both ways of calling."""

from __future__ import annotations

import re
from collections.abc import Iterator

from firmware_checks.architecture import Architecture, Code, Recognition
from firmware_checks.structure.calls import judge, measure
from firmware_checks.structure.examples import ring_of_calls
from firmware_checks.structure.load_base import text_base

__all__ = ["ARCHITECTURE"]

MINIMUM_RATIO = 0.02
"""Calls are recognised by 4 bits only, so most that are tried are none; random bytes give less than 0.0005."""
_ANY_HIGH = rb"[\x05\x15\x25\x35\x45\x55\x65\x75\x85\x95\xa5\xb5\xc5\xd5\xe5\xf5]"
_LOW_NIBBLE_1 = rb"[\x01\x11\x21\x31\x41\x51\x61\x71\x81\x91\xa1\xb1\xc1\xd1\xe1\xf1]"
_LITTLE_STARTS = re.compile(
    rb".{8}(?:\x36" + _LOW_NIBBLE_1 + rb"|\x12\xc1[\x80-\xff])", re.DOTALL
)  # entry; addi a1, a1, -n
_BIG_STARTS = re.compile(rb".{8}(?:\x6c\x10|\x21\x1c[\x80-\xff])", re.DOTALL)
_ENTRIES = {"little": (b"\x36\x41\x00", b"\x36\x61\x00", b"\x12\xc1\xf0", b"\x12\xc1\xe0"), "big": (b"\x6c\x10\x04",)}
"""The commonest first instructions of functions: without them nothing further is looked for."""
_LITTLE_CALL = re.compile(_ANY_HIGH + rb"(?=..)", re.DOTALL)
_BIG_CALL = re.compile(rb"[\x50-\x5f](?=..)", re.DOTALL)


def _recognise(code: Code) -> Recognition | None:
    found = [_recognise_order(code, order) for order in ("little", "big")]
    return max((one for one in found if one), key=lambda one: one.strength, default=None)


def _recognise_order(code: Code, order: str) -> Recognition | None:
    if sum(data.count(entry) for _, data in code.windows for entry in _ENTRIES[order]) < 2:
        return None
    calls, starts = (_little_calls, _LITTLE_STARTS) if order == "little" else (_big_calls, _BIG_STARTS)
    landing = measure(code, calls, starts)
    if judge(landing, minimum_ratio=MINIMUM_RATIO) is None:
        return None
    base, notes = text_base(code, width=4, byte_order=order)
    return judge(landing, notes=notes, minimum_ratio=MINIMUM_RATIO, byte_order=order, load_address=base)


def _little_calls(data: bytes, offset: int) -> Iterator[int]:
    for match in _LITTLE_CALL.finditer(data):
        value = int.from_bytes(data[match.start() : match.start() + 3], "little") >> 6
        yield _target(offset + match.start(), value)


def _big_calls(data: bytes, offset: int) -> Iterator[int]:
    for match in _BIG_CALL.finditer(data):
        value = int.from_bytes(data[match.start() : match.start() + 3], "big") & 0x3_FFFF
        yield _target(offset + match.start(), value)


def _target(here: int, value: int) -> int:
    return (here & ~3) + 4 + 4 * (value - (1 << 18 if value >> 17 else 0))


def _example() -> bytes:
    def function(here: int, target: int) -> bytes:
        distance = (target - (here + 3 & ~3) - 4 >> 2) & 0x3_FFFF
        call8 = (distance << 6 | 0x25).to_bytes(3, "little")
        return b"\x36\x41\x00" + call8 + b"\x1d\xf0" + b"\0" * 4

    return ring_of_calls(function)


ARCHITECTURE = Architecture(
    name="xtensa",
    title="Tensilica Xtensa",
    source="Xtensa Instruction Set Architecture reference manual, chapters 6 (CALL0, CALL8, ENTRY) and 7",
    recognise=_recognise,
    example=_example,
)
