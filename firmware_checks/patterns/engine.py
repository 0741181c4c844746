"""What a search engine is asked: where in some bytes do anchors stand that are worth a closer look?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from firmware_checks.patterns.pattern import Pattern

__all__ = ["Engine", "Finder"]

Place = tuple[int, int]
"""Where an anchor starts, and the rank of its pattern in the set."""


class Finder(Protocol):
    """Finds anchors of one set of patterns."""

    def places(self, data: memoryview, start: int, end: int) -> Sequence[Place]:
        """Return, in order, where anchors start in ``[start, end)`` of ``data``.

        Only those whose pattern matches there must be among them; others may be, in any number.
        """


class Engine(Protocol):
    """A way to search."""

    name: str
    """As ``medharden doctor`` tells it."""

    def finder(self, patterns: Sequence[Pattern]) -> Finder:
        """Return what finds the anchors of ``patterns``."""
