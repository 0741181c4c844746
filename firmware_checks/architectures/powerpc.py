"""PowerPC, big-endian: MPC5xx, e200, e500 and others."""

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
    rb"(?:.{8}(?:\x94\x21|\xf8\x21|\x7c\x08\x02\xa6)"  # stwu or stdu r1; mflr r0
    rb"|.{4}(?:\x4e\x80\x00\x20|[\x48-\x4b]..[\x00\x04\x08\x0c\x10\x14\x18\x1c\x20-\xff]|\x60\x00\x00\x00))",  # blr
    re.DOTALL,
)
_BL = re.compile(rb"[\x48-\x4b]")


def _recognise(code: Code) -> Recognition | None:
    landing = measure(code, _calls, _STARTS)
    if judge(landing) is None:
        return None
    base, notes = text_base(code, width=4, byte_order="big")
    return judge(landing, notes=notes, byte_order="big", load_address=base)


def _calls(data: bytes, offset: int) -> Iterator[int]:
    for match in _BL.finditer(data[0::4]):
        position = 4 * match.start()
        word = int.from_bytes(data[position : position + 4], "big")
        if word & 3 == 1:  # relative, and the return address is kept
            value = word & 0x3FF_FFFC
            yield offset + position + value - (1 << 26 if value >> 25 else 0)


def _example() -> bytes:
    def function(here: int, target: int) -> bytes:
        call = 0x4800_0001 | (target - here - 8) & 0x3FF_FFFC
        return struct.pack(">6I", 0x9421_FFF0, 0x7C08_02A6, call, 0x7C08_03A6, 0x3821_0010, 0x4E80_0020)

    return ring_of_calls(function)


ARCHITECTURE = Architecture(
    name="powerpc",
    title="PowerPC",
    source="Power ISA v2.03, book I, 2.4 (branches) and 3.3 (fixed point)",
    recognise=_recognise,
    example=_example,
)
