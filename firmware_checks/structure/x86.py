"""What x86 code looks like in bytes, for 32 and 64 bits alike.

Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2; the reset vector: volume 3, 9.1.4.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from firmware_checks.architecture import Code, Recognition
from firmware_checks.structure.calls import judge, measure
from firmware_checks.structure.load_base import text_base

__all__ = ["call", "recognise"]

FOUR_GIB = 1 << 32
RESET_BYTES = 16
ROM_STEP_BYTES = 0x1_0000
WIDE_PER_KIB = 4
_STARTS = re.compile(
    rb"(?:.{7}[\xc3\x90\xcc]|.{5}\xc2.\x00|.{3}\xe9...[\x00\xff]|.{6}\xeb."  # after ret, nop, int3, jmp
    rb"|.{8}(?:[\x53\x55-\x57]|\x83\xec|\x81\xec|\x41[\x54-\x57]|\x48[\x81\x83]\xec|\xf3\x0f\x1e))",  # push, sub
    re.DOTALL,
)
_CALL = re.compile(rb"\xe8(?=....)", re.DOTALL)
_WIDE = re.compile(rb"\x48[\x83\x85\x89\x8b\x8d]")
_RESET = re.compile(
    rb"(?:\xfa|\xfc|\x90|\x0f\x09|\x66|\xdb\xe3|\x0f\x08){0,6}(?:\xe9..|\xea....|\xeb.)", re.DOTALL
)  # cli, cld, nop, wbinvd, fninit, then a jump


def recognise(code: Code, *, bits: int) -> Recognition | None:
    """Say why ``code`` is x86 code of ``bits`` (32 or 64) bits, or None."""
    landing = measure(code, _calls, _STARTS)
    rom = _reset_vector(code)
    signs = () if rom is None else ("the last 16 bytes are the reset vector of an x86 processor",)
    if judge(landing, signs=signs) is None or _is_64_bit(code) != (bits == 64):
        return None
    base, notes = text_base(code, width=bits // 8, byte_order="little")
    if rom is not None and code.address is None:
        said = f", though its code refers to itself at {base:#x}" if base not in (None, rom) else ""
        base, notes = rom, (f"the last byte is at the top of 4 GiB, the first at {rom:#x}{said}",)
    entry = FOUR_GIB - RESET_BYTES if rom is not None else None
    vectors = (code.size - RESET_BYTES, code.size) if rom is not None else None
    return judge(landing, signs=signs, notes=notes, load_address=base, entry_address=entry, vectors=vectors)


def _is_64_bit(code: Code) -> bool:
    wide = sum(len(_WIDE.findall(data)) for _, data in code.windows)
    return wide * 1024 > WIDE_PER_KIB * sum(len(data) for _, data in code.windows)


def _reset_vector(code: Code) -> int | None:
    """Return the address of the first byte of a ROM that ends at 4 GiB, or None when it has no reset vector."""
    if code.size < ROM_STEP_BYTES or code.size % ROM_STEP_BYTES or code.size > FOUR_GIB:
        return None
    tail = bytes(code.view[code.size - RESET_BYTES :])
    return FOUR_GIB - code.size if _RESET.match(tail) else None


def _calls(data: bytes, offset: int) -> Iterator[int]:
    for match in _CALL.finditer(data):
        yield offset + match.end() + 4 + struct.unpack_from("<i", data, match.end())[0]


def call(here: int, target: int) -> bytes:
    """Return the instruction at ``here`` that calls ``target``."""
    return b"\xe8" + struct.pack("<i", target - here - 5)
