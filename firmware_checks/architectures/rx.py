"""Renesas RX, 32 bits: fixed vectors end at 0xFFFFFFFF, the last one is reset."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from firmware_checks.architecture import Architecture, Code, Recognition
from firmware_checks.structure.calls import judge, measure
from firmware_checks.structure.examples import ring_of_calls

__all__ = ["ARCHITECTURE"]

TOP = 1 << 32
VECTOR_BYTES = 0x80
_STARTS = re.compile(
    rb"(?:.{7}\x02|.{6}\x67.|.{5}\x3f..|.{6}\x7f[\x95\x94]|.{6}\x2e.|.{5}\x38..|.{4}\x04..."  # after rts, rte, bra
    rb"|.{8}(?:\x6e.|\x7e[\xa0-\xaf]|\x71\x00))",  # pushm, push, add #, sp
    re.DOTALL,
)
_CALL = re.compile(rb"\x05...|\x39..", re.DOTALL)


def _recognise(code: Code) -> Recognition | None:
    base = code.address if code.address is not None else TOP - code.size
    signs = _signs(code, base)
    if not signs:
        return None
    landing = measure(code, _calls, _STARTS)
    entry = struct.unpack("<I", code.bytes_at(TOP - 4 - base, 4))[0]
    notes = (f"the last byte is at the top of 4 GiB, the first at {base:#x}",)
    vectors = (code.size - VECTOR_BYTES, code.size)
    return judge(landing, signs=signs, notes=notes, load_address=base, entry_address=entry, vectors=vectors)


def _signs(code: Code, base: int) -> tuple[str, ...]:
    if base + code.size != TOP or code.size < 2 * VECTOR_BYTES:
        return ()
    words = [word for (word,) in struct.iter_unpack("<I", code.bytes_at(code.size - VECTOR_BYTES, VECTOR_BYTES))]
    used = [word for word in words if word not in (0, 0xFFFF_FFFF)]
    if len(used) < 2 or words[-1] != used[-1] or any(not base <= word < TOP - VECTOR_BYTES for word in used):
        return ()
    return (f"{len(used)} fixed vectors below 4 GiB, reset to {words[-1]:#x}",)


def _calls(data: bytes, offset: int) -> Iterator[int]:
    for match in _CALL.finditer(data):
        yield offset + match.start() + int.from_bytes(match.group()[1:], "little", signed=True)


def _example() -> bytes:
    def function(here: int, target: int) -> bytes:
        call = b"\x05" + (target - here - 2).to_bytes(3, "little", signed=True)
        return b"\x7e\xaa" + call + b"\x7e\xba\x02\x03"

    base = TOP - 0x400
    vectors = struct.pack("<32I", *[base + 10] * 31, base)
    return ring_of_calls(function).ljust(0x400 - VECTOR_BYTES, b"\xff") + vectors


ARCHITECTURE = Architecture(
    name="rx",
    title="Renesas RX",
    source="RX Family User's Manual: Software (R01US0032), 2.3 and 3; RX hardware manuals, fixed vector table",
    recognise=_recognise,
    example=_example,
)
