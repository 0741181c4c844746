"""What a glance at a content tells: whether entries may be inside it and, when it is small, already how it opens.

A listing asks this in the threads that read, so that the thread which keeps the order is left with little to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from threading import Lock

from firmware_checks.format import ImageFormat
from firmware_checks.patterns import Hit, PatternSet
from firmware_checks.recognise import Found, Recogniser
from firmware_checks.span import Span

__all__ = ["Glance", "Inside"]

MOST_TEXT_BYTES = 16 << 20
TEXT_HEAD_BYTES = 512
OPENED_AHEAD_BYTES = 32 << 10
"""Larger contents are opened in their turn: what is opened may hold in memory what it unpacked."""
HELD_BYTES = 16 << 20
"""What may be unpacked of contents whose turn has not come; a little more when it is more than that for once."""


@dataclass(frozen=True, slots=True)
class Inside:
    """A content in which there may be entries."""

    span: Span
    first: Found | None = None
    """The format it starts with, when that was opened already."""
    held_bytes: int = 0
    sha256: str = ""
    """Digest of the content, when its bytes are not held."""


@dataclass(slots=True)
class Glance:
    """Looks at contents; several threads may ask at once."""

    recogniser: Recogniser
    patterns: PatternSet
    _held_bytes: int = 0
    _lock: Lock = field(default_factory=Lock)

    def at(self, span: Span) -> Inside | None:
        """Return the content when there may be entries inside it; whoever takes its turn says so with ``taken``."""
        if self.recogniser.is_closed(span):
            return None
        candidates = tuple(self.recogniser.candidates(span))
        if candidates:
            return self._opened(span, candidates)
        return None if next(self.hits(span), None) is None else Inside(span)

    def taken(self, inside: Inside) -> None:
        """Note that the turn of ``inside`` has come."""
        self._hold(-inside.held_bytes)

    def hits(self, span: Span) -> Iterator[Hit]:
        """Yield where formats may start inside ``span``."""
        view = span.window.view
        return iter(()) if _is_plain_text(view) else self.patterns.search(view)

    def _opened(self, span: Span, candidates: Iterable[ImageFormat]) -> Inside | None:
        if span.size > OPENED_AHEAD_BYTES or self._held_bytes > HELD_BYTES:
            return Inside(span)
        first = self.recogniser.quietly(span, candidates)
        if first is None:
            return Inside(span)
        opened = first.opened
        if opened.size == span.size and not (opened.entries or opened.parts or opened.memories):
            return None
        entries = opened.entries
        held_bytes = sum(e.unpacked_bytes or 0 for e in entries) if isinstance(entries, tuple) else 0
        self._hold(held_bytes)
        return Inside(span, first, held_bytes)

    def _hold(self, size: int) -> None:
        with self._lock:
            self._held_bytes += size


def _is_plain_text(view: memoryview) -> bool:
    """Tell whether ``view`` is text in UTF-8, in which no archive starts; a glance at its head decides for most."""
    if len(view) > MOST_TEXT_BYTES or b"\0" in bytes(view[:TEXT_HEAD_BYTES]):
        return False
    whole = bytes(view)
    return b"\0" not in whole and (whole.isascii() or _is_utf_8(whole))


def _is_utf_8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
