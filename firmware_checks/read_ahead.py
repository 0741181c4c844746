"""Entries read ahead by a few threads and handed over in their order.

Unpacking and hashing let other threads run. What is read, and where a budget ends it, does not depend on how many
threads there are nor on which is faster.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass

from firmware_checks.entry_reading import EntryReading, Grant
from firmware_checks.format import Entry, EntryKind
from firmware_checks.recognise import Found

__all__ = ["Read", "ReadAhead"]

BATCH_BYTES = 1 << 20
"""Small files are handed to a thread together, up to this size and number: handing over costs as much as reading."""
BATCH_ENTRIES = 64
AHEAD_BYTES = 32 << 20
"""Unpacked bytes that may wait for their turn."""
AHEAD_BATCHES = 64


@dataclass(frozen=True, slots=True)
class Read:
    """The content of an entry; ``sha256`` is empty when it was not asked for."""

    content: bytes
    sha256: str


@dataclass(frozen=True, slots=True)
class _Task:
    entry: Entry
    grant: Grant | None


@dataclass(frozen=True, slots=True)
class _Batch:
    tasks: Sequence[_Task]
    reserved_bytes: int
    outcomes: Future[list[Read | Exception | None]]


@dataclass(frozen=True, slots=True)
class ReadAhead:
    """Reads entries in the threads of ``pool``, within the budget of ``reading``."""

    pool: Executor
    reading: EntryReading
    with_digests: bool

    def read(
        self, found: Found, entries: Iterable[Entry], is_needed: Callable[[Entry], bool]
    ) -> Iterator[tuple[Entry, Read | None]]:
        """Yield each entry with what was read; None when it has no content, is not needed or could not be read."""
        waiting: deque[_Batch] = deque()
        ahead_bytes = 0
        for batch in self._batches(found, entries, is_needed):
            waiting.append(batch)
            ahead_bytes += batch.reserved_bytes
            while ahead_bytes > AHEAD_BYTES or len(waiting) > AHEAD_BATCHES:
                oldest = waiting.popleft()
                ahead_bytes -= oldest.reserved_bytes
                yield from self._collected(found, oldest)
        while waiting:
            yield from self._collected(found, waiting.popleft())

    def _batches(self, found: Found, entries: Iterable[Entry], is_needed: Callable[[Entry], bool]) -> Iterator[_Batch]:
        tasks: list[_Task] = []
        reserved_bytes = 0
        for entry in entries:
            grant = self.reading.grant(found, entry) if entry.kind is EntryKind.FILE and is_needed(entry) else None
            tasks.append(_Task(entry, grant))
            reserved_bytes += grant.reserved_bytes if grant is not None else 0
            if reserved_bytes >= BATCH_BYTES or len(tasks) == BATCH_ENTRIES:
                yield self._started(tasks, reserved_bytes)
                tasks, reserved_bytes = [], 0
        if tasks:
            yield self._started(tasks, reserved_bytes)

    def _started(self, tasks: Sequence[_Task], reserved_bytes: int) -> _Batch:
        return _Batch(tasks, reserved_bytes, self.pool.submit(_read_all, tasks, self.with_digests))

    def _collected(self, found: Found, batch: _Batch) -> Iterator[tuple[Entry, Read | None]]:
        outcomes = batch.outcomes.result()
        outcomes.reverse()
        for task in batch.tasks:
            outcome = outcomes.pop()  # not kept here: the bytes go when who asked has done with them
            if isinstance(outcome, Read) and task.grant is not None:
                self.reading.settle(task.grant, len(outcome.content))
                yield task.entry, outcome
                continue
            if isinstance(outcome, Exception) and task.grant is not None:
                self.reading.failed(found, task.entry, task.grant, outcome)
            yield task.entry, None


def _read_all(tasks: Sequence[_Task], with_digests: bool) -> list[Read | Exception | None]:
    return [None if task.grant is None else _read(task.entry, task.grant, with_digests) for task in tasks]


def _read(entry: Entry, grant: Grant, with_digests: bool) -> Read | Exception:
    try:
        content = entry.read(grant.most_bytes)
    except Exception as error:  # noqa: BLE001  # carried to the thread that keeps the books
        return error
    return Read(content, hashlib.sha256(content).hexdigest() if with_digests else "")
