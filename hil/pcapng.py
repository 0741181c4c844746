"""USB transfers of a record as pcapng, which Wireshark opens on every system.

Sources: PCAP Next Generation Capture File Format (IETF draft-ietf-opsawg-pcapng): section header, interface description
and enhanced packet blocks; LINKTYPE_USB_LINUX_MMAPPED (220) of the tcpdump group's list, whose 64-byte header is that
of ``struct usbmon_packet`` in the Linux kernel's Documentation/usb/usbmon.rst.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Final

from hil.record import Entry, Way

__all__ = ["pcapng_of"]

LINKTYPE_USB_LINUX_MMAPPED: Final = 220
SECTION: Final = struct.Struct("<IIIHHqI")
INTERFACE: Final = struct.Struct("<IIHHII")
PACKET: Final = struct.Struct("<IIIIIII")
USB_HEADER: Final = struct.Struct("<QBBBBHccqiiII8siiII")
"""id, type, transfer type, endpoint, device, bus, setup flag, data flag, seconds, microseconds, status, length,
captured length, setup or isochronous, interval, start frame, transfer flags, descriptors; 64 bytes."""
SUBMIT, COMPLETE = b"S", b"C"
CONTROL, BULK = 2, 3
IN: Final = 0x80
NO_SETUP, SETUP = b"-", b"\0"
NO_DATA, DATA = b"<", b"\0"


def pcapng_of(entries: Iterable[Entry]) -> Iterator[bytes]:
    """Yield the parts of the file: each USB transfer as it was submitted, and as it was completed."""
    yield SECTION.pack(0x0A0D0D0A, SECTION.size, 0x1A2B3C4D, 1, 0, -1, SECTION.size)
    yield INTERFACE.pack(1, INTERFACE.size, LINKTYPE_USB_LINUX_MMAPPED, 0, 0, INTERFACE.size)
    for entry in entries:
        if entry.what == Way.USB and entry.endpoint is not None:
            yield _packet(entry, SUBMIT)
            yield _packet(entry, COMPLETE)


def _packet(entry: Entry, kind: bytes) -> bytes:
    is_in = bool((entry.endpoint or 0) & IN)
    data = entry.data
    carried = data if is_in == (kind == COMPLETE) else b""
    seconds, fraction = divmod(entry.t, 1)
    header = USB_HEADER.pack(
        entry.n,
        kind[0],
        CONTROL if entry.setup else BULK,
        entry.endpoint or 0,
        1,
        1,
        SETUP if entry.setup and kind == SUBMIT else NO_SETUP,
        DATA if carried else NO_DATA,
        int(seconds),
        int(fraction * 1_000_000),
        -entry.status if kind == COMPLETE else -115,  # EINPROGRESS of Linux: not done yet
        len(data),
        len(carried),
        bytes.fromhex(entry.setup).ljust(8, b"\0") if kind == SUBMIT else bytes(8),
        0,
        0,
        0,
        0,
    )
    return _block(6, entry.t, header + carried)


def _block(kind: int, moment_s: float, packet: bytes) -> bytes:
    padded = packet + bytes(-len(packet) % 4)
    size = PACKET.size + len(padded) + 4
    microseconds = int(moment_s * 1_000_000)
    head = PACKET.pack(kind, size, 0, microseconds >> 32, microseconds & 0xFFFF_FFFF, len(packet), len(packet))
    return head + padded + struct.pack("<I", size)
