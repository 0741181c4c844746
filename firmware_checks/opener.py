"""From bytes to the region tree: recognise, open, look inside, and account for the rest."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from firmware_checks.format import Entry, EntryKind, ImageFormat, Memory, Opened, Part
from firmware_checks.patterns import Hit, Pattern, PatternSet
from firmware_checks.region import Region
from firmware_checks.span import Span
from firmware_checks.structure import analyse
from firmware_checks.voids import voids
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
    unread: UnreadList = field(init=False)
    _patterns: PatternSet = field(init=False)
    _starts: dict[Pattern, tuple[ImageFormat, int]] = field(init=False)
    _at_start: list[ImageFormat] = field(init=False)
    _fallbacks: list[ImageFormat] = field(init=False)

    def __post_init__(self) -> None:
        self.unread = UnreadList(self.budget.limits.unread)
        in_order = sorted(self.formats.values(), key=lambda f: (f.try_order, f.name))
        self._at_start = [f for f in in_order if not f.fallback]
        self._fallbacks = [f for f in in_order if f.fallback]
        self._starts = {
            magic.pattern(image_format.name): (image_format, magic.offset)
            for image_format in self._at_start
            if not image_format.whole_file_only
            for magic in image_format.magics
            if magic.anywhere
        }
        self._patterns = PatternSet([*self._starts, *self.component_patterns])

    def explore(self, span: Span, *, depth: int = 0) -> list[Region]:
        """Return the regions that make up a complete content: a file, an unpacked entry, a stretch of memory."""
        if span.size == 0:
            return []
        if depth > self.budget.limits.depth:
            reason = f"nested deeper than {self.budget.limits.depth} levels"
            self.budget.exceeded("depth", reason, span.path)
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
            self.budget.exceeded(error.limit, str(error), span.path)
            return None
        except Exception as error:  # noqa: BLE001  # a defect in one reader must not hide the rest of the image
            self._defect(image_format.name, span, error)
            return None
        return _Found(image_format, opened, span.part(0, opened.size))

    def _search(self, span: Span, depth: int) -> list[Region]:
        """Find formats at any offset of ``span``; what lies between them is looked at as raw bytes."""
        regions: list[Region] = []
        position = 0
        for start, end, value in voids(span.window.view, lambda: self.on_bytes(0)):
            regions += self._search_stretch(span.part(position, start), depth)
            title = f"Padding (all bytes {value:#04x})"
            regions.append(Region(span=span.part(start, end), format="padding", kind=RegionKind.PADDING, title=title))
            self.on_bytes(end - start)
            position = end
        return regions + self._search_stretch(span.part(position, span.size), depth)

    def _search_stretch(self, span: Span, depth: int) -> list[Region]:
        if span.size == 0:
            return []
        hits = sorted(self._patterns.search(span.window.view), key=_start_of)
        self.on_bytes(span.size)
        carved = [_Carved(start, start + found.span.size, found) for found, start in self._carve(span, hits)]
        regions: list[Region] = []
        position = 0
        for claim in self._claims(span, carved):
            regions += self._raw(span, position, claim.start, hits)
            regions.append(self._claimed(span, claim, depth, hits))
            position = claim.end
        return regions + self._raw(span, position, span.size, hits)

    def _claims(self, span: Span, carved: Sequence[_Carved]) -> list[_Claim]:
        """Return what is certain about ``span``, in order: programs with what is embedded in them, and other finds."""
        embedded = [c for c in carved if c.start > 0 and not c.found.format.stands_alone]
        claims: list[_Claim] = []
        for program in self._analysed(span) if embedded else ():
            start = _start_in(span, program)
            end = start + program.span.size
            touched = [c for c in carved if c.start < end and c.end > start]
            inside = [c for c in touched if start < c.start and c.end < end and c in embedded]
            if inside and inside == touched and program.kind is RegionKind.PROGRAM:
                claims.append(_Claim(start, end, tuple(inside), program))
        taken = {c.start for claim in claims for c in claim.finds}
        claims += [_Claim(c.start, c.end, (c,)) for c in carved if c.start not in taken]
        return sorted(claims, key=lambda claim: claim.start)

    def _claimed(self, span: Span, claim: _Claim, depth: int, hits: Sequence[Hit]) -> Region:
        opened = [self._look_inside(find.found, depth) for find in claim.finds]
        if claim.program is None:
            return opened[0]
        edges = [claim.start, *(edge for find in claim.finds for edge in (find.start, find.end)), claim.end]
        for start, end in zip(edges[::2], edges[1::2], strict=True):
            self._keep_hits(span, start, end, hits)
        ranges = [(find.start, find.end) for find in claim.finds]
        kept = [c for c in claim.program.children if not _overlaps(_start_in(span, c), c.span.size, ranges)]
        claim.program.children = sorted([*kept, *opened], key=lambda child: _start_in(span, child))
        return claim.program

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

    def _raw(self, span: Span, start: int, end: int, hits: Sequence[Hit]) -> list[Region]:
        """Look at bytes that no format claimed."""
        if start == end:
            return []
        self._keep_hits(span, start, end, hits)
        stretch = span.part(start, end)
        for image_format in self._fallbacks:
            found = self._open(image_format, stretch)
            if found is not None and found.span.size == stretch.size:
                return [_region(found)]
        return self._analysed(stretch)

    def _keep_hits(self, span: Span, start: int, end: int, hits: Sequence[Hit]) -> None:
        """Keep component hits in ``[start, end)``; those in the content of formats are found when that is opened."""
        first, last = (bisect_left(hits, place, key=_start_of) for place in (start, end))
        self.hits += [(span, hit) for hit in hits[first:last] if hit.pattern not in self._starts]

    def _analysed(self, span: Span) -> list[Region]:
        try:
            return analyse(span, self.budget.limits)
        except Exception as error:  # noqa: BLE001  # as above
            self._defect("structure", span, error)
            return [Region(span=span, format="raw", kind=RegionKind.UNKNOWN, title="unknown")]

    def _defect(self, reader: str, span: Span, error: Exception) -> None:
        """Report that one of our own readers failed: something was not looked at, and that must be seen."""
        place = f"{span.path} at {span.provenance.offset_at(0):#x}"
        reason = f"the {reader} reader failed with {type(error).__name__}: {error}; this is a defect, please report it"
        self._not_read(place, reason, 0)

    def _look_inside(self, found: _Found, depth: int) -> Region:
        opened = found.opened
        region = _region(found)
        for hit in opened.limits_hit:
            self.budget.hits.add(hit, region.span.path)
        for part in sorted(opened.parts, key=lambda p: p.start):
            region.children.append(self._part(found, part, depth))
        for memory in opened.memories:
            self._memory(region, memory, depth)
        for entry in opened.entries:
            if entry.kind is EntryKind.FILE and not self._entry(region, entry, depth):
                break
        return region

    def _part(self, found: _Found, part: Part, depth: int) -> Region:
        span = found.span.part(part.start, part.end)
        if part.address is not None:
            span = span.at(part.address)
        inside = self.explore(span, depth=depth + 1) if part.look_inside else []
        return Region(
            span=span,
            format=part.format or found.format.name,
            kind=part.kind,
            title=part.title,
            facts=part.facts,
            integrity=part.integrity,
            program=part.program,
            children=_declared(inside) if part.program is not None else inside,
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
            inside = self.explore(span, depth=depth + 1)
            holder.children += _declared(inside) if region.program is not None else inside

    def _entry(self, region: Region, entry: Entry, depth: int) -> bool:
        """Unpack and explore one entry; return False when no further entry may be read."""
        path = f"{region.span.path}!{entry.name}"
        size = entry.packed_bytes if entry.unpacked_bytes is None else entry.unpacked_bytes
        allowance = 0
        try:
            self.budget.spend_entry(region.span.path)
            allowance = self.budget.allowance(entry.packed_bytes, region.span.path)
            data = entry.read(allowance)
        except FormatError as error:
            self._not_read(path, str(error), size)
            return True
        except LimitExceeded as error:
            if allowance:
                self.budget.hits.add(str(error), path)
            self.budget.spend_unpacked(allowance)  # the work was done, and what lies about its size must not be free
            self._not_read(path, str(error), size)
            return error.limit not in ("entries", "unpacked_bytes")
        except Exception as error:  # noqa: BLE001  # as above
            self._defect(f"{region.format} entry", region.span, error)
            return True
        self.budget.spend_unpacked(len(data))
        region.children += self.explore(Span(path, Window.of(data), address=entry.address), depth=depth + 1)
        return True

    def _closed(self, span: Span, reason: str) -> Region:
        self._not_read(span.path, reason, span.size)
        return Region(span=span, format="unread", kind=RegionKind.UNKNOWN, title="Not opened", decoded=True)

    def _not_read(self, path: str, reason: str, size: int) -> None:
        self.unread.add(Unread(path=path, reason=reason, size=size))


@dataclass(slots=True)
class UnreadList:
    """What stayed closed: the first ``most`` pieces by name, the others in sum."""

    most: int
    named: list[Unread] = field(default_factory=list)
    more: int = 0
    more_bytes: int = 0

    def add(self, item: Unread) -> None:
        """Add one piece."""
        if len(self.named) < self.most:
            self.named.append(item)
            return
        self.more += 1
        self.more_bytes += item.size

    def rows(self) -> tuple[Unread, ...]:
        """Return a row for each named piece and one for all others."""
        if self.more == 0:
            return tuple(self.named)
        outermost = self.named[0].path.partition("!")[0]
        rest = Unread(path=outermost, reason=f"{self.more} more pieces were not read", size=self.more_bytes)
        return (*self.named, rest)


@dataclass(frozen=True, slots=True)
class _Found:
    format: ImageFormat
    opened: Opened
    span: Span


@dataclass(frozen=True, slots=True)
class _Carved:
    """A format found at ``[start, end)`` of the bytes that were searched."""

    start: int
    end: int
    found: _Found


@dataclass(frozen=True, slots=True)
class _Claim:
    """Bytes ``[start, end)`` that are one find, or a program with finds embedded in it."""

    start: int
    end: int
    finds: tuple[_Carved, ...]
    program: Region | None = None


def _declared(regions: list[Region]) -> list[Region]:
    """Return ``regions`` of what the container declares to be a program: what is not code in it is the code's data."""
    for region in regions:
        if region.kind is RegionKind.UNKNOWN and region.format == "raw":
            region.kind = RegionKind.DATA
            region.title = "Data of the program"
    return regions


def _region(found: _Found) -> Region:
    opened = found.opened
    return Region(
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


def _may_start(image_format: ImageFormat, span: Span) -> bool:
    """Tell whether one of the format's magics stands at the start of ``span``."""
    for magic in image_format.magics:
        pattern = magic.pattern(image_format.name)
        if pattern.expression.match(span.window.view, magic.offset) is not None:
            return True
    return False


def _start_of(hit: Hit) -> int:
    return hit.start


def _start_in(span: Span, region: Region) -> int:
    return region.span.window.origin - span.window.origin


def _overlaps(start: int, size: int, ranges: Sequence[tuple[int, int]]) -> bool:
    return any(start < high and start + size > low for low, high in ranges)
