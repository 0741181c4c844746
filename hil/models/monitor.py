"""A patient monitor that takes HL7 messages over MLLP: the side that is connected to.

A query (QRY) is answered with what it measures. A message that changes what it shows (ADT) must carry the password of
the ward's system in MSH-8, and is refused otherwise. Everything else is refused.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from typing import Final

from hil.model import ModelKind
from hil.protocol import Protocol
from hil.protocol_model import ProtocolModel
from hil.protocols.hl7_mllp import PROTOCOL, Hl7Message, acknowledgement

__all__ = ["MODEL", "PASSWORD", "Monitor"]

PASSWORD: Final = b"w4rd-Kx81"
DEFAULT_PASSWORD: Final = b"monitor"
MOST_FIELD_BYTES: Final = 1024
SEPARATOR: Final = b"|"
MEASURED: Final = ((b"OBX", b"1", b"NM", b"HR", b"", b"72", b"/min"), (b"OBX", b"2", b"NM", b"SPO2", b"", b"98", b"%"))
"""Made up."""
WEAKNESSES: Final[Mapping[str, str]] = {
    "unauthenticated-set": "obeys set-commands without a log-in and without a MAC",
    "default-password": "accepts a factory password",
    "hangs-on-long-line": "stops answering after a field that is too long",
}


class Monitor(ProtocolModel[Hl7Message]):
    """The monitor."""

    protocol: Protocol[Hl7Message] = PROTOCOL

    def forget(self) -> None:
        """Begin with nobody on the screen."""
        self.patient = b""

    def answer(self, message: Hl7Message) -> Iterable[Hl7Message]:
        """Acknowledge a message, and do what it says if it may."""
        if message.separator != SEPARATOR:
            return []  # an answer could hold a separator of the sender's choice
        longest = max(len(field) for segment in message.segments for field in segment)
        if longest > MOST_FIELD_BYTES:
            self.powered = "hangs-on-long-line" not in self.weak
            return [acknowledgement(message, b"AR", b"field too long")] if self.powered else []
        kind = message.field(b"MSH", 9)[:3]
        if kind == b"QRY":
            accepted = acknowledgement(message, b"AA")
            return [Hl7Message(segments=(*accepted.segments, *MEASURED), separator=message.separator)]
        if kind != b"ADT":
            return [acknowledgement(message, b"AR", b"unsupported message")]
        if not self._may_set(message.field(b"MSH", 8)):
            return [acknowledgement(message, b"AR", b"not authorised")]
        self.patient = message.field(b"PID", 5)
        return [acknowledgement(message, b"AA")]

    def _may_set(self, password: bytes) -> bool:
        known = [PASSWORD, DEFAULT_PASSWORD] if "default-password" in self.weak else [PASSWORD]
        return "unauthenticated-set" in self.weak or any(hmac.compare_digest(password, one) for one in known)


MODEL = ModelKind(
    name="monitor",
    title="patient monitor (HL7 over MLLP)",
    profile="patient-monitor-lowend",
    interface="ethernet",
    make=Monitor,
    weaknesses=WEAKNESSES,
)
