"""What MIPS code looks like in bytes, in both byte orders, for 32 and 64 bits.

Source: MIPS Architecture for Programmers, volume II-A (MD00086 and MD00087). JAL gives 26 bits of the target within the
256 MiB around itself, so calls tell the load address but for its top four bits.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable

from firmware_checks.architecture import Code, Recognition
from firmware_checks.structure.calls import Landing, judge
from firmware_checks.structure.load_base import count_votes, text_base, words_of

__all__ = ["recognise"]

SCANNED_BYTES = 1 << 20
SEGMENT = 0x0FFF_FFFF
PAGE_BYTES = 0x1000
MAXIMUM_TARGETS = 1500
_ADDIU_SP, _DADDIU_SP, _LUI = 0x27BD_8000, 0x67BD_8000, 0x3C00_0000
_SIGN_MASK = 0xFFFF_8000
_JAL, _BAL = 0x0C00_0000, 0x0411_0000


def recognise(code: Code, *, bits: int) -> Recognition | None:
    """Say why ``code`` is MIPS code of ``bits`` (32 or 64) bits, or None."""
    order = _byte_order(code)
    if order is None:
        return None
    words = words_of(bytes(code.view[:SCANNED_BYTES]), 4, order)
    starts_32 = [4 * i for i, word in enumerate(words) if word & _SIGN_MASK == _ADDIU_SP]
    starts_64 = [4 * i for i, word in enumerate(words) if word & _SIGN_MASK == _DADDIU_SP]
    if (len(starts_64) > len(starts_32)) != (bits == 64):
        return None
    low, landing = _land(words, starts_64 if bits == 64 else starts_32)
    if judge(landing) is None:
        return None
    base, notes = text_base(code, width=bits // 8, byte_order=order, plausible=_plausible(low, bits))
    if base is None and low is not None:
        base, notes = _complete(words, low)
    return judge(landing, notes=notes, byte_order=order, load_address=base)


def _byte_order(code: Code) -> str | None:
    """Return the byte order in which the samples return from functions (``jr ra``), or None when they do not."""
    little = sum(data.count(b"\x08\x00\xe0\x03") for _, data in code.windows)
    big = sum(data.count(b"\x03\xe0\x00\x08") for _, data in code.windows)
    if max(little, big) < 2:
        return None
    return "little" if little > big else "big"


def _land(words: array[int], starts: list[int]) -> tuple[int | None, Landing]:
    """Return the low 28 bits of the load address, if absolute calls tell it, and how calls land."""
    relative: set[int] = set()
    absolute: set[int] = set()
    for index, word in enumerate(words):
        if word >> 26 == _JAL >> 26:
            absolute.add((word & 0x3FF_FFFF) << 2)
        elif word >> 16 == _BAL >> 16:
            distance = word & 0xFFFF
            relative.add(4 * (index + 1 + distance - (0x1_0000 if distance >> 15 else 0)))
    landed = len(relative & set(starts))
    targets = sorted(absolute)[:: len(absolute) // MAXIMUM_TARGETS + 1]
    votes = count_votes(targets, starts, low=0, high=SEGMENT, residue=0, step=PAGE_BYTES)
    best, count = votes.most_common(1)[0] if votes else (None, 0)
    if count < max(3, landed // 2):
        return None, Landing(len(relative), landed)
    return best, Landing(len(relative) + len(targets), landed + count)


def _plausible(low: int | None, bits: int) -> Callable[[int], bool]:
    def plausible(base: int) -> bool:
        in_kernel = base >= 0xFFFF_FFFF_8000_0000 if bits == 64 else 0x8000_0000 <= base < 0xC000_0000
        return (in_kernel or base < 0x2000_0000) and (low is None or base & SEGMENT == low)

    return plausible


def _complete(words: array[int], low: int) -> tuple[int | None, tuple[str, ...]]:
    """Add the top four bits, as the instructions that load upper halves of addresses have them most often."""
    uppers = Counter(
        word & 0xFFFF for word in words if word & 0xFFE0_0000 == _LUI and (word & 0xFFF) == low >> 16 & 0xFFF
    )
    if not uppers:
        return None, (f"calls fit when the first byte is at {low:#x} within 256 MiB",)
    top = uppers.most_common(1)[0][0] << 16 & ~SEGMENT & 0xFFFF_FFFF
    return top | low, (f"calls and loaded addresses fit when the first byte is at {top | low:#x}",)
