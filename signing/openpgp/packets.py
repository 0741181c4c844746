"""OpenPGP files taken apart: armour, packets and numbers. Source: RFC 9580, 3.2, 4.2 and 6; RFC 4880."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from toolkit.core.errors import FormatError
from toolkit.core.window import Window

__all__ = ["PUBLIC_KEY", "SIGNATURE", "SUBKEY", "USER_ID", "ClearText", "Packet", "clear_text", "number_at", "packets"]

SIGNATURE, PUBLIC_KEY, USER_ID, SUBKEY = 2, 6, 13, 14
"""Packet types. Source: RFC 9580, 5."""
MOST_PACKETS: Final = 2000
MOST_BYTES: Final = 1 << 20
ARMOUR, CLEAR = b"-----BEGIN PGP ", b"-----BEGIN PGP SIGNED MESSAGE-----"
_BLOCK = re.compile(
    rb"-----BEGIN PGP (?P<kind>SIGNATURE|PUBLIC KEY BLOCK)-----[ \t]*\r?\n"
    rb"(?P<body>[\x00-\xff]{0,1048576}?)-----END PGP (?P=kind)-----"
)
_TAIL = re.compile(rb"\n=[A-Za-z0-9+/]{4}\s*$")
_HEADERS = re.compile(rb"(?:[A-Za-z-]{2,20}: [^\r\n]*\r?\n)*[ \t]*\r?\n")
_NEW_FORM, _OLD_TYPES, _NEW_TYPES = 0x40, 0x0F, 0x3F


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet, of which only the type is understood."""

    kind: int
    body: bytes


@dataclass(frozen=True, slots=True)
class ClearText:
    """A text with its signature below it."""

    text: bytes
    """As it is signed: lines end in CR LF, blanks at their ends are gone."""
    signature: bytes


def packets(data: bytes) -> Iterator[Packet]:
    """Yield the packets of ``data``, armoured or not; ``FormatError`` where they do not fit together."""
    if ARMOUR in data[:MOST_BYTES]:
        for block in _BLOCK.finditer(data[:MOST_BYTES]):
            yield from _binary(_decoded(block["body"]))
        return
    yield from _binary(data)


def _decoded(body: bytes) -> bytes:
    """Return what armour stands for; its check value is no longer believed or asked for. Source: RFC 9580, 6.1."""
    headers = _HEADERS.match(body)
    rest = body[headers.end() :] if headers is not None else body
    try:
        return base64.b64decode(b"".join(_TAIL.sub(b"", rest.rstrip()).split()), validate=True)
    except binascii.Error as error:
        raise FormatError("the armour of an OpenPGP file holds something else than base64") from error


def _binary(data: bytes) -> Iterator[Packet]:
    window, place = Window.of(data), 0
    for _count in range(MOST_PACKETS):
        if place >= window.size:
            return
        kind, size, start = _head(window, place)
        yield Packet(kind, bytes(window.take(start, size)))
        place = start + size
    raise FormatError(f"an OpenPGP file has more than {MOST_PACKETS} packets")


def _head(window: Window, place: int) -> tuple[int, int, int]:
    """Return type, size and start of the packet at ``place``. Source: RFC 9580, 4.2.1 and 4.2.2."""
    first = window.take(place, 1)[0]
    if not first & 0x80:
        raise FormatError(f"no OpenPGP packet at {window.origin + place:#x}")
    if first & _NEW_FORM:
        size, start = _new_size(window, place + 1)
        return first & _NEW_TYPES, size, start
    if first & 3 == 3:
        raise FormatError("an OpenPGP packet does not say how long it is")
    width = 1 << (first & 3)
    return (first & 0x3F) >> 2, int.from_bytes(window.take(place + 1, width)), place + 1 + width


def _new_size(window: Window, place: int) -> tuple[int, int]:
    first = window.take(place, 1)[0]
    if first < 192:
        return first, place + 1
    if first < 224:
        return (first - 192 << 8) + window.take(place + 1, 1)[0] + 192, place + 2
    if first < 255:
        raise FormatError("an OpenPGP packet comes in pieces")
    return int.from_bytes(window.take(place + 1, 4)), place + 5


def number_at(window: Window, place: int) -> tuple[int, int]:
    """Return the number at ``place`` and where it ends. Source: RFC 9580, 3.2: bits, then bytes, the highest first."""
    size = (int.from_bytes(window.take(place, 2)) + 7) // 8
    return int.from_bytes(window.take(place + 2, size)), place + 2 + size


def clear_text(data: bytes) -> ClearText | None:
    """Return the signed text in ``data``; None where there is none. Source: RFC 9580, 7."""
    start = data.find(CLEAR)
    end = data.find(b"\n-----BEGIN PGP SIGNATURE-----", start)
    begin = data.find(b"\n", start)
    if start != 0 or end < 0 or begin < 0:
        return None
    headers = _HEADERS.match(data, begin + 1)
    if headers is None or headers.end() > end + 1:
        return None
    lines = data[headers.end() : end].split(b"\n")
    text = b"\r\n".join(line.removeprefix(b"- ").rstrip(b" \t\r") for line in lines)
    return ClearText(text, data[end + 1 :])
