"""The engine that needs nothing but Python: all anchors are one expression that walks over the bytes once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from firmware_checks.patterns.engine import Place
from firmware_checks.patterns.pattern import LEAST_ANCHOR_BYTES, Pattern

__all__ = ["AnchorEngine"]

SEARCHED_BYTES = 3
"""At least this much of an anchor is searched for, if it is longer than that."""


class AnchorEngine:
    """Makes finders in plain Python."""

    name = "Python"

    def finder(self, patterns: Sequence[Pattern]) -> AnchorFinder:
        """Return what finds the anchors of ``patterns``."""
        return AnchorFinder(patterns)


class AnchorFinder:
    """Finds every anchor of every pattern."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        ranks: dict[bytes, list[int]] = {}
        for rank, pattern in enumerate(patterns):
            ranks.setdefault(pattern.anchor, []).append(rank)
        by_literal: dict[bytes, list[_Anchor]] = {}
        for anchor, skip in _cuts(ranks).items():
            by_literal.setdefault(anchor[skip:], []).append(_Anchor(anchor, skip, tuple(ranks[anchor])))
        self._anchors = {literal: _with_shorter(literal, by_literal) for literal in by_literal}
        self._any = re.compile(_one_of(by_literal))
        self._longest = max(map(len, ranks), default=0)

    def places(self, data: memoryview, start: int, end: int) -> Sequence[Place]:
        """Return, in order, where anchors start in ``[start, end)`` of ``data``."""
        places: list[Place] = []
        limit = min(len(data), end + self._longest - 1)
        found = self._any.search(data, start, limit)
        while found is not None:
            position = found.start()
            for anchor in self._anchors[found.group()]:
                first = position - anchor.skip
                if start <= first < end and (anchor.skip == 0 or data[first : first + len(anchor.text)] == anchor.text):
                    places += [(first, rank) for rank in anchor.ranks]
            found = self._any.search(data, position + 1, limit)
        places.sort()
        return places


@dataclass(frozen=True, slots=True)
class _Anchor:
    """``text[skip:]`` is what is searched for: it starts with a byte that is rare in firmware."""

    text: bytes
    skip: int
    ranks: tuple[int, ...]


def _with_shorter(literal: bytes, by_literal: Mapping[bytes, Sequence[_Anchor]]) -> tuple[_Anchor, ...]:
    """Return the anchors that may stand where ``literal`` was found: its own and those it starts with."""
    starts = (literal[:size] for size in range(1, len(literal) + 1))
    return tuple(anchor for start in starts if start in by_literal for anchor in by_literal[start])


_PER_MILLE = {
    0x00: 243, 0xFF: 58, 0x48: 25, 0x89: 17, 0x01: 16, 0x20: 16, 0x30: 13, 0x0F: 12, 0x8B: 11, 0x24: 11, 0x08: 11,
    0x74: 10, 0x41: 9, 0x83: 9, 0xE8: 9, 0x65: 8, 0x44: 8, 0x10: 8, 0x02: 8, 0x85: 7, 0x04: 7, 0x03: 7, 0x31: 7,
    0x4C: 7, 0x80: 7, 0x8D: 7, 0x0E: 6, 0xC0: 6, 0x05: 6, 0x61: 6, 0x45: 6, 0x69: 5, 0x72: 5, 0x6F: 5, 0x84: 5,
    0x73: 5, 0x0A: 5, 0x66: 5, 0x40: 5, 0x64: 5, 0x6E: 5, 0x49: 5, 0x42: 4, 0x63: 4, 0x18: 4, 0x75: 4, 0x6C: 4,
}  # fmt: skip
"""How often a byte stands in 1,000 of firmware, where it is often; counted in 16 MB of programs for Linux on x86-64
and 12 MB of boot loaders and applications of microcontrollers."""
_RARE_PER_MILLE = 2


def _cuts(anchors: Iterable[bytes]) -> dict[bytes, int]:
    """Return for each anchor how many of its first bytes to leave out, so that few and rare bytes start them all.

    The walk over the bytes stops wherever a first byte stands: this choice makes it twice as fast.
    """
    options = {anchor: set(anchor[: len(anchor) - _searched(len(anchor)) + 1]) for anchor in anchors}
    firsts: set[int] = set()
    left = dict(options)
    while left:
        covers = Counter(byte for choices in left.values() for byte in choices)
        firsts.add(max(sorted(covers), key=lambda byte: covers[byte] / _often(byte)))
        left = {anchor: choices for anchor, choices in left.items() if not choices & firsts}
    return {anchor: anchor.index(min(sorted(choices & firsts), key=_often)) for anchor, choices in options.items()}


def _often(byte: int) -> int:
    return _PER_MILLE.get(byte, _RARE_PER_MILLE)


def _searched(size: int) -> int:
    """Return how many of ``size`` bytes of an anchor must be left to search for: a short one may lose its first."""
    return min(SEARCHED_BYTES, size if size < LEAST_ANCHOR_BYTES else size - 1)


def _one_of(literals: Iterable[bytes]) -> bytes:
    """Return an expression for the longest of ``literals`` at a place, written as a tree of shared starts."""
    by_first: dict[bytes, list[bytes]] = {}
    complete = False
    for literal in literals:
        if literal:
            by_first.setdefault(literal[:1], []).append(literal[1:])
        else:
            complete = True
    branches = [re.escape(first) + _one_of(rest) for first, rest in sorted(by_first.items())]
    if not branches:
        return b""
    body = branches[0] if len(branches) == 1 and not complete else b"(?:" + b"|".join(branches) + b")"
    return body + b"?" if complete else body
