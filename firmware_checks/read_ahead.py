"""Entries read ahead, several at a time, and handed over in their order.

Copies of this process read large containers, where the system has such copies; threads read the others: unpacking and
hashing let other threads run. What is read, and where a budget ends it, does not depend on how many read nor on which
is faster.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from firmware_checks.copies import Copies, copies
from firmware_checks.entry_reading import EntryReading, Grant
from firmware_checks.format import Entry, EntryKind
from firmware_checks.glance import Inside
from firmware_checks.outline import (
    Batch,
    Members,
    Outline,
    pack_batch,
    pack_outlines,
    unpack_batch,
    unpack_outlines,
)
from firmware_checks.recognise import Found

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

__all__ = ["Look", "Read", "ReadAhead", "sha256_of"]

BATCH_BYTES = 1 << 20
"""Small files are handed over together, up to this size and number: handing over costs as much as reading."""
BATCH_ENTRIES = 64
AHEAD_BYTES = 64 << 20
"""Unpacked bytes that may wait for their turn; most do not, because nobody needs them when they were looked at."""
AHEAD_BATCHES = 256
KEPT_TURN_BYTES = 16 << 10
PIECE_BYTES = 2047
"""The most that ``hashlib`` takes without letting other threads run."""
LEAST_HANDED_BYTES = 64 << 10
"""A container with less in it is read at once: a thread would take longer to begin."""
LEAST_COPIED_BYTES = 32 << 20
"""A container with less in it is read by threads before copies of the process would have begun."""
LEAST_COPIED_ENTRIES = 64
"""Fewer are large ones, on which threads work at the same time as well."""
MOST_SENT_BYTES = 16 << 20
"""A longer content is read a second time by who needs it, so that it is not in memory several times."""
RELEASE_BYTES = 16 << 20
"""So much is read before the pages of the image are given back to the system."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is asked of a content; by several threads at once."""

    inside: Callable[[Entry, bytes], Inside | None]
    """Whether there may be entries inside it."""
    members: Callable[[Inside, str], Members | None]
    """What is inside it, whose digest may be known, as far as that can be told without the books; asked in copies."""
    is_wanted: Callable[[Entry], bool] | None
    """Whether it is asked for itself; None: none is."""
    note: Callable[[bytes], str]
    """What to note of it while its bytes are held."""


class Read(NamedTuple):
    """What is known of an entry that was read; ``sha256`` is empty when it was not asked for."""

    size: int
    sha256: str
    note: str
    content: bytes | None
    """None when it is not asked for."""
    inside: Inside | Members | None
    """The content, when there may be entries inside it, or what is known to be inside it."""


class _Task(NamedTuple):
    entry: Entry
    grant: Grant | None


Outcomes = Callable[[], list[Read | Exception | None]]


@dataclass(frozen=True, slots=True)
class _Batch:
    tasks: Sequence[_Task]
    reserved_bytes: int
    outcomes: Outcomes


Start = Callable[[int, Sequence[_Task], int], Outcomes]
"""From the number of the first entry, what is to be done and how many bytes that is, to what waits for the outcomes."""


