"""Everything with a name in an image: each entry of each container, at any depth, in a fixed order."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

from firmware_checks.entry_reading import EntryReading
from firmware_checks.format import Entry, EntryKind, ImageFormat
from firmware_checks.glance import Glance, Inside
from firmware_checks.patterns import PatternSet
from firmware_checks.read_ahead import Look, Read, ReadAhead
from firmware_checks.recognise import Found, Recogniser
from firmware_checks.span import Span
from firmware_checks.unread import UnreadList
from toolkit.core.limits import Budget
from toolkit.core.window import Window

__all__ = ["Listing", "Row"]


class Row(NamedTuple):
    """One entry of a container, or a container that was found inside other bytes: then ``entry`` is None."""

    image: str
    inside: tuple[str, ...]
    """The names of the containers around it, the outermost first, without the image."""
    name: str
    entry: Entry | None
    size: int | None
    """Bytes of content; None where nobody knows."""
    content: bytes | memoryview | None = None
    """None when it was not asked for, could not be read, or there is none."""
    sha256: str = ""
    """Empty when it was not asked for or not read."""
    same_as: str = ""
    """Where the same content was looked into already; what is in it is not listed again."""

    @property
    def container(self) -> str:
        """The path of what it is in."""
        return "!".join((self.image, *self.inside))

    @property
    def path(self) -> str:
        """The path inside the image: ``image!container!name``."""
        return f"{self.container}!{self.name}"

    @property
    def kind(self) -> str:
        """What it is: an ``EntryKind``, or ``container``."""
        return "container" if self.entry is None else self.entry.kind.value


def _never(_path: str) -> bool:
    return False


def _always(_path: str) -> bool:
    return True


@dataclass(slots=True)
class Listing:
    """Lists one image; ``unread`` and the hits of ``budget`` say what is missing.

    The bytes of an entry are held until the next row is asked for.
    """

    formats: Mapping[str, ImageFormat]
    budget: Budget
    jobs: int = 2
    """Threads that read; with one, all is done in the thread that asks for rows."""
    with_digests: bool = False
    is_wanted: Callable[[str], bool] = _never
    """Whether the content of this path is asked for."""
    is_entered: Callable[[str], bool] = _always
    """Whether to look for entries inside the content of this path."""
    on_bytes: Callable[[int], None] = lambda _size: None
    """Hears how many bytes of the image itself were dealt with."""
    unread: UnreadList = field(init=False)
    _recogniser: Recogniser = field(init=False)
    _reading: EntryReading = field(init=False)
    _glance: Glance = field(init=False)
    _image: str = ""
    _entered: dict[str, str] = field(default_factory=dict)
    """By digest: where a content was looked into first."""

    def __post_init__(self) -> None:
        self.unread = UnreadList(self.budget.limits.unread)
        self._recogniser = Recogniser(self.formats, self.budget, self.unread)
        self._reading = EntryReading(self.budget, self.unread)
        self._glance = Glance(self._recogniser, PatternSet(list(self._recogniser.patterns)))

    def rows(self, span: Span) -> Generator[Row, None, None]:
        """Yield the rows of the image ``span``; what is inside a file follows the file."""
        self._image = span.path
        pool = ThreadPoolExecutor(self.jobs) if self.jobs > 1 else None
        try:
            ahead = ReadAhead(pool, self._reading, self.with_digests)
            yield from self._content(ahead, Inside(span), (), 0)
        finally:
            if pool is not None:
                pool.shutdown(cancel_futures=True)

    def _content(self, ahead: ReadAhead, content: Inside, inside: tuple[str, ...], depth: int) -> Iterator[Row]:
        for found in self._containers(content.span, depth, content.first):
            if not found.label:
                yield from self._entries(ahead, found, inside, depth)
                continue
            row = self._found_inside(found, inside)
            yield row
            if self.is_entered(row.path):
                yield from self._entries(ahead, found, (*inside, found.label), depth)

    def _found_inside(self, found: Found, inside: tuple[str, ...]) -> Row:
        view = found.span.window.view
        return Row(
            image=self._image,
            inside=inside,
            name=found.label,
            entry=None,
            size=len(view),
            content=view,
            sha256=hashlib.sha256(view).hexdigest() if self.with_digests else "",
        )

    def _entries(self, ahead: ReadAhead, found: Found, inside: tuple[str, ...], depth: int) -> Iterator[Row]:
        path = found.path

        def is_needed(entry: Entry) -> bool:
            if self.with_digests:
                return True
            at = f"{path}!{entry.name}"
            return self.is_entered(at) or self.is_wanted(at)

        def look_inside(entry: Entry, content: bytes) -> Inside | None:
            at = f"{path}!{entry.name}"
            return self._glance.at(Span(at, Window.of(content))) if self.is_entered(at) else None

        look = Look(look_inside, lambda entry: self.is_wanted(f"{path}!{entry.name}"))
        told: dict[str, tuple[int, str]] = {}
        for entry, read in ahead.read(found, self._reading.entries(found), is_needed, look):
            size, sha256 = _told(entry, read, told)
            within = None if read is None else read.inside
            same_as = "" if within is None else self._same_as(within.span, sha256)
            yield Row(
                image=self._image,
                inside=inside,
                name=entry.name,
                entry=entry,
                size=size,
                content=None if read is None else read.content,
                sha256=sha256,
                same_as=same_as,
            )
            if depth == 0:
                self.on_bytes(entry.packed_bytes)
            if within is not None:
                self._glance.taken(within)
                if not same_as:
                    yield from self._content(ahead, within, (*inside, entry.name), depth + 1)

    def _same_as(self, within: Span, sha256: str) -> str:
        digest = sha256 or hashlib.sha256(within.window.view).hexdigest()
        first = self._entered.setdefault(digest, within.path)
        return "" if first == within.path else first

    def _containers(self, span: Span, depth: int, opened: Found | None = None) -> Iterator[Found]:
        """Yield the formats in ``span`` that have entries, as far as they are not inside such entries.

        It may be ``opened`` already.
        """
        if self._is_too_deep(span, depth):
            return
        first = opened or self._recogniser.at_start(span)
        if first is not None:
            yield from self._within(first, depth)
            span = span.part(first.span.size, span.size)
        yield from self._embedded(span, depth)

    def _embedded(self, span: Span, depth: int) -> Iterator[Found]:
        """Yield the formats with entries that start at any place of ``span``."""
        if self._is_too_deep(span, depth):
            return
        for found, _ in self._recogniser.carve(span, self._glance.hits(span)):
            yield from self._within(found, depth)

    def _is_too_deep(self, span: Span, depth: int) -> bool:
        if depth <= self.budget.limits.depth:
            return False
        reason = f"nested deeper than {self.budget.limits.depth} levels"
        self.budget.exceeded("depth", reason, span.path)
        self.unread.add(span.path, reason, span.size)
        return True

    def _within(self, found: Found, depth: int) -> Iterator[Found]:
        opened = found.opened
        if opened.entries:
            yield found
        for part in sorted(opened.parts, key=lambda p: p.start):
            look = self._embedded if part.settled else self._containers
            if part.look_inside:
                yield from look(found.span.part(part.start, part.end), depth + 1)
        for memory in opened.memories:
            for span in memory.map.spans():
                yield from self._containers(span, depth + 1)


def _told(entry: Entry, read: Read | None, told: dict[str, tuple[int, str]]) -> tuple[int | None, str]:
    """Return size and digest of ``entry``; a hard link has those that were ``told`` of the file it stands for."""
    if read is not None:
        told[entry.name] = read.size, read.sha256
        return told[entry.name]
    if entry.kind is EntryKind.HARD_LINK:
        return told.get(entry.target, (0, ""))
    return (entry.unpacked_bytes if entry.kind is EntryKind.FILE else 0), ""
