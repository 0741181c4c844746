"""XMODEM with a sum: blocks of 128 bytes, as boot loaders take them.

The receiver begins with NAK; each block is answered with ACK or NAK; EOT ends, CAN gives up.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from hil.protocol import Example, Protocol, Span, within
from toolkit.core.errors import FormatError
from toolkit.core.layout import U8, Layout, const, raw, wire
from toolkit.core.window import Window

__all__ = ["PROTOCOL", "Block", "Control", "Message", "blocks_of"]

SOH: Final = 0x01
CONTROLS: Final = {0x04: "EOT", 0x06: "ACK", 0x15: "NAK", 0x18: "CAN"}
DATA_BYTES: Final = 128
BLOCK_BYTES: Final = 132
FILLER: Final = b"\x1a"


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockLayout:
    """A block on the wire. Source: Forsberg, XMODEM/YMODEM Protocol Reference, 1988."""

    start: int = wire(const(SOH, U8))
    number: int = wire(U8)
    complement: int = wire(U8)
    data: bytes = wire(raw(DATA_BYTES))
    sum: int = wire(U8)


LAYOUT: Final = Layout(BlockLayout, size=BLOCK_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One byte: EOT, ACK, NAK or CAN."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """128 bytes; the first has number 1, after 255 comes 0."""

    number: int
    data: bytes


Message = Control | Block


def blocks_of(data: bytes) -> tuple[Block, ...]:
    """Return the blocks that carry ``data``; the last is filled up with 1A."""
    return tuple(
        Block(number=(place + 1) & 0xFF, data=data[at : at + DATA_BYTES].ljust(DATA_BYTES, FILLER))
        for place, at in enumerate(range(0, len(data), DATA_BYTES))
    )


def encode(message: Message) -> bytes:
    """Return the bytes of a message."""
    if isinstance(message, Control):
        for code, name in CONTROLS.items():
            if name == message.name:
                return bytes([code])
        raise FormatError(f"XMODEM knows no {message.name!r}")
    if len(message.data) != DATA_BYTES:
        raise FormatError(f"an XMODEM block has {DATA_BYTES} bytes, not {len(message.data)}")
    number = within("XMODEM block number", message.number, 0xFF)
    return LAYOUT.build(
        BlockLayout(start=SOH, number=number, complement=number ^ 0xFF, data=message.data, sum=sum(message.data) & 0xFF)
    )


def decode(frame: bytes) -> Message:
    """Return the message of one frame."""
    if len(frame) == 1 and frame[0] in CONTROLS:
        return Control(name=CONTROLS[frame[0]])
    if len(frame) != BLOCK_BYTES:
        raise FormatError(f"an XMODEM block has {BLOCK_BYTES} bytes, not {len(frame)}")
    block = LAYOUT.read(Window.of(frame))
    if block.complement != block.number ^ 0xFF:
        raise FormatError("the number of an XMODEM block and its complement differ")
    if block.sum != sum(block.data) & 0xFF:
        raise FormatError("the sum of an XMODEM block is wrong")
    return Block(number=block.number, data=block.data)


def seal(frame: bytes) -> bytes:
    """Return ``frame`` with the right complement and sum."""
    return frame[:2] + bytes(byte ^ 0xFF for byte in frame[1:2]) + frame[3:-1] + bytes([sum(frame[3:-1]) & 0xFF])


def find(waiting: bytearray, at: int) -> Span:
    """Find the first byte that begins something."""
    for start in range(at, len(waiting)):
        if waiting[start] in CONTROLS:
            return Span(start, start + 1)
        if waiting[start] == SOH:
            return _find_block(waiting, start)
    return Span(len(waiting), None)


def _find_block(waiting: bytearray, start: int) -> Span:
    """Find the end of a block; after 3 bytes it is known to be none when number and complement do not fit."""
    number = waiting[start + 1 : start + 3]
    if len(number) == 2 and number[0] ^ number[1] != 0xFF:
        return Span(start, start + 3)
    return Span(start, start + BLOCK_BYTES if len(waiting) >= start + BLOCK_BYTES else None)


def sample(chance: random.Random) -> Message:
    """Return a made-up message."""
    if chance.random() < 0.3:
        return Control(name=chance.choice(tuple(CONTROLS.values())))
    return Block(number=chance.randint(0, 0xFF), data=chance.randbytes(DATA_BYTES))


PROTOCOL: Final[Protocol[Message]] = Protocol(
    name="xmodem",
    title="XMODEM with a sum",
    source=("Forsberg, XMODEM/YMODEM Protocol Reference, 1988, chapters 4 and 7",),
    unverified=("a receiver that asks for a CRC (C instead of NAK): that is the protocol ymodem here",),
    encode=encode,
    decode=decode,
    find=find,
    most_bytes=BLOCK_BYTES,
    seal=seal,
    layouts=((0, LAYOUT),),
    sample=sample,
    examples=(
        Example(frame=b"\x15", message=Control(name="NAK"), source="Forsberg: NAK is 15"),
        Example(
            frame=b"\x01\x01\xfe" + b"A" * 128 + b"\x80",
            message=Block(number=1, data=b"A" * 128),
            source="made by hand: 128 times 0x41 is 0x2080",
        ),
    ),
)
