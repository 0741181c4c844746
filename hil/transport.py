"""The one seam through which bytes reach a device and come back, whatever the device is.

A new kind of connection is one file in ``hil/transports`` with a subclass of ``Transport`` and a ``SCHEME``. What every
transport owes a patient - forbidden messages, proof of identity, a record of every byte - is done here, once, and a
subclass cannot leave it out.
"""

from __future__ import annotations

import abc
import importlib
import importlib.util
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, final

from hil.clock import Clock, RealClock
from hil.debug_probe import DebugProbe, NoProbe
from hil.errors import LinkLost, WriteRefused
from hil.guard import WriteGuard, guard_without_profile
from hil.level import EvidenceLevel
from hil.power import NoPower, PowerPort
from hil.record import Recorder
from hil.transport_url import TransportUrl
from toolkit.core.errors import InputError
from toolkit.core.registry import discover, third_party

if TYPE_CHECKING:
    from types import TracebackType

__all__ = [
    "Attached",
    "FlashPort",
    "LineControl",
    "Transport",
    "TransportScheme",
    "make_transport",
    "scheme_named",
    "schemes",
]

GROUP: Final = "medharden.transports"
MOST_READ_BYTES: Final = 1 << 16
LONGEST_READ_S: Final = 24 * 3600.0
REOPEN_PAUSE_S: Final = 0.05


class LineControl(Protocol):
    """The lines of a serial port beside its data; ``BenchError`` where the port cannot do it."""

    @property
    def baud(self) -> int:
        """Bits per second."""

    def set_baud(self, baud: int) -> None:
        """Change the bits per second."""

    def set_lines(self, *, dtr: bool | None = None, rts: bool | None = None) -> None:
        """Set the outgoing control lines; None leaves one as it is."""

    def lines(self) -> dict[str, bool]:
        """Return the incoming control lines: ``cts``, ``dsr``, ``cd``, ``ri``."""

    def send_break(self, seconds: float) -> None:
        """Hold the data line low."""


class FlashPort(Protocol):
    """The program memory of an emulated device, which survives its power cuts."""

    @property
    def writes(self) -> int:
        """How many writes and erasures there were since the device was made."""

    def cut_power_at(self, write: int, torn_bytes: int | None = None) -> None:
        """Lose power in write number ``write`` (from 1, since now), of which ``torn_bytes`` are done; None: all."""

    def read(self, address: int, size: int) -> bytes:
        """Return what stands there; for oracles, as a debug probe would."""

    def write(self, address: int, data: bytes) -> None:
        """Put ``data`` there, as a programmer would; does not count as a write."""


