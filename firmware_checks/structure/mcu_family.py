"""Which family of microcontrollers a Cortex-M program is made for, told from the peripherals it addresses.

Only constants that instructions load count: taking every aligned word for an address finds peripherals that are not
there in more than half of all images. Where a program starts, where its stack is and how many interrupts it serves must
agree. Families with the same addresses are named together rather than guessed.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import msgspec

from firmware_checks.structure import thumb
from toolkit.core.toml_rows import read_rows
from toolkit.report.model import Confidence

__all__ = ["Clues", "Family", "FamilyMatch", "families", "match_family"]

SCANNED_BYTES = 1 << 20
PERIPHERALS = ((0x4000_0000, 0x6000_0000), (0xA000_0000, 0xA010_0000), (0xE000_EF50, 0xE000_EF80))
OTHER_PERIPHERALS = ((0x1400_0000, 0x1400_1000), (0x1800_0000, 0x1800_1000), (0x2009_8000, 0x200A_0000))
BIT_BAND, BIT_BAND_END = 0x4200_0000, 0x4400_0000
"""Each word here stands for one bit of 0x40000000 to 0x40100000 on Cortex-M3 and M4 (DDI 0403, B3.1)."""
MINIMUM_CODE_BYTES = 1024
"""Less code may do without the instructions that tell the processors apart."""
INSIDE_SHARE = 0.5
"""A constant inside a peripheral says less than its base address."""
UNEXPLAINED = 1.0
FEWEST = 2
"""One address alone may be a number that only looks like one."""
SHOWN = 5
CLEAR, LIKELY = 6.0, 3.0
"""Points ahead of the next family for high and for medium confidence; below, families are named together."""


class Family(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One family; ranges are (start, bytes), ``interrupts`` the fewest and most entries of its vector tables."""

    name: str
    title: str
    source: str
    flash: tuple[tuple[int, int], ...]
    ram: tuple[tuple[int, int], ...]
    interrupts: tuple[int, int]
    thumb2: bool
    """Whether the processor knows all of Thumb-2: Cortex-M3 and up."""
    block: int
    """Bytes from one peripheral's base that belong to it, at most."""
    peripherals: dict[str, int]
    vector_checksum: bool = False
    """Whether its boot ROM wants the first eight vectors to sum up to zero."""


@dataclass(frozen=True, slots=True)
class Clues:
    """What is known of a program before its family is."""

    view: memoryview
    load_address: int | None
    stack_address: int | None
    interrupts: int | None
    vector_checksum: bool


@dataclass(frozen=True, slots=True)
class FamilyMatch:
    """The family, or several that cannot be told apart joined by "or"."""

    name: str
    title: str
    confidence: Confidence
    why: tuple[str, ...]
    flash_starts: tuple[int, ...]
    largest_flash_bytes: int


@dataclass(frozen=True, slots=True)
class _Score:
    family: Family
    points: float
    used: tuple[str, ...]
    """Peripherals addressed, the most telling first."""
    explained: int


@cache
def families() -> tuple[Family, ...]:
    """Return every known family."""
    return read_rows(resources.files("firmware_checks").joinpath("mcu_families"), Family)


def match_family(clues: Clues) -> FamilyMatch | None:
    """Return the family whose peripherals the program addresses, or None when it addresses none that are known."""
    data = bytes(clues.view[:SCANNED_BYTES])
    addresses = _peripheral_addresses(thumb.constants(data))
    explained = {family.name: _explain(family, addresses) for family in families()}
    known = {address for found in explained.values() for address in found}
    if not known:
        return None
    wide = thumb.is_wide(data) if len(data) >= MINIMUM_CODE_BYTES else None
    scores = sorted(
        (_score(family, explained[family.name], known, clues, wide) for family in families()),
        key=lambda score: (-score.points, score.family.name),
    )
    return _decide(scores, len(known))


def _peripheral_addresses(constants: Iterable[int]) -> set[int]:
    found: set[int] = set()
    for constant in constants:
        if any(low <= constant < high for low, high in PERIPHERALS + OTHER_PERIPHERALS):
            found.add(constant)
        if BIT_BAND <= constant < BIT_BAND_END:
            found.add(0x4000_0000 + (constant - BIT_BAND >> 5) & ~3)
    return found


