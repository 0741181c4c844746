"""``medemu://NAME``: a device that is a program in this process; ``?weak=A,B`` gives it weaknesses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hil.clock import VirtualClock
from hil.faults import as_heard_at
from hil.level import EvidenceLevel
from hil.model import DeviceModel, model_named, models
from hil.transport import Attached, Transport, TransportScheme
from hil.transport_url import TransportUrl

__all__ = ["SCHEME", "ModelTransport"]

BAUD: Final = 115_200
MOST_WAITING_BYTES: Final = 1 << 20
"""What a real driver would hold; the rest is lost, as there."""


class ModelTransport(Transport):
    """Calls the model directly: no thread, no port, no waiting."""

    def __init__(self, url: TransportUrl, model: DeviceModel) -> None:
        self._virtual = VirtualClock()
        super().__init__(url, EvidenceLevel.MODEL, self._virtual)
        self.model = model
        self.flash = model.flash
        self.power = ModelPower(self)
        self.probe = model.debug_port
        self.line = self._serial = ModelLine(self)
        self._waiting = bytearray()
        self.is_powered = False

    def _open(self) -> None:
        if not self.is_powered:
            self.switch_on()

    def _close(self) -> None:
        self._waiting.clear()

    def switch_on(self) -> None:
        """Give the model power."""
        if not self.is_powered:
            self.is_powered = True
            self._hold(self.model.power_on(self._virtual.now_s()))

    def switch_off(self) -> None:
        """Take the power away."""
        self.is_powered = False
        self._waiting.clear()
        self.model.power_off()

    def break_line(self) -> None:
        """Let the model hear a BREAK."""
        if self.is_powered:
            self._catch_up(self._virtual.now_s())
            self._hold(self.model.receive_break(self._virtual.now_s()))

    def _write(self, data: bytes) -> None:
        if self.is_powered:
            self._catch_up(self._virtual.now_s())
            baud = self._serial.baud
            heard = data if baud == BAUD else as_heard_at(data, baud, BAUD)
            self._hold(self.model.receive(heard, self._virtual.now_s()))

    def _read(self, most_bytes: int, timeout_s: float) -> bytes:
        if not self._waiting:
            self._pass_time(timeout_s)
        data = bytes(self._waiting[:most_bytes])
        del self._waiting[:most_bytes]
        return data

    def _pass_time(self, timeout_s: float) -> None:
        """Let time go on to the first thing the model says, or to the end of ``timeout_s``."""
        end_s = self._virtual.now_s() + timeout_s
        while not self._waiting and self.is_powered:
            due_s = self.model.next_event_s()
            if due_s is None or due_s > end_s:
                break
            self._catch_up(due_s)
        if not self._waiting:
            self._virtual.advance_to(end_s)

    def _catch_up(self, moment_s: float) -> None:
        """Let the model do what is due by ``moment_s``, each thing at its time."""
        while (due_s := self.model.next_event_s()) is not None and due_s <= moment_s:
            self._virtual.advance_to(due_s)
            self._hold(self.model.tick(due_s))
        self._virtual.advance_to(moment_s)

    def _hold(self, data: bytes) -> None:
        self._waiting += data[: MOST_WAITING_BYTES - len(self._waiting)]


class ModelLine:
    """The serial line to a model, which listens at 115,200 bits a second."""

    def __init__(self, transport: ModelTransport) -> None:
        self._transport = transport
        self.baud = BAUD

    def set_baud(self, baud: int) -> None:
        """Send at another speed: the model then hears what a receiver makes of that."""
        self.baud = baud

    def set_lines(self, *, dtr: bool | None = None, rts: bool | None = None) -> None:
        """Do nothing: models have no control lines."""

    def lines(self) -> dict[str, bool]:
        """Return no control lines that are on."""
        return {"cts": False, "dsr": False, "cd": False, "ri": False}

    def send_break(self, seconds: float) -> None:
        """Hold the line low."""
        self._transport.clock.sleep(seconds)
        self._transport.break_line()


class ModelPower:
    """Switches a model."""

    name = "model"
    is_automatic = True

    def __init__(self, transport: ModelTransport) -> None:
        self._transport = transport

    def off(self) -> None:
        """Take the power away."""
        self._transport.switch_off()

    def on(self) -> None:
        """Give it back."""
        self._transport.switch_on()


def make(url: TransportUrl) -> ModelTransport:
    """Return the transport to the model that ``url`` names."""
    url.only("weak")
    return ModelTransport(url, model_named(url.place).device(url.options.get("weak", "")))


def attached() -> Iterator[Attached]:
    """Yield every model."""
    for kind in models().values():
        yield Attached(url=f"medemu://{kind.name}", title=kind.title)


SCHEME = TransportScheme(
    name="medemu",
    title="a device emulated in this process",
    example="medemu://demo-pump",
    level=EvidenceLevel.MODEL,
    make=make,
    attached=attached,
)
