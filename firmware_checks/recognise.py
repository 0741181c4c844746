"""Which formats stand where in some bytes: at their start, at any place, or over all of them.

Scan and listing share this; what they do with a find differs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from firmware_checks.format import ImageFormat, Magic, Opened
from firmware_checks.patterns import Hit, Pattern
from firmware_checks.span import Span
from firmware_checks.unread import UnreadList
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Budget

__all__ = ["Found", "Recogniser"]

BYTE_VALUES = 256

_FIRST = re.compile(rb"(?:\(\?s\))?(\\x[0-9a-fA-F]{2}|\[(?:\\.|[^\]\\])+\]|[\w %!:])(?![*+?{])", re.ASCII)
"""The first token of an expression: a byte or a class of bytes that stands there just once."""


@dataclass(frozen=True, slots=True)
class Found:
    """A format that opened, and the bytes that belong to it."""

    format: ImageFormat
    opened: Opened
    span: Span
    label: str = field(init=False)
    """What tells the find from others in the same content: ``squashfs@0x20000``; empty when that starts with it."""
    path: str = field(init=False)
    """What the paths of its entries start with."""

    def __post_init__(self) -> None:
        start = self.span.provenance.offset_at(0)
        label = f"{self.format.name}@{start:#x}" if start else ""
        object.__setattr__(self, "label", label)
        object.__setattr__(self, "path", f"{self.span.path}!{label}" if label else self.span.path)


@dataclass(slots=True)
class _Mark:
    """A magic of a format, and the rank of that among all."""

    rank: int
    format: ImageFormat
    pattern: Pattern
    _match: Callable[[memoryview, int], object] | None = None
    """Compiled when it is first needed, because most never are."""

    def stands(self, view: memoryview, place: int) -> bool:
        """Tell whether it stands at ``place``."""
        if self._match is None:
            self._match = self.pattern.expression.match
        return self._match(view, place) is not None


class Recogniser:
    """Tries formats in their order; what a defective reader or a spent limit kept closed is noted."""

    def __init__(self, formats: Mapping[str, ImageFormat], budget: Budget, unread: UnreadList) -> None:
        self._budget = budget
        self._unread = unread
        in_order = sorted(formats.values(), key=lambda f: (f.try_order, f.name))
        self._at_start = [f for f in in_order if not f.fallback]
        self._ranks = {f.name: rank for rank, f in enumerate(self._at_start)}
        self._fallbacks = [f for f in in_order if f.fallback]
        self._starts: dict[Pattern, tuple[ImageFormat, int]] = {}
        """What to search for, and how many bytes before it a format starts."""
        self._always = {rank for rank, f in enumerate(self._at_start) if not f.magics}
        """Which of ``_at_start`` no byte tells apart."""
        self._by_byte: dict[int, list[tuple[_Mark, ...]]] = {}
        """By offset and the byte that stands there: what may start a format."""
        for rank, image_format in enumerate(self._at_start):
            for magic in image_format.magics:
                self._index(rank, image_format, magic)
        at_first = self._by_byte.get(0, [()] * BYTE_VALUES)
        self._closing = [[mark for mark in marks if mark.format.closed is not None] for marks in at_first]
        """By the first byte: what may start a format that says at a glance that nothing with a name is inside."""

    def _index(self, rank: int, image_format: ImageFormat, magic: Magic) -> None:
        pattern = magic.pattern(image_format.name)
        mark = _Mark(rank, image_format, pattern)
        by_byte = self._by_byte.setdefault(magic.offset, [()] * BYTE_VALUES)
        for value in _first_bytes(pattern):
            by_byte[value] = (*by_byte[value], mark)
        if magic.anywhere and not image_format.whole_file_only:
            self._starts[pattern] = image_format, magic.offset

    @property
    def patterns(self) -> Iterable[Pattern]:
        """What to search for to find formats at any place; hand the hits to ``carve``."""
        return self._starts.keys()

    def at_start(self, span: Span) -> Found | None:
        """Return the first format that opens at the start of ``span``."""
        for image_format in self.candidates(span):
            found = self._open(image_format, span)
            if found is not None:
                return found
        return None

    def candidates(self, span: Span) -> Iterator[ImageFormat]:
        """Yield the formats that may open at the start of ``span``, in their order; also threads may ask."""
        window = span.window
        view, size = window.view, window.size
        ranks = self._always.copy()
        for offset, by_byte in self._by_byte.items():
            if -size <= offset < size:
                for mark in by_byte[view[offset]]:
                    if mark.rank not in ranks and mark.stands(view, offset if offset >= 0 else size + offset):
                        ranks.add(mark.rank)
        for rank in sorted(ranks):
            image_format = self._at_start[rank]
            if image_format.magics or image_format.possible is None or image_format.possible(window):
                yield image_format

    def quietly(self, span: Span, candidates: Iterable[ImageFormat]) -> Found | None:
        """Return the first of ``candidates`` that opens; also None when there is something to note: ask ``at_start``.

        Several threads may ask at once.
        """
        for image_format in candidates:
            try:
                opened = image_format.open(span, self._budget.limits)
            except FormatError:
                continue
            except Exception:  # noqa: BLE001  # told when it is the turn of these bytes
                return None
            return Found(image_format, opened, span.part(0, opened.size))
        return None

    def is_closed(self, span: Span) -> bool:
        """Tell whether a format says at a glance that nothing with a name is inside ``span``; also threads may ask."""
        view = span.window.view
        return any(
            closed(span.window)
            for mark in self._closing[view[0]]
            if (closed := mark.format.closed) is not None and mark.stands(view, 0)
        )

    def fallback(self, span: Span) -> Found | None:
        """Return the format that fits all of ``span``, among those tried only where no other was found."""
        for image_format in self._fallbacks:
            found = self._open(image_format, span)
            if found is not None and found.span.size == span.size:
                return found
        return None

    def carve(self, span: Span, hits: Iterable[Hit]) -> Iterator[tuple[Found, int]]:
        """Yield formats found inside ``span`` and where each starts; at one place the special is tried first."""
        free_from = 0
        for start, _, image_format in sorted(self._may_stand(hits)):
            if start < free_from:
                continue
            try:
                self._budget.spend_attempt(span.path)
            except LimitExceeded:
                return
            found = self._open(image_format, span.part(start, span.size))
            if found is not None:
                free_from = start + found.span.size
                yield found, start

    def _may_stand(self, hits: Iterable[Hit]) -> set[tuple[int, int, ImageFormat]]:
        """Return where which formats may start, with their rank."""
        starts = ((hit, *self._starts[hit.pattern]) for hit in hits if hit.pattern in self._starts)
        return {(hit.start - offset, self._ranks[f.name], f) for hit, f, offset in starts if hit.start >= offset}

    def is_start(self, hit: Hit) -> bool:
        """Tell whether ``hit`` is the start of a format and no sign of a component."""
        return hit.pattern in self._starts

    def _open(self, image_format: ImageFormat, span: Span) -> Found | None:
        try:
            opened = image_format.open(span, self._budget.limits)
        except FormatError:
            return None
        except LimitExceeded as error:
            self._budget.exceeded(error.limit, str(error), span.path)
            return None
        except Exception as error:  # noqa: BLE001  # a defect in one reader must not hide the rest of the image
            self._unread.defect(image_format.name, span, error)
            return None
        return Found(image_format, opened, span.part(0, opened.size))


def _first_bytes(pattern: Pattern) -> Iterable[int]:
    """Return the bytes a match of ``pattern`` may start with, as far as that is plain to see; all where it is not."""
    if pattern.leads:
        return pattern.anchor[:1]
    first = None if b"|" in pattern.source else _FIRST.match(pattern.source)
    if first is None:
        return range(BYTE_VALUES)
    one = re.compile(first[1], re.DOTALL)
    return [value for value in range(BYTE_VALUES) if one.fullmatch(bytes([value]))]
