"""USB Device Firmware Upgrade 1.1: what a device says about itself and its state.

There are no frames in a stream here: each message is one control transfer, or one descriptor. ``hil/dfu_client.py``
speaks it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from hil.protocol import Example, Protocol, within
from toolkit.core.errors import FormatError
from toolkit.core.layout import U8, U16LE, U24LE, Layout, const, wire
from toolkit.core.window import Window

__all__ = [
    "PROTOCOL",
    "Attributes",
    "DfuState",
    "DfuStatus",
    "FunctionalDescriptor",
    "Message",
    "Request",
    "StatusCode",
    "decode_descriptor",
]

STATUS_BYTES: Final = 6
DESCRIPTOR_BYTES: Final = 9
DESCRIPTOR_TYPE: Final = 0x21


class Request(IntEnum):
    """Requests. Source: DFU 1.1, table 3.2."""

    DETACH = 0
    DNLOAD = 1
    UPLOAD = 2
    GETSTATUS = 3
    CLRSTATUS = 4
    GETSTATE = 5
    ABORT = 6


class DfuState(IntEnum):
    """States. Source: DFU 1.1, 6.1.2."""

    APP_IDLE = 0
    APP_DETACH = 1
    IDLE = 2
    DOWNLOAD_SYNC = 3
    DOWNLOAD_BUSY = 4
    DOWNLOAD_IDLE = 5
    MANIFEST_SYNC = 6
    MANIFEST = 7
    MANIFEST_WAIT_RESET = 8
    UPLOAD_IDLE = 9
    ERROR = 10


class StatusCode(IntEnum):
    """What went wrong. Source: DFU 1.1, 6.1.2."""

    OK = 0
    TARGET = 1
    FILE = 2
    WRITE = 3
    ERASE = 4
    CHECK_ERASED = 5
    PROG = 6
    VERIFY = 7
    ADDRESS = 8
    NOTDONE = 9
    FIRMWARE = 10
    VENDOR = 11
    USBR = 12
    POR = 13
    UNKNOWN = 14
    STALLEDPKT = 15


class Attributes(IntEnum):
    """Bits of ``attributes``. Source: DFU 1.1, 4.1.3."""

    CAN_DOWNLOAD = 1
    CAN_UPLOAD = 2
    MANIFESTATION_TOLERANT = 4
    WILL_DETACH = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusLayout:
    """Answer to GETSTATUS on the wire. Source: DFU 1.1, 6.1.2."""

    status: int = wire(U8)
    poll_timeout_ms: int = wire(U24LE)
    state: int = wire(U8)
    text_index: int = wire(U8)


@dataclass(frozen=True, slots=True, kw_only=True)
class DescriptorLayout:
    """Functional descriptor on the wire. Source: DFU 1.1, 4.1.3."""

    size_bytes: int = wire(const(DESCRIPTOR_BYTES, U8))
    type: int = wire(const(DESCRIPTOR_TYPE, U8))
    attributes: int = wire(U8)
    detach_timeout_ms: int = wire(U16LE)
    transfer_bytes: int = wire(U16LE)
    version: int = wire(U16LE)


STATUS: Final = Layout(StatusLayout, size=STATUS_BYTES)
DESCRIPTOR: Final = Layout(DescriptorLayout, size=DESCRIPTOR_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class DfuStatus:
    """Answer to GETSTATUS; the host waits ``poll_timeout_ms`` before it asks again."""

    state: DfuState
    status: StatusCode = StatusCode.OK
    poll_timeout_ms: int = 0
    text_index: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionalDescriptor:
    """What the device can do; stands behind the descriptor of its interface."""

    attributes: int
    transfer_bytes: int
    detach_timeout_ms: int = 0
    version: int = 0x0110

    def can(self, what: Attributes) -> bool:
        """Tell whether the bit ``what`` is set."""
        return bool(self.attributes & what)


Message = DfuStatus | FunctionalDescriptor


def encode(message: Message) -> bytes:
    """Return the bytes of a message."""
    if isinstance(message, DfuStatus):
        return STATUS.build(
            StatusLayout(
                status=within("status", message.status, 0xFF),
                poll_timeout_ms=within("poll timeout", message.poll_timeout_ms, 0xFF_FFFF),
                state=within("state", message.state, 0xFF),
                text_index=within("index of a text", message.text_index, 0xFF),
            )
        )
    return DESCRIPTOR.build(
        DescriptorLayout(
            size_bytes=DESCRIPTOR_BYTES,
            type=DESCRIPTOR_TYPE,
            attributes=within("attributes", message.attributes, 0xFF),
            detach_timeout_ms=within("detach timeout", message.detach_timeout_ms, 0xFFFF),
            transfer_bytes=within("transfer size", message.transfer_bytes, 0xFFFF),
            version=within("DFU version", message.version, 0xFFFF),
        )
    )


def decode(frame: bytes) -> Message:
    """Return the message of one transfer or descriptor."""
    if len(frame) == STATUS_BYTES:
        read = STATUS.read(Window.of(frame))
        if read.state not in DfuState.__members__.values() or read.status not in StatusCode.__members__.values():
            raise FormatError(f"DFU knows no state {read.state} or no status {read.status}")
        return DfuStatus(
            state=DfuState(read.state),
            status=StatusCode(read.status),
            poll_timeout_ms=read.poll_timeout_ms,
            text_index=read.text_index,
        )
    if len(frame) != DESCRIPTOR_BYTES:
        raise FormatError(f"a DFU status has 6 bytes and a DFU descriptor 9, not {len(frame)}")
    return decode_descriptor(frame)


def decode_descriptor(frame: bytes) -> FunctionalDescriptor:
    """Return what a functional descriptor says."""
    found = DESCRIPTOR.read(Window.of(frame))
    return FunctionalDescriptor(
        attributes=found.attributes,
        transfer_bytes=found.transfer_bytes,
        detach_timeout_ms=found.detach_timeout_ms,
        version=found.version,
    )


def sample(chance: random.Random) -> Message:
    """Return a made-up message."""
    if chance.random() < 0.5:
        return FunctionalDescriptor(attributes=chance.randrange(16), transfer_bytes=chance.randrange(1 << 16))
    return DfuStatus(
        state=chance.choice(tuple(DfuState)),
        status=chance.choice(tuple(StatusCode)),
        poll_timeout_ms=chance.randrange(1 << 24),
    )


PROTOCOL: Final[Protocol[Message]] = Protocol(
    name="dfu",
    title="USB Device Firmware Upgrade 1.1",
    source=("USB Device Class Specification for Device Firmware Upgrade, version 1.1, 2004",),
    unverified=(
        "the extension DfuSe of STMicroelectronics (version 1.1a) is not spoken",
        "the suffix of a DFU file is not checked here",
    ),
    encode=encode,
    decode=decode,
    find=None,
    most_bytes=DESCRIPTOR_BYTES,
    sample=sample,
    examples=(
        Example(
            frame=bytes.fromhex("00 0a 00 00 04 00"),
            message=DfuStatus(state=DfuState.DOWNLOAD_BUSY, poll_timeout_ms=10),
            source="made by hand from DFU 1.1, 6.1.2",
        ),
        Example(
            frame=bytes.fromhex("09 21 05 e8 03 40 00 10 01"),
            message=FunctionalDescriptor(attributes=5, transfer_bytes=64, detach_timeout_ms=1000),
            source="made by hand from DFU 1.1, 4.1.3",
        ),
    ),
)
