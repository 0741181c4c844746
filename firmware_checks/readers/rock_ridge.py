"""Rock Ridge: what Unix knows of a file, in the spare room of an ISO 9660 folder.

Source: IEEE P1281 (System Use Sharing Protocol 1.12) and IEEE P1282 (Rock Ridge Interchange Protocol 1.12).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from firmware_checks.format import EntryKind
from firmware_checks.readers.inode_tree import kind_of_mode

__all__ = ["RockRidge", "iso_time_s", "iso_zone", "rock_ridge", "skipped_bytes"]

MOST_FIELDS = 256
"""Fields of one file that are read; a few tens are many."""
CONTINUES, CURRENT, PARENT, ROOT = 1, 2, 4, 8
LONG_FORM: Final = 0x80
SHORT_TIME_BYTES, LONG_TIME_BYTES = 7, 17
BOTH_ORDERS_BYTES: Final = 8
XA_BYTES: Final = 14
"""Some discs put the attributes of CD-ROM XA before the fields."""


@dataclass(slots=True)
class RockRidge:
    """What the fields of one record say; None and empty where they say nothing."""

    name: bytes = b""
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    modified_s: int | None = None
    target: bytes = b""
    device: tuple[int, int] | None = None
    child_block: int | None = None
    """Where a folder that was moved out of the way really is."""
    moved: bool = False
    """The folder is only kept here; its place is elsewhere."""
    compressed: bool = False
    piece_open: bool = False
    """The last piece of the target goes on in the next."""

    @property
    def kind(self) -> EntryKind | None:
        """What the mode says it is."""
        return None if self.mode is None else kind_of_mode(self.mode)

    def take(self, signature: bytes, data: bytes) -> None:
        """Take one field."""
        reader = FIELDS.get(signature)
        if reader is not None:
            reader(self, data)


def skipped_bytes(room: bytes) -> int | None:
    """Return how many bytes stand before the fields, from the root's own record; None when there are no fields."""
    for start in (0, XA_BYTES):
        if room[start : start + 2] == b"SP" and room[start + 4 : start + 6] == b"\xbe\xef" and len(room) >= start + 7:
            return room[start + 6]
    return None


def rock_ridge(room: bytes, read: Callable[[int, int, int], bytes]) -> RockRidge:
    """Return what the fields in ``room`` say; ``read(block, offset, size)`` gets those that are kept elsewhere."""
    result = RockRidge()
    for signature, data in _fields(room, read):
        result.take(signature, data)
    return result


def _fields(room: bytes, read: Callable[[int, int, int], bytes]) -> Iterator[tuple[bytes, bytes]]:
    following: tuple[int, int, int] | None = None
    at = 0
    for _ in range(MOST_FIELDS):
        size = room[at + 2] if at + 4 <= len(room) else 0
        signature = room[at : at + 2]
        if size < 4 or at + size > len(room) or signature == b"ST":
            if following is None:
                return
            room, at, following = read(*following), 0, None
            continue
        data = room[at + 4 : at + size]
        if signature == b"CE" and len(data) >= 3 * BOTH_ORDERS_BYTES:
            following = (_number(data, 0), _number(data, 1), _number(data, 2))
        yield signature, data
        at += size


def _number(data: bytes, index: int) -> int:
    """Return a number that is written in both byte orders."""
    value: tuple[int] = struct.unpack_from("<I", data, index * BOTH_ORDERS_BYTES)
    return value[0]


def _take_name(result: RockRidge, data: bytes) -> None:
    if data and not data[0] & (CURRENT | PARENT):
        result.name += data[1:]


def _take_mode(result: RockRidge, data: bytes) -> None:
    if len(data) >= 4 * BOTH_ORDERS_BYTES:
        result.mode, result.uid, result.gid = _number(data, 0), _number(data, 2), _number(data, 3)


def _take_device(result: RockRidge, data: bytes) -> None:
    """Read a device's number: major and minor apart, or both in the second half as Linux programs have them."""
    if len(data) >= 2 * BOTH_ORDERS_BYTES:
        high, low = _number(data, 0), _number(data, 1)
        together = (low >> 8 & 0xFFF, low & 0xFF | low >> 12 & 0xFFF00)
        result.device = together if high == 0 and low > 0xFF else (high, low)


def _take_target(result: RockRidge, data: bytes) -> None:
    """Read pieces of a link's target, each a name between slashes or a part of one."""
    at = 1
    while at + 2 <= len(data):
        flags, size = data[at], data[at + 1]
        text = b"." if flags & CURRENT else b".." if flags & PARENT else data[at + 2 : at + 2 + size]
        if flags & ROOT:
            result.target, text = b"", b"/"
        elif result.target and not result.target.endswith(b"/") and not result.piece_open:
            text = b"/" + text
        result.target += text
        result.piece_open = bool(flags & CONTINUES)
        at += 2 + size


def _take_time(result: RockRidge, data: bytes) -> None:
    """Read the times; that of the last change follows that of the creation where there is one."""
    if not data or not data[0] & 2:
        return
    size = LONG_TIME_BYTES if data[0] & LONG_FORM else SHORT_TIME_BYTES
    start = 1 + size * (data[0] & 1)
    result.modified_s = iso_time_s(data[start : start + size])


def _take_child(result: RockRidge, data: bytes) -> None:
    if len(data) >= BOTH_ORDERS_BYTES:
        result.child_block = _number(data, 0)


def _take_moved(result: RockRidge, _data: bytes) -> None:
    result.moved = True


def _take_compressed(result: RockRidge, _data: bytes) -> None:
    result.compressed = True


FIELDS: Final = {
    b"NM": _take_name,
    b"PX": _take_mode,
    b"PN": _take_device,
    b"SL": _take_target,
    b"TF": _take_time,
    b"CL": _take_child,
    b"RE": _take_moved,
    b"ZF": _take_compressed,
}


def iso_zone(byte: int) -> timedelta:
    """Return the offset from UTC that a byte says in quarters of an hour."""
    return timedelta(minutes=15 * (byte - 256 if byte > 127 else byte))


def iso_time_s(data: bytes) -> int | None:
    """Return the time in 7 bytes of numbers, or 17 of text, in seconds since 1970; None for none.

    Source: ECMA-119, 8.4.26.1 and 9.1.5.
    """
    if len(data) not in (SHORT_TIME_BYTES, LONG_TIME_BYTES):
        return None
    try:
        if len(data) == LONG_TIME_BYTES:
            numbers = [int(data[:4]), *(int(data[at : at + 2]) for at in range(4, 14, 2))]
        else:
            numbers = [1900 + data[0], *data[1:6]]
        year, month, day, hour, minute, second = numbers
        return int((datetime(year, month, day, hour, minute, second, tzinfo=UTC) - iso_zone(data[-1])).timestamp())
    except (ValueError, OverflowError):
        return None
