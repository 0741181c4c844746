"""From bytes to the region tree: recognise, open, look inside, and account for the rest."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from firmware_checks.claims import Carved, Claim, ProgramAt, claims
from firmware_checks.coverage import kinds_of
from firmware_checks.entry_reading import EntryReading
from firmware_checks.format import Archive, Entry, EntryKind, ImageFormat, Memory, Part
from firmware_checks.patterns import AnchorEngine, Engine, Hit, Pattern, PatternSet
from firmware_checks.quoting import is_quoted
from firmware_checks.recognise import Found, Recogniser
from firmware_checks.region import Place, Region
from firmware_checks.span import EXCERPT_BYTES, Linear, Span
from firmware_checks.structure import analyse
from firmware_checks.unread import UnreadList
from firmware_checks.voids import voids
from toolkit.core.limits import Budget
from toolkit.core.window import Window
from toolkit.report.model import RegionKind

__all__ = ["Opener"]

MOST_BYTES_TOLD = 1 << 53
"""Copies of copies can stand for more bytes than a JSON reader keeps exactly; no memory is that large."""


def _unheard(_span: Span) -> None:
    """Nobody asked."""


def _unseen(_span: Span, _regions: Sequence[Region]) -> None:
    """Nobody asked."""


def _unlisted(_container: str, _entry: Entry) -> None:
    """Nobody asked."""


@dataclass(slots=True)
class Opener:
    """Opens one image; ``hits`` collects where component patterns matched, ``unread`` what stayed closed.

    The bytes of an unpacked file are held only while what is inside it is looked at.
    """

    formats: Mapping[str, ImageFormat]
    component_patterns: Sequence[Pattern]
    budget: Budget
    on_bytes: Callable[[int], None]
    """Hears how many bytes were searched."""
    on_content: Callable[[Span], None] = _unheard
    """Hears of the bytes of every distinct file, once, while they are held."""
    on_regions: Callable[[Span, Sequence[Region]], None] = _unseen
    """Sees what was found in the bytes of an unpacked file, once, while they are held."""
    on_entry: Callable[[str, Entry], None] = _unlisted
    """Hears of every entry of every container that is opened, with the container's path."""
    engine: Engine = field(default_factory=AnchorEngine)
    """Searches; another one is faster or slower and finds the same."""
    hits: list[tuple[Span, Hit]] = field(default_factory=list)
    """Each hit with a span of the matched bytes alone, whose index 0 is where the hit starts."""
    unread: UnreadList = field(init=False)
    _recogniser: Recogniser = field(init=False)
    _reading: EntryReading = field(init=False)
    _patterns: PatternSet = field(init=False)
    _explored: dict[tuple[bytes, int | None], _Explored] = field(default_factory=dict)
    """By digest and address: content that was looked at already."""
    _rows: int = 0

    def __post_init__(self) -> None:
        self.unread = UnreadList(self.budget.limits.unread)
        self._recogniser = Recogniser(self.formats, self.budget, self.unread)
        self._reading = EntryReading(self.budget, self.unread)
        self._patterns = PatternSet([*self._recogniser.patterns, *self.component_patterns], self.engine)

    def explore(self, span: Span, *, depth: int = 0) -> list[Region]:
        """Return the regions that make up a complete content: a file, an unpacked entry, a stretch of memory."""
        if span.size == 0:
            return []
        if depth > self.budget.limits.depth:
            return [self._closed(span)]
        first = self._recogniser.at_start(span)
        if first is None:
            return self._search(span, depth)
        rest = span.part(first.span.size, span.size)
        return [self._look_inside(first, depth), *self._search(rest, depth)]

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
        hits = self._hits_in(span)
        regions: list[Region] = []
        position = 0
        for claim in claims(self._carved(span, hits), lambda: self._programs(span)):
            regions += self._raw(span, position, claim.start, hits)
            regions.append(self._claimed(span, claim, depth, hits))
            position = claim.end
        return regions + self._raw(span, position, span.size, hits)

    def _hits_in(self, span: Span) -> list[Hit]:
        hits = sorted(self._patterns.search(span.window.view), key=_start_of)
        self.on_bytes(span.size)
        return hits

    def _carved(self, span: Span, hits: Sequence[Hit]) -> Iterator[Carved]:
        for found, start in self._recogniser.carve(span, hits):
            yield Carved(start, start + found.span.size, found)

    def _programs(self, span: Span) -> list[ProgramAt]:
        """Return the programs in ``span`` as they look when nothing in it was recognised."""
        programs = [r for r in self._analysed(span) if r.kind is RegionKind.PROGRAM]
        return [ProgramAt(_start_in(span, r), _start_in(span, r) + r.span.size, r) for r in programs]

    def _claimed(self, span: Span, claim: Claim, depth: int, hits: Sequence[Hit]) -> Region:
        opened = [self._look_inside(find.found, depth) for find in claim.finds]
        program = claim.program
        if program is None:
            return opened[0]
        edges = [claim.start, *(edge for find in claim.finds for edge in (find.start, find.end)), claim.end]
        for start, end in zip(edges[::2], edges[1::2], strict=True):
            self._keep_hits(span, start, end, hits)
        taken = [*((find.start, find.end) for find in claim.finds), (claim.end, span.size)]
        kept = [c for c in program.children if not _overlaps(_start_in(span, c), c.span.size, taken)]
        program.children = sorted([*kept, *opened], key=lambda child: _start_in(span, child))
        program.span = program.held.part(0, claim.end - claim.start)
        return program

    def _raw(self, span: Span, start: int, end: int, hits: Sequence[Hit]) -> list[Region]:
        """Look at bytes that no format claimed."""
        if start == end:
            return []
        self._keep_hits(span, start, end, hits)
        stretch = span.part(start, end)
        found = self._recogniser.fallback(stretch)
        return self._analysed(stretch) if found is None else [_region(found)]

    def _keep_hits(self, span: Span, start: int, end: int, hits: Sequence[Hit]) -> None:
        """Keep component hits in ``[start, end)``; those in the content of formats are found when that is opened."""
        first, last = (bisect_left(hits, place, key=_start_of) for place in (start, end))
        found = (hit for hit in hits[first:last] if not self._recogniser.is_start(hit))
        self.hits += [_alone(span, hit) for hit in found if not is_quoted(span.window.view, hit)]

    def _analysed(self, span: Span) -> list[Region]:
        try:
            return analyse(span, self.budget.limits)
        except Exception as error:  # noqa: BLE001  # a defect must not hide the rest of the image
            self.unread.defect("structure", span, error)
            return [Region(span=span, format="raw", kind=RegionKind.UNKNOWN, title="unknown")]

    def _look_inside(self, found: Found, depth: int) -> Region:
        opened = found.opened
        region = _region(found)
        for part in sorted(opened.parts, key=lambda p: p.start):
            region.children.append(self._part(found, part, depth))
        for memory in opened.memories:
            self._memory(region, memory, depth)
        for entry in self._reading.entries(found):
            self.on_entry(found.path, entry)
            if entry.kind is EntryKind.FILE:
                region.children += self._entry(found, entry, depth)
        return region

    def _part(self, found: Found, part: Part, depth: int) -> Region:
        span = found.span.part(part.start, part.end)
        if part.address is not None:
            span = span.at(part.address)
        inside: list[Region] = []
        if part.look_inside:
            inside = self._embedded(span, depth + 1) if part.settled else self.explore(span, depth=depth + 1)
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

    def _embedded(self, span: Span, depth: int) -> list[Region]:
        """Return only the formats found inside bytes whose nature is known; component hits are kept from the rest."""
        if depth > self.budget.limits.depth:
            return [self._closed(span)]
        hits = self._hits_in(span)
        regions: list[Region] = []
        position = 0
        for find in self._carved(span, hits):
            self._keep_hits(span, position, find.start, hits)
            regions.append(self._look_inside(find.found, depth))
            position = find.end
        self._keep_hits(span, position, span.size, hits)
        return regions

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

    def _entry(self, found: Found, entry: Entry, depth: int) -> list[Region]:
        """Unpack and explore one entry; what it unpacks to is let go again."""
        grant = self._reading.grant(found, entry)
        if grant is None:
            return []
        path = f"{found.path}!{entry.name}"
        size = entry.unpacked_bytes or 0
        if entry.archive is not None and size <= grant.most_bytes:
            self._reading.settle(grant, size)
            return self._archive(path, entry.archive, size, depth + 1)
        try:
            data = entry.read(grant.most_bytes)
        except Exception as error:  # noqa: BLE001  # as above
            self._reading.failed(found, entry, grant, error)
            return []
        self._reading.settle(grant, len(data))
        return self._content(Span(path, Window.of(data), address=entry.address), depth + 1)

    def _content(self, span: Span, depth: int) -> list[Region]:
        """Explore unpacked bytes, unless the same were explored before, and let them go."""
        if span.size == 0:
            return []

        def explore() -> list[Region]:
            self.on_content(span)
            regions = self.explore(span, depth=depth)
            self.on_regions(span, regions)
            return regions

        return self._once((hashlib.sha256(span.window.view).digest(), span.address), span, depth, explore)

    def _archive(self, path: str, archive: Archive, size: int, depth: int) -> list[Region]:
        """Explore what is in an archive whose own bytes are not held; they are nothing but its framing."""
        place = Place(path=path, size=size, provenance=Linear(), extent=(0, size), address=None, holes=())

        def explore() -> list[Region]:
            if depth > self.budget.limits.depth:
                return [self._closed(place)]
            region = self._look_inside(Found(archive.format, archive.opened, Span(path, Window.of(b""))), depth)
            region.span = place
            self._rows += 1
            return [region]

        return self._once((bytes.fromhex(archive.sha256), None), place, depth, explore)

    def _once(
        self, key: tuple[bytes, int | None], span: Span | Place, depth: int, explore: Callable[[], list[Region]]
    ) -> list[Region]:
        """Return what ``explore`` finds in the content, unless the same was explored before; the bytes are let go."""
        known = self._explored.get(key)
        if known is not None and known.depth <= depth:
            return [self._copy(span, known)]
        unread_before = self.unread.total_bytes
        in_sum = self._rows >= self.budget.limits.regions
        regions = explore()
        self._rows += sum(region.release() for region in regions)
        if in_sum:
            self.budget.exceeded("regions", f"more than {self.budget.limits.regions} rows, the rest in sums", span.path)
            regions = [_in_sum(span, regions)]
        self._explored[key] = _Explored(span.path, depth, regions, self.unread.total_bytes - unread_before)
        return regions

    def _copy(self, span: Span | Place, known: _Explored) -> Region:
        """Return the region of content that was explored under another name; it counts as that did."""
        if known.unread_bytes:
            reason = f"has the same content as {known.path}, of which not all was read"
            self.unread.add(span.path, reason, min(known.unread_bytes, MOST_BYTES_TOLD))
        self._rows += 1
        region = _summed(span, known.regions, known.kinds)
        region.facts = {"same_as": known.path}
        return region

    def _closed(self, span: Span | Place) -> Region:
        reason = f"nested deeper than {self.budget.limits.depth} levels"
        self.budget.exceeded("depth", reason, span.path)
        self.unread.add(span.path, reason, span.size)
        return Region(span=span, format="unread", kind=RegionKind.UNKNOWN, title="Not opened", decoded=True)


