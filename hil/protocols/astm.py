"""ASTM E1381 (CLSI LIS01): how a laboratory analyser sends; and ASTM E1394 (LIS02): the records it sends.

ENQ asks to send, ACK and NAK answer, EOT ends. A frame is STX, a number 0 to 7, text, ETX (last of a message) or ETB
(more follows), the sum modulo 256 of number to ETX as two hexadecimal digits, CR and LF.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from hil.protocol import Alive, Example, Protocol, Span, within
from toolkit.core.errors import FormatError

__all__ = [
    "ACK",
    "ENQ",
    "EOT",
    "NAK",
    "PROTOCOL",
    "Control",
    "Frame",
    "Message",
    "message_frames",
    "records_of",
    "seal",
]

STX, ETX, ETB = 0x02, 0x03, 0x17
CONTROLS: Final = {0x05: "ENQ", 0x06: "ACK", 0x15: "NAK", 0x04: "EOT"}
FORBIDDEN: Final = frozenset(b"\x01\x02\x03\x04\x05\x06\x0a\x10\x11\x12\x13\x14\x15\x16\x17")
"""E1381, 6.6: a text holds none of these, so that each means what it says wherever it stands."""
TAIL_BYTES: Final = 4
HEAD_BYTES: Final = 2
MOST_TEXT_BYTES: Final = 64_000
"""LIS01-A2, 6.3; the older E1381 has 240."""
FRAME_TEXT_BYTES: Final = 240
"""What we send at most: also the oldest receiver takes it."""
MOST_BYTES: Final = HEAD_BYTES + MOST_TEXT_BYTES + 1 + TAIL_BYTES
FRAME_NUMBERS: Final = 8
RECORD_END: Final = b"\r"
FIELD_END: Final = b"|"


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One byte: ENQ, ACK, NAK or EOT."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame."""

    number: int
    text: bytes
    is_last: bool
    """Whether a message ends with it."""


Message = Control | Frame
ASKING: Final = 0x05
ENQ: Final = Control(name="ENQ")
ACK: Final = Control(name="ACK")
NAK: Final = Control(name="NAK")
EOT: Final = Control(name="EOT")


def encode(message: Message) -> bytes:
    """Return the bytes of a message."""
    if isinstance(message, Control):
        for code, name in CONTROLS.items():
            if name == message.name:
                return bytes([code])
        raise FormatError(f"ASTM E1381 knows no {message.name!r}")
    within("ASTM text size", len(message.text), MOST_TEXT_BYTES)
    _check_text(message.text)
    number = within("ASTM frame number", message.number, FRAME_NUMBERS - 1)
    body = b"%d%s%c" % (number, message.text, ETX if message.is_last else ETB)
    return b"%c%s%02X\r\n" % (STX, body, sum(body) & 0xFF)


def _check_text(text: bytes) -> None:
    if not FORBIDDEN.isdisjoint(text):
        raise FormatError("an ASTM text holds a control character that it must not hold")


def decode(frame: bytes) -> Message:
    """Return the message of one frame."""
    if len(frame) == 1 and frame[0] in CONTROLS:
        return Control(name=CONTROLS[frame[0]])
    if not HEAD_BYTES + 1 + TAIL_BYTES <= len(frame) <= MOST_BYTES or frame[0] != STX or frame[-2:] != b"\r\n":
        raise FormatError("an ASTM frame begins with STX and ends with CR LF")
    body, digits = frame[1:-TAIL_BYTES], frame[-TAIL_BYTES:-2]
    if digits != b"%02X" % (sum(body) & 0xFF):
        raise FormatError("the sum of an ASTM frame is wrong")
    number, text, end = body[0] - ord("0"), body[1:-1], body[-1]
    within("ASTM frame number", number, FRAME_NUMBERS - 1)
    if end not in (ETX, ETB):
        raise FormatError("the text of an ASTM frame ends with ETX or ETB")
    _check_text(text)
    return Frame(number=number, text=text, is_last=end == ETX)


