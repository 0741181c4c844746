"""Everything with a name in an image: each entry of each container, at any depth, in a fixed order."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from firmware_checks.entry_reading import EntryReading
from firmware_checks.format import Entry, EntryKind, ImageFormat
from firmware_checks.glance import Glance, Inside
from firmware_checks.outline import Member, Members
from firmware_checks.patterns import PatternSet
from firmware_checks.read_ahead import Look, Read, ReadAhead, sha256_of
from firmware_checks.recognise import Found, Recogniser
from firmware_checks.span import Span
from firmware_checks.unread import UnreadList
from toolkit.core.limits import Budget
from toolkit.core.window import Window
from toolkit.report.model import Unread

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
    note: str = ""
    """What was noted of the content while it was read, where that was asked for."""

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


def _always(_path: str) -> bool:
    return True


def _never(_entries: Sequence[Entry]) -> bool:
    return False


def _no_note(_content: bytes) -> str:
    return ""


@dataclass(slots=True)
class Listing:
    """Lists one image; ``unread`` and the hits of ``budget`` say what is missing.

    The bytes of an entry are held until the next row is asked for.
    """

    formats: Mapping[str, ImageFormat]
    budget: Budget
    jobs: int = 2
    """Processes or threads that read; with one, all is done in the thread that asks for rows."""
    with_digests: bool = False
    is_wanted: Callable[[str], bool] | None = None
    """Whether the content of this path is asked for; None: none is."""
    is_entered: Callable[[str], bool] = _always
    """Whether to look for entries inside the content of this path."""
    is_plain: Callable[[Sequence[Entry]], bool] = _never
    """Whether the files of a container with these entries are taken as they are, with no look for entries inside them.

    Asked once a container, where all its entries are known beforehand.
    """
    note_of: Callable[[bytes], str] = _no_note
    """What to note of a content that is read, such as what sort of program it is; empty: nothing. Copies ask it too."""
    on_bytes: Callable[[int], None] = lambda _size: None
    """Hears how many bytes of the image itself were dealt with."""
    release_pages: Callable[[], None] = lambda: None
    """Lets the system take back pages of the image that were read."""
    problems: list[Unread] = field(default_factory=list)
    """What is wrong with containers and was read around, such as that one is cut short; as many as ``unread`` names."""
    extents: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By path: which bytes ``[start, end)`` of the image itself are a container whose entries were listed."""
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
        ahead = ReadAhead(self.jobs, self._reading, self.with_digests, self.release_pages)
        yield from self._content(ahead, Inside(span), (), 0)

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
            sha256=sha256_of(view) if self.with_digests else "",
        )

    def _entries(self, ahead: ReadAhead, found: Found, inside: tuple[str, ...], depth: int) -> Iterator[Row]:
        told: dict[str, tuple[int, str, str]] = {}
        is_needed, look = self._asked(found, depth)
        for entry, read in ahead.read(found, self._reading.entries(found), is_needed, look):
            size, sha256, note = _told(entry, read, told)
            within = None if read is None else read.inside
            same_as = "" if within is None else self._same_as(f"{found.path}!{entry.name}", within, sha256)
            yield Row(
                image=self._image,
                inside=inside,
                name=entry.name,
                entry=entry,
                size=size,
                content=None if read is None else read.content,
                sha256=sha256,
                same_as=same_as,
                note=note,
            )
            if depth == 0:
                self.on_bytes(entry.packed_bytes)
            if isinstance(within, Inside):
                self._glance.taken(within)
            if within is not None and not same_as:
                yield from self._inside_of(ahead, found, entry, within, (*inside, entry.name), depth + 1)

    def _asked(self, found: Found, depth: int) -> tuple[Callable[[Entry], bool], Look]:
        """Return which entries of the container must be read, and what is asked of their contents."""
        path, is_wanted, listed = found.path, self.is_wanted, found.opened.entries
        is_plain = isinstance(listed, tuple) and self.is_plain(listed)

        def is_needed(entry: Entry) -> bool:
            at = f"{path}!{entry.name}"
            is_entered = not is_plain and self.is_entered(at)
            return self.with_digests or is_entered or (is_wanted is not None and is_wanted(at))

        def look_inside(entry: Entry, content: bytes) -> Inside | None:
            at = f"{path}!{entry.name}"
            if is_plain or not self.is_entered(at):
                return None
            if entry.archive is None or content:
                return self._glance.at(Span(at, Window.of(content)))
            span = Span(at, Window.of(content))
            return Inside(span, Found(entry.archive.format, entry.archive.opened, span), sha256=entry.archive.sha256)

        wanted = None if is_wanted is None else lambda entry: is_wanted(f"{path}!{entry.name}")
        return is_needed, Look(look_inside, partial(self._members, depth=depth + 1), wanted, self.note_of)

    def _inside_of(
        self,
        ahead: ReadAhead,
        found: Found,
        entry: Entry,
        within: Inside | Members,
        inside: tuple[str, ...],
        depth: int,
    ) -> Iterator[Row]:
        """Yield the rows of what is inside the content of ``entry``."""
        if isinstance(within, Inside):
            yield from self._content(ahead, within, inside, depth)
            return
        unpacked_bytes = within.unpacked_bytes
        if self._reading.has_room(entries=len(within.rows), attempts=within.attempts, unpacked_bytes=unpacked_bytes):
            self.budget.entries += len(within.rows)
            self.budget.attempts += within.attempts
            self.budget.spend_unpacked(unpacked_bytes)
            for member in within.rows:
                yield Row(
                    image=self._image,
                    inside=inside,
                    name=member.name,
                    entry=member.entry,
                    size=member.size,
                    sha256=member.sha256,
                    note=member.note,
                )
            return
        content = entry.read(self.budget.limits.entry_bytes)  # a limit is near: what it ends must be seen from here
        span = Span(f"{found.path}!{entry.name}", Window.of(content))
        yield from self._content(ahead, Inside(span), inside, depth)

    def _members(self, within: Inside, sha256: str, depth: int) -> Members | None:
        """Return what is inside a content, in a copy of this process, whose books are not those that count.

        None when there is more than entries that hold nothing further, or anything to note: that is for the books.
        """
        self._glance.taken(within)
        attempts = self.budget.attempts
        noted = self._noted()
        rows: list[Member] = []
        for found in self._containers(within.span, depth, within.first):
            if found.label or not isinstance(found.opened.entries, tuple):
                return None
            told: dict[str, tuple[int, str, str]] = {}
            for entry in self._reading.entries(found):
                member = self._member(found, entry, depth, told)
                if member is None:
                    return None
                rows.append(member)
        room = self._reading.has_room(entries=0, attempts=0, unpacked_bytes=0)
        if noted != self._noted() or not room:
            return None
        return Members(sha256 or sha256_of(within.span.window.view), self.budget.attempts - attempts, rows)

    def _member(self, found: Found, entry: Entry, depth: int, told: dict[str, tuple[int, str, str]]) -> Member | None:
        """Return what there is to tell of one entry inside a content; raise what its reader raises."""
        is_needed, look = self._asked(found, depth)
        read = None
        if entry.kind is EntryKind.FILE and is_needed(entry):
            grant = self._reading.grant(found, entry)
            if grant is None:
                return None
            content = entry.read(grant.most_bytes)
            self._reading.settle(grant, len(content))
            if content and look.inside(entry, content) is not None:
                return None
            digest = sha256_of(content) if self.with_digests else ""
            read = Read(len(content), digest, self.note_of(content), None, None)
        return Member.of(entry, *_told(entry, read, told))

    def _same_as(self, path: str, within: Inside | Members, sha256: str) -> str:
        digest = sha256 or within.sha256
        if isinstance(within, Inside):
            digest = digest or sha256_of(within.span.window.view)
        first = self._entered.setdefault(digest, path)
        return "" if first == path else first

    def _noted(self) -> tuple[int, int, int, tuple[str, ...]]:
        return len(self.unread.named), self.unread.more, len(self.problems), self.budget.hits.sentences()

    def _containers(self, span: Span, depth: int, opened: Found | None = None) -> Iterator[Found]:
        """Yield the formats in ``span`` that have entries, as far as they are not inside such entries.

        It may be ``opened`` already.
        """
        size = span.size if opened is None else max(span.size, opened.opened.size)  # an archive may not be held
        if self._is_too_deep(span.path, size, depth):
            return
        first = opened or self._recogniser.at_start(span)
        if first is not None:
            yield from self._within(first, depth)
            span = span.part(first.span.size, span.size)
        yield from self._embedded(span, depth)

    def _embedded(self, span: Span, depth: int) -> Iterator[Found]:
        """Yield the formats with entries that start at any place of ``span``."""
        if self._is_too_deep(span.path, span.size, depth):
            return
        for found, _ in self._recogniser.carve(span, self._glance.hits(span)):
            yield from self._within(found, depth)

    def _is_too_deep(self, path: str, size: int, depth: int) -> bool:
        if depth <= self.budget.limits.depth:
            return False
        reason = f"nested deeper than {self.budget.limits.depth} levels"
        self.budget.exceeded("depth", reason, path)
        self.unread.add(path, reason, size)
        return True

    def _within(self, found: Found, depth: int) -> Iterator[Found]:
        opened = found.opened
        room = self.budget.limits.unread - len(self.problems)
        self.problems += [Unread(path=found.path, reason=problem, size=0) for problem in opened.problems[:room]]
        if opened.entries:
            if found.span.path == self._image:
                self.extents[found.path] = found.span.extent
            yield found
        for part in sorted(opened.parts, key=lambda p: p.start):
            look = self._embedded if part.settled else self._containers
            if part.look_inside:
                yield from look(found.span.part(part.start, part.end), depth + 1)
        for memory in opened.memories:
            for span in memory.map.spans():
                yield from self._containers(span, depth + 1)


def _told(entry: Entry, read: Read | None, told: dict[str, tuple[int, str, str]]) -> tuple[int | None, str, str]:
    """Return size, digest and note of ``entry``; a hard link has those that were ``told`` of the file it stands for."""
    if read is not None:
        told[entry.name] = read.size, read.sha256, read.note
        return told[entry.name]
    if entry.kind is EntryKind.HARD_LINK:
        return told.get(entry.target, (0, "", ""))
    return (entry.unpacked_bytes if entry.kind is EntryKind.FILE else 0), "", ""
