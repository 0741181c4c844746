"""The record of a session: every byte in both directions and every event with its time, one JSON object a line.

The first line says what the record is; each other line is an ``Entry``. Times are seconds since the start, from the
clock of the transport. A record is written line by line while the session runs, so that a pulled plug costs the last
line at most. Secrets that a check names are replaced by ``*`` before anything is written; ``masked`` says so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated, Final

import msgspec
from msgspec import Meta

from hil.clock import Clock, RealClock
from toolkit.core.errors import FormatError, InputError, LimitExceeded

__all__ = ["Entry", "Header", "Recorder", "Way", "read_record"]

FORMAT: Final = "medharden-bench-record-1"
MOST_RECORD_BYTES: Final = 1 << 30
"""A night at 115200 baud is 370 MiB written as hexadecimal digits."""
MOST_LINE_BYTES: Final = 4 << 20
KEPT_ENTRIES: Final = 256
"""Entries that stay in memory, to show what happened last."""
MASK: Final = b"*"
LEAST_SECRET_BYTES: Final = 3
"""Shorter ones stand everywhere by chance."""


class Way:
    """What an entry of a record is."""

    OUT: Final = "out"
    IN: Final = "in"
    EVENT: Final = "event"
    USB: Final = "usb"


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of a record."""

    format: Annotated[str, Meta(pattern=f"^{FORMAT}$")] = FORMAT
    device: str
    """Addresses that were to be tried, as they were given."""
    profile: str | None = None
    started: str | None = None
    """Wall-clock time of the start in UTC, where it is known."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a record."""

    n: int
    """Number of the entry, from 1."""
    t: float
    """Seconds since the start."""
    what: str
    """``out`` to the device, ``in`` from it, ``event``, or ``usb`` for one USB transfer."""
    hex: str = ""
    """The bytes."""
    name: str = ""
    """Of an event, for example identified, lost, reopened, power-off."""
    detail: str = ""
    masked: bool = False
    """Whether a secret in it was replaced."""
    endpoint: int | None = None
    """Of a USB transfer: endpoint address with the direction bit."""
    setup: str = ""
    """Of a USB control transfer: the 8 bytes of the setup packet."""
    status: int = 0
    """Of a USB transfer: 0, or the error number."""

    @property
    def data(self) -> bytes:
        """The bytes of the entry."""
        return bytes.fromhex(self.hex)


class Recorder:
    """Writes down what happens; without a file it keeps the last entries only.

    Bytes that do not fit into the file any more raise ``LimitExceeded`` once, so that nobody goes on unseen.

    ``count`` is the number of entries so far, by which a verdict says where its evidence is.
    """

    def __init__(
        self, stream: IO[bytes] | None = None, clock: Clock | None = None, *, most_bytes: int = MOST_RECORD_BYTES
    ) -> None:
        self._stream = stream
        self._most_bytes = most_bytes
        self._clock: Clock = clock or RealClock()
        self._start_s = self._clock.now_s()
        self._secrets: tuple[bytes, ...] = ()
        self._written = 0
        self.is_full = False
        """Whether the file has reached its limit; nothing is written to it then."""
        self.count = 0
        self.last: deque[Entry] = deque(maxlen=KEPT_ENTRIES)

    def use_clock(self, clock: Clock) -> None:
        """Take the time from ``clock`` from now on; the times in the record go on where they are."""
        passed_s = self.last[-1].t if self.last else 0.0
        self._clock = clock
        self._start_s = clock.now_s() - passed_s

    def begin(self, header: Header) -> None:
        """Write the first line."""
        self._put(msgspec.json.encode(header))

    def hide(self, secret: bytes) -> None:
        """Never write ``secret`` down, in neither direction."""
        if len(secret) >= LEAST_SECRET_BYTES and secret not in self._secrets:
            self._secrets = tuple(sorted((*self._secrets, secret), key=len, reverse=True))

    def sent(self, data: bytes) -> None:
        """Write down that ``data`` went to the device."""
        self._bytes(Way.OUT, data)

    def received(self, data: bytes) -> None:
        """Write down that ``data`` came from the device."""
        self._bytes(Way.IN, data)

    def event(self, name: str, detail: str = "") -> None:
        """Write down that something happened."""
        shown = self.masked(detail.encode()).decode(errors="replace")
        self._add(Entry(n=self.count + 1, t=self._now(), what=Way.EVENT, name=name, detail=shown))

    def usb(self, endpoint: int, data: bytes, *, setup: bytes = b"", status: int = 0) -> None:
        """Write down one USB transfer."""
        shown = self.masked(data)
        entry = Entry(
            n=self.count + 1,
            t=self._now(),
            what=Way.USB,
            endpoint=endpoint,
            hex=shown.hex(),
            setup=setup.hex(),
            status=status,
            masked=shown != data,
        )
        self._add(entry)

    def masked(self, data: bytes) -> bytes:
        """Return ``data`` with every secret replaced by as many ``*``."""
        for secret in self._secrets:
            data = data.replace(secret, MASK * len(secret))
        return data

    def _bytes(self, way: str, data: bytes) -> None:
        shown = self.masked(data) if self._secrets else data
        self._add(
            Entry(
                n=self.count + 1, t=self._now(), what=way, hex=shown.hex(), masked=shown is not data and shown != data
            )
        )

    def _now(self) -> float:
        return round(self._clock.now_s() - self._start_s, 6)

    def _add(self, entry: Entry) -> None:
        self.count = entry.n
        self.last.append(entry)
        was_full = self.is_full
        if self._stream is not None:
            self._put(msgspec.json.encode(entry))
        if self.is_full and not was_full and entry.what != Way.EVENT:
            raise LimitExceeded("record_bytes", f"the record of the session has reached {self._most_bytes} bytes")

    def _put(self, line: bytes) -> None:
        if self._stream is None or self.is_full:
            return
        self._written += len(line) + 1
        self.is_full = self._written > self._most_bytes
        if not self.is_full:
            self._stream.write(line + b"\n")
            self._stream.flush()


def read_record(path: Path) -> tuple[Header, Iterator[Entry]]:
    """Return the first line of the record in ``path`` and its entries, read as they are asked for.

    ``InputError`` when it cannot be read, ``FormatError`` with the line when it is no record. A last line that is not
    whole, after a pulled plug, is left out.
    """
    lines = _lines(path)
    first = next(lines, b"")
    try:
        header = msgspec.json.decode(first, type=Header)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise FormatError(f"{path}: this is no record of a bench session") from error
    return header, _entries(path, lines)


def _entries(path: Path, lines: Iterator[bytes]) -> Iterator[Entry]:
    decoder = msgspec.json.Decoder(Entry)
    for number, line in enumerate(lines, 2):
        try:
            entry = decoder.decode(line)
            bytes.fromhex(entry.hex + entry.setup)
        except (msgspec.DecodeError, ValueError) as error:
            raise FormatError(f"{path}: line {number} is no entry of a record") from error
        yield entry


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while line := file.readline(MOST_LINE_BYTES):
                if not line.endswith(b"\n"):
                    return
                yield line[:-1]
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
