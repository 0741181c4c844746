"""Settings that microcontroller files carry next to the program: option bytes, fuses, readout protection.

Each kind is one file in ``protections``: where it stands, which words it has, and what their values mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import resources

import msgspec

from firmware_checks.region import Program, Region
from firmware_checks.span import Span
from toolkit.core.toml_rows import read_rows
from toolkit.report.model import Fact, RegionKind

__all__ = ["Area", "State", "Word", "areas", "areas_inside", "areas_of", "configuration_region"]

STATES = ("open", "partly", "locked", "unknown")
LPC = "LPC17"
"""Stands for any LPC whose boot ROM checks the vectors: all of these have the protection word."""
NOT_SET = "the file does not set it"


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a word means when ``word & mask == value``."""

    value: int
    is_: str = msgspec.field(name="is")
    means: str
    mask: int = 0xFFFF_FFFF


class Word(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One setting of ``size`` bytes at ``address``, little-endian; ``fact`` is the name its state is reported under."""

    name: str
    address: int
    fact: str
    size: int = 4
    states: tuple[State, ...] = ()
    otherwise: str = "unknown"
    otherwise_means: str = "no meaning of this value is known"

    def state(self, value: int) -> tuple[str, str]:
        """Return one of ``STATES`` and what it means in words."""
        for state in self.states:
            if value & state.mask == state.value:
                return state.is_, state.means
        return self.otherwise, self.otherwise_means


class Pattern(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bytes that tell the area without knowing the family: ``data & mask``, both hexadecimal."""

    mask: str
    data: str

    def fits(self, content: bytes) -> bool:
        """Tell whether ``content`` shows the pattern."""
        mask, data = bytes.fromhex(self.mask), bytes.fromhex(self.data)
        return len(content) >= len(mask) and all(c & m == d for c, m, d in zip(content, mask, data, strict=False))


class Area(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings at ``[start, start + size)``; ``inside`` a program of ``families`` or ``arch``, or on their own."""

    name: str
    title: str
    source: str
    start: int
    size: int
    words: tuple[Word, ...]
    inside: bool = False
    families: tuple[str, ...] = ()
    """Beginnings of family names; where ``inside``, the program must be for one of them or show the ``pattern``."""
    arch: str = ""
    pattern: Pattern | None = None

    @property
    def end(self) -> int:
        """One past the last address."""
        return self.start + self.size


@cache
def areas() -> tuple[Area, ...]:
    """Return every known area."""
    return read_rows(resources.files("firmware_checks.structure").joinpath("protections"), Area)


def areas_of(start: int, end: int) -> Iterator[Area]:
    """Yield the areas in a place of their own that hold all of the addresses ``[start, end)``."""
    for area in areas():
        if not area.inside and area.start <= start and end <= area.end:
            yield area


def areas_inside(span: Span, program: Program, *, lpc: bool) -> Iterator[tuple[int, int, Area]]:
    """Yield the areas inside ``program``, whose bytes are ``span``, as index ranges; ``lpc``: its vectors sum up."""
    if span.address is None:
        return
    family = LPC if lpc and program.mcu_family is None else program.mcu_family or ""
    for area in areas():
        start = area.start - span.address
        if not area.inside or start < 0 or start + area.size > span.size:
            continue
        content = bytes(span.window.view[start : start + area.size])
        known = any(family.startswith(name) for name in area.families) or area.arch == program.arch
        if known or (area.pattern is not None and not area.arch and area.pattern.fits(content)):
            yield start, start + area.size, area


def configuration_region(span: Span, area: Area) -> Region:
    """Return the region of ``span``, which stands in ``area``, with the state of each setting as facts."""
    facts: dict[str, Fact] = {}
    why: list[str] = []
    for word in area.words:
        value = _value(span, word)
        if value is None:
            facts.setdefault(word.fact, "unknown")
            continue
        state, means = word.state(value)
        facts[word.fact] = state
        facts[f"{word.fact}_raw"] = f"{value:#0{2 * word.size + 2}x}"
        why.append(f"{word.name} at {word.address:#x} is {value:#x}: {means}")
    unset = {word.fact for word in area.words if f"{word.fact}_raw" not in facts}
    why += [f"{fact}: {NOT_SET}" for fact in sorted(unset)]
    return Region(
        span=span,
        format=area.name,
        kind=RegionKind.CONFIGURATION,
        title=area.title,
        facts={**facts, "why": tuple(why)},
    )


def _value(span: Span, word: Word) -> int | None:
    """Return the value of ``word``, or None where the file does not define all of it."""
    start = word.address - (span.address or 0)
    if start < 0 or start + word.size > span.size or any(a < start + word.size and b > start for a, b in span.holes):
        return None
    return int.from_bytes(span.window.view[start : start + word.size], "little")
