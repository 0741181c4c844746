"""Many patterns over many bytes in one pass: format magics and component rules alike.

Every pattern names a literal that each of its matches contains (its anchor). All anchors together are one expression
that walks over the bytes once; only where an anchor stands does the pattern's own expression run. The caller sees
hits, never the method, so a faster engine can take this place.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from toolkit.core.errors import RuleError

__all__ = ["Hit", "Pattern", "PatternSet"]

REACH_BYTES = 512
"""How far a match may reach before and after its anchor."""
DISTINCT_HITS = 1_000
"""How many different texts one pattern that knows when it has ``enough`` may still find in one search."""
LEAST_ANCHOR_BYTES = 3
"""A shorter literal stands everywhere; it must be named on purpose."""
LEADING_BYTES = 4
"""A literal of this size at the start is preferred to a longer one behind it: then one comparison tells."""
SEARCHED_BYTES = 3
"""At least this much of an anchor is searched for, if it is longer than that."""


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
        first, *others = _literals(source)
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


class PatternSet:
    """All patterns of one scan, ready to search."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        by_anchor: dict[bytes, list[Pattern]] = {}
        for pattern in patterns:
            by_anchor.setdefault(pattern.anchor, []).append(pattern)
        by_literal: dict[bytes, list[_Anchor]] = {}
        for anchor, skip in _cuts(by_anchor).items():
            by_literal.setdefault(anchor[skip:], []).append(_Anchor(anchor, skip, tuple(by_anchor[anchor])))
        self._anchors = {literal: _with_shorter(literal, by_literal) for literal in by_literal}
        self._any = re.compile(_one_of(by_literal)) if by_literal else None

    def search(self, data: memoryview) -> Iterator[Hit]:
        """Yield the hits in ``data`` in the order of their anchors; each match once."""
        if self._any is None:
            return
        tally = _Tally()
        found = self._any.search(data)
        while found is not None:
            position = found.start()
            for anchor in self._anchors[found.group()]:
                start = position - anchor.skip
                if start >= 0 and (anchor.skip == 0 or data[start : start + len(anchor.text)] == anchor.text):
                    yield from tally.wanted(_matches(anchor.patterns, data, start))
            found = self._any.search(data, position + 1)


@dataclass(frozen=True, slots=True)
class _Anchor:
    """``text[skip:]`` is what is searched for: it starts with a byte that is rare in firmware."""

    text: bytes
    skip: int
    patterns: tuple[Pattern, ...]


def _with_shorter(literal: bytes, by_literal: Mapping[bytes, Sequence[_Anchor]]) -> tuple[_Anchor, ...]:
    """Return the anchors that may stand where ``literal`` was found: its own and those it starts with."""
    starts = (literal[:size] for size in range(1, len(literal) + 1))
    return tuple(anchor for start in starts if start in by_literal for anchor in by_literal[start])


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


def _matches(patterns: Iterable[Pattern], data: memoryview, position: int) -> Iterator[Hit]:
    """Yield the matches of ``patterns`` whose first anchor stands at ``position``."""
    for pattern in patterns:
        match = _match_over(pattern, data, position)
        if match is not None:
            groups = tuple((k, v.decode("latin-1")) for k, v in match.groupdict().items() if v is not None)
            yield Hit(match.start(), match.end(), pattern, groups)


def _match_over(pattern: Pattern, data: memoryview, position: int) -> re.Match[bytes] | None:
    """Return the match of ``pattern`` whose first anchor stands at ``position``."""
    size = len(pattern.anchor)
    end = min(len(data), position + size + REACH_BYTES)
    if pattern.leads:
        return pattern.expression.match(data, position, end)
    for match in pattern.expression.finditer(data, max(0, position - REACH_BYTES), end):
        if match.start() > position:
            return None
        text = match.group()
        if text.find(pattern.anchor) == position - match.start():
            return match
    return None


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


_TOKEN = re.compile(
    rb"\\x[0-9a-fA-F]{2}|\\[0-9]+|\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{\d*,?\d*\}|\(\?<?[=!]|\(|\)|.", re.DOTALL
)
"""One part of a regular expression: an escape, a class, a repetition, an opening, a closing, or a character."""
_FLAGS = re.compile(rb"\(\?[aiLmsux-]")
_CONTROL = {b"\\n": b"\n", b"\\r": b"\r", b"\\t": b"\t", b"\\0": b"\0", b"\\b": b"", b"\\B": b""}
_QUANTIFIERS = (b"*", b"+", b"?", b"{")


def _literals(source: bytes) -> list[bytes]:
    """Return bytes that every match of ``source`` contains, as far as they are plain to see; it starts with the first.

    Groups are not looked into; flags, and alternatives outside groups, make nothing certain.
    """
    runs = [b""]
    for part in _parts_at_top(source):
        if part is None:
            runs.append(b"")
        else:
            runs[-1] += part
    return runs


def _parts_at_top(source: bytes) -> list[bytes | None]:
    """Return for each part outside groups the bytes it stands for: none when it has no width, None when it is open."""
    if _FLAGS.search(source):
        return [None]
    tokens: list[bytes] = _TOKEN.findall(source)
    parts: list[bytes | None] = []
    groups: list[bytes] = []
    for token, following in zip(tokens, [*tokens[1:], b""], strict=True):
        repeated = following.startswith(_QUANTIFIERS)
        if token.startswith(b"("):
            groups.append(token)
        elif token == b")" and groups:
            opening = groups.pop()
            if not groups:
                parts.append(b"" if opening.endswith((b"=", b"!")) and not repeated else None)
        elif token == b"|" and not groups:
            return [None]
        elif not groups:
            parts.append(None if repeated else _plain(token))
    return parts


def _plain(token: bytes) -> bytes | None:
    """Return the bytes that ``token`` stands for, or None when it may be several things."""
    if token in _CONTROL:
        return _CONTROL[token]
    if token.startswith(b"\\x"):
        return bytes.fromhex(token[2:].decode())
    if token.startswith(b"\\"):
        return None if chr(token[1]).isalnum() else token[1:]
    return None if len(token) > 1 or token in b".^$*+?[]" else token
