"""GE Datex-Ohmeda S/5 Digital Record Interface: records of up to eight parts between two 7E.

7E and 7D inside are sent as 7D 5E and 7D 5D. The last byte is the sum modulo 256 of the record. A record begins with 40
bytes of header: its size, number, level, time and kind, and where its parts begin.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from hil.protocol import Example, Protocol, Span, within
from toolkit.core.errors import FormatError
from toolkit.core.layout import U8, U16LE, U32LE, Layout, raw, wire
from toolkit.core.window import Window

__all__ = ["PROTOCOL", "Part", "Record"]

FLAG, ESCAPE = 0x7E, 0x7D
ESCAPED: Final = {0x5E: FLAG, 0x5D: ESCAPE}
HEADER_BYTES: Final = 40
RESERVED_BYTES: Final = 4
PART_BYTES: Final = 3
MOST_PARTS: Final = 8
END_OF_PARTS: Final = 0xFF
MOST_RECORD_BYTES: Final = 1490
"""What the interface description gives as the largest record."""
MOST_BYTES: Final = 2 * (MOST_RECORD_BYTES + 1) + 2
UNUSED_PART: Final = b"\0\0\xff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Header of a record. Source: DRI specification 8005313, as several programs use it."""

    size_bytes: int = wire(U16LE)
    number: int = wire(U8)
    level: int = wire(U8)
    plug_id: int = wire(U16LE)
    time_s: int = wire(U32LE)
    reserved: bytes = wire(raw(RESERVED_BYTES))
    kind: int = wire(U16LE)
    parts: bytes = wire(raw(MOST_PARTS * PART_BYTES))


@dataclass(frozen=True, slots=True, kw_only=True)
class PartPlace:
    """Where a part begins, counted from the end of the header, and its kind; kind FF ends the list."""

    offset: int = wire(U16LE)
    kind: int = wire(U8)


