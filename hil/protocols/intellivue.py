"""Philips IntelliVue monitors on the RS-232 (MIB) connector: the framing of fixed-speed messages.

C0, then the header, the message and a check value with 7D as escape, then C1. The check value is CRC-16/X-25, low byte
first. What is inside is the same as in a UDP packet of the LAN interface, and is not taken apart here.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from hil.protocol import Example, Protocol, Span, within
from toolkit.core.errors import FormatError
from toolkit.core.layout import U8, U16BE, Layout, wire
from toolkit.core.window import Window

__all__ = ["PROTOCOL", "Frame", "fcs16"]

BEGIN, END, ESCAPE, FLIP = 0xC0, 0xC1, 0x7D, 0x20
HEADER_BYTES: Final = 4
CHECK_BYTES: Final = 2
MOST_PAYLOAD_BYTES: Final = 1364
"""The guide bounds a message by what fits an Ethernet packet."""
MOST_BYTES: Final = 2 + 2 * (HEADER_BYTES + MOST_PAYLOAD_BYTES + CHECK_BYTES)
DATA_EXPORT: Final = 0x11
ASSOCIATION_OR_DATA: Final = 0x01


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Stands before the message. Source: Data Export Interface Programming Guide, 4535 642 59271, chapter 4."""

    protocol: int = wire(U8)
    kind: int = wire(U8)
    size_bytes: int = wire(U16BE)


HEADER: Final = Layout(Header, size=HEADER_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One message."""

    payload: bytes
    protocol: int = DATA_EXPORT
    kind: int = ASSOCIATION_OR_DATA


def _table() -> tuple[int, ...]:
    values = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x8408 if value & 1 else 0)  # noqa: PLW2901  # shifted through in place
        values.append(value)
    return tuple(values)


TABLE: Final = _table()


def fcs16(data: bytes) -> int:
    """Return the CRC-16/X-25 of ``data``. Source: RFC 1662, appendix C.2; 0x906E for the text 123456789."""
    value = 0xFFFF
    for byte in data:
        value = value >> 8 ^ TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFF


def encode(frame: Frame) -> bytes:
    """Return the bytes of a message."""
    size = within("IntelliVue message size", len(frame.payload), MOST_PAYLOAD_BYTES)
    protocol, kind = within("protocol", frame.protocol, 0xFF), within("kind", frame.kind, 0xFF)
    plain = HEADER.build(Header(protocol=protocol, kind=kind, size_bytes=size)) + frame.payload
    return _enclosed(plain)


def _enclosed(plain: bytes) -> bytes:
    """Return header and message with their check value, escaped, between C0 and C1."""
    plain += fcs16(plain).to_bytes(CHECK_BYTES, "little")
    escaped = bytearray([BEGIN])
    for byte in plain:
        escaped += bytes([ESCAPE, byte ^ FLIP]) if byte in (BEGIN, END, ESCAPE) else bytes([byte])
    return bytes(escaped) + bytes([END])


def decode(data: bytes) -> Frame:
    """Return the message of one frame."""
    if len(data) < 2 or data[0] != BEGIN or data[-1] != END or len(data) > MOST_BYTES:
        raise FormatError("an IntelliVue frame begins with C0 and ends with C1")
    plain = _unescaped(data[1:-1])
    header = HEADER.read(Window.of(plain))
    payload = bytes(Window.of(plain).take(HEADER_BYTES, header.size_bytes))
    if len(plain) != HEADER_BYTES + len(payload) + CHECK_BYTES:
        raise FormatError("the length of an IntelliVue frame is wrong")
    if fcs16(plain[:-CHECK_BYTES]) != int.from_bytes(plain[-CHECK_BYTES:], "little"):
        raise FormatError("the check value of an IntelliVue frame is wrong")
    within("IntelliVue message size", len(payload), MOST_PAYLOAD_BYTES)
    return Frame(payload=payload, protocol=header.protocol, kind=header.kind)


def _unescaped(data: bytes) -> bytes:
    first, *rest = data.split(bytes([ESCAPE]))
    plain = bytearray(first)
    for part in rest:
        if not part or part[0] ^ FLIP not in (BEGIN, END, ESCAPE):
            raise FormatError("an IntelliVue frame escapes a byte that needs none")
        plain.append(part[0] ^ FLIP)
        plain += part[1:]
    return bytes(plain)


def seal(frame: bytes) -> bytes:
    """Return ``frame`` with the right check value."""
    plain = frame[1:-1]
    for byte in (BEGIN, END, ESCAPE):
        plain = plain.replace(bytes([ESCAPE, byte ^ FLIP]), bytes([byte]))
    return _enclosed(plain[:-CHECK_BYTES])


def find(waiting: bytearray, at: int) -> Span:
    """Find the last C0 before the first C1 behind it."""
    begin = waiting.find(BEGIN, at)
    if begin < 0:
        return Span(len(waiting), None)
    end = waiting.find(END, begin)
    begin = waiting.rfind(BEGIN, begin, len(waiting) if end < 0 else end)
    return Span(begin, None if end < 0 else end + 1)


def sample(chance: random.Random) -> Frame:
    """Return a made-up message."""
    return Frame(payload=chance.randbytes(chance.randint(0, 80)), kind=chance.choice((1, 1, 1, 2)))


PROTOCOL: Final[Protocol[Frame]] = Protocol(
    name="intellivue-rs232",
    title="Philips IntelliVue on RS-232 (framing)",
    source=(
        "Philips Data Export Interface Programming Guide, 4535 642 59271, chapter 4, as used by",
        "github.com/xeonfusion/VSCaptureMP, Class3.cs: markers, escape, header 11 01, check value low byte first",
        "RFC 1662, appendix C.2: the check value",
    ),
    unverified=(
        "the longest message a monitor sends on this connector",
        "other values of the two header bytes than 11 01",
        "nothing inside a message is looked at",
    ),
    encode=encode,
    decode=decode,
    find=find,
    most_bytes=MOST_BYTES,
    seal=seal,
    layouts=((1, HEADER),),
    sample=sample,
    examples=(
        Example(
            frame=bytes.fromhex("c0 11 01 00 00 18 79 c1"),
            message=Frame(payload=b""),
            source="made by hand",
        ),
    ),
)
