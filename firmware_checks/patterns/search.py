"""Many patterns over many bytes in one pass: format magics and component rules alike.

Every pattern names a literal that each of its matches contains (its anchor). An engine says where anchors stand that
are worth a closer look; only there does the pattern's own expression run. What it matches is the hit: so every engine
finds the same, and they differ in speed alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from firmware_checks.patterns.anchors import AnchorEngine
from firmware_checks.patterns.engine import Engine
from firmware_checks.patterns.pattern import Hit, Pattern

__all__ = ["DISTINCT_HITS", "STRETCH_BYTES", "PatternSet"]

DISTINCT_HITS = 1_000
"""How many different texts one pattern that knows when it has ``enough`` may still find in one search."""
STRETCH_BYTES = 1 << 15
"""So much is handed to the engine at a time: it stays in the processor's cache, and the list of places stays short."""
_IN_PYTHON = AnchorEngine()


class PatternSet:
    """All patterns of one scan, ready to search."""

    def __init__(self, patterns: Sequence[Pattern], engine: Engine = _IN_PYTHON) -> None:
        self._patterns = tuple(patterns)
        self._finder = engine.finder(self._patterns)

    def search(self, data: memoryview) -> Iterator[Hit]:
        """Yield the hits in ``data`` in the order of their anchors; each match once."""
        if self._patterns:
            yield from _Tally().wanted(self._hits(data))

    def _hits(self, data: memoryview) -> Iterator[Hit]:
        for start in range(0, len(data), STRETCH_BYTES):
            for position, rank in self._finder.places(data, start, min(len(data), start + STRETCH_BYTES)):
                pattern = self._patterns[rank]
                match = pattern.match_over(data, position)
                if match is not None:
                    groups = tuple((k, v.decode("latin-1")) for k, v in match.groupdict().items() if v is not None)
                    yield Hit(match.start(), match.end(), pattern, groups)


class _Tally:
    """Counts what a search has found, so that a file full of one banner does not fill the memory."""

    def __init__(self) -> None:
        self._same: Counter[tuple[Pattern, tuple[tuple[str, str], ...]]] = Counter()
        self._distinct: Counter[Pattern] = Counter()

    def wanted(self, hits: Iterable[Hit]) -> Iterator[Hit]:
        """Yield those of ``hits`` whose pattern has not enough of them yet."""
        for hit in hits:
            if hit.pattern.enough is None or self._counts(hit, hit.pattern.enough):
                yield hit

    def _counts(self, hit: Hit, enough: int) -> bool:
        key = (hit.pattern, hit.groups)
        seen = self._same[key]
        if seen == 0:
            if self._distinct[hit.pattern] >= DISTINCT_HITS:
                return False
            self._distinct[hit.pattern] += 1
        self._same[key] = seen + 1
        return seen < enough
