"""A ventilator on MEDIBUS: it can be read, and nothing can be set on it.

Communication begins with ESC Q and ends after 3 s without a command, or with ESC U. A command with a wrong sum or an
unknown code is not answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from hil.model import ModelKind
from hil.protocol import Protocol
from hil.protocol_model import ProtocolModel
from hil.protocols.medibus import PROTOCOL, Command, Message, Response, measured_values_data, seal
from toolkit.core.errors import FormatError

__all__ = ["MODEL", "SET_CODE", "Ventilator"]

SILENCE_S: Final = 3.0
MOST_DATA_BYTES: Final = 64
MEASURED, LOW, HIGH, SETTINGS, NO_OPERATION, BEGIN, IDENTIFY, STOP = 0x24, 0x25, 0x26, 0x29, 0x30, 0x51, 0x52, 0x55
SET_CODE: Final = 0x7E
"""Made up for the weak variant: MEDIBUS has no command that sets anything."""
IDENTITY: Final = b"8411'demo ventilator'01.00:06.00"
VALUES: Final = {
    MEASURED: ((0x71, "22"), (0x7D, "5"), (0xD6, "14"), (0xF0, "40")),
    LOW: ((0x7D, "2"),),
    HIGH: ((0x7D, "35"),),
}
WEAKNESSES: Final[Mapping[str, str]] = {
    "bad-checksum": "does not look at check values",
    "hangs-on-long-line": "says nothing any more after a command with more than 64 bytes of data",
    "unauthenticated-set": "obeys a command that sets the oxygen concentration",
}


class Ventilator(ProtocolModel[Message]):
    """The ventilator."""

    protocol: Protocol[Message] = PROTOCOL

    def forget(self) -> None:
        """Begin without communication."""
        self._until_s = -1.0
        self.oxygen_percent = b"   21"

    def refused(self, frame: bytes) -> Message | None:
        """Drop a wrong command; weak, take it with the right sum instead."""
        if "bad-checksum" not in self.weak:
            return None
        try:
            return self.protocol.decode(seal(frame))
        except FormatError:
            return None

    def answer(self, message: Message) -> Iterable[Message]:
        """Answer a command."""
        if not isinstance(message, Command):
            return []
        if "hangs-on-long-line" in self.weak and len(message.data) > MOST_DATA_BYTES:
            self.powered = False
            return []
        if message.code == BEGIN:
            self._until_s = self.now_s + SILENCE_S
            return [Response(code=BEGIN)]
        if self.now_s > self._until_s:
            return []
        self._until_s = -1.0 if message.code == STOP else self.now_s + SILENCE_S
        data = self._data(message)
        return [] if data is None else [Response(code=message.code, data=data)]

    def _data(self, command: Command) -> bytes | None:
        """Return what the answer says; None for a command it does not know."""
        if command.code in VALUES:
            return measured_values_data(VALUES[command.code])
        if command.code == SET_CODE and "unauthenticated-set" in self.weak:
            self.oxygen_percent = command.data[:5].rjust(5)
            return b""
        known = {IDENTIFY: IDENTITY, SETTINGS: b"01" + self.oxygen_percent, NO_OPERATION: b"", STOP: b""}
        return known.get(command.code)


MODEL = ModelKind(
    name="ventilator",
    title="ventilator (MEDIBUS)",
    profile="ventilator-icu",
    interface="rs232",
    make=Ventilator,
    weaknesses=WEAKNESSES,
)