@dataclass(slots=True)
class _Explored:
    """Content that was looked at under ``path``, and what was found in it."""

    path: str
    depth: int
    regions: Sequence[Region]
    unread_bytes: int
    _kinds: Mapping[RegionKind, int] | None = None

    @property
    def kinds(self) -> Mapping[RegionKind, int]:
        """How many bytes of each kind it holds."""
        if self._kinds is None:
            self._kinds = {kind: min(size, MOST_BYTES_TOLD) for kind, size in kinds_of(self.regions).items()}
        return self._kinds


def _summed(span: Span | Place, regions: Sequence[Region], kinds: Mapping[RegionKind, int]) -> Region:
    """Return one region that stands for all of ``regions``, which make up ``span``; its bytes are not held."""
    chief = max(regions, key=lambda region: region.span.size)
    return Region(
        span=span if isinstance(span, Place) else Place.of(span),
        format=chief.format,
        kind=chief.kind,
        title=chief.title,
        decoded=True,
        copied=kinds,
    )


def _in_sum(span: Span | Place, regions: Sequence[Region]) -> Region:
    """Return one region for all of ``regions``; below it stay those of which a check may have something to say."""
    whole = _summed(span, regions, kinds_of(regions))
    telling = [region for root in regions for region in root.walk() if region.is_telling]
    whole.children = [replace(region, decoded=True, children=[], copied={}) for region in telling]
    return whole


def _alone(span: Span, hit: Hit) -> tuple[Span, Hit]:
    """Return ``hit`` with a span of the matched bytes alone, so that the content need not be kept for an excerpt."""
    size = min(hit.end - hit.start, EXCERPT_BYTES)
    excerpt = bytes(span.window.view[hit.start : hit.start + size])
    address = None if span.address is None else span.address + hit.start
    alone = Span(span.path, Window.of(excerpt), Linear(span.provenance.offset_at(hit.start)), address)
    return alone, Hit(0, size, hit.pattern, hit.groups)


def _declared(regions: list[Region]) -> list[Region]:
    """Return ``regions`` of what the container declares to be a program: what is not code in it is the code's data."""
    for region in regions:
        if region.kind is RegionKind.UNKNOWN and region.format == "raw":
            region.kind = RegionKind.DATA
            region.title = "Data of the program"
    return regions


def _region(found: Found) -> Region:
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


def _start_of(hit: Hit) -> int:
    return hit.start


def _start_in(span: Span, region: Region) -> int:
    return region.held.window.origin - span.window.origin


def _overlaps(start: int, size: int, ranges: Sequence[tuple[int, int]]) -> bool:
    return any(start < high and start + size > low for low, high in ranges)