@cache
def _bases(name: str) -> tuple[list[int], list[str]]:
    family = next(family for family in families() if family.name == name)
    pairs = sorted((base, peripheral) for peripheral, base in family.peripherals.items())
    return [base for base, _ in pairs], [peripheral for _, peripheral in pairs]


@cache
def _sharing() -> dict[int, int]:
    """Return how many families have a peripheral at each base address."""
    count: dict[int, int] = {}
    for family in families():
        for base in set(family.peripherals.values()):
            count[base] = count.get(base, 0) + 1
    return count


def _explain(family: Family, addresses: set[int]) -> dict[int, tuple[str, int]]:
    """Return the peripheral and its base address for each of ``addresses`` that ``family`` has."""
    bases, names = _bases(family.name)
    found: dict[int, tuple[str, int]] = {}
    for address in addresses:
        index = bisect_right(bases, address) - 1
        if index >= 0 and address - bases[index] < family.block:
            found[address] = (names[index], bases[index])
    return found


def _score(
    family: Family, explained: dict[int, tuple[str, int]], known: set[int], clues: Clues, wide: bool | None
) -> _Score:
    weights: dict[tuple[str, int], float] = {}
    for address, (name, base) in explained.items():
        weight = math.log2(len(families()) / _sharing()[base]) * (1 if address == base else INSIDE_SHARE)
        weights[name, base] = max(weight, weights.get((name, base), 0.0))
    points = sum(weights.values()) - UNEXPLAINED * len(known - explained.keys()) + _context(family, clues, wide)
    telling = sorted(weights, key=lambda key: (-weights[key], key[1]))
    used = tuple(f"{name.rstrip('_')} at {base:#x}" for name, base in telling)
    return _Score(family, points, used, len(explained))


def _context(family: Family, clues: Clues, wide: bool | None) -> float:
    """Return points for what agrees besides peripherals, and against what does not."""
    points = 0.0
    if clues.load_address is not None:
        points += 2.0 if _within(clues.load_address, family.flash) else -6.0
    if clues.stack_address is not None:
        points += 1.0 if _within(clues.stack_address - 4, family.ram) else -4.0
    if clues.interrupts:
        fewest, most = family.interrupts
        distance = max(fewest - clues.interrupts, clues.interrupts - most, 0)
        points += 2.0 if not distance else -min(3.0, distance / 8)
    if wide is not None and wide != family.thumb2:
        points -= 6.0
    if clues.vector_checksum:
        points += 3.0 if family.vector_checksum else -3.0
    return points


def _within(address: int, ranges: Sequence[tuple[int, int]]) -> bool:
    return any(start <= address < start + size for start, size in ranges)


def _decide(scores: Sequence[_Score], known: int) -> FamilyMatch | None:
    best = scores[0]
    if len(best.used) < FEWEST or best.points <= 0:
        return None
    near = [score for score in scores if best.points - score.points < LIKELY and score.used][:3]
    ahead = best.points - (scores[1].points if len(scores) > 1 else 0.0)
    if ahead >= CLEAR and len(best.used) >= 4 and best.explained * 5 >= known * 4:
        confidence = Confidence.HIGH
    elif ahead >= LIKELY:
        confidence = Confidence.MEDIUM
    else:
        confidence = Confidence.LOW
    chosen = near if confidence is Confidence.LOW else [best]
    listed = ", ".join(best.used[:SHOWN])
    why = f"{len(best.used)} peripherals of {best.family.title} are addressed, among them {listed}"
    extra = (f"{best.explained} of {known} peripheral addresses fit",) if best.explained < known else ()
    return FamilyMatch(
        name=" or ".join(score.family.name for score in chosen),
        title=" or ".join(score.family.title for score in chosen),
        confidence=confidence,
        why=(why, *extra),
        flash_starts=tuple(start for start, _ in best.family.flash),
        largest_flash_bytes=max(size for _, size in best.family.flash),
    )
