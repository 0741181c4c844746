"""A laboratory analyser on a serial port: ASTM E1381 below, E1394 records above.

It takes orders and questions from the laboratory's computer and answers a question (record Q) with results. A frame
with a wrong sum or number is answered with NAK. A record M that sets something is refused.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import Final

from hil.model import ModelKind
from hil.protocol import Protocol
from hil.protocol_model import ProtocolModel
from hil.protocols.astm import ACK, ENQ, EOT, NAK, PROTOCOL, Frame, Message, message_frames, records_of, seal
from toolkit.core.errors import FormatError

__all__ = ["MODEL", "Analyser"]

FRAME_NUMBERS: Final = 8
MOST_FRAMES: Final = 64
MOST_TEXT_BYTES: Final = 200
WRONG: Final = Frame(number=-1, text=b"", is_last=True)
"""Stands for a frame that came damaged: its number is never the one that is wanted."""
RESULTS: Final = ((b"R", b"1", b"^^^GLU", b"5.4", b"mmol/L"), (b"R", b"2", b"^^^NA", b"140", b"mmol/L"))
"""Made up."""
WEAKNESSES: Final[Mapping[str, str]] = {
    "bad-checksum": "does not look at check values",
    "hangs-on-long-line": "says nothing any more after a frame with more than 200 bytes of text",
    "unauthenticated-set": "obeys a record that sets a calibration factor",
}


class Analyser(ProtocolModel[Message]):
    """The analyser."""

    protocol: Protocol[Message] = PROTOCOL

    def forget(self) -> None:
        """Begin idle."""
        self._frames: list[Frame] = []
        self._receiving = False
        self._to_send: list[Frame] = []
        self._sent = 0
        self.calibration = b"1.00"

    def refused(self, frame: bytes) -> Message | None:
        """Take a frame with a wrong sum for a wrong one, which gets a NAK; weak, for a good one."""
        if "bad-checksum" in self.weak:
            with contextlib.suppress(FormatError):
                return self.protocol.decode(seal(frame))
        return WRONG if frame.endswith(b"\r\n") else None

    def answer(self, message: Message) -> Iterable[Message]:
        """Do what E1381 demands in the state it is in."""
        if isinstance(message, Frame) and "hangs-on-long-line" in self.weak and len(message.text) > MOST_TEXT_BYTES:
            self.powered = False
            return []
        if isinstance(message, Frame):
            return [self._frame(message)] if self._receiving else []
        if message == ENQ:
            self._receiving, self._frames = True, []
            return [ACK]
        if message == EOT:
            return self._end()
        if message == ACK and self._to_send:
            return [self._next()]
        return []

    def _frame(self, frame: Frame) -> Message:
        wanted = (len(self._frames) + 1) % FRAME_NUMBERS
        if frame.number != wanted or len(self._frames) >= MOST_FRAMES:
            return NAK
        sets = [record for record in records_of([frame]) if record[0] == b"M"]
        if sets and "unauthenticated-set" not in self.weak:
            return NAK
        for record in sets:
            self.calibration = record[-1]
        self._frames.append(frame)
        return ACK

    def _end(self) -> list[Message]:
        """Answer a question that was asked, by asking to send."""
        asked = self._receiving and any(record[0] == b"Q" for record in records_of(self._frames))
        self._receiving, self._frames = False, []
        if not asked:
            return []
        records = ((b"H", b"\\^&", b"", b"", b"analyser"), (b"P", b"1"), (b"O", b"1"), *RESULTS, (b"L", b"1", b"N"))
        self._to_send, self._sent = list(message_frames(records)), 0
        return [ENQ]

    def _next(self) -> Message:
        if self._sent == len(self._to_send):
            self._to_send = []
            return EOT
        self._sent += 1
        return self._to_send[self._sent - 1]


MODEL = ModelKind(
    name="analyser",
    title="laboratory analyser (ASTM)",
    profile="lab-analyser",
    interface="rs232",
    make=Analyser,
    weaknesses=WEAKNESSES,
)
