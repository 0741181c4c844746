"""The one door to RE2.

Its binding says nothing both where nothing matches and where the search ran out of memory. So every stretch ends with
a text that always matches: when not even that is found, the search has failed. Source: RE2, re2/set.h.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import re2  # type: ignore[import-untyped]  # has no types

from firmware_checks.patterns.expression import quoted

__all__ = ["Re2Sieve"]

MEMORY_BYTES = 128 << 20
"""For the states of its automaton; they are made while it searches, and made anew when this is full."""
_ALWAYS = b"\0\xffend of stretch\xff\0"


class Re2Sieve:
    """The expressions of a set of patterns in one set of RE2, and one more behind them that always matches."""

    def __init__(self, compiled: re2.Set, count: int) -> None:
        self._set = compiled
        self._count = count

    @classmethod
    def compile(cls, expressions: Sequence[bytes], simpler: Sequence[bytes]) -> Re2Sieve | None:
        """Return the sieve; an expression that RE2 refuses is replaced by its ``simpler`` one; None when both are."""
        pairs = zip(expressions, simpler, strict=True)
        understood = [one if _compiled([one]) is not None else other for one, other in pairs]
        compiled = _compiled([*understood, quoted(_ALWAYS)])
        return None if compiled is None else cls(compiled, len(understood))

    @classmethod
    def load(cls, data: bytes, count: int) -> Re2Sieve | None:  # noqa: ARG003  # as the other engine
        """Return None: a set of RE2 is compiled as fast as it could be loaded."""
        return None

    def dump(self) -> bytes | None:
        """Return None likewise."""
        return None

    def may_match(self, data: memoryview) -> Collection[int]:
        """Return which patterns may match in ``data``, by their place in the set."""
        found: list[int] = self._set.Match(bytes(data) + _ALWAYS) or []
        if self._count not in found:
            return range(self._count)
        return [rank for rank in found if rank != self._count]


def _compiled(expressions: Sequence[bytes]) -> re2.Set | None:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = MEMORY_BYTES
    options.log_errors = False
    compiled = re2.Set.SearchSet(options)
    try:
        for expression in expressions:
            compiled.Add(expression)
        compiled.Compile()
    except re2.error:
        return None
    return compiled
