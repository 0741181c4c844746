"""The engine of choice: a native one where it is installed and worth its start, else plain Python.

Compiling a database of Hyperscan takes a second, loading a compiled one nothing. So one that is kept is used at once;
one that must be compiled is compiled only when so much was searched already that it pays. Which engine runs shows in
no result.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.util import find_spec
from typing import TYPE_CHECKING

from firmware_checks.patterns.anchors import AnchorEngine
from firmware_checks.patterns.engine import Engine, Finder, Place
from firmware_checks.patterns.expression import quoted
from firmware_checks.patterns.pattern import Pattern
from firmware_checks.patterns.sieve import SieveFinder, wide_expression
from toolkit.core.cache import NO_CACHE, Cache

if TYPE_CHECKING:
    from firmware_checks.patterns.with_hyperscan import HyperscanSieve
    from firmware_checks.patterns.with_re2 import Re2Sieve

__all__ = ["HYPERSCAN", "NATIVE", "RE2", "Native", "NativeEngine", "best_engine", "engine_in_words"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Native:
    """A native search library."""

    name: str
    package: str
    distribution: str
    sieve: Callable[[], type[HyperscanSieve | Re2Sieve]]
    """Imports it; raises ``ImportError`` where it does not run."""
    worth_bytes: int
    """Python takes as long over this much as compiling a database does."""


def _hyperscan() -> type[HyperscanSieve]:
    from firmware_checks.patterns.with_hyperscan import HyperscanSieve  # 10 ms that a short search need not pay

    return HyperscanSieve


def _re2() -> type[Re2Sieve]:
    from firmware_checks.patterns.with_re2 import Re2Sieve

    return Re2Sieve


HYPERSCAN = Native(
    name="Hyperscan", package="hyperscan", distribution="hyperscan", sieve=_hyperscan, worth_bytes=32 << 20
)
RE2 = Native(name="RE2", package="re2", distribution="google-re2", sieve=_re2, worth_bytes=2 << 20)
NATIVE = (HYPERSCAN, RE2)
"""The fastest first."""


KEPT_IS_WORTH = 8
"""A database that is kept pays so many times sooner than one that serves a single run."""


def best_engine(kept: Cache = NO_CACHE, natives: Sequence[Native] = NATIVE) -> Engine:
    """Return the fastest engine that is installed; ``kept`` is where it keeps what it compiles."""
    installed = (native for native in natives if find_spec(native.package) is not None)
    best = next(installed, None)
    return AnchorEngine() if best is None else NativeEngine(best, kept)


def engine_in_words(natives: Sequence[Native] = NATIVE) -> str:
    """Return which engine ``best_engine`` gives, and why when it is the slow one."""
    from importlib.metadata import version  # 30 ms that only this need pay

    best = next((native for native in natives if find_spec(native.package) is not None), None)
    if best is None:
        return f"Python; large images take longer than with {natives[0].distribution}, which is not installed"
    sieve = _loadable(best)
    if sieve is None or sieve.compile([b"a"], [b"a"]) is None:
        return f"Python; large images take longer than with {best.name}, which does not run on this computer"
    return f"{best.name} {version(best.distribution)}"


class NativeEngine:
    """Makes finders that search with a native library."""

    def __init__(self, native: Native, kept: Cache = NO_CACHE) -> None:
        self.name = native.name
        self._native = native
        self._kept = kept
        self._finders: dict[tuple[Pattern, ...], Finder] = {}

    def finder(self, patterns: Sequence[Pattern]) -> Finder:
        """Return what finds the anchors of ``patterns``; the same again for the same."""
        key = tuple(patterns)
        if key not in self._finders:
            self._finders[key] = _GrowingFinder(key, self._native, self._kept)
        return self._finders[key]


class _GrowingFinder:
    """Searches with a database that is kept, else in Python until so much was searched that compiling one pays."""

    def __init__(self, patterns: Sequence[Pattern], native: Native, kept: Cache) -> None:
        self._patterns = patterns
        self._native = native
        self._kept = kept
        self._left_bytes = native.worth_bytes // (KEPT_IS_WORTH if kept.folder is not None else 1)
        self._kind = f"patterns-{native.package}"
        self._key = _key(patterns)
        kept_finder = self._loaded()
        self._finder: Finder = kept_finder or AnchorEngine().finder(patterns)
        self._may_compile = kept_finder is None

    def places(self, data: memoryview, start: int, end: int) -> Sequence[Place]:
        """Return, in order, where anchors start in ``[start, end)`` of ``data``."""
        if self._may_compile:
            self._left_bytes -= end - start
            if self._left_bytes < 0:
                self._may_compile = False
                self._finder = self._compiled() or self._finder
        return self._finder.places(data, start, end)

    def _loaded(self) -> Finder | None:
        data = self._kept.load(self._kind, self._key)
        kind = _loadable(self._native) if data is not None else None
        sieve = None if data is None or kind is None else kind.load(data, len(self._patterns))
        return None if sieve is None else SieveFinder(self._patterns, sieve)

    def _compiled(self) -> Finder | None:
        kind = _loadable(self._native)
        wide = [wide_expression(pattern) for pattern in self._patterns]
        simple = [quoted(pattern.anchor) for pattern in self._patterns]
        sieve = None if kind is None else kind.compile(wide, simple)
        if sieve is None:
            return None
        data = sieve.dump()
        if data is not None:
            self._kept.store(self._kind, self._key, data)
        return SieveFinder(self._patterns, sieve)


def _loadable(native: Native) -> type[HyperscanSieve | Re2Sieve] | None:
    try:
        return native.sieve()
    except ImportError:
        return None  # it is installed and does not run: such as built for another system


def _key(patterns: Sequence[Pattern]) -> str:
    """Return the digest of all that a database depends on: the patterns, and how their expressions are widened."""
    digest = hashlib.sha256(_widening())
    for pattern in patterns:
        digest.update(b"%d %d " % (len(pattern.source), len(pattern.anchor)) + pattern.source + pattern.anchor)
    return digest.hexdigest()


@cache
def _widening() -> bytes:
    return (resources.files(__package__) / "expression.py").read_bytes()
