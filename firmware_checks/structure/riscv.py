"""What RISC-V code looks like in bytes, for 32 and 64 bits alike.

Source: The RISC-V Instruction Set Manual, volume I (2019-12-13), chapters 2, 16 (C extension) and 24 (encodings).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from firmware_checks.architecture import Code, Recognition
from firmware_checks.structure.calls import judge, measure
from firmware_checks.structure.load_base import text_base

__all__ = ["is_64_bit", "jal", "recognise"]

MINIMUM_RATIO = 0.2
_LOW_NIBBLE_0 = rb"[\x00\x10\x20\x30\x40\x50\x60\x70\x80\x90\xa0\xb0\xc0\xd0\xe0\xf0]"
_LOW_NIBBLE_1 = _LOW_NIBBLE_0.replace(b"0\\", b"1\\").replace(b"0]", b"1]")
_QUADRANT_1 = b"[" + b"".join(re.escape(bytes([b])) for b in range(1, 256, 4)) + b"]"
_QUADRANT_1_POSITIVE = b"[" + b"".join(re.escape(bytes([b])) for b in range(1, 128, 4)) + b"]"
_STARTS = re.compile(
    b"(?:.{8}(?:"
    + (_QUADRANT_1_POSITIVE + rb"[\x11\x71]|\x13\x01" + _LOW_NIBBLE_1 + rb"[\x80-\xff]")  # sp is lowered
    + rb")|.{6}(?:\x82\x80|"
    + (_QUADRANT_1 + rb"[\xa0-\xbf]")  # after c.ret, c.j
    + rb")|.{4}(?:\x67\x80\x00\x00|\x6f"
    + (_LOW_NIBBLE_0 + rb"..))"),  # after ret, j
    re.DOTALL,
)
_JAL = re.compile(rb"\xef" + _LOW_NIBBLE_0 + rb"..", re.DOTALL)
_AUIPC_JALR = re.compile(rb"\x97" + _LOW_NIBBLE_0 + rb"..\xe7\x80..", re.DOTALL)
_SAVE_RA_64 = re.compile(rb"[\x06\x86][\xe0-\xff]|\x23\x30\x11.|\x23[\x34\x38\x3c]\x11.", re.DOTALL)
_SAVE_RA_32 = re.compile(rb"[\x06\x86][\xc0-\xdf]|\x23[\x20\x22\x24\x26\x28\x2a\x2c\x2e]\x11.", re.DOTALL)


def recognise(code: Code, *, bits: int) -> Recognition | None:
    """Say why ``code`` is RISC-V code of ``bits`` (32 or 64) bits, or None."""
    landing = measure(code, _calls, _STARTS)
    if judge(landing, minimum_ratio=MINIMUM_RATIO) is None or is_64_bit(code) != (bits == 64):
        return None
    base, notes = text_base(code, width=bits // 8, byte_order="little")
    notes = (f"return addresses are saved as {bits} bits", *notes)
    return judge(landing, notes=notes, minimum_ratio=MINIMUM_RATIO, load_address=base)


def is_64_bit(code: Code) -> bool:
    """Tell whether functions save the return address with 64-bit rather than 32-bit stores."""
    wide = sum(len(_SAVE_RA_64.findall(data)) for _, data in code.windows)
    narrow = sum(len(_SAVE_RA_32.findall(data)) for _, data in code.windows)
    return wide > narrow


def _calls(data: bytes, offset: int) -> Iterator[int]:
    for match in _JAL.finditer(data):
        if not match.start() & 1:
            yield offset + match.start() + _jal_distance(int.from_bytes(match.group(), "little"))
    for match in _AUIPC_JALR.finditer(data):
        if not match.start() & 1:
            high = int.from_bytes(match.group()[:4], "little", signed=True) & ~0xFFF
            yield offset + match.start() + high + (int.from_bytes(match.group()[4:], "little", signed=True) >> 20)


def _jal_distance(word: int) -> int:
    value = (word >> 31) << 20 | (word >> 12 & 0xFF) << 12 | (word >> 20 & 1) << 11 | (word >> 21 & 0x3FF) << 1
    return value - (1 << 21 if value >> 20 else 0)


def jal(here: int, target: int) -> int:
    """Return the instruction at ``here`` that calls ``target``."""
    value = target - here
    return (
        (value >> 20 & 1) << 31
        | (value >> 1 & 0x3FF) << 21
        | (value >> 11 & 1) << 20
        | (value >> 12 & 0xFF) << 12
        | 0xEF
    )