def seal(frame: bytes) -> bytes:
    """Return ``frame`` with the right sum."""
    body = frame[1:-TAIL_BYTES]
    return b"%s%s%02X\r\n" % (frame[:1], body, sum(body) & 0xFF)


def find(waiting: bytearray, at: int) -> Span:
    """Find the first control character that begins something."""
    for start in range(at, len(waiting)):
        if waiting[start] in CONTROLS:
            return Span(start, start + 1)
        if waiting[start] == STX:
            return _find_frame(waiting, start)
    return Span(len(waiting), None)


def _find_frame(waiting: bytearray, start: int) -> Span:
    """Find the end of the frame that begins at ``start``: 4 bytes after its ETX or ETB, or where it is broken off."""
    ends = [place for mark in (ETX, ETB) if (place := waiting.find(mark, start + 1)) >= 0]
    end = min(ends, default=len(waiting))
    anew = waiting.find(ASKING, start, end)
    if anew >= 0:  # no text holds an ENQ: the sender has given up and begins again
        return Span(anew, anew + 1)
    again = waiting.rfind(STX, start, end)
    whole = end + 1 + TAIL_BYTES
    return Span(again, whole if ends and whole <= len(waiting) else None)


def message_frames(records: Iterable[tuple[bytes, ...]], first_number: int = 1) -> tuple[Frame, ...]:
    """Return the frames that carry ``records`` as one message; a record is its fields, the first of them its type."""
    text = b"".join(FIELD_END.join(record) + RECORD_END for record in records)
    parts = [text[at : at + FRAME_TEXT_BYTES] for at in range(0, len(text), FRAME_TEXT_BYTES)]
    return tuple(
        Frame(number=(first_number + place) % FRAME_NUMBERS, text=part, is_last=place == len(parts) - 1)
        for place, part in enumerate(parts)
    )


def records_of(frames: Iterable[Frame]) -> tuple[tuple[bytes, ...], ...]:
    """Return the records that ``frames`` carry, each its fields. Source: ASTM E1394, 6."""
    text = b"".join(frame.text for frame in frames)
    return tuple(tuple(record.split(FIELD_END)) for record in text.split(RECORD_END) if record)


def sample(chance: random.Random) -> Message:
    """Return a made-up message."""
    if chance.random() < 0.3:
        return Control(name=chance.choice(tuple(CONTROLS.values())))
    letters = b"HPORLC|\\^&~0123456789 .-abcXYZ\r"
    text = bytes(chance.choice(letters) for _ in range(chance.randint(0, 60)))
    return Frame(number=chance.randrange(FRAME_NUMBERS), text=text, is_last=chance.random() < 0.5)


PROTOCOL: Final[Protocol[Message]] = Protocol(
    name="astm-e1381",
    title="ASTM E1381 / E1394 (CLSI LIS01 / LIS02), laboratory analysers",
    source=(
        "ASTM E1381-95 and CLSI LIS01-A2, 6: frames, sum, control characters",
        "ASTM E1394-97 and CLSI LIS02-A2, 6: records and fields",
        "github.com/glucometers-tech/glucometerutils, contourusb.py: the same frames from a Bayer Contour USB",
    ),
    unverified=(
        "the standards themselves were not at hand: layouts are as several public programs use them",
        "line contention (both sides send ENQ) and its timers are up to who uses this",
    ),
    encode=encode,
    decode=decode,
    find=find,
    most_bytes=MOST_BYTES,
    seal=seal,
    alive=Alive(ask=b"\x05", answer=re.compile(rb"\x06"), afterwards=b"\x04"),
    sample=sample,
    examples=(
        Example(frame=b"\x05", message=ENQ, source="E1381: ENQ is 05"),
        Example(
            frame=b"\x021L|1|N\r\x0304\r\n",
            message=Frame(number=1, text=b"L|1|N\r", is_last=True),
            source="made by hand; the terminator record of E1394",
        ),
    ),
)