HEADER: Final = Layout(Header, size=HEADER_BYTES)
PLACE: Final = Layout(PartPlace, size=PART_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a record; it reaches to the next one."""

    kind: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record; ``kind`` is 0 for physiological values, 1 for waveforms, 4 for alarms. Time counts from 1970."""

    kind: int
    parts: tuple[Part, ...]
    number: int = 0
    level: int = 0
    plug_id: int = 0
    time_s: int = 0
    reserved: bytes = bytes(RESERVED_BYTES)


def encode(record: Record) -> bytes:
    """Return the bytes of a record."""
    within("number of DRI parts", len(record.parts), MOST_PARTS)
    if len(record.reserved) != RESERVED_BYTES:
        raise FormatError(f"a DRI header has {RESERVED_BYTES} reserved bytes")
    body, places = b"", b""
    for part in record.parts:
        places += PLACE.build(PartPlace(offset=len(body), kind=within("kind of DRI part", part.kind, END_OF_PARTS - 1)))
        body += part.data
        within("DRI record size", HEADER_BYTES + len(body), MOST_RECORD_BYTES)
    header = Header(
        size_bytes=HEADER_BYTES + len(body),
        number=within("DRI record number", record.number, 0xFF),
        level=within("DRI level", record.level, 0xFF),
        plug_id=within("DRI plug id", record.plug_id, 0xFFFF),
        time_s=within("DRI time", record.time_s, 0xFFFF_FFFF),
        reserved=record.reserved,
        kind=within("kind of DRI record", record.kind, 0xFFFF),
        parts=places + UNUSED_PART * (MOST_PARTS - len(record.parts)),
    )
    plain = HEADER.build(header) + body
    return _stuffed(plain + bytes([sum(plain) & 0xFF]))


def _stuffed(plain: bytes) -> bytes:
    inner = plain.replace(b"\x7d", b"\x7d\x5d").replace(b"\x7e", b"\x7d\x5e")
    return bytes([FLAG]) + inner + bytes([FLAG])


def decode(frame: bytes) -> Record:
    """Return the record of one frame."""
    if len(frame) > MOST_BYTES or frame[:1] != b"\x7e" or frame[-1:] != b"\x7e" or len(frame) < 2:
        raise FormatError("a DRI frame stands between two 7E")
    plain = _unstuffed(frame[1:-1])
    header = HEADER.read(Window.of(plain))
    if header.size_bytes != len(plain) - 1 or header.size_bytes > MOST_RECORD_BYTES:
        raise FormatError(f"a DRI record says it has {header.size_bytes} bytes and has {len(plain) - 1}")
    if plain[-1] != sum(plain[:-1]) & 0xFF:
        raise FormatError("the sum of a DRI record is wrong")
    return Record(
        kind=header.kind,
        parts=_parts(header.parts, plain[HEADER_BYTES:-1]),
        number=header.number,
        level=header.level,
        plug_id=header.plug_id,
        time_s=header.time_s,
        reserved=header.reserved,
    )


def _unstuffed(data: bytes) -> bytes:
    first, *rest = data.split(bytes([ESCAPE]))
    plain = bytearray(first)
    for part in rest:
        if not part or part[0] not in ESCAPED:
            raise FormatError("a DRI frame has 7D before a byte that needs none")
        plain.append(ESCAPED[part[0]])
        plain += part[1:]
    return bytes(plain)


def _parts(places: bytes, body: bytes) -> tuple[Part, ...]:
    """Return the parts in ``body``; each begins where the one before ends, or behind it."""
    window, found = Window.of(places), list[PartPlace]()
    for at in range(0, len(places), PART_BYTES):
        place = PLACE.read(window, at)
        if place.kind == END_OF_PARTS:
            break
        found.append(place)
    starts = [place.offset for place in found]
    if starts != sorted(starts) or (starts and not 0 == starts[0] <= starts[-1] <= len(body)) or (body and not found):
        raise FormatError("the parts of a DRI record do not follow each other")
    ends = [*starts[1:], len(body)]
    return tuple(Part(kind=place.kind, data=body[place.offset : ends[at]]) for at, place in enumerate(found))


def seal(frame: bytes) -> bytes:
    """Return ``frame`` with the right size and sum; escapes that escape nothing are taken out."""
    inner = frame[1:-1].replace(b"\x7d\x5e", b"\x7e").replace(b"\x7d\x5d", b"\x7d")[:-1]
    plain = len(inner).to_bytes(2, "little") + inner[2:]
    return _stuffed(plain + bytes([sum(plain) & 0xFF]))


def find(waiting: bytearray, at: int) -> Span:
    """Find the next two 7E that are not neighbours."""
    begin = waiting.find(FLAG, at)
    if begin < 0:
        return Span(len(waiting), None)
    while waiting[begin + 1 : begin + 2] == b"\x7e":
        begin += 1
    end = waiting.find(FLAG, begin + 1)
    return Span(begin, None if end < 0 else end + 1)


def sample(chance: random.Random) -> Record:
    """Return a made-up record."""
    parts = tuple(
        Part(kind=chance.randrange(16), data=chance.randbytes(chance.randint(0, 60)))
        for _ in range(chance.randint(0, MOST_PARTS))
    )
    return Record(
        kind=chance.choice((0, 1, 4, 5)),
        parts=parts,
        number=chance.randrange(256),
        level=chance.randrange(8),
        plug_id=chance.randrange(1 << 16),
        time_s=chance.randrange(1 << 32),
    )


PROTOCOL: Final[Protocol[Record]] = Protocol(
    name="datex-dri",
    title="GE Datex-Ohmeda S/5 DRI",
    source=(
        "GE Datex-Ohmeda S/5 computer interface specification 8005313, as used by",
        "github.com/KaiWU17TUM/icu_devices, src/datex_ohmeda.cpp: flags, escapes, header, kinds",
    ),
    unverified=(
        "the specification itself was not at hand; two further programs disagree on unused header fields",
        "the sum counts the bytes before escaping here; that program counts those after it when it sends",
        "contents of the parts",
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
            frame=bytes.fromhex("7e 2a 00" + "00" * 14 + "00 00 00" + "00 00 ff" * 7 + "7d 5e 05 a6 7e"),
            message=Record(kind=0, parts=(Part(kind=0, data=b"\x7e\x05"),)),
            source="made by hand from the layout",
        ),
    ),
)
