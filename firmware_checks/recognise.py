"""Which formats stand where in some bytes: at their start, at any place, or over all of them.

Scan and listing share this; what they do with a find differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from firmware_checks.format import ImageFormat, Opened
from firmware_checks.patterns import Hit, Pattern
from firmware_checks.span import Span
from firmware_checks.unread import UnreadList
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Budget

__all__ = ["Found", "Recogniser"]


@dataclass(frozen=True, slots=True)
class Found:
    """A format that opened, and the bytes that belong to it."""

    format: ImageFormat
    opened: Opened
    span: Span

    @property
    def label(self) -> str:
        """What tells the find from others in the same content: ``squashfs@0x20000``; empty when that starts with it."""
        start = self.span.provenance.offset_at(0)
        return f"{self.format.name}@{start:#x}" if start else ""

    @property
    def path(self) -> str:
        """What the paths of its entries start with."""
        label = self.label
        return f"{self.span.path}!{label}" if label else self.span.path


class Recogniser:
    """Tries formats in their order; what a defective reader or a spent limit kept closed is noted."""

    def __init__(self, formats: Mapping[str, ImageFormat], budget: Budget, unread: UnreadList) -> None:
        self._budget = budget
        self._unread = unread
        in_order = sorted(formats.values(), key=lambda f: (f.try_order, f.name))
        self._at_start = [f for f in in_order if not f.fallback]
        self._fallbacks = [f for f in in_order if f.fallback]
        self._closing = [f for f in self._at_start if f.closed is not None]
        self._magics = {f.name: [(m.pattern(f.name), m.offset) for m in f.magics] for f in self._at_start}
        self._starts = {
            pattern: (image_format, magic.offset)
            for image_format in self._at_start
            if not image_format.whole_file_only
            for magic, (pattern, _) in zip(image_format.magics, self._magics[image_format.name], strict=True)
            if magic.anywhere
        }
        self._always: set[int] = set()
        """Which of ``_at_start`` no single byte tells apart."""
        self._by_byte: dict[int, dict[int, list[int]]] = {}
        """By offset and the byte that must stand there: which of ``_at_start`` may start."""
        for rank, image_format in enumerate(self._at_start):
            self._index(rank, image_format)

    def _index(self, rank: int, image_format: ImageFormat) -> None:
        magics = self._magics[image_format.name]
        if image_format.whole_file_only or not all(pattern.leads for pattern, _ in magics):
            self._always.add(rank)
            return
        for pattern, offset in magics:
            self._by_byte.setdefault(offset, {}).setdefault(pattern.anchor[0], []).append(rank)

    @property
    def patterns(self) -> Iterable[Pattern]:
        """What to search for to find formats at any place; hand the hits to ``carve``."""
        return self._starts.keys()

    def at_start(self, span: Span) -> Found | None:
        """Return the first format that opens at the start of ``span``."""
        for image_format in self._candidates(span):
            found = self._open(image_format, span)
            if found is not None:
                return found
        return None

    def is_closed(self, span: Span) -> bool:
        """Tell whether a format says at a glance that nothing with a name is inside ``span``."""
        view = span.window.view
        return any(self._may_start(f, view) and f.closed(span.window) for f in self._closing if f.closed is not None)

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
        ranks = {image_format.name: rank for rank, image_format in enumerate(self._at_start)}
        starts = ((hit, *self._starts[hit.pattern]) for hit in hits if hit.pattern in self._starts)
        return {(hit.start - offset, ranks[f.name], f) for hit, f, offset in starts if hit.start >= offset}

    def is_start(self, hit: Hit) -> bool:
        """Tell whether ``hit`` is the start of a format and no sign of a component."""
        return hit.pattern in self._starts

    def _candidates(self, span: Span) -> Iterator[ImageFormat]:
        view = span.window.view
        ranks = set(self._always)
        for offset, by_byte in self._by_byte.items():
            if offset < len(view):
                ranks.update(by_byte.get(view[offset], ()))
        for rank in sorted(ranks):
            image_format = self._at_start[rank]
            if image_format.whole_file_only or self._may_start(image_format, view):
                yield image_format

    def _may_start(self, image_format: ImageFormat, view: memoryview) -> bool:
        """Tell whether one of the format's magics stands at the start of ``view``."""
        return any(p.expression.match(view, offset) is not None for p, offset in self._magics[image_format.name])

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
