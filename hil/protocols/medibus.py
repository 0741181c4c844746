"""Draeger MEDIBUS: commands and answers in ASCII with a sum, and fast values as bytes with bit 7 set between them.

A command is ESC, a code, its arguments, the sum of all of these modulo 256 as two hexadecimal digits, and CR; an answer
is the same with SOH. A fast value is two bytes 0x80 to 0xBF of six bits each, low ones first; a byte 0xC0 to 0xFF is a
command of the fast channel, among them 0xD0 to 0xDF: the next values begin with the first of the list.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from hil.protocol import Alive, Example, Protocol, Span, within
from toolkit.core.errors import FormatError

__all__ = [
    "CODES",
    "PROTOCOL",
    "Command",
    "FastControl",
    "FastValue",
    "Message",
    "Response",
    "measured_values",
    "measured_values_data",
    "seal",
]

ESCAPE, START, END = 0x1B, 0x01, 0x0D
FAST: Final = 0x80
FAST_CONTROL: Final = 0xC0
SUM_DIGITS: Final = 2
LEAST_BYTES: Final = 5
MOST_BYTES: Final = 2048
VALUE_CHARACTERS: Final = 4
HEX_DIGITS: Final = b"0123456789ABCDEF"
CODES: Final = {
    0x24: "measured values, page 1",
    0x25: "low alarm limits, page 1",
    0x26: "high alarm limits, page 1",
    0x27: "alarms, page 1",
    0x28: "date and time",
    0x29: "device settings",
    0x2A: "text messages",
    0x2B: "measured values, page 2",
    0x30: "no operation",
    0x51: "initialise communication",
    0x52: "identify",
    0x53: "configuration of fast values",
    0x54: "configure fast values",
    0x55: "stop communication",
}
"""What the commands ask for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slow:
    """What a command and an answer have in common."""

    code: int
    """0x20 to 0x7F."""
    data: bytes = b""
    between: bytes = b""
    """Bytes of the fast channel that came in the middle of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command(Slow):
    """One side asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response(Slow):
    """The other side answers, with the same code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FastValue:
    """One fast value, 0 to 4095."""

    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FastControl:
    """One byte of the fast channel that is no value: 0xC0 to 0xFF."""

    code: int


Message = Command | Response | FastValue | FastControl


def encode(message: Message) -> bytes:
    """Return the bytes of a message."""
    if isinstance(message, FastValue):
        value = within("fast value", message.value, 0xFFF)
        return bytes([FAST | value & 0x3F, FAST | value >> 6])
    if isinstance(message, FastControl):
        return bytes([FAST_CONTROL | within("fast control", message.code - FAST_CONTROL, 0x3F)])
    start = ESCAPE if isinstance(message, Command) else START
    body = bytes([start, within("MEDIBUS code", message.code, FAST - 1), *message.data])
    _check_body(body)
    if message.between and min(message.between) < FAST:
        raise FormatError("a MEDIBUS byte of the fast channel has bit 7 set")
    frame = body[:1] + message.between + body[1:] + b"%02X\r" % (sum(body) & 0xFF)
    within("MEDIBUS frame size", len(frame), MOST_BYTES)
    return frame


def _check_body(body: bytes) -> None:
    """Refuse what is not printable: the code must be, and a CR in the data would end the frame."""
    if not all(0x20 <= byte < FAST for byte in body[1:]):
        raise FormatError("a MEDIBUS code and its data are printable ASCII")


def decode(frame: bytes) -> Message:
    """Return the message of one frame."""
    if frame[:1] >= bytes([FAST]):
        return _decode_fast(frame)
    slow = bytes(byte for byte in frame if byte < FAST)
    between = bytes(byte for byte in frame if byte >= FAST)
    if len(slow) < LEAST_BYTES or slow[0] not in (ESCAPE, START) or slow[-1] != END or frame[-1] != END:
        raise FormatError("a MEDIBUS frame begins with ESC or SOH and ends with its sum and CR")
    body, digits = slow[: -SUM_DIGITS - 1], slow[-SUM_DIGITS - 1 : -1]
    _check_body(body)
    if digits != b"%02X" % (sum(body) & 0xFF):
        raise FormatError("the sum of a MEDIBUS frame is wrong")
    kind = Command if body[0] == ESCAPE else Response
    return kind(code=body[1], data=body[2:], between=between)


def _decode_fast(frame: bytes) -> Message:
    if len(frame) == 1 and frame[0] >= FAST_CONTROL:
        return FastControl(code=frame[0])
    if len(frame) != 2 or not all(FAST <= byte < FAST_CONTROL for byte in frame):
        raise FormatError("a fast MEDIBUS value is two bytes 0x80 to 0xBF")
    return FastValue(value=(frame[1] & 0x3F) << 6 | frame[0] & 0x3F)


def seal(frame: bytes) -> bytes:
    """Return ``frame`` with the right sum; bytes of the fast channel do not count."""
    if frame[:1] >= bytes([FAST]):
        return frame
    body = frame[: -SUM_DIGITS - 1]
    return b"%s%02X\r" % (body, sum(byte for byte in body if byte < FAST) & 0xFF)


def find(waiting: bytearray, at: int) -> Span:
    """Find the first byte that may begin something."""
    for start in range(at, len(waiting)):
        byte = waiting[start]
        if byte >= FAST_CONTROL:
            return Span(start, start + 1)
        if byte >= FAST:
            return Span(start, start + 2 if len(waiting) > start + 1 else None)
        if byte in (ESCAPE, START):
            return _find_slow(waiting, start)
    return Span(len(waiting), None)


def _find_slow(waiting: bytearray, start: int) -> Span:
    for place in range(start + 1, min(len(waiting), start + MOST_BYTES)):
        if waiting[place] == END:
            return Span(start, place + 1)
        if waiting[place] < 0x20:
            return Span(start, place)  # broken off: what was there so far is refused
    return Span(start, None)


def measured_values(data: bytes) -> dict[int, str]:
    """Return the values of an answer to 0x24, 0x25 or 0x26 by their code: each two digits and 4 characters."""
    values: dict[int, str] = {}
    for at in range(0, len(data), 2 + VALUE_CHARACTERS):
        code, value = data[at : at + 2], data[at + 2 : at + 2 + VALUE_CHARACTERS]
        if len(value) != VALUE_CHARACTERS or not all(byte in HEX_DIGITS for byte in code):
            raise FormatError(f"the measured value at {at} of a MEDIBUS answer is not two digits and 4 characters")
        values[int(code, 16)] = value.decode("ascii", "replace").strip()
    return values


def measured_values_data(values: Iterable[tuple[int, str]]) -> bytes:
    """Return the data of an answer with these values."""
    return b"".join(_measured(values))


def _measured(values: Iterable[tuple[int, str]]) -> Iterator[bytes]:
    for code, value in values:
        if len(value) > VALUE_CHARACTERS or not value.isascii():
            raise FormatError(f"a measured MEDIBUS value has at most {VALUE_CHARACTERS} characters, not {value!r}")
        yield b"%02X" % within("code of a measured value", code, 0xFF) + value.rjust(VALUE_CHARACTERS).encode("ascii")


def sample(chance: random.Random) -> Message:
    """Return a made-up message."""
    if chance.random() < 0.2:
        return FastValue(value=chance.randint(0, 0xFFF))
    if chance.random() < 0.2:
        return FastControl(code=chance.randint(FAST_CONTROL, 0xFF))
    data = bytes(chance.randint(0x20, 0x7E) for _ in range(chance.randint(0, 60)))
    between = bytes(chance.randint(FAST, 0xFF) for _ in range(chance.choice((0, 0, 0, 3))))
    kind = chance.choice((Command, Response))
    message: Message = kind(code=chance.choice(tuple(CODES)), data=data, between=between)
    return message


PROTOCOL: Final[Protocol[Message]] = Protocol(
    name="medibus",
    title="Draeger MEDIBUS",
    source=(
        "github.com/xeonfusion/VSCaptureDrgVent, Class1.cs and Class2.cs",
        "github.com/KaiWU17TUM/icu_devices, src/medibus.cpp: frames of an Evita 4; agrees on start, sum and codes",
    ),
    unverified=(
        "the published specification was not at hand: codes are those that two programs use",
        "the one-byte answers (NAK, CAN) and flow control (DC1, DC3), which are dropped as noise",
        "MEDIBUS.X",
    ),
    encode=encode,
    decode=decode,
    find=find,
    most_bytes=MOST_BYTES,
    seal=seal,
    alive=Alive(ask=b"\x1bQ6C\r", answer=re.compile(rb"\x01Q[^\r]*\r"), afterwards=b"\x1bU70\r"),
    sample=sample,
    examples=(
        Example(frame=b"\x1bQ6C\r", message=Command(code=0x51), source="VSCaptureDrgVent: 1B 51 36 43 0D"),
        Example(frame=b"\x01Q52\r", message=Response(code=0x51), source="made by hand: 01 + 51 is 52"),
        Example(frame=b"\x80\x81", message=FastValue(value=64), source="made by hand from the layout"),
    ),
)
