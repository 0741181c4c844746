"""STMicroelectronics STM8, 8 bits: a table of 32 jumps at 0x8000."""

from __future__ import annotations

import re
from collections.abc import Iterator

from firmware_checks.architecture import Architecture, Code, Recognition
from firmware_checks.structure.calls import judge, measure
from firmware_checks.structure.examples import ring_of_calls

__all__ = ["ARCHITECTURE"]

FLASH = 0x8000
FLASH_BYTES = 0x2_0000
VECTORS = 32
INT = 0x82
UNUSED = (b"\0\0\0\0", b"\xff\xff\xff\xff")
MINIMUM_VECTORS = 4
"""Fewer vectors, as in programs without interrupts, say too little on their own."""
MINIMUM_RATIO = 0.4
_STARTS = re.compile(
    rb"(?:.{7}[\x80\x81\x87]|.{5}\xcc..|.{6}\x20."  # after iret, ret, retf, jp, jra
    rb"|.{8}(?:\x52|\x88|\x89))",  # sub sp, push
    re.DOTALL,
)
_CALL = re.compile(rb"\xcd(?=..)", re.DOTALL)


def _recognise(code: Code) -> Recognition | None:
    start = code.plain[0][0] if code.plain else 0
    base = code.address if code.address is not None else FLASH - start
    targets = _vectors(code, start)
    if not targets or not base <= targets[0] < base + code.size:
        return None

    def calls(data: bytes, _: int) -> Iterator[int]:
        for match in _CALL.finditer(data):
            yield (data[match.end()] << 8 | data[match.end() + 1]) - base

    landing = measure(code, calls, _STARTS)
    inside = sum(base <= target < base + code.size for target in targets)
    said = f"{len(targets)} interrupt vectors, each an INT instruction (0x82); {inside} lead into the image"
    return judge(
        landing,
        signs=(said,) if inside >= MINIMUM_VECTORS else (),
        notes=(f"the reset vector leads into the image when its first byte is at {base:#x}",),
        minimum_ratio=MINIMUM_RATIO,
        load_address=base,
        entry_address=targets[0],
    )


def _vectors(code: Code, start: int) -> list[int]:
    """Return the targets of the vectors in a row at ``start``: 0x82 and 24 bits each; unused ones are left out."""
    data = code.bytes_at(start, 4 * VECTORS)
    targets: list[int] = []
    for index in range(0, len(data) & ~3, 4):
        entry = data[index : index + 4]
        target = int.from_bytes(entry[1:], "big")
        if entry[0] == INT and FLASH <= target < FLASH + FLASH_BYTES:
            targets.append(target)
        elif index == 0 or entry not in UNUSED:
            break
    return targets


def _example() -> bytes:
    def function(_: int, target: int) -> bytes:
        return bytes([0x88, 0xCD, FLASH + target >> 8, FLASH + target & 0xFF, 0x84, 0x81])

    return bytes([INT, 0x00, 0x80, 0x80]) * VECTORS + ring_of_calls(function, start=4 * VECTORS)


ARCHITECTURE = Architecture(
    name="stm8",
    title="ST STM8",
    source="STM8 CPU programming manual (PM0044); STM8S reference manual (RM0016), 6.2 interrupt vectors",
    recognise=_recognise,
    example=_example,
)
