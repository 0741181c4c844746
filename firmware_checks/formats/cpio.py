"""cpio archives: the first root file system of a Linux kernel (initramfs), and the content of RPM packages."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from firmware_checks.format import Entry, EntryKind, ImageFormat, Magic, Opened
from firmware_checks.readers.entry_names import name_problems, visible
from firmware_checks.readers.inode_tree import PATH_CHARACTERS, kind_of_mode
from firmware_checks.readers.stored import Stored
from firmware_checks.readers.tree_listing import COUNTED_AS, SET_ID, device_of
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.problems import Problems
from toolkit.core.window import Window
from toolkit.report.model import Fact, Integrity, RegionKind

__all__ = ["FORMAT"]

NEW, NEW_WITH_SUMS, OLD = b"070701", b"070702", b"070707"
VARIANTS: Final = {NEW: "newc", NEW_WITH_SUMS: "crc", OLD: "odc"}
NEW_HEADER_BYTES, OLD_HEADER_BYTES = 110, 76
NEW_FIELDS = struct.Struct(">13I")
"""Inode, mode, user, group, links, time, size, device major and minor, own device major and minor, name, sum."""
OLD_FIELDS = (6, 6, 6, 6, 6, 6, 6, 11, 6, 11)
"""Digits of device, inode, mode, user, group, links, own device, time, name, size."""
TRAILER = b"TRAILER!!!"
NAME_BYTES = 4096
"""PATH_MAX of Linux, which its own reader does not go beyond."""
BLOCK_BYTES = 512
"""Writers fill the archive up to this size."""
VERDICTS = 16
"""Check sums that are reported: the first, and the wrong ones."""
SUM_BYTES = 256
"""So many bytes sum up to less than 65521, and Adler-32, which runs in C, gives the sum itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    inode: tuple[int, int, int]
    """Device, major and minor, and the number on it."""
    mode: int
    uid: int
    gid: int
    links: int
    modified_s: int
    size: int
    device: tuple[int, int]
    check_sum: int
    name: bytes
    data: int
    """Where the content starts."""
    end: int
    """Where the next record starts."""


