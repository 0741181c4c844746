"""Archives inside compressed files that are too long to be held: read while they are unpacked, and let go.

While a compressed file is unpacked to be measured, the archive in it is walked at the same time; afterwards its files
are read one after the other, which unpacks it a second time and holds no more than one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import NamedTuple

from firmware_checks.format import ImageFormat, Opened
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.window import Window

__all__ = ["ContentAt", "Feed", "ForwardReader", "Steps", "Walk", "feed_of", "over_window"]

Steps = Generator[int, bytes, None]
"""Asks for so many bytes, or with a negative number to pass over some, and is sent them; fewer only at the end."""
ContentAt = Callable[[int, int], Callable[[int], bytes]]
"""From start and size of a file in an archive to what reads it; see ``Entry.read``."""


class Walk(NamedTuple):
    """How an archive is walked that comes piece by piece."""

    steps: Steps
    opened: Callable[[], Opened | None]
    """What was found, after all steps; None when the archive is not whole."""


def over_window(steps: Steps, window: Window) -> None:
    """Take ``steps`` over bytes that are all there."""
    position = 0
    wanted = next(steps)
    while True:
        data = b"" if wanted < 0 else bytes(window.view[position : position + wanted])
        position += max(-wanted, len(data))
        try:
            wanted = steps.send(data)
        except StopIteration:
            return


@dataclass(slots=True)
class Feed:
    """Takes the steps of ``walk`` over bytes that come piece by piece."""

    format: ImageFormat
    walk: Walk
    size: int = 0
    _wanted: int = 0
    _passed: int = 0
    """Bytes that belong to the archive."""
    _held: bytearray = field(default_factory=bytearray)
    _done: bool = False
    _failed: bool = False

    def __post_init__(self) -> None:
        self._wanted = next(self.walk.steps)

    def add(self, piece: bytes) -> None:
        """Take the steps for which the bytes are there now."""
        self.size += len(piece)
        while not self._done and self._passed + len(self._held) < self.size:
            at = len(piece) - (self.size - self._passed - len(self._held))
            self._pass(len(piece) - at) if self._wanted < 0 else self._hold(piece[at : at + self._missing])

    @property
    def _missing(self) -> int:
        return self._wanted - len(self._held)

    def _pass(self, there: int) -> None:
        step = min(there, -self._wanted)
        self._passed += step
        self._wanted += step
        if self._wanted == 0:
            self._answer(b"")

    def _hold(self, data: bytes) -> None:
        self._held += data
        if self._missing == 0:
            self._passed += len(self._held)
            self._answer(bytes(self._held))

    def _answer(self, data: bytes) -> None:
        self._held.clear()
        try:
            self._wanted = self.walk.steps.send(data)
        except StopIteration:
            self._done = True
        except FormatError:
            self._done = self._failed = True

    def opened(self) -> Opened | None:
        """Return what was found when no more comes; None when that is not one whole archive and nothing else."""
        whole = self._done and not self._failed and self._passed == self.size
        opened = self.walk.opened() if whole else None
        return opened if opened is not None and opened.size == self.size else None


@dataclass(slots=True)
class ForwardReader:
    """Reads from bytes that can only be unpacked from their start on; going back means to begin again."""

    unpacked: Callable[[], Iterator[bytes]]
    _pieces: Iterator[bytes] = field(default_factory=lambda: iter(()))
    _piece: bytes = b""
    _start: int = -1
    """Where in the content the piece starts; -1 before the first."""
    _lock: Lock = field(default_factory=Lock)

    def content_at(self, start: int, size: int) -> Callable[[int], bytes]:
        """Return what reads ``size`` bytes from ``start`` on."""
        return partial(self._read, start, size)

    def _read(self, start: int, size: int, max_bytes: int) -> bytes:
        if size > max_bytes:
            raise LimitExceeded("entry_bytes", f"holds more than {max_bytes} bytes")
        with self._lock:
            return self._taken(start, size) if size else b""

    def _taken(self, start: int, size: int) -> bytes:
        if self._start < 0 or start < self._start:
            self._pieces, self._piece, self._start = self.unpacked(), b"", 0
        taken: list[bytes] = []
        while size:
            here = self._piece[max(0, start - self._start) :][:size]
            taken.append(here)
            start += len(here)
            size -= len(here)
            if size:
                self._turn()
        return b"".join(taken)

    def _turn(self) -> None:
        self._start += len(self._piece)
        self._piece = next(self._pieces, b"")
        if not self._piece:
            self._start = -1
            raise FormatError("could be unpacked only once")


def feed_of(head: bytes, limits: Limits, content_at: ContentAt) -> Feed | None:
    """Return what walks the archive that starts with ``head``; None where that is none that can be walked."""
    from firmware_checks.formats import tar  # it is what long compressed files hold

    walk = tar.walk_of(head, limits, content_at)
    return None if walk is None else Feed(tar.FORMAT, walk)
