"""``replay://FILE``: answers as a recorded session did, to the same questions in the same order."""

from __future__ import annotations

from collections import deque
from pathlib import Path

from hil.clock import VirtualClock
from hil.errors import LinkLost, ReplayDiffers
from hil.level import EvidenceLevel
from hil.record import MASK, Entry, Way, read_record
from hil.transport import Transport, TransportScheme
from hil.transport_url import TransportUrl
from toolkit.core.errors import InputError

__all__ = ["SCHEME", "ReplayTransport"]

MOST_ENTRIES = 2_000_000


class ReplayTransport(Transport):
    """Time stands still but for waiting, and goes on to when the recorded device spoke."""

    def __init__(self, url: TransportUrl, path: Path) -> None:
        self._virtual = VirtualClock()
        super().__init__(url, EvidenceLevel.REPLAY, self._virtual)
        self._path = path
        self._entries: deque[Entry] = deque()
        self._is_loaded = False
        self._unsent = b""
        """Rest of what the recorded session sent in one piece and this one has not sent yet."""
        self._unsent_is_masked = False
        self._arrived = bytearray()
        self.power = ReplayPower()

    def _open(self) -> None:
        if self._is_loaded:
            return
        _, entries = read_record(self._path)
        for entry in entries:
            if entry.what in (Way.IN, Way.OUT) or entry.name == "lost":
                self._entries.append(entry)
            if len(self._entries) > MOST_ENTRIES:
                raise InputError(f"{self.url}: more than {MOST_ENTRIES} entries")
        if not self._entries:
            raise InputError(f"{self.url}: no byte stream is recorded in it")
        self._is_loaded = True

    def _close(self) -> None:
        self._arrived.clear()

    def _write(self, data: bytes) -> None:
        self._pass_time(0.0)
        while data:
            if not self._unsent:
                self._next_question(data)
            size = min(len(data), len(self._unsent))
            if not _same(data[:size], self._unsent[:size], self._unsent_is_masked):
                raise ReplayDiffers(f"{self.url}: {data[:40]!r} is sent where {self._unsent[:40]!r} was recorded")
            data, self._unsent = data[size:], self._unsent[size:]

    def _next_question(self, data: bytes) -> None:
        """Go on to what was sent next; answers that nobody waits for now are passed over."""
        while self._entries and self._entries[0].what == Way.IN:
            self._arrived += self._entries.popleft().data
        if not self._entries:
            raise ReplayDiffers(f"{self.url}: {data[:40]!r} is sent after the end of the record")
        entry = self._entries.popleft()
        if entry.what != Way.OUT:
            raise LinkLost(f"{self.url}: {entry.detail}")
        self._virtual.advance_to(entry.t)
        self._unsent, self._unsent_is_masked = entry.data, entry.masked

    def _read(self, most_bytes: int, timeout_s: float) -> bytes:
        if not self._arrived:
            self._pass_time(timeout_s)
        data = bytes(self._arrived[:most_bytes])
        del self._arrived[:most_bytes]
        return data

    def _pass_time(self, timeout_s: float) -> None:
        """Let time go on to when the device spoke next, or to the end of ``timeout_s``."""
        end_s = self._virtual.now_s() + timeout_s
        while not self._unsent and self._entries and self._entries[0].what != Way.OUT and self._entries[0].t <= end_s:
            entry = self._entries.popleft()
            self._virtual.advance_to(entry.t)
            if entry.what == Way.EVENT:
                raise LinkLost(f"{self.url}: {entry.detail}")
            self._arrived += entry.data
        if not self._arrived:
            self._virtual.advance_to(end_s)


class ReplayPower:
    """Switches nothing: what a recorded device did after a power cut stands in its record."""

    name = "replay"
    is_automatic = True

    def off(self) -> None:
        """Do nothing."""

    def on(self) -> None:
        """Do nothing."""


def _same(sent: bytes, recorded: bytes, masked: bool) -> bool:
    """Compare what is sent with the record, in which ``*`` stands for the bytes of a secret."""
    if not masked:
        return sent == recorded
    return all(one == two or two == MASK[0] for one, two in zip(sent, recorded, strict=True))


def make(url: TransportUrl) -> ReplayTransport:
    """Return the transport that plays the file back."""
    url.only()
    return ReplayTransport(url, Path(url.place))


SCHEME = TransportScheme(
    name="replay",
    title="a recorded session",
    example="replay://session.jsonl",
    level=EvidenceLevel.REPLAY,
    make=make,
)