@dataclass(slots=True)
class _Reader:
    window: Window
    limits: Limits
    variant: bytes
    position: int = 0
    problems: Problems = field(default_factory=Problems)
    entries: list[Entry] = field(default_factory=list)
    verdicts: list[Integrity] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    limits_hit: tuple[str, ...] = ()
    complete: bool = False
    _names: set[str] = field(default_factory=set)
    _shared: dict[tuple[int, int, int], list[int]] = field(default_factory=dict)
    """Entries by the inode they share."""

    def read_all(self) -> None:
        """Read record after record up to the trailer; raise ``FormatError`` when the first is none."""
        while not self.complete:
            try:
                record = self._record()
            except FormatError as error:
                if self.position == 0:
                    raise
                self.problems.add(f"the end mark is missing, and what stands there is no file: {error}")
                break
            if record.name != TRAILER and len(self.entries) >= self.limits.entries:
                self.limits_hit = (f"more than {self.limits.entries} files and folders, the rest was not listed",)
                break
            self.position = record.end
            if record.name == TRAILER:
                self.complete = True
                self._pass_padding()
            else:
                self._add(record)
        self._join_links()

    def _record(self) -> _Record:
        """Return the record at the position; all its bytes are there."""
        start = self.position
        if not self.window.starts_with(self.variant, start):
            raise FormatError(f"no cpio header at {self.window.origin + start:#x}")
        read = _read_old if self.variant == OLD else _read_new
        record = read(self.window, start)
        self.window.take(record.data, record.size)
        if kind_of_mode(record.mode) is None and record.name != TRAILER:
            raise FormatError(f"the cpio header at {self.window.origin + start:#x} describes no file")
        return record

    def _pass_padding(self) -> None:
        until = self.position + -self.position % BLOCK_BYTES
        padding = self.window.view[self.position : until]
        if not any(padding):
            self.position += len(padding)

    def _add(self, record: _Record) -> None:
        kind = kind_of_mode(record.mode) or EntryKind.FILE
        name = record.name.decode("utf-8", "surrogateescape").removeprefix("./")
        if kind is EntryKind.FOLDER and name in (".", ""):
            return
        self._judge_name(name, record, kind)
        if kind is EntryKind.FILE and self.variant == NEW_WITH_SUMS:
            self._judge_content(record, name)
        if kind is EntryKind.FILE and record.links > 1:
            self._shared.setdefault(record.inode, []).append(len(self.entries))
        self.entries.append(_entry(self.window, record, name, kind))

    def _judge_name(self, name: str, record: _Record, kind: EntryKind) -> None:
        for problem in name_problems(name):
            self.problems.add(problem, name)
        if name in self._names:
            self.problems.add("name is there more than once", name)
        self._names.add(name)
        if kind is EntryKind.FILE and record.mode & SET_ID:
            self.counts["set_user_or_group_id"] += 1

    def _judge_content(self, record: _Record, name: str) -> None:
        """Hold a file's sum of bytes against its content; of names that share content only the last has the sum."""
        computed = _sum_of(self.window.take(record.data, record.size))
        valid = computed == record.check_sum
        if record.size and len(self.verdicts) < VERDICTS and (not valid or not self.verdicts):
            self.verdicts.append(
                Integrity(
                    algorithm="sum of bytes modulo 2^32",
                    covers=f"content of '{visible(name, most_characters=80)}'",
                    stored=f"{record.check_sum:08x}",
                    computed=f"{computed:08x}",
                    valid=valid,
                )
            )

    def _join_links(self) -> None:
        """Make hard links of the names that share an inode; the content stands behind the last, or behind each."""
        for places in self._shared.values():
            holder = max(places, key=lambda place: self.entries[place].packed_bytes > 0)
            content = self._content(holder)
            for place in places:
                if place != holder and self._content(place) in (b"", content):
                    self.entries[place] = replace(
                        self.entries[place],
                        kind=EntryKind.HARD_LINK,
                        target=self.entries[holder].name,
                        read=Stored(self.window, 0, 0).read,
                        packed_bytes=0,
                        unpacked_bytes=0,
                    )

    def _content(self, place: int) -> memoryview:
        entry = self.entries[place]
        return self.window.take(entry.offset or 0, entry.packed_bytes)


def _open(span: Span, limits: Limits) -> Opened:
    variant = bytes(span.window.take(0, len(NEW)))
    if variant not in VARIANTS:
        raise FormatError(f"no cpio archive at {span.window.origin:#x}")
    reader = _Reader(span.window, limits, variant)
    reader.read_all()
    counts = reader.counts + Counter(COUNTED_AS[entry.kind] for entry in reader.entries)
    facts: dict[str, Fact] = {"variant": VARIANTS[variant], **dict(sorted(counts.items()))}
    return Opened(
        size=reader.position,
        kind=RegionKind.CONTAINER,
        title="cpio archive",
        facts=facts,
        integrity=tuple(reader.verdicts),
        # of files with several names the last holds the content: it is told before the names that point to it
        entries=tuple(sorted(reader.entries, key=lambda entry: entry.kind is EntryKind.HARD_LINK)),
        problems=reader.problems.sentences(),
        limits_hit=reader.limits_hit,
    )


def _entry(window: Window, record: _Record, name: str, kind: EntryKind) -> Entry:
    is_file, is_link = kind is EntryKind.FILE, kind is EntryKind.SYMBOLIC_LINK
    target = bytes(window.take(record.data, min(record.size, NAME_BYTES))) if is_link else b""
    size = record.size if is_file else 0
    return Entry(
        name=visible(name.rstrip("/"), most_characters=PATH_CHARACTERS),
        packed_bytes=size,
        unpacked_bytes=size,
        read=Stored(window, record.data, size).read,
        kind=kind,
        mode=record.mode & 0o7777,
        uid=record.uid,
        gid=record.gid,
        modified_s=record.modified_s,
        target=visible(target.decode("utf-8", "surrogateescape"), most_characters=PATH_CHARACTERS),
        device=record.device if kind in (EntryKind.CHARACTER_DEVICE, EntryKind.BLOCK_DEVICE) else None,
        offset=record.data,
    )


