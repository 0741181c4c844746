"""Reading ZIP archives without trusting them: what the directory says is held against what the entries say.

A zip describes every file twice, in front of its data and in the directory at the end; programs differ in which of the
two they believe. Where they disagree one program installs other bytes than another program checked, so each
disagreement is a problem that is told. Source: PKWARE APPNOTE.TXT 6.3.10 (sections in the docstrings below).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Final

from firmware_checks.readers.byte_search import positions
from firmware_checks.readers.entry_names import name_problems
from firmware_checks.readers.unpack import Inflate, unpack
from firmware_checks.readers.zip_member import ENCRYPTED, METHODS, Member
from toolkit.core.errors import FormatError
from toolkit.core.layout import U16LE, U32LE, U64LE, Layout, const, wire
from toolkit.core.limits import Limits
from toolkit.core.problems import Problems
from toolkit.core.window import Window

__all__ = ["LOCAL_MAGIC", "Archive", "read_archive"]

LOCAL_MAGIC: Final = b"PK\x03\x04"
CENTRAL_MAGIC: Final = b"PK\x01\x02"
END_MAGIC: Final = b"PK\x05\x06"

LOCAL = struct.Struct("<4s5H3I2H")
"""4.3.7: magic, version, flags, method, time, date, crc32, packed, unpacked, name bytes, extra bytes."""
CENTRAL = struct.Struct("<4s6H3I5H2I")
"""4.3.12: magic, made by, version, flags, method, time, date, crc32, packed, unpacked, name bytes, extra bytes,
comment bytes, disk, internal attributes, external attributes, offset of the local header."""

SIZES_FOLLOW = 1 << 3
"""4.4.4 bit 3: crc and sizes stand in a descriptor behind the data, not in the local header."""
UTF8_NAME = 1 << 11

IN_ZIP64 = 0xFFFF_FFFF
ZIP64_EXTRA = 0x0001
UNICODE_PATH_EXTRA = 0x7075
TIME_EXTRA, OWNER_EXTRA = 0x5455, 0x7875
"""Info-ZIP extra fields: Universal Time, and user and group of Unix, third version."""
MADE_ON_UNIX: Final = (3, 19)
"""4.4.2: systems, Unix and macOS, that keep a mode in the upper half of the external attributes."""
DESCRIPTOR_BYTES = 24
"""4.3.9: the longest data descriptor: magic, crc32, two 8-byte sizes."""
NEWEST_VERSION = 63
"""4.4.3.2: version 6.3, the newest a reader can be asked for."""
END_REACH_BYTES = 0xFFFF + 22
"""How far before the end of a file the end record may start: behind it stands a comment of at most 65535 bytes."""
FORWARD_REACH_BYTES = 8 << 20
"""How far an end record is looked for inside other bytes where no entry says how long it is."""
END_CANDIDATES = 16
"""End records that are tried: more than one is a trick already."""
PROBE_BYTES = 1 << 16
"""Packed bytes that are tried to see whether an entry without a directory is one."""
NAME_BYTES = 4096
"""Longest name believed without a directory: the longest path on common systems."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndRecord:
    """4.3.16: end of central directory record."""

    magic: bytes = wire(const(END_MAGIC))
    disk: int = wire(U16LE)
    directory_disk: int = wire(U16LE)
    entries_here: int = wire(U16LE)
    entries: int = wire(U16LE)
    directory_bytes: int = wire(U32LE)
    directory_offset: int = wire(U32LE)
    comment_bytes: int = wire(U16LE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Zip64EndRecord:
    """4.3.14: zip64 end of central directory record."""

    magic: bytes = wire(const(b"PK\x06\x06"))
    record_bytes: int = wire(U64LE)
    made_by: int = wire(U16LE)
    version: int = wire(U16LE)
    disk: int = wire(U32LE)
    directory_disk: int = wire(U32LE)
    entries_here: int = wire(U64LE)
    entries: int = wire(U64LE)
    directory_bytes: int = wire(U64LE)
    directory_offset: int = wire(U64LE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Zip64Locator:
    """4.3.15: zip64 end of central directory locator."""

    magic: bytes = wire(const(b"PK\x06\x07"))
    disk: int = wire(U32LE)
    end_offset: int = wire(U64LE)
    disks: int = wire(U32LE)


END = Layout(EndRecord, size=22)
ZIP64_END = Layout(Zip64EndRecord, size=56)
ZIP64_LOCATOR = Layout(Zip64Locator, size=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """What could be read of an archive that starts at byte 0 of the window."""

    members: tuple[Member, ...]
    size: int
    comment: bytes
    stub_bytes: int
    """Bytes that stood before the archive when its offsets were written: a program that unpacks itself."""
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Directory:
    start: int
    end: int
    entries: int
    entries_modulo: int
    shift: int
    """Offsets in the directory minus places in the window."""
    archive_end: int
    comment: bytes
    disk: int
    size_field_agrees: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Local:
    raw_name: bytes
    flags: int
    method: int
    crc32: int
    packed_bytes: int
    unpacked_bytes: int
    data: int


def read_archive(window: Window, limits: Limits) -> Archive:
    """Return the archive at the start of ``window``; raise ``FormatError`` when there is none."""
    if not window.starts_with(LOCAL_MAGIC) and not window.starts_with(END_MAGIC):
        raise FormatError(f"no zip archive at {window.origin:#x}")
    walked = _walk(window, limits)
    candidates = _end_candidates(window, _end_of(walked)) if window.starts_with(LOCAL_MAGIC) else iter((0,))
    found = [d for d in (_directory_at(window, place) for place in candidates) if d is not None]
    if found:
        return _with_directory(window, found, limits)
    if walked and _plausible(window, walked[0]):
        return _without_directory(window, walked)
    raise FormatError(f"zip entry at {window.origin:#x} has no directory and does not say how long it is")


def _local(window: Window, start: int) -> _Local:
    """Return the local header at ``start``; raise ``FormatError`` when none stands there."""
    fields = LOCAL.unpack(window.take(start, LOCAL.size))
    magic, _version, flags, method, _time, _date, crc, packed_bytes, unpacked_bytes, name_bytes, extra_bytes = fields
    if magic != LOCAL_MAGIC:
        raise FormatError(f"no zip entry at {window.origin + start:#x}")
    raw_name = bytes(window.take(start + LOCAL.size, name_bytes))
    extra = bytes(window.take(start + LOCAL.size + name_bytes, extra_bytes))
    sizes = _zip64(extra, [unpacked_bytes, packed_bytes])
    return _Local(
        raw_name=raw_name,
        flags=flags,
        method=method,
        crc32=crc,
        packed_bytes=sizes[1],
        unpacked_bytes=sizes[0],
        data=start + LOCAL.size + name_bytes + extra_bytes,
    )


def _zip64(extra: bytes, values: list[int]) -> list[int]:
    """4.5.3: return ``values`` with those that were too large for 4 bytes taken from the zip64 extra field."""
    field = _extra_field(extra, ZIP64_EXTRA)
    place = 0
    whole: list[int] = []
    for value in values:
        if value == IN_ZIP64 and len(field) >= place + 8:
            whole.append(int.from_bytes(field[place : place + 8], "little"))
            place += 8
        else:
            whole.append(value)
    return whole


def _extra_field(extra: bytes, wanted: int) -> bytes:
    """4.5.1: return the data of the first extra field with number ``wanted``, empty when there is none."""
    place = 0
    while place + 4 <= len(extra):
        number, size = struct.unpack_from("<2H", extra, place)
        if number == wanted:
            return extra[place + 4 : place + 4 + size]
        place += 4 + size
    return b""


def _walk(window: Window, limits: Limits) -> list[Member]:
    """Return the entries that follow each other from the start, as far as each says how long it is."""
    members: list[Member] = []
    place = 0
    while place < window.size and len(members) < limits.entries:
        try:
            local = _local(window, place)
        except FormatError:
            break
        if local.flags & SIZES_FOLLOW and not local.packed_bytes:
            break
        members.append(
            Member(
                name=_name(local.raw_name, local.flags),
                raw_name=local.raw_name,
                flags=local.flags,
                method=local.method,
                crc32=local.crc32,
                packed_bytes=local.packed_bytes,
                unpacked_bytes=local.unpacked_bytes,
                start=place,
                data=local.data,
            )
        )
        place = local.data + local.packed_bytes
    return members


def _end_of(members: list[Member]) -> int:
    return members[-1].data + members[-1].packed_bytes if members and members[-1].data is not None else 0


def _end_candidates(window: Window, walked_to: int) -> Iterator[int]:
    """Yield where end records stand: from the end of the file backwards as most programs look, then forwards."""
    tail_start = max(0, window.size - END_REACH_BYTES)
    tail = sorted(positions(window, END_MAGIC, tail_start, window.size), reverse=True)
    forward = positions(window, END_MAGIC, walked_to, walked_to + FORWARD_REACH_BYTES)
    return chain(tail[:END_CANDIDATES], islice(forward, END_CANDIDATES))


def _directory_at(window: Window, place: int) -> _Directory | None:
    """Return the directory that the end record at ``place`` describes, if it fits an archive that starts at byte 0."""
    try:
        end = END.read(window, place)
        comment = bytes(window.take(place + END.size, end.comment_bytes))
    except FormatError:
        return None
    zip64, directory_end = _zip64_end(window, place)
    entries = zip64.entries if zip64 else end.entries
    directory_bytes = zip64.directory_bytes if zip64 else end.directory_bytes
    offset = zip64.directory_offset if zip64 else end.directory_offset
    for start in (directory_end - directory_bytes, offset):
        if 0 <= start <= directory_end and start <= offset and _first_fits(window, start, offset - start, entries):
            return _Directory(
                start=start,
                end=directory_end,
                entries=entries,
                entries_modulo=1 << 64 if zip64 else 1 << 16,
                shift=offset - start,
                archive_end=place + END.size + end.comment_bytes,
                comment=comment,
                disk=end.disk,
                size_field_agrees=start == directory_end - directory_bytes,
            )
    return None


def _zip64_end(window: Window, place: int) -> tuple[Zip64EndRecord | None, int]:
    """Return the zip64 end record before the end record at ``place``, and where the directory must end."""
    try:
        ZIP64_LOCATOR.read(window, place - ZIP64_LOCATOR.size)
        start = place - ZIP64_LOCATOR.size - ZIP64_END.size
        return ZIP64_END.read(window, start), start
    except FormatError:
        return None, place


def _first_fits(window: Window, start: int, shift: int, entries: int) -> bool:
    if entries == 0:
        return start == 0
    try:
        fields = CENTRAL.unpack(window.take(start, CENTRAL.size))
    except FormatError:
        return False
    magic, local_start = fields[0], fields[-1]
    return magic == CENTRAL_MAGIC and (local_start == IN_ZIP64 or window.starts_with(LOCAL_MAGIC, local_start - shift))


def _with_directory(window: Window, found: list[_Directory], limits: Limits) -> Archive:
    directory = min(found, key=lambda d: not d.size_field_agrees)  # the last in the file, as most programs take it
    tally = Problems()
    members = list(_members(window, directory, limits, tally))
    problems = [*_directory_problems(window, directory, len(members), limits)]
    complete = len(members) <= limits.entries
    layout = _layout_problems(window, members, directory.start) if complete else ()
    if any((other.start, other.archive_end) != (directory.start, directory.archive_end) for other in found):
        problems.append("there is more than one directory: which files are seen depends on the program that reads it")
    return Archive(
        members=tuple(members),
        size=directory.archive_end,
        comment=directory.comment,
        stub_bytes=directory.shift,
        problems=(*problems, *layout, *tally.sentences()),
    )


def _without_directory(window: Window, members: list[Member]) -> Archive:
    tally = Problems()
    for member in members:
        for problem in name_problems(member.name):
            tally.add(problem, member.name)
    line = f"the directory is missing: cut short or damaged; {len(members)} entries were read from their own headers"
    return Archive(
        members=tuple(members),
        size=min(_end_of(members), window.size),
        comment=b"",
        stub_bytes=0,
        problems=(line, *tally.sentences()),
    )


def _plausible(window: Window, member: Member) -> bool:
    """Tell an entry without a directory from the four magic bytes in a program that reads zip files."""
    if member.data is None or member.method not in METHODS or not _is_name(member.raw_name):
        return False
    if member.method == 0:
        return member.encrypted or member.packed_bytes == member.unpacked_bytes
    if member.method != 8 or member.encrypted:
        return True
    packed = window.view[member.data : member.data + min(member.packed_bytes, PROBE_BYTES)]
    return not unpack(packed, Inflate(), keep_bytes=0, stop_bytes=1 << 20).damage


def _is_name(raw_name: bytes) -> bool:
    """Tell whether ``raw_name`` may be the name of a file: without a directory, one with control characters is code."""
    return 0 < len(raw_name) <= NAME_BYTES and not any(byte < 0x20 or byte == 0x7F for byte in raw_name)


def _members(window: Window, directory: _Directory, limits: Limits, tally: Problems) -> Iterator[Member]:
    seen: set[bytes] = set()
    place = directory.start
    for _ in range(limits.entries + 1):  # one more than may be read: then the opener says that there are more
        if place >= directory.end or not window.starts_with(CENTRAL_MAGIC, place):
            return
        try:
            member, place = _member(window, place, directory.shift, tally)
        except FormatError:
            return
        if member.raw_name in seen:
            tally.add("name is there more than once", member.name)
        seen.add(member.raw_name)
        for problem in name_problems(member.name):
            tally.add(problem, member.name)
        yield member


def _member(window: Window, place: int, shift: int, tally: Problems) -> tuple[Member, int]:
    """Return the entry that the directory describes at ``place``, and where its next description starts."""
    fields = CENTRAL.unpack(window.take(place, CENTRAL.size))
    flags, method, crc, packed_bytes, unpacked_bytes = fields[3], fields[4], fields[7], fields[8], fields[9]
    name_bytes, extra_bytes, comment_bytes, offset = fields[10], fields[11], fields[12], fields[16]
    raw_name = bytes(window.take(place + CENTRAL.size, name_bytes))
    extra = bytes(window.take(place + CENTRAL.size + name_bytes, extra_bytes))
    unpacked_bytes, packed_bytes, offset = _zip64(extra, [unpacked_bytes, packed_bytes, offset])
    name = _name(raw_name, flags)
    second = _unicode_path(extra, raw_name)
    if second is not None and second != name:
        if raw_name.isascii():
            tally.add("has a second, different name that some programs use", f"{name}' / '{second}")
        else:
            name = second
    local = _local_of(window, offset - shift)
    member = Member(
        name=name,
        raw_name=raw_name,
        flags=flags,
        method=method,
        crc32=crc,
        packed_bytes=packed_bytes,
        unpacked_bytes=unpacked_bytes,
        start=offset - shift,
        data=None if local is None else local.data,
        unix_mode=fields[15] >> 16 or None if fields[1] >> 8 in MADE_ON_UNIX else None,
        modified_s=_modified(extra, fields[6], fields[5]),
        owner=_owner(extra),
    )
    for problem in _disagreements(member, local):
        tally.add(problem, name)
    return member, place + CENTRAL.size + name_bytes + extra_bytes + comment_bytes


def _modified(extra: bytes, date: int, time: int) -> int | None:
    """4.4.6: return the time of the last change in seconds since 1970, from the extra field where there is one."""
    field = _extra_field(extra, TIME_EXTRA)
    if len(field) >= 5 and field[0] & 1:
        return int.from_bytes(field[1:5], "little", signed=True)
    try:
        day = datetime(1980 + (date >> 9), date >> 5 & 0xF, date & 0x1F, tzinfo=UTC)
    except ValueError:
        return None
    return int(day.timestamp()) + (time >> 11) * 3600 + (time >> 5 & 0x3F) * 60 + (time & 0x1F) * 2


def _owner(extra: bytes) -> tuple[int, int] | None:
    """Return user and group number from the Info-ZIP field: version, and each with its size before it."""
    field = _extra_field(extra, OWNER_EXTRA)
    user, rest = _sized_number(field[1:])
    group, _ = _sized_number(rest)
    return None if field[:1] != b"\1" or user is None or group is None else (user, group)


def _sized_number(data: bytes) -> tuple[int | None, bytes]:
    size = data[0] if data else 0
    whole = 0 < size < len(data)
    return int.from_bytes(data[1 : 1 + size], "little") if whole else None, data[1 + size :]


def _local_of(window: Window, start: int) -> _Local | None:
    try:
        return _local(window, start)
    except FormatError:
        return None


def _disagreements(member: Member, local: _Local | None) -> list[str]:
    """Return in what the two descriptions of one entry differ: different programs see different files."""
    if local is None:
        return ["has no header where the directory points to"]
    problems: list[str] = []
    if local.raw_name != member.raw_name:
        problems.append("has another name in its own header than in the directory")
    if local.method != member.method or (local.flags ^ member.flags) & ENCRYPTED:
        problems.append("is packed in another way by its own header than by the directory")
    own = (local.crc32, local.packed_bytes, local.unpacked_bytes)
    listed = (member.crc32, member.packed_bytes, member.unpacked_bytes)
    if own != listed and not (local.flags & SIZES_FOLLOW and not any(own[1:])):
        problems.append("has another size or check sum in its own header than in the directory")
    return problems


def _name(raw_name: bytes, flags: int) -> str:
    """4.4.4 bit 11 and appendix D: UTF-8 where the entry says so, else the character set of the first PC."""
    return raw_name.decode("utf-8", "surrogateescape") if flags & UTF8_NAME else raw_name.decode("cp437")


def _unicode_path(extra: bytes, raw_name: bytes) -> str | None:
    """4.6.9: return the name in the Info-ZIP Unicode path extra field, when it belongs to this name."""
    field = _extra_field(extra, UNICODE_PATH_EXTRA)
    if len(field) < 6 or int.from_bytes(field[1:5], "little") != zlib.crc32(raw_name):
        return None
    return field[5:].decode("utf-8", "surrogateescape")


def _directory_problems(window: Window, directory: _Directory, read: int, limits: Limits) -> Iterator[str]:
    if read > limits.entries and directory.entries > read:
        yield f"the directory lists {directory.entries} entries, the first {read} were read"
    elif read % directory.entries_modulo != directory.entries:
        yield f"the end record counts {directory.entries} entries, the directory holds {read}"
    if not directory.size_field_agrees:
        yield "the directory has another size than the end record says: some programs will not find it"
    if directory.disk not in (0, 0xFFFF):
        yield f"this is part {directory.disk + 1} of a split archive; the other parts are needed too"
    if window.starts_with(LOCAL_MAGIC, directory.archive_end) or window.starts_with(END_MAGIC, directory.archive_end):
        yield "another archive follows: programs that read from the end of the file see that one instead"


def _layout_problems(window: Window, members: list[Member], directory_start: int) -> Iterator[str]:
    """Tell of entries that share bytes and of bytes before the directory that no listed entry owns."""
    overlapping = unlisted = gap_bytes = 0
    end = 0
    tolerated = 0
    for member in sorted(members, key=lambda m: m.start):
        if member.data is None:
            continue
        overlapping += member.start < end
        gap = member.start - end
        if gap > tolerated:
            gap_bytes += gap
            unlisted += window.starts_with(LOCAL_MAGIC, end)
        end = max(end, member.data + member.packed_bytes)
        tolerated = DESCRIPTOR_BYTES if member.flags & SIZES_FOLLOW else 0
    overlapping += end > directory_start
    if directory_start - end > tolerated:
        gap_bytes += directory_start - end
        unlisted += window.starts_with(LOCAL_MAGIC, end)
    if overlapping:
        yield f"{overlapping} entries share their bytes with another one, as in an archive made to fill a disk"
    if unlisted:
        yield "entries are hidden from the directory: programs that read from the front see other files"
    if gap_bytes:
        yield f"{gap_bytes} bytes between the entries belong to none of them"