class Transport(abc.ABC):
    """One connection to one device. Not thread-safe; use as a context manager, so that it is closed whatever happens.

    A subclass gives ``level``, ``_open``, ``_close``, ``_read`` and ``_write``, and of the rest what it has: ``clock``,
    ``line``, ``power``, ``flash``, ``usb_device``. The methods without underscore are the same for all.
    """

    level: EvidenceLevel
    """How strong a verdict over this connection can be, at most."""
    line: LineControl | None = None
    power: PowerPort = NoPower()
    probe: DebugProbe = NoProbe()
    flash: FlashPort | None = None
    usb_device: Any = None
    """The ``usb.core.Device`` while it is open, for a USB connection; pyusb has no types."""

    def __init__(self, url: TransportUrl, level: EvidenceLevel, clock: Clock | None = None) -> None:
        self.url = url
        self.level = level.at_most(_declared_level(url))
        self.clock: Clock = clock or RealClock()
        self.guard: WriteGuard = guard_without_profile(self.level)
        self.recorder = Recorder(clock=self.clock)
        self.is_open = False

    # What a subclass does

    @abc.abstractmethod
    def _open(self) -> None:
        """Connect; ``LinkLost`` when the device is not there now, ``InputError`` when it can never be."""

    @abc.abstractmethod
    def _close(self) -> None:
        """Let go of everything: ports, sockets, threads, processes. Also called when ``_open`` failed half-way."""

    @abc.abstractmethod
    def _read(self, most_bytes: int, timeout_s: float) -> bytes:
        """Return what is there as soon as anything is; empty after ``timeout_s``; ``LinkLost`` when it is gone."""

    @abc.abstractmethod
    def _write(self, data: bytes) -> None:
        """Send all of ``data``; ``LinkLost`` when it is gone or takes nothing for too long."""

    def settings(self) -> dict[str, str]:
        """Return what is worth recording about the connection, such as serial number or line settings."""
        return {}

    def look_again(self) -> None:  # noqa: B027  # most connections have nothing to ask
        """Ask anew for the facts that ``settings`` gives; ``LinkLost`` when nothing answers. Most have none to ask."""

    # What is the same for all

    @final
    def open(self) -> None:
        """Connect; opening what is open does nothing."""
        if self.is_open:
            return
        try:
            self._open()
        except BaseException:
            self._close()
            raise
        self.is_open = True
        self.recorder.event("opened", str(self.url))

    @final
    def close(self) -> None:
        """Let go of the device; closing what is closed does nothing."""
        if not self.is_open:
            return
        self.is_open = False
        self.guard.lock()
        try:
            self._close()
        finally:
            self.recorder.event("closed")

    @final
    def read(self, timeout_s: float, most_bytes: int = MOST_READ_BYTES) -> bytes:
        """Return up to ``most_bytes`` as soon as anything is there; empty if nothing came within ``timeout_s``."""
        self._must_be_open()
        try:
            data = self._read(most_bytes, min(max(timeout_s, 0.0), LONGEST_READ_S))
        except LinkLost as lost:
            self._lost(lost)
            raise
        if data:
            self.recorder.received(data)
        return data

    @final
    def write(self, data: bytes) -> None:
        """Send ``data``; ``WriteRefused`` when the guard forbids it, and then nothing of it is sent."""
        self._must_be_open()
        try:
            self.guard.check(data)
        except WriteRefused as refused:
            self.recorder.event("write-refused", str(refused))
            raise
        self.recorder.sent(data)
        try:
            self._write(data)
        except LinkLost as lost:
            self._lost(lost)
            raise

    @final
    def reopen(self, wait_s: float) -> None:
        """Connect anew, after an unplug for instance; tries for ``wait_s``. The device must prove itself again."""
        self.close()
        end_s = self.clock.now_s() + wait_s
        while True:
            try:
                self.open()
            except LinkLost:
                if self.clock.now_s() >= end_s:
                    raise
                self.clock.sleep(REOPEN_PAUSE_S)
            else:
                return

    def record_to(self, recorder: Recorder) -> None:
        """Write down from now on in ``recorder`` what happens."""
        recorder.use_clock(self.clock)
        self.recorder = recorder

    def __enter__(self) -> Self:
        """Connect."""
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go."""
        self.close()

    def _must_be_open(self) -> None:
        if not self.is_open:
            raise LinkLost(f"{self.url}: not connected")

    def _lost(self, lost: LinkLost) -> None:
        self.recorder.event("lost", str(lost))
        self.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """Something that could be opened now, as ``medharden bench list`` shows it."""

    url: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportScheme:
    """One kind of connection; the file in ``hil/transports`` is called as ``name``."""

    name: str
    """What stands before ``://``."""
    title: str
    example: str
    """An address, for help texts."""
    level: EvidenceLevel
    """The most a verdict over it can be."""
    make: Callable[[TransportUrl], Transport]
    """Return the transport, not yet open; ``InputError`` for options it does not know. Imports what it needs then."""
    is_serial: bool = False
    """Whether it takes the options of a serial line: baud, data_bits, parity, stop_bits, flow."""
    attached: Callable[[], Iterable[Attached]] = tuple
    """What can be opened now. Quick, opens nothing, writes nothing; empty where the extra is not installed."""


def schemes() -> dict[str, TransportScheme]:
    """Return every kind of connection by what stands before ``://``."""
    return discover("hil.transports", attribute="SCHEME", kind=TransportScheme, group=GROUP)


def scheme_named(name: str) -> TransportScheme:
    """Return one kind of connection, importing no other; ``InputError`` when there is none."""
    module = f"hil.transports.{name}"
    if name.isidentifier() and importlib.util.find_spec(module) is not None:
        scheme: TransportScheme = importlib.import_module(module).SCHEME
        return scheme
    found = third_party(GROUP, TransportScheme).get(name)
    if found is None:
        raise InputError(f"{name}:// is no kind of connection; there are {', '.join(sorted(schemes()))}")
    return found


def make_transport(url: TransportUrl | str) -> Transport:
    """Return the transport for ``url``, not yet open. ``fault+X://`` is X behind faults."""
    parsed = TransportUrl.parse(url) if isinstance(url, str) else url
    return scheme_named(parsed.scheme.partition("+")[0]).make(parsed)


def _declared_level(url: TransportUrl) -> EvidenceLevel:
    text = url.options.get("level")
    if text is None:
        return EvidenceLevel.HARDWARE
    try:
        return EvidenceLevel(text)
    except ValueError as error:
        raise InputError(f"{url}: level={text} is none of {', '.join(EvidenceLevel)}") from error
