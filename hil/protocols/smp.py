"""SMP, the management protocol of mcumgr, over a console: lines with base64 in them.

The first line of a packet begins with 06 09, further ones with 04 14; all end with LF and have at most 127 bytes. In
the base64 stand the length (body and CRC), the body and its CRC-16/XMODEM. A body is 8 bytes of header and a CBOR map.
"""

from __future__ import annotations

import base64
import binascii
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from hil.protocol import Example, Protocol, Span, within
from toolkit.core.errors import FormatError
from toolkit.core.layout import U8, U16BE, Layout, wire
from toolkit.core.window import Window

__all__ = ["PROTOCOL", "SmpMessage"]

FIRST: Final = b"\x06\x09"
NEXT: Final = b"\x04\x14"
LINE_END: Final = b"\n"
LINE_BYTES: Final = 127
LINE_TEXT_BYTES: Final = 124
"""A multiple of 4, so that every line is whole base64."""
LENGTH_BYTES: Final = 2
CRC_BYTES: Final = 2
HEADER_BYTES: Final = 8
MOST_BODY_BYTES: Final = 4096
"""What mcumgr servers take is less; the length field could say 65 535."""
MOST_LINES: Final = 1 + (LENGTH_BYTES + MOST_BODY_BYTES + CRC_BYTES) // (LINE_TEXT_BYTES // 4 * 3)
MOST_BYTES: Final = MOST_LINES * LINE_BYTES
MOST_DEPTH: Final = 16
ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
SHARED_VALUE, SHARED_REFERENCE = 28, 29
OPERATIONS: Final = {0: "read", 1: "read response", 2: "write", 3: "write response"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Stands before the map. Source: Zephyr, SMP protocol specification."""

    version_and_operation: int = wire(U8)
    flags: int = wire(U8)
    size_bytes: int = wire(U16BE)
    group: int = wire(U16BE)
    sequence: int = wire(U8)
    command: int = wire(U8)


HEADER: Final = Layout(Header, size=HEADER_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class SmpMessage:
    """One request or answer."""

    operation: int
    """0 read, 1 its answer, 2 write, 3 its answer."""
    group: int
    """0 system, 1 images, 2 statistics, 8 files, 9 shell."""
    command: int
    sequence: int = 0
    version: int = 1
    flags: int = 0
    body: Mapping[str, Any] = field(default_factory=dict)


def encode(message: SmpMessage) -> bytes:
    """Return the lines of a message."""
    return _lines(_packet(message))


def _lines(packet: bytes) -> bytes:
    """Return the lines that carry header and map."""
    packet = len(packet + b"..").to_bytes(LENGTH_BYTES, "big") + packet + _crc(packet)
    text = base64.b64encode(packet)
    lines = [text[at : at + LINE_TEXT_BYTES] for at in range(0, len(text), LINE_TEXT_BYTES)]
    return b"".join((NEXT if place else FIRST) + line + LINE_END for place, line in enumerate(lines))


def _crc(packet: bytes) -> bytes:
    return binascii.crc_hqx(packet, 0).to_bytes(CRC_BYTES, "big")


def _packet(message: SmpMessage) -> bytes:
    from cbor2 import dumps

    body = dumps(dict(message.body))
    within("SMP body size", HEADER_BYTES + len(body), MOST_BODY_BYTES)
    operation = within("SMP operation", message.operation, 7)
    header = Header(
        version_and_operation=within("SMP version", message.version, 3) << 3 | operation,
        flags=within("SMP flags", message.flags, 0xFF),
        size_bytes=len(body),
        group=within("SMP group", message.group, 0xFFFF),
        sequence=within("SMP sequence", message.sequence, 0xFF),
        command=within("SMP command", message.command, 0xFF),
    )
    return HEADER.build(header) + body


def decode(frame: bytes) -> SmpMessage:
    """Return the message of its lines."""
    if not frame.startswith(FIRST) or not frame.endswith(LINE_END) or len(frame) > MOST_BYTES:
        raise FormatError("an SMP packet begins with 06 09 and ends with LF")
    lines = frame[:-1].split(LINE_END)
    if not all(len(line) < LINE_BYTES and line[:2] == (NEXT if place else FIRST) for place, line in enumerate(lines)):
        raise FormatError("a line of an SMP packet is too long or does not begin with 04 14")
    packet = b"".join(_line(line[2:]) for line in lines)
    window = Window.of(packet)
    size = int.from_bytes(window.take(0, LENGTH_BYTES), "big")
    if size != len(packet) - LENGTH_BYTES or size < CRC_BYTES:
        raise FormatError("the length of an SMP packet is wrong")
    body = bytes(window.take(LENGTH_BYTES, size - CRC_BYTES))
    if packet[-CRC_BYTES:] != _crc(body):
        raise FormatError("the CRC of an SMP packet is wrong")
    return _message(body)


def _line(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise FormatError(f"a line of an SMP packet is no base64: {error}") from error


def _message(packet: bytes) -> SmpMessage:
    window = Window.of(packet)
    header = HEADER.read(window)
    body = bytes(window.take(HEADER_BYTES, header.size_bytes))
    if len(packet) != HEADER_BYTES + len(body):
        raise FormatError("the length in the header of an SMP packet is wrong")
    if header.version_and_operation >> 5:
        raise FormatError("reserved bits of an SMP header are set")
    return SmpMessage(
        operation=header.version_and_operation & 7,
        version=header.version_and_operation >> 3,
        flags=header.flags,
        group=header.group,
        sequence=header.sequence,
        command=header.command,
        body=_map(body),
    )


def _map(data: bytes) -> Mapping[str, Any]:
    """Return the CBOR map; SMP needs no tags, so none is let through."""
    from cbor2 import CBORDecodeError, loads

    def refuse(*_arguments: Any) -> Any:
        raise FormatError("an SMP body refers to itself")

    try:
        value = loads(
            data,
            max_depth=MOST_DEPTH,
            strict_hashable_types=True,
            semantic_decoders={SHARED_VALUE: refuse, SHARED_REFERENCE: refuse},
        )
    except (CBORDecodeError, OverflowError) as error:
        raise FormatError(f"the body of an SMP message is no CBOR: {error}") from error
    if not isinstance(value, dict):
        raise FormatError("the body of an SMP message is no map")
    _check_plain(value)
    return value


def _check_plain(value: object) -> None:
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise FormatError("a key in an SMP message is no text")
        for item in value.values():
            _check_plain(item)
    elif isinstance(value, list):
        for item in value:
            _check_plain(item)
    elif value is not None and not isinstance(value, bool | int | float | str | bytes):
        raise FormatError(f"an SMP message holds a {type(value).__name__}")


def seal(frame: bytes) -> bytes:
    """Return the lines of ``frame`` with the right lengths and CRC; what is no base64 is left out."""
    text = b"".join(line[2:] for line in frame.split(LINE_END))
    text = bytes(byte for byte in text if byte in ALPHABET)
    text = text[: -(len(text) % 4 == 1) or None]
    packet = base64.b64decode(text + b"=" * (-len(text) % 4))[LENGTH_BYTES:-CRC_BYTES]
    size = max(0, len(packet) - HEADER_BYTES).to_bytes(2, "big")
    return _lines(packet[:2] + size + packet[4:])


def find(waiting: bytearray, at: int) -> Span:
    """Find the first 06 09, and the end of the line with the last byte its length promises."""
    start = waiting.find(FIRST, at)
    if start < 0:
        return Span(len(waiting) - waiting.endswith(FIRST[:1]), None)
    end = start
    promised = 0
    for _ in range(MOST_LINES):
        line_end = waiting.find(LINE_END, end, end + LINE_BYTES)
        if line_end < 0:
            return Span(start, end + LINE_BYTES if len(waiting) >= end + LINE_BYTES else None)
        promised = promised or _promised_characters(waiting[start + len(FIRST) : line_end])
        promised -= line_end - end - len(FIRST)
        end = line_end + 1
        if promised <= 0 or waiting[end : end + 2] not in (NEXT, NEXT[:1], b""):
            return Span(start, end)
    return Span(start, end)


def _promised_characters(line: bytearray) -> int:
    """Return how many base64 characters the packet has that begins with ``line``; 0 when that cannot be seen."""
    try:
        size = int.from_bytes(base64.b64decode(bytes(line[:4]), validate=True)[:LENGTH_BYTES], "big")
    except binascii.Error:
        return 0
    return -(-(LENGTH_BYTES + size) // 3) * 4


def sample(chance: random.Random) -> SmpMessage:
    """Return a made-up message."""
    body: dict[str, Any] = {"rc": chance.randint(0, 12)}
    if chance.random() < 0.5:
        body = {"off": chance.randint(0, 1 << 20), "data": chance.randbytes(chance.randint(0, 300)), "sha": None}
    if chance.random() < 0.2:
        body["images"] = [{"slot": 0, "version": "1.2.3", "active": True}]
    return SmpMessage(
        operation=chance.randrange(4),
        group=chance.choice((0, 1, 8, 64)),
        command=chance.randrange(8),
        sequence=chance.randrange(256),
        version=chance.randrange(2),
        body=body,
    )


PROTOCOL: Final[Protocol[SmpMessage]] = Protocol(
    name="smp-console",
    title="SMP (mcumgr) over a console",
    source=(
        "github.com/zephyrproject-rtos/mcumgr, transport/smp-console.md",
        "docs.zephyrproject.org, SMP protocol and SMP transport specification",
    ),
    unverified=(
        "servers that end a line with CR LF",
        "no device with mcumgr was at hand",
    ),
    encode=encode,
    decode=decode,
    find=find,
    most_bytes=MOST_BYTES,
    seal=seal,
    sample=sample,
    examples=(
        Example(
            frame=b"\x06\x09AAsIAAABAAAAAKDZtQ==\n",
            message=SmpMessage(operation=0, group=0, command=0),
            source="made by hand from the specification",
        ),
    ),
)
