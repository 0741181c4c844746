"""From bytes to the region tree: recognise, open, look inside, and account for the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from firmware_checks.format import Entry, ImageFormat, Memory, Opened, Part
from firmware_checks.patterns import Hit, Pattern, PatternSet
from firmware_checks.region import Region
from firmware_checks.span import Span
from firmware_checks.structure import analyse
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Budget
from toolkit.core.window import Window
from toolkit.report.model import RegionKind, Unread

__all__ = ["Opener"]


@dataclass(slots=True)
class Opener:
    """Opens one image; ``hits`` collects where component patterns matched, ``unread`` what stayed closed."""

    formats: Mapping[str, ImageFormat]
    component_patterns: Sequence[Pattern]
    budget: Budget
    on_bytes: Callable[[int], None]
    """Hears how many bytes were searched."""
    hits: list[tuple[Span, Hit]] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    _patterns: PatternSet = field(init=False)
    _starts: dict[Pattern, tuple[ImageFormat, int]] = field(init=False)
    _at_start: list[ImageFormat] = field(init=False)

    def __post_init__(self) -> None:
        self._at_start = sorted(self.formats.values(), key=lambda f: (f.try_order, f.name))
        self._starts = {
            magic.pattern(image_format.name): (image_format, magic.offset)
            for image_format in self._at_start
            if not image_format.whole_file_only
            for magic in image_format.magics
        }
        self._patterns = PatternSet([*self._starts, *self.component_patterns])

    def explore(self, span: Span, *, depth: int = 0) -> list[Region]:
        """Return the regions that make up a complete content: a file, an unpacked entry, a stretch of memory."""
        if span.size == 0:
            return []
        if depth > self.budget.limits.depth:
            reason = f"nested deeper than {self.budget.limits.depth} levels"
            self.budget.exceeded("depth", f"{span.path}: {reason}")
            return [self._closed(span, reason)]
        first = self._recognise(span)
        if first is None:
            return self._search(span, depth)
        rest = span.part(first.span.size, span.size)
        return [self._look_inside(first, depth), *self._search(rest, depth)]

    def _recognise(self, span: Span) -> _Found | None:
        """Return the first format that opens at the start of ``span``."""
        for image_format in self._at_start:
            if image_format.whole_file_only or _may_start(image_format, span):
                found = self._open(image_format, span)
                if found is not None:
                    return found
        return None

    def _open(self, image_format: ImageFormat, span: Span) -> _Found | None:
        try:
            opened = image_format.open(span, self.budget.limits)
        except FormatError:
            return None
        except LimitExceeded as error:
            self.budget.exceeded(error.limit, str(error))
            return None
        return _Found(image_format, opened, span.part(0, opened.size))

    def _search(self, span: Span, depth: int) -> list[Region]:
        """Find formats at any offset of ``span``; what lies between them is looked at as raw bytes."""
        if span.size == 0:
            return []
        hits = sorted(self._patterns.search(span.window.view), key=lambda h: h.start)
        self.on_bytes(span.size)
        regions: list[Region] = []
        position = 0
        for found, start in self._carve(span, hits):
            regions += self._raw(span.part(position, start))
            regions.append(self._look_inside(found, depth))
            position = start + found.span.size
        regions += self._raw(span.part(position, span.size))
        self._keep_component_hits(span, hits, regions)
        return regions

    def _carve(self, span: Span, hits: Sequence[Hit]) -> Iterator[tuple[_Found, int]]:
        free_from = 0
        for hit in hits:
            if hit.pattern not in self._starts:
                continue
            image_format, offset = self._starts[hit.pattern]
            start = hit.start - offset
            if start < free_from:
                continue
            try:
                self.budget.spend_attempt(span.path)
            except LimitExceeded:
                return
            found = self._open(image_format, span.part(start, span.size))
            if found is not None:
                free_from = start + found.span.size
                yield found, start

    def _raw(self, span: Span) -> list[Region]:
        return analyse(span, self.budget.limits) if span.size else []

    def _keep_component_hits(self, span: Span, hits: Sequence[Hit], regions: Sequence[Region]) -> None:
        """Keep component hits in raw bytes; those inside an opened format are found again in its content."""
        opened = [r for r in regions if r.format in self.formats]
        bounds = [(_index_in(span, r), _index_in(span, r) + r.span.size) for r in opened]
        for hit in hits:
            if hit.pattern not in self._starts and not any(a <= hit.start < b for a, b in bounds):
                self.hits.append((span, hit))

    def _look_inside(self, found: _Found, depth: int) -> Region:
        opened = found.opened
        region = Region(
            span=found.span,
            format=found.format.name,
            kind=opened.kind,
            title=opened.title,
            facts=opened.facts,
            integrity=opened.integrity,
            problems=opened.problems,
            program=opened.program,
            decoded=bool(opened.memories) or bool(opened.entries),
        )
        for part in sorted(opened.parts, key=lambda p: p.start):
            region.children.append(self._part(found, part, depth))
        for memory in opened.memories:
            self._memory(region, memory, depth)
        for entry in opened.entries:
            if not self._entry(region, entry, depth):
                break
        return region

    def _part(self, found: _Found, part: Part, depth: int) -> Region:
        span = found.span.part(part.start, part.end)
        if part.address is not None:
            span = span.at(part.address)
        return Region(
            span=span,
            format=part.format or found.format.name,
            kind=part.kind,
            title=part.title,
            facts=part.facts,
            integrity=part.integrity,
            program=part.program,
            children=self.explore(span, depth=depth + 1) if part.look_inside else [],
        )

    def _memory(self, region: Region, memory: Memory, depth: int) -> None:
        holder = region
        if memory.title:
            holder = Region(
                span=region.span,
                format=region.format,
                kind=RegionKind.CONTAINER,
                title=memory.title,
                decoded=True,
            )
            region.children.append(holder)
        holder.memory = memory.map
        for span in memory.map.spans():
            holder.children += self.explore(span, depth=depth + 1)

    def _entry(self, region: Region, entry: Entry, depth: int) -> bool:
        """Unpack and explore one entry; return False when no further entry may be read."""
        path = f"{region.span.path}!{entry.name}"
        size = entry.packed_bytes if entry.unpacked_bytes is None else entry.unpacked_bytes
        try:
            self.budget.spend_entry(region.span.path)
        except LimitExceeded as error:
            self.unread.append(Unread(path=path, reason=str(error), size=size))
            return False
        try:
            data = entry.read(self.budget.allowance(entry.packed_bytes))
        except LimitExceeded as error:
            self.budget.exceeded(error.limit, f"{path}: {error}")
            self.unread.append(Unread(path=path, reason=str(error), size=size))
            return True
        except FormatError as error:
            self.unread.append(Unread(path=path, reason=str(error), size=size))
            return True
        self.budget.spend_unpacked(len(data))
        region.children += self.explore(Span(path, Window.of(data)), depth=depth + 1)
        return True

    def _closed(self, span: Span, reason: str) -> Region:
        self.unread.append(Unread(path=span.path, reason=reason, size=span.size))
        return Region(span=span, format="unread", kind=RegionKind.UNKNOWN, title="Not opened", decoded=True)


@dataclass(frozen=True, slots=True)
class _Found:
    format: ImageFormat
    opened: Opened
    span: Span


def _may_start(image_format: ImageFormat, span: Span) -> bool:
    """Tell whether one of the format's magics stands at the start of ``span``."""
    for magic in image_format.magics:
        pattern = magic.pattern(image_format.name)
        if pattern.expression.match(span.window.view, magic.offset) is not None:
            return True
    return False


def _index_in(span: Span, region: Region) -> int:
    return region.span.window.origin - span.window.origin