@dataclass(slots=True)
class ReadAhead:
    """Reads entries by ``jobs`` processes or threads, or in the one that asks, within the budget of ``reading``."""

    jobs: int
    reading: EntryReading
    with_digests: bool
    release_pages: Callable[[], None]
    """Lets the system take back pages of the image that were read."""
    _pool: ThreadPoolExecutor | None = None
    _copying: bool = False
    _read_bytes: int = 0

    def read(
        self, found: Found, entries: Iterable[Entry], is_needed: Callable[[Entry], bool], look: Look
    ) -> Iterator[tuple[Entry, Read | None]]:
        """Yield each entry with what was read; None when it has no content, is not needed or could not be read."""
        with self._readers(found, look) as (start, no_more):
            waiting: deque[_Batch] = deque()
            ahead_bytes = 0
            for batch in self._batches(found, entries, is_needed, start):
                waiting.append(batch)
                ahead_bytes += batch.reserved_bytes
                while ahead_bytes > AHEAD_BYTES or len(waiting) > AHEAD_BATCHES:
                    oldest = waiting.popleft()
                    ahead_bytes -= oldest.reserved_bytes
                    yield from self._collected(found, oldest)
            no_more()
            while waiting:
                yield from self._collected(found, waiting.popleft())

    @contextmanager
    def _readers(self, found: Found, look: Look) -> Iterator[tuple[Start, Callable[[], None]]]:
        """Give what begins to read entries of ``found``, and what is to be called when there are no more."""
        listed = found.opened.entries
        claimed_bytes = sum(e.unpacked_bytes or 0 for e in listed) if isinstance(listed, tuple) else LEAST_COPIED_BYTES
        if self.jobs < 2 or claimed_bytes < LEAST_HANDED_BYTES:
            yield lambda _first, tasks, _size: self._here(tasks, look), _nothing
            return
        in_order = found.opened.in_order
        made = None
        if claimed_bytes >= LEAST_COPIED_BYTES and isinstance(listed, tuple) and not in_order:
            made = self._copies(listed, look)
        if made is None:
            with self._threads() as pool:
                yield partial(self._in_turn if in_order else self._in_threads, pool, look), _nothing
            return
        self._copying = True
        try:
            yield partial(self._in_copies, made, look), made.no_more
        finally:
            made.end()
            self._copying = False

    def _copies(self, listed: Sequence[Entry], look: Look) -> Copies | None:
        """Return copies that outline entries; one container at a time has such, and none whose contents are wanted."""
        if self._copying or look.is_wanted is not None or len(listed) < LEAST_COPIED_ENTRIES:
            return None
        return copies(_Outliner(listed, look, self).answer, self.jobs)

    @contextmanager
    def _threads(self) -> Iterator[ThreadPoolExecutor]:
        """Give threads; containers inside containers share them, and they end with the outermost."""
        if self._pool is not None:
            yield self._pool
            return
        from concurrent.futures import ThreadPoolExecutor  # not where copies read

        self._pool = ThreadPoolExecutor(self.jobs)
        try:
            yield self._pool
        finally:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def _batches(
        self, found: Found, entries: Iterable[Entry], is_needed: Callable[[Entry], bool], start: Start
    ) -> Iterator[_Batch]:
        first = 0
        tasks: list[_Task] = []
        reserved_bytes = 0
        for entry in entries:
            grant = self.reading.grant(found, entry) if entry.kind is EntryKind.FILE and is_needed(entry) else None
            tasks.append(_Task(entry, grant))
            reserved_bytes += grant.reserved_bytes if grant is not None else 0
            if reserved_bytes >= BATCH_BYTES or len(tasks) == BATCH_ENTRIES:
                yield _Batch(tasks, reserved_bytes, start(first, tasks, reserved_bytes))
                first += len(tasks)
                tasks, reserved_bytes = [], 0
        if tasks:
            yield _Batch(tasks, reserved_bytes, start(first, tasks, reserved_bytes))

    def _here(self, tasks: Sequence[_Task], look: Look) -> Outcomes:
        return lambda: [self._seen(task, _raw(task, look), look) for task in tasks]

    def _in_turn(
        self, pool: ThreadPoolExecutor, look: Look, _first: int, tasks: Sequence[_Task], _reserved_bytes: int
    ) -> Outcomes:
        """Read here, one after the other; what was read is looked at by threads."""
        raw = [_raw(task, look) for task in tasks]
        return pool.submit(lambda: [self._seen(task, raw.pop(0), look) for task in tasks]).result

    def _in_threads(
        self, pool: ThreadPoolExecutor, look: Look, _first: int, tasks: Sequence[_Task], reserved_bytes: int
    ) -> Outcomes:
        here = self._here(tasks, look)
        return here if reserved_bytes < LEAST_HANDED_BYTES else pool.submit(here).result

    def _in_copies(
        self, made: Copies, look: Look, first: int, tasks: Sequence[_Task], _reserved_bytes: int
    ) -> Outcomes:
        most_bytes = [None if task.grant is None else task.grant.most_bytes for task in tasks]
        if not any(most_bytes):
            return self._here(tasks, look)
        answer = made.ask(pack_batch(Batch(first, most_bytes)))
        return lambda: [self._told(*told, look) for told in zip(tasks, unpack_outlines(answer()), strict=True)]

    def _told(self, task: _Task, outline: Outline | None, look: Look) -> Read | Exception | None:
        """Return what was read, from what a copy told; what it left is read here."""
        if task.grant is None:
            return None
        if outline is None:
            return self._seen(task, _raw(task, look), look)
        content = outline.content
        inside = outline.members if content is None else look.inside(task.entry, content)
        return Read(outline.size, outline.sha256, outline.note, None, inside)

    def _seen(self, task: _Task, raw: bytes | Exception | None, look: Look) -> Read | Exception | None:
        """Return what there is to know of a content that was read."""
        if raw is None or isinstance(raw, Exception):
            return raw
        entry = task.entry
        archive = None if raw else entry.archive
        try:
            size = len(raw) if archive is None else entry.unpacked_bytes or 0
            digest = "" if not self.with_digests else sha256_of(raw) if archive is None else archive.sha256
            inside = look.inside(entry, raw) if size else None
            return Read(size, digest, look.note(raw), raw if _is_wanted(entry, look) else None, inside)
        except Exception as error:  # noqa: BLE001  # carried to the thread that keeps the books
            return error

    def turn_pages(self, size: int) -> None:
        """Note that ``size`` bytes were read, and give pages of the image back now and then."""
        self._read_bytes += size
        if self._read_bytes >= RELEASE_BYTES:
            self._read_bytes = 0
            self.release_pages()

    def _collected(self, found: Found, batch: _Batch) -> Iterator[tuple[Entry, Read | None]]:
        outcomes = batch.outcomes()
        outcomes.reverse()
        for task in batch.tasks:
            outcome = outcomes.pop()  # not kept here: the bytes go when who asked has done with them
            if isinstance(outcome, Read) and task.grant is not None:
                self.reading.settle(task.grant, outcome.size)
                self.turn_pages(outcome.size)
                yield task.entry, outcome
                continue
            if isinstance(outcome, Exception) and task.grant is not None:
                self.reading.failed(found, task.entry, task.grant, outcome)
            yield task.entry, None


