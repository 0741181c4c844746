"""Intel 8051 and its many descendants: Cypress FX2, Silicon Labs EFM8, TI CC25xx."""

from __future__ import annotations

import re
from collections.abc import Iterator

from firmware_checks.architecture import Architecture, Code, Recognition
from firmware_checks.structure.calls import judge, measure
from firmware_checks.structure.examples import ring_of_calls

__all__ = ["ARCHITECTURE"]

CODE_BYTES = 0x1_0000
LJMP, RETI = 0x02, 0x32
FIRST_VECTOR, VECTOR_STEP, VECTORS = 0x03, 8, 9
MINIMUM_RATIO = 0.4
MINIMUM_LANDED = 12
"""An instruction of three bytes without alignment is met in tables of numbers too."""
_STARTS = re.compile(
    rb"(?:.{7}[\x22\x32]|.{5}\x02..|.{6}\x80."  # after ret, reti, ljmp, sjmp
    rb"|.{8}\xc0[\x00-\x07\x82\x83\xd0\xe0\xf0])",  # push
    re.DOTALL,
)
_LCALL = re.compile(rb"\x12(?=..)", re.DOTALL)


def _recognise(code: Code) -> Recognition | None:
    if code.size > 2 * CODE_BYTES or (code.address or 0) >= CODE_BYTES:
        return None
    base = code.address or 0
    signs = _signs(code, base)

    def calls(data: bytes, _: int) -> Iterator[int]:
        for match in _LCALL.finditer(data):
            yield (data[match.end()] << 8 | data[match.end() + 1]) - base

    landing = measure(code, calls, _STARTS)
    known = "placed there by the file" if code.address is not None else "calls lead to functions counted from address 0"
    return judge(
        landing,
        signs=signs,
        notes=(known,),
        minimum_ratio=MINIMUM_RATIO,
        minimum_landed=MINIMUM_LANDED,
        load_address=base,
        entry_address=base if signs else None,
    )


def _signs(code: Code, base: int) -> tuple[str, ...]:
    """Return what the start shows: a jump at reset, and jumps, returns or nothing where interrupts enter."""
    head = code.bytes_at(0, FIRST_VECTOR + VECTOR_STEP * VECTORS)
    if len(head) < FIRST_VECTOR + VECTOR_STEP * VECTORS or head[0] != LJMP:
        return ()
    reset = (head[1] << 8 | head[2]) - base
    entries = [head[FIRST_VECTOR + VECTOR_STEP * index] for index in range(VECTORS)]
    used = sum(entry in (LJMP, RETI) for entry in entries)
    if not 0 < reset < code.size or not used or any(entry not in (LJMP, RETI, 0x00, 0xFF) for entry in entries):
        return ()
    return (f"a jump at reset to {reset + base:#x} and {used} interrupt entries in steps of 8 bytes",)


def _example() -> bytes:
    def function(_: int, target: int) -> bytes:
        return bytes([0xC0, 0xE0, 0x12, target >> 8, target & 0xFF, 0xD0, 0xE0, 0x22])

    vectors = bytes([LJMP, 0x00, 0x50]) + (bytes([RETI]) + bytes(VECTOR_STEP - 1)) * VECTORS
    return vectors.ljust(0x50, b"\0") + ring_of_calls(function, start=0x50)


ARCHITECTURE = Architecture(
    name="8051",
    title="Intel 8051",
    source="MCS 51 Microcontroller Family User's Manual (272383), chapters 2 and 3",
    recognise=_recognise,
    example=_example,
)
