"""Renesas RL78, 16 bits: 64 vectors of two bytes at address 0, option bytes at 0xC0."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from firmware_checks.architecture import Architecture, Code, Recognition
from firmware_checks.structure.calls import judge, measure
from firmware_checks.structure.examples import ring_of_calls

__all__ = ["ARCHITECTURE"]

VECTOR_BYTES = 0x80
FIRST_CODE = 0xD8
"""Code starts after vectors, CALLT table, option bytes and security ID."""
MINIMUM_RATIO = 0.4
_STARTS = re.compile(
    rb"(?:.{7}\xd7|.{6}\x61[\xec\xfc]|.{6}\xef.|.{5}\xee..|.{4}\xec..."  # after ret, retb, reti, br
    rb"|.{8}(?:[\xc1\xc3\xc5\xc7]|\x20.))",  # push; subw sp, #
    re.DOTALL,
)
_CALL = re.compile(rb"\xfc..[\x00-\x0f]|\xfd..", re.DOTALL)


def _recognise(code: Code) -> Recognition | None:
    if code.address:
        return None
    signs = _signs(code)
    if not signs:
        return None
    landing = measure(code, _calls, _STARTS)
    reset = struct.unpack("<H", code.bytes_at(0, 2))[0]
    return judge(landing, signs=signs, minimum_ratio=MINIMUM_RATIO, load_address=0, entry_address=reset)


def _signs(code: Code) -> tuple[str, ...]:
    data = code.bytes_at(0, VECTOR_BYTES)
    if len(data) < VECTOR_BYTES:
        return ()
    words = [word for (word,) in struct.iter_unpack("<H", data)]
    used = [word for word in words if word not in (0, 0xFFFF)]
    inside = [word for word in used if FIRST_CODE <= word < code.size]
    if not words[0] or len(used) < 8 or inside != used:
        return ()
    return (f"{len(used)} interrupt vectors of two bytes at address 0, reset to {words[0]:#x}",)


def _calls(data: bytes, _: int) -> Iterator[int]:
    for match in _CALL.finditer(data):
        yield int.from_bytes(match.group()[1:], "little")


def _example() -> bytes:
    def function(_: int, target: int) -> bytes:
        return b"\xc1\xfc" + target.to_bytes(3, "little") + b"\xc0\xd7"

    vectors = struct.pack("<64H", FIRST_CODE, *[FIRST_CODE + 7] * 63)
    return vectors.ljust(FIRST_CODE, b"\xff") + ring_of_calls(function, start=FIRST_CODE)


ARCHITECTURE = Architecture(
    name="rl78",
    title="Renesas RL78",
    source="RL78 family User's Manual: Software (R01US0015), 4.5 and 5; RL78/G13 hardware manual, 3.1",
    recognise=_recognise,
    example=_example,
)