def _read_new(window: Window, start: int) -> _Record:
    """Read a header of 8-digit hexadecimal numbers; name and content are filled up to a multiple of four."""
    digits = bytes(window.take(start + len(NEW), NEW_HEADER_BYTES - len(NEW)))
    try:
        numbers = NEW_FIELDS.unpack(bytes.fromhex(digits.decode("ascii")))
    except (ValueError, struct.error):
        raise FormatError(f"the cpio header at {window.origin + start:#x} holds no numbers") from None
    inode, mode, uid, gid, links, modified, size, major, minor, own_major, own_minor, name_bytes, check = numbers
    place = start + NEW_HEADER_BYTES
    data = place + name_bytes + -(NEW_HEADER_BYTES + name_bytes) % 4
    return _Record(
        inode=(major, minor, inode), mode=mode, uid=uid, gid=gid, links=links, modified_s=modified, size=size,
        device=(own_major, own_minor), check_sum=check, name=_name(window, place, name_bytes),
        data=data, end=min(data + size + -size % 4, window.size),
    )  # fmt: skip


def _read_old(window: Window, start: int) -> _Record:
    """Read a header of octal numbers, the portable format of POSIX.1-1988; nothing is filled up."""
    device, inode, mode, uid, gid, links, own, modified, name_bytes, size = _octal(window, start + len(OLD))
    place = start + OLD_HEADER_BYTES
    data = place + name_bytes
    return _Record(
        inode=(*device_of(device), inode), mode=mode, uid=uid, gid=gid, links=links, modified_s=modified, size=size,
        device=device_of(own), check_sum=0, name=_name(window, place, name_bytes), data=data,
        end=data + size,
    )  # fmt: skip


def _octal(window: Window, place: int) -> Iterator[int]:
    digits = bytes(window.take(place, sum(OLD_FIELDS)))
    if not digits.isdigit() or b"8" in digits or b"9" in digits:
        raise FormatError(f"the cpio header at {window.origin + place:#x} holds no numbers")
    position = 0
    for width in OLD_FIELDS:
        yield int(digits[position : position + width], 8)
        position += width


def _name(window: Window, start: int, size: int) -> bytes:
    """Return the name, whose size counts the zero byte at its end."""
    text = bytes(window.take(start, size)) if 0 < size <= NAME_BYTES else b""
    if text.find(b"\0") != size - 1:
        raise FormatError(f"the name in the cpio header at {window.origin + start:#x} is none")
    return text[:-1]


def _sum_of(data: memoryview) -> int:
    pieces = (data[start : start + SUM_BYTES] for start in range(0, len(data), SUM_BYTES))
    return sum((zlib.adler32(piece) & 0xFFFF) - 1 for piece in pieces) & 0xFFFF_FFFF


def build_record(name: bytes, mode: int, data: bytes, inode: int) -> bytes:
    fields = (inode, mode, 0, 0, 1, 1_577_836_800, len(data), 0, 0, 0, 0, len(name) + 1, sum(data))
    head = NEW_WITH_SUMS + NEW_FIELDS.pack(*fields).hex().upper().encode() + name + b"\0"
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def _example() -> bytes:
    records = (
        build_record(b"etc", 0o040755, b"", 1),
        build_record(b"etc/pump.ini", 0o100644, b"rate = 5\n", 2),
        build_record(b"init", 0o120777, b"/sbin/init", 3),
        build_record(TRAILER, 0, b"", 0),
    )
    whole = b"".join(records)
    return whole + bytes(-len(whole) % BLOCK_BYTES)


FORMAT = ImageFormat(
    name="cpio",
    title="cpio archive",
    source="Linux Documentation/driver-api/early-userspace/buffer-format.rst (newc, crc); POSIX.1-1988 cpio (odc)",
    limits="The binary format of before 1988 is not recognised.",
    open=_open,
    magics=(Magic(rb"07070[12][0-9A-Fa-f]{104}", anchor=b"07070"), Magic(rb"070707[0-7]{70}", anchor=b"070707")),
    example=_example,
)
