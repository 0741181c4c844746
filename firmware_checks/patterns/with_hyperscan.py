"""The one door to Hyperscan.

Hyperscan has neither looks around nor captures, and reports every end of every match. None of that matters here: it is
asked only which expressions match in a stretch, each at most once. Source: Hyperscan developer reference, chapters
"Compiling Patterns", "Scanning for Patterns" and "Serialization".
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from threading import Lock

import hyperscan

__all__ = ["HyperscanSieve"]

_FLAGS = hyperscan.HS_FLAG_SINGLEMATCH
_MODE = hyperscan.HS_MODE_BLOCK


class HyperscanSieve:
    """The expressions of a set of patterns in one Hyperscan database."""

    def __init__(self, database: hyperscan.Database, count: int) -> None:
        self._database = database
        self._count = count
        self._scratch = hyperscan.Scratch(database)
        self._lock = Lock()  # the scratch space serves one search at a time

    @classmethod
    def compile(cls, expressions: Sequence[bytes], simpler: Sequence[bytes]) -> HyperscanSieve | None:
        """Return the sieve; an expression that Hyperscan refuses is replaced by its ``simpler`` one.

        None where Hyperscan does not work at all, such as on an old processor.
        """
        database = _compiled(expressions)
        if database is None:
            pairs = zip(expressions, simpler, strict=True)
            database = _compiled([one if _compiled([one]) is not None else other for one, other in pairs])
        return None if database is None else cls(database, len(expressions))

    @classmethod
    def load(cls, data: bytes, count: int) -> HyperscanSieve | None:
        """Return the sieve that ``dump`` has kept; None when it is of another version or for another processor."""
        try:
            return cls(hyperscan.loadb(data, _MODE), count)
        except hyperscan.error:
            return None

    def dump(self) -> bytes:
        """Return the database for a later ``load``."""
        return hyperscan.dumpb(self._database)

    def may_match(self, data: memoryview) -> Collection[int]:
        """Return which patterns may match in ``data``, by their place in the set."""
        found: list[int] = []

        def note(rank: int, _start: int, _end: int, _flags: int, _context: object) -> None:
            found.append(rank)

        try:
            with self._lock:
                self._database.scan(data, match_event_handler=note, scratch=self._scratch)  # type: ignore[type-var]  # any buffer
        except hyperscan.error:
            return range(self._count)  # such as no memory left: then all of them are looked for
        return found


def _compiled(expressions: Sequence[bytes]) -> hyperscan.Database | None:
    database = hyperscan.Database(mode=_MODE)
    count = len(expressions)
    try:
        database.compile(expressions=expressions, ids=range(count), flags=[_FLAGS] * count)
    except hyperscan.error:
        return None
    return database
