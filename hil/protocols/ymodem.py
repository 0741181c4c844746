"""YMODEM, and XMODEM with a CRC: blocks of 128 or 1024 bytes; block 0 gives name and size of the file.

The receiver begins with ``C``; each block is answered with ACK or NAK; EOT ends, CAN gives up.
"""

from __future__ import annotations

import binascii
import random
from dataclasses import dataclass
from typing import Final

from hil.protocol import Example, Protocol, Span, within
from toolkit.core.errors import FormatError
from toolkit.core.layout import U8, U16BE, Layout, const, raw, wire
from toolkit.core.window import Window

__all__ = ["PROTOCOL", "Block", "Control", "FileHead", "Message", "file_head_block", "file_head_of"]

SOH: Final = 0x01
STX: Final = 0x02
CONTROLS: Final = {0x04: "EOT", 0x06: "ACK", 0x15: "NAK", 0x18: "CAN", 0x43: "C"}
SHORT_BYTES: Final = 128
LONG_BYTES: Final = 1024
FRAME_BYTES: Final = 5
"""What a block has besides its data."""
MOST_SIZE_DIGITS: Final = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortLayout:
    """A block of 128 bytes on the wire. Source: Forsberg, XMODEM/YMODEM Protocol Reference, 1988."""

    start: int = wire(const(SOH, U8))
    number: int = wire(U8)
    complement: int = wire(U8)
    data: bytes = wire(raw(SHORT_BYTES))
    crc: int = wire(U16BE)


@dataclass(frozen=True, slots=True, kw_only=True)
class LongLayout:
    """A block of 1024 bytes on the wire. Source: the same."""

    start: int = wire(const(STX, U8))
    number: int = wire(U8)
    complement: int = wire(U8)
    data: bytes = wire(raw(LONG_BYTES))
    crc: int = wire(U16BE)


SHORT: Final = Layout(ShortLayout, size=SHORT_BYTES + FRAME_BYTES)
LONG: Final = Layout(LongLayout, size=LONG_BYTES + FRAME_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One byte: EOT, ACK, NAK, CAN or C."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """128 or 1024 bytes."""

    number: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FileHead:
    """What block 0 says; an empty name ends a session."""

    name: str
    size_bytes: int


Message = Control | Block


def file_head_block(head: FileHead) -> Block:
    """Return block 0 for a file."""
    text = head.name.encode("ascii", "replace") + b"\0%d" % head.size_bytes if head.name else b""
    within("YMODEM file head size", len(text), SHORT_BYTES)
    return Block(number=0, data=text.ljust(SHORT_BYTES, b"\0"))


def file_head_of(block: Block) -> FileHead:
    """Return what block 0 says."""
    name, _, rest = block.data.partition(b"\0")
    digits = rest.partition(b"\0")[0].partition(b" ")[0]
    if name and not (digits.isdigit() and len(digits) <= MOST_SIZE_DIGITS):
        raise FormatError("the first block of a YMODEM file gives no size")
    return FileHead(name=name.decode("ascii", "replace"), size_bytes=int(digits) if name else 0)


def encode(message: Message) -> bytes:
    """Return the bytes of a message."""
    if isinstance(message, Control):
        for code, name in CONTROLS.items():
            if name == message.name:
                return bytes([code])
        raise FormatError(f"YMODEM knows no {message.name!r}")
    number = within("YMODEM block number", message.number, 0xFF)
    crc = binascii.crc_hqx(message.data, 0)
    if len(message.data) == SHORT_BYTES:
        return SHORT.build(ShortLayout(start=SOH, number=number, complement=number ^ 0xFF, data=message.data, crc=crc))
    if len(message.data) != LONG_BYTES:
        raise FormatError(f"a YMODEM block has {SHORT_BYTES} or {LONG_BYTES} bytes, not {len(message.data)}")
    return LONG.build(LongLayout(start=STX, number=number, complement=number ^ 0xFF, data=message.data, crc=crc))


def decode(frame: bytes) -> Message:
    """Return the message of one frame."""
    if len(frame) == 1 and frame[0] in CONTROLS:
        return Control(name=CONTROLS[frame[0]])
    if len(frame) not in (SHORT.size, LONG.size):
        raise FormatError(f"a YMODEM block has {SHORT.size} or {LONG.size} bytes, not {len(frame)}")
    window = Window.of(frame)
    block: ShortLayout | LongLayout = SHORT.read(window) if len(frame) == SHORT.size else LONG.read(window)
    if block.complement != block.number ^ 0xFF:
        raise FormatError("the number of a YMODEM block and its complement differ")
    if block.crc != binascii.crc_hqx(block.data, 0):
        raise FormatError("the CRC of a YMODEM block is wrong")
    return Block(number=block.number, data=block.data)


def seal(frame: bytes) -> bytes:
    """Return ``frame`` with the right complement and CRC."""
    complement, data = bytes(byte ^ 0xFF for byte in frame[1:2]), frame[3:-2]
    return frame[:2] + complement + data + binascii.crc_hqx(data, 0).to_bytes(2, "big")


def find(waiting: bytearray, at: int) -> Span:
    """Find the first byte that begins something."""
    for start in range(at, len(waiting)):
        if waiting[start] in CONTROLS:
            return Span(start, start + 1)
        if waiting[start] in (SOH, STX):
            return _find_block(waiting, start)
    return Span(len(waiting), None)


def _find_block(waiting: bytearray, start: int) -> Span:
    """Find the end of a block; after 3 bytes it is known to be none when number and complement do not fit."""
    number = waiting[start + 1 : start + 3]
    if len(number) == 2 and number[0] ^ number[1] != 0xFF:
        return Span(start, start + 3)
    end = start + (SHORT.size if waiting[start] == SOH else LONG.size)
    return Span(start, end if len(waiting) >= end else None)


def sample(chance: random.Random) -> Message:
    """Return a made-up message."""
    if chance.random() < 0.3:
        return Control(name=chance.choice(tuple(CONTROLS.values())))
    return Block(number=chance.randint(0, 0xFF), data=chance.randbytes(chance.choice((SHORT_BYTES, LONG_BYTES))))


PROTOCOL: Final[Protocol[Message]] = Protocol(
    name="ymodem",
    title="YMODEM, and XMODEM with a CRC",
    source=("Forsberg, XMODEM/YMODEM Protocol Reference, 1988, chapters 4, 5, 7 and 8",),
    unverified=("the other facts in block 0 (time, mode, serial number), which are left out", "YMODEM-g"),
    encode=encode,
    decode=decode,
    find=find,
    most_bytes=LONG.size,
    seal=seal,
    layouts=((0, SHORT), (0, LONG)),
    sample=sample,
    examples=(
        Example(frame=b"C", message=Control(name="C"), source="Forsberg: C asks for blocks with a CRC"),
        Example(
            frame=b"\x01\x00\xff" + bytes(130),
            message=file_head_block(FileHead(name="", size_bytes=0)),
            source="made by hand: the block that ends a session; the CRC of zeros is zero",
        ),
    ),
)
