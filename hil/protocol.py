"""What a device speaks: messages, their bytes, and how messages are found in a stream of bytes.

A protocol is one file of ``hil/protocols`` with both directions in it, so that an emulated device is the codec turned
round. Bytes from a device are never believed: ``decode`` raises ``FormatError`` and nothing else, and a stream decoder
holds at most ``most_bytes`` bytes, drops what is no message, and goes on at the next one.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from toolkit.core.errors import FormatError, InputError
from toolkit.core.layout import Layout
from toolkit.core.registry import discover

__all__ = [
    "Alive",
    "Example",
    "Find",
    "Protocol",
    "Refused",
    "Span",
    "StreamDecoder",
    "protocol_named",
    "protocols",
    "within",
]

GROUP: Final = "medharden.protocols"
Message = TypeVar("Message")


@dataclass(frozen=True, slots=True)
class Span:
    """Where the next frame may stand in the bytes that are waiting; what is before ``start`` is noise."""

    start: int
    end: int | None
    """Where it ends; None while that is not known."""


Refused = Callable[[bytes], Message | None]
"""Is given a whole frame that ``decode`` refused; returns a message to take in its place, or None to drop it."""
Find = Callable[[bytearray, int], Span]
"""Look at the waiting bytes from an offset on, and return where the next frame may stand, counted from their start."""


def within(name: str, value: int, most: int) -> int:
    """Return ``value``; ``FormatError`` when it is not between 0 and ``most``."""
    if not 0 <= value <= most:
        raise FormatError(f"{name} {value} is not between 0 and {most}")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Example(Generic[Message]):
    """One frame, what it means, and where it is from."""

    frame: bytes
    message: Message
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alive:
    """A question that every device must answer in every state, and that changes nothing."""

    ask: bytes
    """Empty where a device speaks by itself."""
    answer: re.Pattern[bytes]
    afterwards: bytes = b""
    """What ends the conversation that the question began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol(Generic[Message]):
    """One protocol; defined as ``PROTOCOL`` in a file of ``hil/protocols``."""

    name: str
    title: str
    source: tuple[str, ...]
    """What the format was taken from."""
    unverified: tuple[str, ...]
    """What has not been seen on a real device or in the specification itself, in words."""
    encode: Callable[[Message], bytes]
    """Return the frame of a message; ``FormatError`` when it cannot be said in this protocol."""
    decode: Callable[[bytes], Message]
    """Return the message of one whole frame; ``FormatError`` for anything else."""
    find: Find | None
    """Where the first frame stands in a stream; None for a protocol whose frames come as whole transfers."""
    most_bytes: int
    """The longest frame."""
    seal: Callable[[bytes], bytes] | None = None
    """Return a damaged frame with its check value made right, as who attacks would; None where there is none."""
    sample: Callable[[random.Random], Message]
    """Return a made-up message, for trying the protocol and what speaks it."""
    layouts: tuple[tuple[int, Layout[Any]], ...] = ()
    """Records of fixed size in a frame, each with its offset where no byte before it is escaped."""
    alive: Alive | None = None
    """How to see that a device is alive; None where no message of the protocol must always be answered."""
    examples: tuple[Example[Message], ...]

    def decoder(self, refused: Refused[Message] | None = None) -> StreamDecoder[Message]:
        """Return a decoder for one direction of one connection; ``refused`` is asked about frames that are wrong."""
        return StreamDecoder(self, refused)


class StreamDecoder(Generic[Message]):
    """Turns bytes as they come into messages; the result does not depend on how the bytes are cut into pieces."""

    def __init__(self, protocol: Protocol[Message], refused: Refused[Message] | None = None) -> None:
        self._protocol = protocol
        self._refused = refused
        self._waiting = bytearray()
        self.dropped_bytes = 0
        """What belonged to no message."""

    @property
    def waiting_bytes(self) -> int:
        """How many bytes wait for the rest of a frame: never more than the protocol's longest frame."""
        return len(self._waiting)

    def feed(self, data: bytes) -> list[Message]:
        """Take ``data`` and return the messages that are now whole."""
        if self._protocol.find is None:
            return self._transfer(data)
        found: list[Message] = []
        most = self._protocol.most_bytes
        at = 0
        while at < len(data):
            room = max(1, most - len(self._waiting))
            self._waiting += data[at : at + room]
            at += room
            self._take_frames(self._protocol.find, found)
        return found

    def _transfer(self, data: bytes) -> list[Message]:
        try:
            return [self._protocol.decode(data)]
        except FormatError:
            self.dropped_bytes += len(data)
            return []

    def _take_frames(self, find: Find, found: list[Message]) -> None:
        """Take every whole frame off the front, and what is no frame with them."""
        waiting, at = self._waiting, 0
        while at < len(waiting):
            span = find(waiting, at)
            self.dropped_bytes += span.start - at
            at = span.start
            if span.end is None:
                if len(waiting) - at < self._protocol.most_bytes:
                    break
            elif self._decoded(bytes(waiting[at : span.end]), found):
                at = span.end
                continue
            self.dropped_bytes += 1  # it began no frame, but a frame may begin behind it
            at += 1
        del waiting[:at]

    def _decoded(self, frame: bytes, found: list[Message]) -> bool:
        try:
            found.append(self._protocol.decode(frame))
        except FormatError:
            instead = None if self._refused is None else self._refused(frame)
            if instead is None:
                return False
            found.append(instead)
        return True


def protocols() -> dict[str, Protocol[object]]:
    """Return every protocol by its name."""
    return discover("hil.protocols", attribute="PROTOCOL", kind=Protocol, group=GROUP)


def protocol_named(name: str) -> Protocol[object]:
    """Return one of them; ``InputError`` when there is none of this name."""
    found = protocols()
    if name not in found:
        raise InputError(f"{name}: no such protocol; there are {', '.join(sorted(found))}")
    return found[name]
