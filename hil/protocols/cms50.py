"""Contec CMS50 oximeters of the first generation: 5 bytes for each live value, 60 times a second, at 19200 baud 8O1.

Bit 7 is set in the first byte of a live value only. On request the device sends what it has recorded: a preamble three
times, the size, and 3 bytes for each second.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Final

from hil.protocol import Alive, Example, Protocol, Span, within
from toolkit.core.errors import FormatError

__all__ = ["PROTOCOL", "Command", "Live", "Message", "Preamble", "Recorded", "RecordedSize"]

LIVE_BYTES: Final = 5
RECORDED_BYTES: Final = 3
PREAMBLE: Final = b"\xf2\x80\x00"
COMMANDS: Final = {b"\xf5\xf5": "send-recorded", b"\xf6\xf6\xf6": "send-live"}
MARK: Final = 0x80
MOST_RECORDED_BYTES: Final = 1 << 18
"""24 hours of one value a second are 259 200 bytes, so the first byte of a size stays below 0x90."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """One live value; SpO2 in percent (127: none), pulse in beats a minute (255: none)."""

    signal_strength: int
    finger_out: bool
    spo2_drops: bool
    beep: bool
    waveform: int
    bar: int
    probe_error: bool
    searching: bool
    pulse: int
    spo2: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One recorded second."""

    pulse: int
    spo2: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedSize:
    """How many bytes of recorded values follow."""

    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Preamble:
    """Stands three times before recorded values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What the computer asks for: ``send-recorded`` or ``send-live``."""

    name: str


Message = Live | Recorded | RecordedSize | Preamble | Command


def encode(message: Message) -> bytes:
    """Return the bytes of one message."""
    if isinstance(message, Live):
        return _encode_live(message)
    if isinstance(message, Preamble):
        return PREAMBLE
    if isinstance(message, Command):
        for frame, name in COMMANDS.items():
            if name == message.name:
                return frame
        raise FormatError(f"a CMS50 knows no command {message.name!r}")
    if isinstance(message, RecordedSize):
        size = within("CMS50 recorded bytes", message.size_bytes - 1, MOST_RECORDED_BYTES - 1)
        return bytes([MARK | size >> 14, MARK | size >> 7 & 0x7F, size & 0x7F])
    pulse = within("CMS50 pulse", message.pulse, 0xFF)
    return bytes([0xF0 | pulse >> 7, MARK | pulse & 0x7F, within("CMS50 SpO2", message.spo2, 0x7F)])


def _encode_live(live: Live) -> bytes:
    pulse = within("CMS50 pulse", live.pulse, 0xFF)
    first = within("CMS50 signal strength", live.signal_strength, 0x0F)
    first |= live.finger_out << 4 | live.spo2_drops << 5 | live.beep << 6
    third = within("CMS50 bar", live.bar, 0x0F) | live.probe_error << 4 | live.searching << 5 | pulse >> 7 << 6
    waveform, spo2 = within("CMS50 waveform", live.waveform, 0x7F), within("CMS50 SpO2", live.spo2, 0x7F)
    return bytes([MARK | first, waveform, third, pulse & 0x7F, spo2])


def decode(frame: bytes) -> Message:
    """Return the message of one frame."""
    if frame in COMMANDS:
        return Command(name=COMMANDS[frame])
    if frame == PREAMBLE:
        return Preamble()
    if len(frame) == LIVE_BYTES:
        return _decode_live(frame)
    if len(frame) != RECORDED_BYTES:
        raise FormatError(f"a CMS50 frame has 2, 3 or 5 bytes, not {len(frame)}")
    first, second, third = frame
    if second < MARK or third >= MARK:
        raise FormatError("a byte of a recorded CMS50 value has the wrong mark in bit 7")
    if 0x80 <= first < 0x90:
        return RecordedSize(size_bytes=((first & 0x7F) << 14 | (second & 0x7F) << 7 | third) + 1)
    if first not in (0xF0, 0xF1):
        raise FormatError(f"no CMS50 value begins with {first:#04x}")
    return Recorded(pulse=(first & 1) << 7 | second & 0x7F, spo2=third)