def _nothing() -> None:
    """Threads need not be told."""


def _is_wanted(entry: Entry, look: Look) -> bool:
    return look.is_wanted is not None and look.is_wanted(entry)


def _raw(task: _Task, look: Look) -> bytes | Exception | None:
    """Return the content of an entry, or why it cannot be read; nothing of an archive that need not be held."""
    entry, grant = task
    if grant is None:
        return None
    try:
        if entry.archive is not None and (entry.unpacked_bytes or 0) <= grant.most_bytes:
            return entry.read(grant.most_bytes) if _is_wanted(entry, look) else b""
        return entry.read(grant.most_bytes)
    except Exception as error:  # noqa: BLE001  # carried to the thread that keeps the books
        return error


@dataclass(slots=True)
class _Outliner:
    """Reads entries of one container in a copy of the process that lists it."""

    listed: Sequence[Entry]
    look: Look
    ahead: ReadAhead

    def answer(self, question: bytes) -> bytes:
        """Return the outlines of a batch."""
        batch = unpack_batch(question)
        return pack_outlines(
            [
                None if most is None else self._outline(self.listed[batch.first + place], most)
                for place, most in enumerate(batch.most_bytes)
            ]
        )

    def _outline(self, entry: Entry, most_bytes: int) -> Outline | None:
        """Return what can be told of an entry; None where that is for the process that keeps the books."""
        if entry.archive is not None:
            return None
        self.ahead.turn_pages(entry.unpacked_bytes or 0)
        try:
            content = entry.read(most_bytes)
            digest = sha256_of(content) if self.ahead.with_digests else ""
            inside = self.look.inside(entry, content) if content else None
            members = None if inside is None else self.look.members(inside, digest)
            note = self.look.note(content)
        except Exception:  # noqa: BLE001  # it happens there again, and is told
            return None
        if inside is None or members is not None:
            return Outline(len(content), digest, note, members, None)
        return Outline(len(content), digest, note, None, content) if len(content) <= MOST_SENT_BYTES else None


def sha256_of(content: bytes | memoryview) -> str:
    """Return the digest; of small contents in pieces for which no other thread is let in.

    To hand over and wait until one's turn comes again takes longer than the digest of a few kilobytes.
    """
    if len(content) > KEPT_TURN_BYTES:
        return hashlib.sha256(content).hexdigest()
    digest = hashlib.sha256()
    view = memoryview(content)
    for start in range(0, len(content), PIECE_BYTES):
        digest.update(view[start : start + PIECE_BYTES])
    return digest.hexdigest()
