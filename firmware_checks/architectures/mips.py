"""MIPS, 32 bits, both byte orders; PIC32 among them."""

from __future__ import annotations

import struct

from firmware_checks.architecture import Architecture, Code, Recognition
from firmware_checks.structure import mips
from firmware_checks.structure.examples import ring_of_calls

__all__ = ["ARCHITECTURE"]


def _recognise(code: Code) -> Recognition | None:
    return mips.recognise(code, bits=32)


def _example() -> bytes:
    def function(_: int, target: int) -> bytes:
        call = 0x0C00_0000 | (0xBFC0_0000 + target) >> 2 & 0x3FF_FFFF
        return struct.pack("<8I", LOWER, SAVE, call, 0, RESTORE, RAISE, 0x03E0_0008, 0)

    return ring_of_calls(function)


LOWER, SAVE, RESTORE, RAISE = 0x27BD_FFE8, 0xAFBF_0014, 0x8FBF_0014, 0x27BD_0018
"""Make room on the stack and keep the return address there; the reverse."""

ARCHITECTURE = Architecture(
    name="mips",
    title="MIPS",
    source="MIPS Architecture for Programmers, volume II-A (MD00086)",
    recognise=_recognise,
    example=_example,
)
