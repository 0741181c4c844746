"""One pass for several who search the same bytes: each gets the hits of its own patterns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from firmware_checks.patterns.engine import Engine
from firmware_checks.patterns.pattern import Hit, Pattern
from firmware_checks.patterns.search import PatternSet

__all__ = ["Patterns", "SharedSearch", "search_alone"]

Patterns = tuple[Pattern, ...]
"""What one of them looks for; a hit at the same place of an earlier one comes first."""


class SharedSearch:
    """Searches for the patterns of all at once."""

    def __init__(self, sets: Sequence[Patterns], engine: Engine) -> None:
        self._sets = tuple(sets)
        self._all = PatternSet([pattern for patterns in self._sets for pattern in patterns], engine)
        self._whose = {id(pattern): id(patterns) for patterns in self._sets for pattern in patterns}

    def hits(self, data: memoryview) -> Mapping[int, Sequence[Hit]]:
        """Return all hits in ``data`` by the identity of the set they belong to, in the order of their anchors."""
        found: dict[int, list[Hit]] = {id(patterns): [] for patterns in self._sets}
        for hit in self._all.search(data):
            found[self._whose[id(hit.pattern)]].append(hit)
        return found


def search_alone(patterns: Patterns, data: memoryview) -> Iterator[Hit]:
    """Yield the hits of one set in ``data``, without a native engine: for pieces that are too short to need one."""
    return _in_python(patterns).search(data)


@cache
def _in_python(patterns: Patterns) -> PatternSet:
    return PatternSet(patterns)
