"""An emulated device that speaks one protocol: the protocol's codec turned round.

What a particular device answers is all that is left to write: see ``hil/models/analyser.py``.
"""

from __future__ import annotations

import abc
from collections.abc import Iterable
from typing import Generic, TypeVar

from hil.model import DeviceModel
from hil.protocol import Protocol

__all__ = ["ProtocolModel"]

Message = TypeVar("Message")


class ProtocolModel(DeviceModel, Generic[Message]):
    """Takes bytes, finds messages in them, and says what ``answer`` says to each."""

    protocol: Protocol[Message]

    def __init__(self, weak: frozenset[str]) -> None:
        self.weak = weak
        self.powered = False
        self.now_s = 0.0
        self._decoder = self.protocol.decoder(self.refused)

    def power_on(self, now_s: float) -> bytes:
        """Start at once, with nothing in RAM."""
        self.powered = True
        self.now_s = now_s
        self._decoder = self.protocol.decoder(self.refused)
        self.forget()
        return b""

    def power_off(self) -> None:
        """Stop at once."""
        self.powered = False

    def receive(self, data: bytes, now_s: float) -> bytes:
        """Answer every message that ``data`` makes whole."""
        if not self.powered:
            return b""
        self.now_s = now_s
        return b"".join(self.said(message) for message in self._decoder.feed(data))

    def said(self, message: Message) -> bytes:
        """Return the bytes of the answer to one message."""
        return b"".join(self.protocol.encode(one) for one in self.answer(message))

    def refused(self, frame: bytes) -> Message | None:  # noqa: ARG002  # most devices drop a wrong frame
        """Return what to take in place of a frame that is wrong; None to drop it."""
        return None

    @property
    def dropped_bytes(self) -> int:
        """How many bytes belonged to no message since power-on."""
        return self._decoder.dropped_bytes

    @abc.abstractmethod
    def forget(self) -> None:
        """Lose what is in RAM."""

    @abc.abstractmethod
    def answer(self, message: Message) -> Iterable[Message]:
        """Return what the device says to ``message``."""