def _decode_live(data: bytes) -> Live:
    first, waveform, third, pulse, spo2 = data
    if first < MARK or max(data[1:]) >= MARK:
        raise FormatError("a byte of a live CMS50 value has the wrong mark in bit 7")
    return Live(
        signal_strength=first & 0x0F,
        finger_out=bool(first & 0x10),
        spo2_drops=bool(first & 0x20),
        beep=bool(first & 0x40),
        waveform=waveform,
        bar=third & 0x0F,
        probe_error=bool(third & 0x10),
        searching=bool(third & 0x20),
        pulse=(third & 0x40) << 1 | pulse,
        spo2=spo2,
    )


def find(waiting: bytearray, at: int) -> Span:
    """Find the first byte with a mark, and how long what it begins is."""
    start = next((place for place in range(at, len(waiting)) if waiting[place] >= MARK), len(waiting))
    rest = bytes(waiting[start : start + LIVE_BYTES])
    for command in COMMANDS:
        if rest[:2] == command[:2]:
            return _span(start, len(command), rest)
    return _span(start, RECORDED_BYTES if rest[1:2] >= b"\x80" else LIVE_BYTES, rest)


def _span(start: int, size: int, rest: bytes) -> Span:
    return Span(start, start + size if len(rest) >= size else None)


def sample(chance: random.Random) -> Message:
    """Return a made-up message."""
    some: Message = chance.choice(
        (
            Preamble(),
            Command(name=chance.choice(tuple(COMMANDS.values()))),
            RecordedSize(size_bytes=chance.randint(1, MOST_RECORDED_BYTES)),
            Recorded(pulse=chance.randint(0, 0xFF), spo2=chance.randint(0, 0x7F)),
            Live(
                signal_strength=chance.randint(0, 15),
                finger_out=chance.random() < 0.5,
                spo2_drops=chance.random() < 0.5,
                beep=chance.random() < 0.5,
                waveform=chance.randint(0, 0x7F),
                bar=chance.randint(0, 15),
                probe_error=chance.random() < 0.5,
                searching=chance.random() < 0.5,
                pulse=chance.randint(0, 0xFF),
                spo2=chance.randint(0, 0x7F),
            ),
        )
    )
    return some


PROTOCOL: Final[Protocol[Message]] = Protocol(
    name="cms50",
    title="Contec CMS50 oximeters, first generation (19200 8O1)",
    source=(
        "github.com/atbrask/CMS50Dplus, and atbrask.dk, March 2015: read on the line of a CMS50D+ with firmware 4.6",
        "tranzoa.net on the CMS50E: agrees",
    ),
    unverified=(
        "no recording of a real device is compared here, only the published layout",
        "what the device does with a command in the middle of recorded data",
    ),
    encode=encode,
    decode=decode,
    find=find,
    alive=Alive(ask=b"\xf6\xf6\xf6", answer=re.compile(rb"[\x80-\xff][\x00-\x7f]{4}")),
    most_bytes=LIVE_BYTES,
    sample=sample,
    examples=(
        Example(
            frame=bytes.fromhex("c5 40 08 48 62"),
            message=Live(
                signal_strength=5,
                finger_out=False,
                spo2_drops=False,
                beep=True,
                waveform=64,
                bar=8,
                probe_error=False,
                searching=False,
                pulse=72,
                spo2=98,
            ),
            source="made by hand from the published layout",
        ),
        Example(frame=bytes.fromhex("f2 80 00"), message=Preamble(), source="atbrask.dk, March 2015: answer to F5 F5"),
        Example(
            frame=bytes.fromhex("f1 82 5f"),
            message=Recorded(pulse=130, spo2=95),
            source="made by hand from the published layout",
        ),
        Example(frame=b"\xf5\xf5", message=Command(name="send-recorded"), source="atbrask.dk, March 2015"),
    ),
)
