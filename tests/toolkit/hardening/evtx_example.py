"""Writes small event logs of Windows, so that tests need none of a real computer. Source: MS-EVEN6."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence

CHUNK = 65_536


def event_log(events: Sequence[tuple[int, str, str, Mapping[str, str]]], *, year: int = 2026) -> bytes:
    """Return an EVTX file; each event is number, provider, channel and the values of EventData."""
    chunk = bytearray(CHUNK)
    position = 512
    for number, (event, provider, channel, values) in enumerate(events, 1):
        record = _record(
            number, _fragment(position + 24, event, provider, channel, values, f"{year}-01-02T03:04:{number:02}")
        )
        chunk[position : position + len(record)] = record
        last, position = position, position + len(record)
    count = len(events)
    struct.pack_into(
        "<8sQQQQIIII", chunk, 0, b"ElfChnk\0", 1, count, 1, count, 128, last, position, zlib.crc32(chunk[512:position])
    )
    struct.pack_into("<I", chunk, 124, zlib.crc32(bytes(chunk[:120]) + bytes(chunk[128:512])))
    head = bytearray(4096)
    struct.pack_into("<8sQQQIHHHH", head, 0, b"ElfFile\0", 0, 0, count + 1, 128, 1, 3, 4096, 1)
    struct.pack_into("<I", head, 124, zlib.crc32(bytes(head[:120])))
    return bytes(head) + bytes(chunk)


def _record(number: int, body: bytes) -> bytes:
    size = 28 + len(body)
    time = 133_500_000_000_000_000 + number
    return struct.pack("<4sIQQ", b"\x2a\x2a\0\0", size, number, time) + body + struct.pack("<I", size)


class _Binary:
    """Binary XML at a known offset of its chunk: names are written where they are used, and point to themselves."""

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.data = bytearray(b"\x0f\x01\x01\x00")

    def name(self, text: str) -> None:
        where = self.offset + len(self.data) + 4
        code = 0
        for character in text:
            code = (code * 65_599 + ord(character)) & 0xFFFF_FFFF
        self.data += struct.pack("<IIHH", where, 0, code & 0xFFFF, len(text)) + text.encode("utf-16-le") + b"\0\0"

    def element(self, name: str, attributes: Mapping[str, str], children: Sequence[object]) -> None:
        self.data += b"\x41" if attributes else b"\x01"
        size_at = len(self.data)
        self.data += bytes(4)
        self.name(name)
        if attributes:
            attributes_at = len(self.data)
            self.data += bytes(4)
            for number, (key, value) in enumerate(attributes.items(), 1):
                self.data += b"\x46" if number < len(attributes) else b"\x06"
                self.name(key)
                self.text(value)
            struct.pack_into("<I", self.data, attributes_at, len(self.data) - attributes_at - 4)
        if children:
            self.data += b"\x02"
            for child in children:
                if isinstance(child, str):
                    self.text(child)
                else:
                    self.element(*child)  # type: ignore[misc]
            self.data += b"\x04"
        else:
            self.data += b"\x03"
        struct.pack_into("<I", self.data, size_at, len(self.data) - size_at - 4)

    def text(self, value: str) -> None:
        self.data += struct.pack("<BBH", 0x05, 1, len(value)) + value.encode("utf-16-le")


def _fragment(offset: int, event: int, provider: str, channel: str, values: Mapping[str, str], time: str) -> bytes:
    xml = _Binary(offset)
    system: tuple[object, ...] = (
        "System",
        {},
        [
            ("Provider", {"Name": provider}, []),
            ("EventID", {}, [str(event)]),
            ("TimeCreated", {"SystemTime": f"{time}.0000000Z"}, []),
            ("Channel", {}, [channel]),
        ],
    )
    data: tuple[object, ...] = ("EventData", {}, [("Data", {"Name": name}, [value]) for name, value in values.items()])
    xml.element("Event", {}, [system, data])
    return bytes(xml.data) + b"\0"
