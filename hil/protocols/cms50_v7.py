"""Contec CMS50 oximeters of the second generation (firmware 7, CMS50F): packets at 115200 baud 8N1.

The first byte is the kind of the packet and has bit 7 clear; all others have it set. The second holds bit 7 of each of
the up to 7 data bytes that follow. The computer must send ``keep-alive`` every 5 seconds.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from hil.protocol import Example, Protocol, Span, within
from toolkit.core.errors import FormatError

__all__ = ["COMMANDS", "PROTOCOL", "LiveValues", "Packet", "command", "live_packet", "live_values"]

MARK: Final = 0x80
HEAD_BYTES: Final = 2
MOST_DATA_BYTES: Final = 7
LIVE, STORED_WITH_PERFUSION, DISCONNECTED, STORED, COMMAND = 0x01, 0x09, 0x0D, 0x0F, 0x7D
DATA_BYTES: Final = {LIVE: 7, STORED_WITH_PERFUSION: 4, STORED: 6, COMMAND: 7}
"""How long the kinds of known length are; all others end where the next packet begins, or after 7 bytes."""
COMMANDS: Final = {"start-live": 0xA1, "stop-live": 0xA2, "start-stored": 0xA6, "stop-stored": 0xA7, "keep-alive": 0xAF}


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """One packet of either direction; ``data`` has 1 to 7 bytes."""

    kind: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveValues:
    """What a live packet says; SpO2 and perfusion index in percent and 1/100 percent, pulse in beats a minute."""

    signal_strength: int
    probe_error: bool
    waveform: int
    bar: int
    pulse: int
    """255: none."""
    spo2: int
    """127: none."""
    perfusion_index: int
    """65 535: none."""


def live_values(packet: Packet) -> LiveValues:
    """Return what a live packet says; flags beyond these are left out."""
    if packet.kind != LIVE or len(packet.data) != DATA_BYTES[LIVE]:
        raise FormatError(f"packet {packet.kind:#04x} of {len(packet.data)} bytes holds no live values")
    first, waveform, bar, pulse, spo2, low, high = packet.data
    return LiveValues(
        signal_strength=first & 0x0F,
        probe_error=bool(first & 0x80),
        waveform=waveform & 0x7F,
        bar=bar & 0x0F,
        pulse=pulse,
        spo2=spo2,
        perfusion_index=high << 8 | low,
    )


def live_packet(values: LiveValues) -> Packet:
    """Return the packet that says ``values``."""
    perfusion = within("perfusion index", values.perfusion_index, 0xFFFF)
    first = within("signal strength", values.signal_strength, 0x0F) | values.probe_error << 7
    waveform, bar = within("waveform", values.waveform, 0x7F), within("bar", values.bar, 0x0F)
    pulse, spo2 = within("pulse", values.pulse, 0xFF), within("SpO2", values.spo2, 0xFF)
    return Packet(kind=LIVE, data=bytes([first, waveform, bar, pulse, spo2, perfusion & 0xFF, perfusion >> 8]))


def command(name: str, *arguments: int) -> Packet:
    """Return the packet with a command of ``COMMANDS``; it is always padded to 7 bytes."""
    if name not in COMMANDS:
        raise FormatError(f"a CMS50 of firmware 7 knows no command {name!r}")
    data = bytes([COMMANDS[name], *(within("command argument", one, 0xFF) for one in arguments)])
    return Packet(kind=COMMAND, data=data.ljust(MOST_DATA_BYTES, b"\0"))


def encode(packet: Packet) -> bytes:
    """Return the bytes of a packet."""
    kind = within("kind of packet", packet.kind, 0x7F)
    _check_length(kind, len(packet.data))
    high = sum((byte >> 7) << place for place, byte in enumerate(packet.data))
    return bytes([kind, MARK | high, *(byte | MARK for byte in packet.data)])


def decode(frame: bytes) -> Packet:
    """Return the packet of one frame."""
    if len(frame) <= HEAD_BYTES or frame[0] >= MARK or min(frame[1:]) < MARK:
        raise FormatError("a CMS50 packet is a byte without a mark in bit 7 and at least two with it")
    kind, high, data = frame[0], frame[1], frame[HEAD_BYTES:]
    _check_length(kind, len(data))
    if high & 0x7F >> len(data) << len(data):
        raise FormatError("a CMS50 packet gives the high bit of a byte that is not there")
    return Packet(kind=kind, data=bytes(byte & 0x7F | (high >> place & 1) << 7 for place, byte in enumerate(data)))


def _check_length(kind: int, size: int) -> None:
    wanted = DATA_BYTES.get(kind, size)
    if size != wanted or not 1 <= size <= MOST_DATA_BYTES:
        raise FormatError(f"a CMS50 packet of kind {kind:#04x} cannot have {size} data bytes")


def find(waiting: bytearray, at: int) -> Span:
    """Find the first byte without a mark, and where what it begins ends."""
    start = next((place for place in range(at, len(waiting)) if waiting[place] < MARK), len(waiting))
    size = DATA_BYTES.get(waiting[start]) if start < len(waiting) else None
    most = start + HEAD_BYTES + (MOST_DATA_BYTES if size is None else size)
    following = next((place for place in range(start + 1, min(most, len(waiting))) if waiting[place] < MARK), None)
    if following is not None:
        return Span(start, following)
    return Span(start, most if len(waiting) >= most else None)


def sample(chance: random.Random) -> Packet:
    """Return a made-up packet of a kind of known length."""
    kind = chance.choice(tuple(DATA_BYTES))
    return Packet(kind=kind, data=chance.randbytes(DATA_BYTES[kind]))


PROTOCOL: Final[Protocol[Packet]] = Protocol(
    name="cms50-v7",
    title="Contec CMS50 oximeters, second generation (115200 8N1)",
    source=("github.com/timegrid/CMS50Dplus7, cms50dplus7.py and tests.py",),
    unverified=(
        "no recording of a real device is part of the tests",
        "lengths of other kinds than live, stored and command: they are taken to end where the next packet begins",
        "meaning of the reasons in a disconnect notice (kind 0x0D) other than 0 and 1",
    ),
    encode=encode,
    decode=decode,
    find=find,
    most_bytes=HEAD_BYTES + MOST_DATA_BYTES,
    sample=sample,
    examples=(
        Example(
            frame=bytes.fromhex("7d 81 a1 80 80 80 80 80 80"),
            message=command("start-live"),
            source="CMS50Dplus7, command 0xA1 as sent",
        ),
        Example(
            frame=bytes.fromhex("7d 81 af 80 80 80 80 80 80"),
            message=command("keep-alive"),
            source="CMS50Dplus7, command 0xAF as sent",
        ),
        Example(
            frame=bytes.fromhex("01 80 88 c0 85 c8 e2 aa 81"),
            message=Packet(kind=LIVE, data=bytes([8, 0x40, 5, 72, 98, 0x2A, 1])),
            source="made by hand from the published layout",
        ),
    ),
)
