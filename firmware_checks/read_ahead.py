"""Entries read ahead by a few threads and handed over in their order.

Unpacking and hashing let other threads run. What is read, and where a budget ends it, does not depend on how many
threads there are nor on which is faster.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from firmware_checks.entry_reading import EntryReading, Grant
from firmware_checks.format import Entry, EntryKind
from firmware_checks.glance import Inside
from firmware_checks.recognise import Found

__all__ = ["Look", "Read", "ReadAhead"]

BATCH_BYTES = 1 << 20
"""Small files are handed to a thread together, up to this size and number: handing over costs as much as reading."""
BATCH_ENTRIES = 64
AHEAD_BYTES = 64 << 20
"""Unpacked bytes that may wait for their turn; most do not, because nobody needs them when they were looked at."""
AHEAD_BATCHES = 256
KEPT_TURN_BYTES = 16 << 10
PIECE_BYTES = 2047
"""The most that ``hashlib`` takes without letting other threads run."""
LEAST_HANDED_BYTES = 64 << 10
"""A container with less in it is read at once: a thread would take longer to begin."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is asked of a content; by several threads at once."""

    inside: Callable[[Entry, bytes], Inside | None]
    """Whether there may be entries inside it."""
    is_wanted: Callable[[Entry], bool]
    """Whether it is asked for itself."""


class Read(NamedTuple):
    """What is known of an entry that was read; ``sha256`` is empty when it was not asked for."""

    size: int
    sha256: str
    content: bytes | None
    """None when it is not asked for."""
    inside: Inside | None
    """The content, when there may be entries inside it."""


class _Task(NamedTuple):
    entry: Entry
    grant: Grant | None


@dataclass(frozen=True, slots=True)
class _Batch:
    tasks: Sequence[_Task]
    reserved_bytes: int
    outcomes: Callable[[], list[Read | Exception | None]]


@dataclass(frozen=True, slots=True)
class ReadAhead:
    """Reads entries in the threads of ``pool``, or in the one that asks, within the budget of ``reading``."""

    pool: Executor | None
    reading: EntryReading
    with_digests: bool

    def read(
        self, found: Found, entries: Iterable[Entry], is_needed: Callable[[Entry], bool], look: Look
    ) -> Iterator[tuple[Entry, Read | None]]:
        """Yield each entry with what was read; None when it has no content, is not needed or could not be read."""
        waiting: deque[_Batch] = deque()
        ahead_bytes = 0
        for batch in self._batches(found, entries, is_needed, look):
            waiting.append(batch)
            ahead_bytes += batch.reserved_bytes
            while ahead_bytes > AHEAD_BYTES or len(waiting) > AHEAD_BATCHES:
                oldest = waiting.popleft()
                ahead_bytes -= oldest.reserved_bytes
                yield from self._collected(found, oldest)
        while waiting:
            yield from self._collected(found, waiting.popleft())

    def _batches(
        self, found: Found, entries: Iterable[Entry], is_needed: Callable[[Entry], bool], look: Look
    ) -> Iterator[_Batch]:
        tasks: list[_Task] = []
        reserved_bytes = 0
        for entry in entries:
            grant = self.reading.grant(found, entry) if entry.kind is EntryKind.FILE and is_needed(entry) else None
            tasks.append(_Task(entry, grant))
            reserved_bytes += grant.reserved_bytes if grant is not None else 0
            if reserved_bytes >= BATCH_BYTES or len(tasks) == BATCH_ENTRIES:
                yield self._started(tasks, reserved_bytes, look)
                tasks, reserved_bytes = [], 0
        if tasks:
            yield self._started(tasks, reserved_bytes, look)

    def _started(self, tasks: Sequence[_Task], reserved_bytes: int, look: Look) -> _Batch:
        read_all = partial(_read_all, tasks, look, with_digests=self.with_digests)
        if self.pool is None or reserved_bytes < LEAST_HANDED_BYTES:
            return _Batch(tasks, reserved_bytes, read_all)
        return _Batch(tasks, reserved_bytes, self.pool.submit(read_all).result)

    def _collected(self, found: Found, batch: _Batch) -> Iterator[tuple[Entry, Read | None]]:
        outcomes = batch.outcomes()
        outcomes.reverse()
        for task in batch.tasks:
            outcome = outcomes.pop()  # not kept here: the bytes go when who asked has done with them
            if isinstance(outcome, Read) and task.grant is not None:
                self.reading.settle(task.grant, outcome.size)
                yield task.entry, outcome
                continue
            if isinstance(outcome, Exception) and task.grant is not None:
                self.reading.failed(found, task.entry, task.grant, outcome)
            yield task.entry, None


def _read_all(tasks: Sequence[_Task], look: Look, *, with_digests: bool) -> list[Read | Exception | None]:
    return [
        None if task.grant is None else _read(task.entry, task.grant, look, with_digests=with_digests) for task in tasks
    ]


def _read(entry: Entry, grant: Grant, look: Look, *, with_digests: bool) -> Read | Exception:
    try:
        content = entry.read(grant.most_bytes)
        digest = _sha256(content) if with_digests else ""
        inside = look.inside(entry, content) if content else None
        return Read(len(content), digest, content if look.is_wanted(entry) else None, inside)
    except Exception as error:  # noqa: BLE001  # carried to the thread that keeps the books
        return error


def _sha256(content: bytes) -> str:
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
