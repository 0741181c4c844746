"""A pattern: what to look for in bytes, for whom, and the literal that gives it away."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from firmware_checks.patterns.expression import literals
from toolkit.core.errors import RuleError

__all__ = ["REACH_BYTES", "Hit", "Pattern"]

REACH_BYTES = 512
"""How far a match may reach before and after its anchor."""
LEAST_ANCHOR_BYTES = 3
"""A shorter literal stands everywhere; it must be named on purpose."""
LEADING_BYTES = 4
"""A literal of this size at the start is preferred to a longer one behind it: then one comparison tells."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression over bytes and the literal that all its matches contain."""

    owner: str
    """Who asks: a format or component name."""
    source: bytes
    """The regular expression; compiled when its anchor is first seen, because most never are."""
    anchor: bytes
    leads: bool = False
    """Every match starts where its anchor does."""
    enough: int | None = None
    """So many hits with the same text in their named groups are wanted of one search; None wants all."""

    @classmethod
    def of(cls, owner: str, source: bytes, *, anchor: bytes | None = None, enough: int | None = None) -> Pattern:
        """Return a pattern; without ``anchor`` a literal that every match must contain is read from ``source``."""
        first, *others = literals(source)
        literal = anchor
        if literal is None:
            literal = first if len(first) >= LEADING_BYTES else max([first, *others], key=len)
        if not literal or (anchor is None and len(literal) < LEAST_ANCHOR_BYTES):
            least = LEAST_ANCHOR_BYTES
            raise RuleError(f"{owner}: no literal of {least} bytes is plain to see in {source!r}; name an anchor")
        return cls(owner, source, literal, first.startswith(literal), enough)

    @property
    def expression(self) -> re.Pattern[bytes]:
        """The compiled expression; raises ``RuleError`` when it is not one."""
        try:
            return _compiled(self.source)
        except re.error as error:
            raise RuleError(f"{self.owner}: {self.source!r} is not a regular expression: {error}") from error

    def match_over(self, data: memoryview, position: int) -> re.Match[bytes] | None:
        """Return the match in ``data`` whose first anchor stands at ``position``."""
        end = min(len(data), position + len(self.anchor) + REACH_BYTES)
        if self.leads:
            return self.expression.match(data, position, end)
        for match in self.expression.finditer(data, max(0, position - REACH_BYTES), end):
            if match.start() > position:
                return None
            text = match.group()
            if text.find(self.anchor) == position - match.start():
                return match
        return None


@cache
def _compiled(source: bytes) -> re.Pattern[bytes]:
    return re.compile(source)


@dataclass(frozen=True, slots=True)
class Hit:
    """A match of ``pattern`` at ``[start, end)`` in the searched bytes."""

    start: int
    end: int
    pattern: Pattern
    groups: tuple[tuple[str, str], ...] = ()
    """Named groups that took part, as text."""
