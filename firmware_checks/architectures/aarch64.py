"""ARM 64-bit (AArch64): Cortex-A application processors."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from firmware_checks.architecture import Architecture, Code, Recognition
from firmware_checks.structure.calls import judge, measure
from firmware_checks.structure.examples import ring_of_calls
from firmware_checks.structure.load_base import text_base

__all__ = ["ARCHITECTURE"]

_STARTS = re.compile(
    rb"(?:.{8}(?:\xfd\x7b.\xa9|\xff..\xd1|\x3f\x23\x03\xd5|\x5f\x24\x03\xd5)"  # stp x29, x30; sub sp; paciasp; bti
    rb"|.{4}(?:\xc0\x03\x5f\xd6|...[\x14-\x17]|\x1f\x20\x03\xd5))",  # after ret, b, nop
    re.DOTALL,
)
_BL = re.compile(rb"[\x94-\x97]")


def _recognise(code: Code) -> Recognition | None:
    landing = measure(code, _calls, _STARTS)
    if judge(landing) is None:
        return None
    base, notes = text_base(code, width=8, byte_order="little")
    return judge(landing, notes=notes, load_address=base)


def _calls(data: bytes, offset: int) -> Iterator[int]:
    for match in _BL.finditer(data[3::4]):
        position = 4 * match.start()
        value = int.from_bytes(data[position : position + 4], "little") & 0x3FF_FFFF
        yield offset + position + 4 * (value - (1 << 26 if value >> 25 else 0))


def _example() -> bytes:
    def function(here: int, target: int) -> bytes:
        call = 0x9400_0000 | (target - here - 4 >> 2) & 0x3FF_FFFF
        return struct.pack("<4I", 0xA9BF_7BFD, call, 0xA8C1_7BFD, 0xD65F_03C0)

    return ring_of_calls(function)


ARCHITECTURE = Architecture(
    name="aarch64",
    title="ARM 64-bit",
    source="Arm Architecture Reference Manual for A-profile (DDI 0487), C6.2",
    recognise=_recognise,
    example=_example,
)
