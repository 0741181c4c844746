"""ARM with exception vectors: ARM7, ARM9, Cortex-A and Cortex-R, in 32-bit ARM code, Thumb or both."""

from __future__ import annotations

import re
import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from firmware_checks.architecture import Architecture, Code, Recognition
from firmware_checks.structure import thumb
from firmware_checks.structure.calls import judge, measure
from firmware_checks.structure.examples import ring_of_calls
from firmware_checks.structure.load_base import text_base, words_of

__all__ = ["ARCHITECTURE"]

SCANNED_BYTES = 1 << 20
VECTORS, RESERVED = 8, 5
MANY = 24
"""Calls in ARM code after which Thumb code need not be looked for."""
_STARTS = re.compile(
    rb"(?:.{8}..\x2d\xe9"  # push {..}
    rb"|.{8}\x04\xe0\x2d\xe5"  # push {lr}
    rb"|.{8}.[\xd0-\xdf]\x4d\xe2"  # sub sp, sp, #
    rb"|.{4}(?:.[\x80-\xff]\xbd\xe8|\x1e\xff\x2f\xe1|\x04\xf0\x9d\xe4|\x0e\xf0\xa0\xe1|...\xea))",  # after a return
    re.DOTALL,
)
_BL = re.compile(rb"\xeb")
_NOPS = (0xE1A0_0000, 0xE320_F000)
_LOAD_PC_FORWARD, _LOAD_PC_BACK = 0xE59F_F, 0xE51F_F


def _recognise(code: Code) -> Recognition | None:
    found = _recognise_order(code, "little")
    return found if found is not None else _recognise_big_endian(code)


def _recognise_order(code: Code, byte_order: str) -> Recognition | None:
    """Recognise ``code``, whose words are in little-endian order by now; ``byte_order`` is what they were."""
    data = bytes(code.view[:SCANNED_BYTES])
    vectors = _vectors(data, code)
    landing = measure(code, _calls, _STARTS)
    signs: tuple[str, ...] = ()
    if vectors is not None:
        if landing.landed < MANY:
            landing = max(landing, measure(code, thumb.calls, thumb.STARTS), key=lambda found: found.landed)
        signs = (vectors.sentence, "all eight of them branch")[: 1 + (vectors.branches == VECTORS)]
    if judge(landing, signs=signs) is None:
        return None
    base, notes = text_base(code, width=4, byte_order="little")
    if base is None and vectors is not None and vectors.base is not None:
        base, notes = vectors.base, (f"the addresses in the vectors fit when the first byte is at {vectors.base:#x}",)
    entry = base + vectors.offset if base is not None and vectors is not None else None
    return judge(landing, signs=signs, notes=notes, byte_order=byte_order, load_address=base, entry_address=entry)


def _recognise_big_endian(code: Code) -> Recognition | None:
    """Swap the bytes of every word, if that makes them look like ARM code (Cortex-R such as TMS570)."""
    firsts = b"".join(data[0::4] for _, data in code.windows)
    always = len(re.findall(rb"[\xe0-\xef]", firsts))
    if not firsts or always * 2 < len(firsts):
        return None
    words = array("I", bytes(code.view[: code.size & ~3]))
    words.byteswap()
    swapped = Code(memoryview(words.tobytes()), code.address, code.plain)
    return _recognise_order(swapped, "big")


@dataclass(frozen=True, slots=True)
class _Vectors:
    """Eight exception vectors; ``base`` is the address of byte 0 their handlers suggest."""

    offset: int
    sentence: str
    branches: int
    base: int | None


def _vectors(data: bytes, code: Code) -> _Vectors | None:
    start = code.plain[0][0] if code.plain else 0
    for offset in sorted({0, start & ~3}):
        words = words_of(data[offset : offset + 4 * VECTORS], 4, "little")
        kinds = [_kind(word, offset + 4 * index, len(data)) for index, word in enumerate(words)]
        if len(kinds) == VECTORS and words[RESERVED] == 0:
            kinds[RESERVED] = "branch"
        if len(kinds) == VECTORS and None not in kinds and kinds[0] == "branch" and kinds.count("nop") in (0, 1, 2, 7):
            sentence = f"exception vectors of an ARM processor at offset {offset:#x}"
            return _Vectors(offset, sentence, kinds.count("branch"), _base_from_literals(data, words, offset))
    return None


def _kind(word: int, position: int, size: int) -> str | None:
    """Return what a vector does: ``branch`` inside the image, ``nop``, or None when it is no vector."""
    if word in _NOPS:
        return "nop"
    if word >> 12 == _LOAD_PC_FORWARD:
        return "branch" if position + 8 + (word & 0xFFF) < size else None
    if word >> 12 == _LOAD_PC_BACK:
        return "branch"
    if word >> 24 == 0xEA:
        return "branch" if 0 <= position + 8 + _distance(word) < size else None
    return None


def _distance(word: int) -> int:
    value = word & 0xFF_FFFF
    return 4 * (value - (1 << 24 if value >> 23 else 0))


def _base_from_literals(data: bytes, words: array[int], offset: int) -> int | None:
    """Return the 4 KiB page of the handlers that the vectors load, when all lie in one image."""
    handlers: list[int] = []
    for index, word in enumerate(words):
        position = offset + 4 * index + 8 + (word & 0xFFF)
        if word >> 12 == _LOAD_PC_FORWARD and position + 4 <= len(data):
            handlers.append(int.from_bytes(data[position : position + 4], "little"))
    if not handlers or max(handlers) - min(handlers) >= len(data):
        return None
    return min(handlers) & ~0xFFF


def _calls(data: bytes, offset: int) -> Iterator[int]:
    for match in _BL.finditer(data[3::4]):
        position = 4 * match.start()
        yield offset + position + 8 + _distance(int.from_bytes(data[position : position + 4], "little"))


def _example() -> bytes:
    def function(here: int, target: int) -> bytes:
        call = 0xEB00_0000 | (target - here - 12 >> 2) & 0xFF_FFFF
        return struct.pack("<4I", 0xE92D_4010, call, 0xE3A0_0000, 0xE8BD_8010)

    vectors = struct.pack("<8I", 0xEA00_0006, *[0xE59F_F014] * 7)
    return vectors + struct.pack("<8I", *[0x40] * 8) + ring_of_calls(function, start=0x40)


ARCHITECTURE = Architecture(
    name="arm",
    title="ARM",
    source="ARM Architecture Reference Manual ARMv7-A/R (DDI 0406), A8.8 and B1.8.1",
    recognise=_recognise,
    example=_example,
)
