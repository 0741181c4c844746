"""Many patterns over many bytes in one pass: format magics and component rules alike.

Every pattern names a literal that each of its matches contains (its anchor). A chunk is searched for the anchors with
``bytes.find``, which runs at memory speed, and only around a hit does the regular expression run. The caller sees hits,
never the method, so a faster engine can take this place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from toolkit.core.errors import RuleError

__all__ = ["Hit", "Pattern", "PatternSet", "leading_literal"]

REACH_BYTES = 512
"""How far a match may reach before and after its anchor."""
CHUNK_BYTES = 1 << 20

_SPECIAL = frozenset(b".^$*+?{}[]\\|()")
_QUANTIFIERS = frozenset(b"*+?{")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression over bytes and the literal that all its matches contain."""

    owner: str
    """Who asks: a format or component name."""
    expression: re.Pattern[bytes]
    anchor: bytes

    @classmethod
    def of(cls, owner: str, expression: bytes, *, anchor: bytes | None = None) -> Pattern:
        """Compile ``expression``; without ``anchor`` its leading literal is taken, which must have 3 bytes or more."""
        try:
            compiled = re.compile(expression)
        except re.error as error:
            raise RuleError(f"{owner}: pattern {expression!r}: {error}") from error
        literal = anchor if anchor is not None else leading_literal(expression)
        if not literal or (anchor is None and len(literal) < 3):
            raise RuleError(f"{owner}: pattern {expression!r} starts with no literal of 3 bytes; name an anchor")
        return cls(owner, compiled, literal)


@dataclass(frozen=True, slots=True)
class Hit:
    """A match of ``pattern`` at ``[start, end)`` in the searched bytes."""

    start: int
    end: int
    pattern: Pattern
    groups: tuple[tuple[str, str], ...] = ()
    """Named groups that took part, as text."""


class PatternSet:
    """All patterns of one scan, ready to search."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        by_anchor: dict[bytes, list[Pattern]] = {}
        for pattern in patterns:
            by_anchor.setdefault(pattern.anchor, []).append(pattern)
        self._by_anchor = tuple(by_anchor.items())

    def search(self, data: memoryview) -> Iterator[Hit]:
        """Yield every hit in ``data``, chunk by chunk; each match once, in no promised order within a chunk."""
        size = len(data)
        for chunk_start in range(0, size, CHUNK_BYTES):
            chunk_end = min(size, chunk_start + CHUNK_BYTES)
            before = min(REACH_BYTES, chunk_start)
            text = bytes(data[chunk_start - before : min(size, chunk_end + REACH_BYTES)])
            yield from self._search_chunk(text, chunk_start - before, before, before + chunk_end - chunk_start)

    def _search_chunk(self, text: bytes, base: int, first: int, last: int) -> Iterator[Hit]:
        """Search ``text``; anchors that start in ``[first, last)`` belong to this chunk."""
        for anchor, patterns in self._by_anchor:
            position = text.find(anchor, first)
            while 0 <= position < last:
                for pattern in patterns:
                    match = _match_over(pattern, text, position)
                    if match is not None:
                        yield _hit(pattern, match, base)
                position = text.find(anchor, position + 1)


def _match_over(pattern: Pattern, text: bytes, position: int) -> re.Match[bytes] | None:
    """Return the match of ``pattern`` whose first anchor stands at ``position``."""
    end = min(len(text), position + len(pattern.anchor) + REACH_BYTES)
    match = pattern.expression.match(text, position, end)
    if match is not None:
        return match
    for match in pattern.expression.finditer(text, max(0, position - REACH_BYTES), end):
        if match.start() <= position and text.find(pattern.anchor, match.start()) == position:
            return match
        if match.start() > position:
            return None
    return None


def _hit(pattern: Pattern, match: re.Match[bytes], base: int) -> Hit:
    groups = tuple((k, v.decode("latin-1")) for k, v in match.groupdict().items() if v is not None)
    return Hit(base + match.start(), base + match.end(), pattern, groups)


def leading_literal(expression: bytes) -> bytes:
    """Return the bytes that every match of ``expression`` starts with, as far as they are plain to see."""
    literal = bytearray()
    index = 0
    if b"|" in expression:  # an alternative may start otherwise; the author names the anchor
        return b""
    while index < len(expression):
        byte = expression[index]
        width = 1
        if byte == 0x5C and index + 1 < len(expression) and not chr(expression[index + 1]).isalnum():
            byte, width = expression[index + 1], 2
        elif byte in _SPECIAL:
            break
        if index + width < len(expression) and expression[index + width] in _QUANTIFIERS:
            break
        literal.append(byte)
        index += width
    return bytes(literal)
