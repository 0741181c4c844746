"""MIPS, 64 bits, both byte orders."""

from __future__ import annotations

import struct

from firmware_checks.architecture import Architecture, Code, Recognition
from firmware_checks.structure import mips
from firmware_checks.structure.examples import ring_of_calls

__all__ = ["ARCHITECTURE"]


def _recognise(code: Code) -> Recognition | None:
    return mips.recognise(code, bits=64)


def _example() -> bytes:
    def function(_: int, target: int) -> bytes:
        call = 0x0C00_0000 | (0xBFC0_0000 + target) >> 2 & 0x3FF_FFFF
        return struct.pack("<8I", LOWER, SAVE, call, 0, RESTORE, RAISE, 0x03E0_0008, 0)

    return ring_of_calls(function)


LOWER, SAVE, RESTORE, RAISE = 0x67BD_FFE0, 0xFFBF_0018, 0xDFBF_0018, 0x67BD_0020
"""Make room on the stack and keep the return address there; the reverse."""

ARCHITECTURE = Architecture(
    name="mips64",
    title="MIPS 64-bit",
    source="MIPS Architecture for Programmers, volume II-A (MD00087)",
    recognise=_recognise,
    example=_example,
)
