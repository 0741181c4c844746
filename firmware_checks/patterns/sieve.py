"""What all native engines share: they name the patterns that may match, and the anchors of those are looked up."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Protocol

from firmware_checks.patterns.engine import Place
from firmware_checks.patterns.expression import quoted, widened
from firmware_checks.patterns.pattern import REACH_BYTES, Pattern

__all__ = ["Sieve", "SieveFinder", "wide_expression"]


class Sieve(Protocol):
    """The wide expressions of a set in one database."""

    def may_match(self, data: memoryview) -> Collection[int]:
        """Return which patterns may match in ``data``, by their place in the set."""


def wide_expression(pattern: Pattern) -> bytes:
    """Return an expression that matches wherever ``pattern`` does, in the language that all engines share."""
    return widened(pattern.source) or quoted(pattern.anchor)


class SieveFinder:
    """Finds the anchors of those patterns that a sieve lets through."""

    def __init__(self, patterns: Sequence[Pattern], sieve: Sieve) -> None:
        self._anchors = [pattern.anchor for pattern in patterns]
        self._sieve = sieve
        self._longest = max(map(len, self._anchors), default=0)

    def places(self, data: memoryview, start: int, end: int) -> Sequence[Place]:
        """Return, in order, where anchors of promising patterns start in ``[start, end)`` of ``data``."""
        first, last = max(0, start - REACH_BYTES), end + self._longest + REACH_BYTES
        ranks = self._sieve.may_match(data[first:last])
        if not ranks:
            return ()
        text = bytes(data[start : end + self._longest - 1])
        size = end - start
        return sorted((start + at, rank) for rank in ranks for at in _occurrences(text, self._anchors[rank], size))


def _occurrences(text: bytes, literal: bytes, size: int) -> Iterator[int]:
    """Yield where ``literal`` starts in the first ``size`` bytes of ``text``."""
    limit = size + len(literal) - 1
    at = text.find(literal, 0, limit)
    while at >= 0:
        yield at
        at = text.find(literal, at + 1, limit)
