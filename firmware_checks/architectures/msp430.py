"""Texas Instruments MSP430, 16 bits; its interrupt vectors end at address 0xFFFF."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from firmware_checks.architecture import Architecture, Code, Recognition
from firmware_checks.structure.calls import judge, measure
from firmware_checks.structure.examples import ring_of_calls

__all__ = ["ARCHITECTURE"]

TOP = 0x1_0000
VECTOR_BYTES = 32
MINIMUM_RATIO = 0.4
_STARTS = re.compile(
    rb"(?:.{6}(?:\x30\x41|\x00\x13|\x10\x01|.[\x3c-\x3f])|.{4}\x30\x40.."  # after ret, reti, reta, jmp, br
    rb"|.{8}(?:[\x04-\x0f]\x12|.[\x14\x15]))",  # push, pushm
    re.DOTALL,
)
_CALL = re.compile(rb"\xb0\x12..", re.DOTALL)


def _recognise(code: Code) -> Recognition | None:
    base = code.address if code.address is not None else TOP - code.size
    if base < 0 or base >= TOP:
        return None
    signs = _signs(code, base)

    def calls(data: bytes, _: int) -> Iterator[int]:
        for match in _CALL.finditer(data):
            if not match.start() & 1:
                yield (match.group()[2] | match.group()[3] << 8) - base

    landing = measure(code, calls, _STARTS)
    entry = struct.unpack("<H", code.bytes_at(TOP - 2 - base, 2))[0] if signs else None
    known = "placed there by the file" if code.address is not None else "the last byte is taken to be at 0xffff"
    return judge(
        landing,
        signs=signs,
        notes=(known,),
        minimum_ratio=MINIMUM_RATIO,
        load_address=base,
        entry_address=entry,
        vectors=(TOP - VECTOR_BYTES - base, TOP - base) if signs else None,
    )


def _signs(code: Code, base: int) -> tuple[str, ...]:
    """Return what the 16 words at 0xFFE0 show: handlers at even addresses in the image, reset among them."""
    data = code.bytes_at(TOP - VECTOR_BYTES - base, VECTOR_BYTES)
    if base > TOP - VECTOR_BYTES or len(data) < VECTOR_BYTES:
        return ()
    words = [word for (word,) in struct.iter_unpack("<H", data)]
    used = [word for word in words if word not in (0xFFFF, 0)]
    inside = [word for word in used if not word & 1 and base <= word < TOP - VECTOR_BYTES]
    if len(used) < 2 or inside != used or words[-1] != used[-1]:
        return ()
    return (f"{len(used)} interrupt vectors at 0xffe0, reset to {words[-1]:#x}",)


def _example() -> bytes:
    base = TOP - 0x400

    def function(_: int, target: int) -> bytes:
        return struct.pack("<5H", 0x120A, 0x12B0, base + target, 0x413A, 0x4130)

    vectors = struct.pack("<16H", *[base + 10] * 15, base)
    return ring_of_calls(function).ljust(0x400 - VECTOR_BYTES, b"\xff") + vectors


ARCHITECTURE = Architecture(
    name="msp430",
    title="TI MSP430",
    source="MSP430x1xx Family User's Guide (SLAU049), 2.2.4 and 3.4",
    recognise=_recognise,
    example=_example,
)
