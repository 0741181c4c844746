"""A finger oximeter of the first CMS50 generation: live values 60 times a second, recorded ones on request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from hil.model import ModelKind
from hil.protocol import Protocol
from hil.protocol_model import ProtocolModel
from hil.protocols.cms50 import PROTOCOL, Command, Live, Message, Preamble, Recorded, RecordedSize

__all__ = ["MODEL", "Oximeter"]

PERIOD_S: Final = 1 / 60
RECORDED_BYTES: Final = 3
RECORDED: Final = tuple((72 + second % 5, 97 + second % 2) for second in range(60))
"""Pulse and SpO2 of one recorded minute, made up."""
WAVEFORM: Final = (10, 40, 70, 90, 80, 60, 45, 35, 25, 15)
NOISE_BYTES: Final = 64
WEAKNESSES: Final[Mapping[str, str]] = {
    "hangs-on-long-line": "says nothing any more after 64 bytes that are no command",
    "boot-log": "prints a key while it starts",
}


class Oximeter(ProtocolModel[Message]):
    """The oximeter; it has no log-in, and nothing can be set on it."""

    protocol: Protocol[Message] = PROTOCOL

    def forget(self) -> None:
        """Begin with live values."""
        self._sample = 0
        self._next_s: float | None = self.now_s + PERIOD_S

    def power_on(self, now_s: float) -> bytes:
        """Start."""
        quiet = super().power_on(now_s)
        return b"key=5d11c0ffee77a003\r\n" if "boot-log" in self.weak else quiet

    def next_event_s(self) -> float | None:
        """Return when the next live value is due."""
        return self._next_s if self.powered else None

    def tick(self, now_s: float) -> bytes:
        """Say the live values that are due."""
        said = b""
        while self.powered and self._next_s is not None and self._next_s <= now_s:
            said += self.protocol.encode(self._live())
            self._next_s += PERIOD_S
        return said

    def receive(self, data: bytes, now_s: float) -> bytes:
        """Obey commands."""
        said = super().receive(data, now_s)
        if "hangs-on-long-line" in self.weak and self.dropped_bytes >= NOISE_BYTES:
            self.powered = False
        return said

    def answer(self, message: Message) -> Iterable[Message]:
        """Send what is recorded, or go back to live values; everything else is not for an oximeter."""
        if message == Command(name="send-recorded"):
            self._next_s = None
            yield from (Preamble(), Preamble(), Preamble(), RecordedSize(size_bytes=RECORDED_BYTES * len(RECORDED)))
            yield from (Recorded(pulse=pulse, spo2=spo2) for pulse, spo2 in RECORDED)
        elif message == Command(name="send-live"):
            self._next_s = self.now_s + PERIOD_S

    def _live(self) -> Live:
        self._sample += 1
        waveform = WAVEFORM[self._sample % len(WAVEFORM)]
        return Live(
            signal_strength=7,
            finger_out=False,
            spo2_drops=False,
            beep=waveform == max(WAVEFORM),
            waveform=waveform,
            bar=waveform >> 3,
            probe_error=False,
            searching=False,
            pulse=72,
            spo2=98,
        )


MODEL = ModelKind(
    name="oximeter",
    title="finger oximeter (CMS50, first generation)",
    profile="contec-cms50dplus",
    interface="usb",
    make=Oximeter,
    weaknesses=WEAKNESSES,
)
