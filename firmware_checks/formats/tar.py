"""tar archives: files one after the other, each with a header of text.

Read without the standard library's reader, which several of its releases let hang or exhaust memory on made-up headers.
"""

from __future__ import annotations

import io
import tarfile
from collections import Counter
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from firmware_checks.format import Entry, EntryKind, ImageFormat, Magic, Opened
from firmware_checks.readers.entry_names import name_problems, visible
from firmware_checks.readers.inode_tree import PATH_CHARACTERS
from firmware_checks.readers.stored import Stored
from firmware_checks.readers.stream_archive import ContentAt, Steps, Walk, over_window
from firmware_checks.readers.tree_listing import COUNTED_AS
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, Truncated
from toolkit.core.layout import Layout, raw, wire
from toolkit.core.limits import Limits
from toolkit.core.problems import Problems
from toolkit.core.window import Window
from toolkit.report.model import Fact, Integrity, RegionKind

__all__ = ["FORMAT", "walk_of"]

BLOCK_BYTES = 512
RECORD_BYTES = 20 * BLOCK_BYTES
"""Writers fill the file up to this size by habit."""
NAME_BYTES = 1 << 16
"""Longest extension (long name, pax records) that is read."""
LINKS_TOLD = 20

LONG_NAME, LONG_LINK = b"L", b"K"
PAX, PAX_GLOBAL = (b"x", b"X"), b"g"
SPARSE = b"S"
SPARSE_MORE_AT, SPARSE_MORE_NEXT_AT = 482, 504
"""Where the header and each following block say that more of the sparse map follows."""
SET_ID = 0o6000
ATTRIBUTE = "SCHILY.xattr."
NUMBER_DIGITS = 18
LINKS = (EntryKind.HARD_LINK, EntryKind.SYMBOLIC_LINK)

WITHOUT_CONTENT: Final = {
    b"1": EntryKind.HARD_LINK,
    b"2": EntryKind.SYMBOLIC_LINK,
    b"3": EntryKind.CHARACTER_DEVICE,
    b"4": EntryKind.BLOCK_DEVICE,
    b"5": EntryKind.FOLDER,
    b"6": EntryKind.PIPE,
}
"""Types whose size field says nothing. Source: POSIX.1-2017, pax, ustar interchange format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TarHeader:
    """Header of one file. Source: POSIX.1-2017, pax, ustar interchange format; GNU tar manual, basic tar format."""

    name: bytes = wire(raw(100))
    mode: bytes = wire(raw(8))
    user: bytes = wire(raw(8))
    group: bytes = wire(raw(8))
    size: bytes = wire(raw(12))
    modified: bytes = wire(raw(12))
    check_sum: bytes = wire(raw(8))
    kind: bytes = wire(raw(1))
    link: bytes = wire(raw(100))
    magic: bytes = wire(raw(6))
    version: bytes = wire(raw(2))
    user_name: bytes = wire(raw(32))
    group_name: bytes = wire(raw(32))
    device_major: bytes = wire(raw(8))
    device_minor: bytes = wire(raw(8))
    prefix: bytes = wire(raw(155))
    rest: bytes = wire(raw(12))


HEADER = Layout(TarHeader, size=BLOCK_BYTES)


@dataclass(slots=True)
class _Reader:
    limits: Limits
    content_at: ContentAt
    origin: int = 0
    position: int = 0
    complete: bool = False
    """Whether the end mark was met."""
    entries: list[Entry] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    links: list[str] = field(default_factory=list)
    verdicts: list[Integrity] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    tally: Problems = field(default_factory=Problems)
    _pax: dict[str, str] = field(default_factory=dict)
    """What an extension header says about the file that comes next."""
    _defaults: dict[str, str] = field(default_factory=dict)
    _names: set[str] = field(default_factory=set)
    limits_hit: tuple[str, ...] = ()

    def read_all(self) -> Steps:
        """Read header after header; raise ``FormatError`` when the first is none."""
        for _ in range(2 * self.limits.entries + 2):
            block = yield BLOCK_BYTES
            if self.position and (len(block) < BLOCK_BYTES or not any(block)):
                yield from self._finish(block)
                return
            try:
                yield from self._read_header(block)
            except FormatError as error:
                if self.position == 0:
                    raise
                self.problems.append(f"the rest was not read: {error}")
                return
            if len(self.entries) > self.limits.entries:
                self.entries.pop()
                self.limits_hit = (f"more than {self.limits.entries} files and folders, the rest was not listed",)
                return
        self.problems.append(f"more than {2 * self.limits.entries} headers; the rest was not read")

    def _read_header(self, block: bytes) -> Steps:
        header = HEADER.read(Window.of(block, origin=self.origin + self.position))
        self._judge(header, block)
        kind = header.kind
        size = int(self._pax.get("size", "-1")) if kind not in (*PAX, PAX_GLOBAL, LONG_NAME, LONG_LINK) else -1
        size = _number(header.size) if size < 0 else size
        self.position += BLOCK_BYTES
        if kind in (*PAX, PAX_GLOBAL, LONG_NAME, LONG_LINK):
            yield from self._read_extension(kind, size)
            return
        said, self._pax = {**self._defaults, **self._pax}, {}
        name = said.get("path") or _name(header)
        link = said.get("linkpath") or _text(header.link)
        sparse = kind == SPARSE or any(key.startswith("GNU.sparse.") for key in said)
        self._judge_name(name, header)
        if kind == SPARSE:
            yield from self._skip_sparse_map(block[SPARSE_MORE_AT])
        if kind in WITHOUT_CONTENT:
            self._judge_link(WITHOUT_CONTENT[kind], name, link, size)
            self._add(_entry(header, said, name, WITHOUT_CONTENT[kind], link))
            return
        if name.endswith("/"):  # the folders of old writers
            self._add(_entry(header, said, name, EntryKind.FOLDER, ""))
        else:
            self._add(self._with_content(_entry(header, said, name, EntryKind.FILE, ""), size, sparse=sparse))
        self.position += _padded(size)
        yield -_padded(size)

    def _add(self, entry: Entry) -> None:
        if entry.kind is not EntryKind.FOLDER or entry.name not in (".", ""):
            self.entries.append(entry)

    def _judge(self, header: TarHeader, block: bytes) -> None:
        """Hold the header's check sum against its bytes; a wrong one ends the reading."""
        stored = _number(header.check_sum)
        computed = _check_sum(block, header.check_sum)
        valid = stored == computed or stored == _signed_check_sum(block, header.check_sum)
        if self.position == 0 or not valid:
            covers = f"header of '{visible(_name(header), most_characters=80)}'"
            self.verdicts.append(
                Integrity(
                    algorithm="sum of bytes", covers=covers, stored=str(stored), computed=str(computed), valid=valid
                )
            )
        if not valid:
            raise FormatError(f"tar header check sum is wrong at {self.origin + self.position:#x}")

    def _read_extension(self, kind: bytes, size: int) -> Steps:
        """Read a long name or pax records for what comes next; what cannot be read is left out, as many programs do."""
        data = (yield from self._bytes(size)) if size <= NAME_BYTES else b""
        if size > NAME_BYTES:
            self.tally.add("extension header is too long and was not read", f"{size} bytes")
        elif kind in (LONG_NAME, LONG_LINK):
            self._pax["path" if kind == LONG_NAME else "linkpath"] = _text(data)
        else:
            try:
                (self._defaults if kind == PAX_GLOBAL else self._pax).update(_pax_records(data))
            except FormatError as error:
                self.tally.add(str(error), data[:40].decode("latin-1"))
        self.position += _padded(size)
        yield len(data) - _padded(size)

    def _bytes(self, size: int) -> Generator[int, bytes, bytes]:
        data = yield size
        if len(data) < size:
            raise Truncated(offset=self.origin + self.position, wanted_bytes=size, available_bytes=len(data))
        return data

    def _judge_name(self, name: str, header: TarHeader) -> None:
        for problem in name_problems(name):
            self.tally.add(problem, name)
        if name in self._names:
            self.tally.add("name is there more than once", name)
        self._names.add(name)
        if _number(header.mode) & SET_ID:
            self.counts["set_user_or_group_id"] += 1

    def _judge_link(self, kind: EntryKind, name: str, link: str, size: int) -> None:
        """Tell of links, which are never followed, and of content where none can be."""
        if size and kind is not EntryKind.FOLDER:
            self.tally.add("link or device claims to have content; some programs skip it and some do not", name)
        if kind in LINKS:
            if len(self.links) < LINKS_TOLD:
                self.links.append(f"{visible(name)} -> {visible(link)}")
            if any("out of the folder" in p or "absolute" in p for p in name_problems(link)):
                self.tally.add("link points out of the folder it is unpacked to", f"{name} -> {link}")

    def _skip_sparse_map(self, more: int) -> Steps:
        while more:
            block = yield from self._bytes(BLOCK_BYTES)
            more = block[SPARSE_MORE_NEXT_AT]
            self.position += BLOCK_BYTES

    def _with_content(self, entry: Entry, size: int, *, sparse: bool) -> Entry:
        if sparse:
            self.tally.add("is stored with holes (sparse), which is not read", entry.name)
        read = _refuse_sparse if sparse else self.content_at(self.position, size)
        return replace(entry, packed_bytes=size, unpacked_bytes=size, read=read, offset=self.position)

    def _finish(self, block: bytes) -> Steps:
        """Take the blocks of zeros at the end into the archive, as far as writers put them there."""
        self.complete = len(block) == BLOCK_BYTES
        if not self.complete:
            self.problems.append("the end mark is missing: the archive may be cut short")
            return
        until = -(-(self.position + 2 * BLOCK_BYTES) // RECORD_BYTES) * RECORD_BYTES
        while len(block) == BLOCK_BYTES and not any(block):
            self.position += BLOCK_BYTES
            if self.position >= until:
                return
            block = yield BLOCK_BYTES

    def opened(self, size: int) -> Opened:
        """Return what was found in an archive of which ``size`` bytes are there."""
        counts = self.counts + Counter(COUNTED_AS[entry.kind] for entry in self.entries)
        facts: dict[str, Fact] = {"files": counts.pop("files", 0), **dict(sorted(counts.items()))}
        if self.links:
            facts["links"] = tuple(self.links)
        return Opened(
            size=min(self.position, size),
            kind=RegionKind.CONTAINER,
            title="tar archive",
            facts=facts,
            integrity=tuple(self.verdicts),
            entries=tuple(self.entries),
            problems=(*self.problems, *self.tally.sentences()),
            limits_hit=self.limits_hit,
        )


def _is_tar(head: Window) -> bool:
    return head.starts_with(b"ustar", 257)


def _open(span: Span, limits: Limits) -> Opened:
    window = span.window
    if not _is_tar(window):
        raise FormatError(f"no tar header at {window.origin:#x}")
    reader = _Reader(limits, lambda start, size: Stored(window, start, size).read, window.origin)
    over_window(reader.read_all(), window)
    return reader.opened(window.size)


def walk_of(head: bytes, limits: Limits, content_at: ContentAt) -> Walk | None:
    """Return how the archive that starts with ``head`` is walked while it is unpacked; None when it is no tar."""
    if not _is_tar(Window.of(head)):
        return None
    reader = _Reader(limits, content_at)
    return Walk(reader.read_all(), partial(_whole, reader))


def _whole(reader: _Reader) -> Opened | None:
    return replace(reader.opened(reader.position), in_order=True) if reader.complete else None


def _entry(header: TarHeader, said: Mapping[str, str], name: str, kind: EntryKind, link: str) -> Entry:
    """Return what header and extension headers say of a file, without its content."""
    is_device = kind in (EntryKind.CHARACTER_DEVICE, EntryKind.BLOCK_DEVICE)
    if kind is EntryKind.HARD_LINK:
        link = link.removeprefix("./")  # as the names of the entries
    return Entry(
        name=visible(name.removeprefix("./").rstrip("/"), most_characters=PATH_CHARACTERS),
        packed_bytes=0,
        unpacked_bytes=0,
        kind=kind,
        mode=_number(header.mode) & 0o7777,
        uid=_said_number(said, "uid", header.user),
        gid=_said_number(said, "gid", header.group),
        modified_s=_said_number(said, "mtime", header.modified),
        target=visible(link, most_characters=PATH_CHARACTERS) if kind in LINKS else "",
        device=(_number(header.device_major), _number(header.device_minor)) if is_device else None,
        extended=_extended(said),
    )


def _said_number(said: Mapping[str, str], key: str, text: bytes) -> int | None:
    """Return a number from an extension header, which may have decimals, or from the header; None when it is none."""
    whole = said.get(key, "").partition(".")[0]
    if whole.isdecimal() and len(whole) <= NUMBER_DIGITS:
        return int(whole)
    try:
        return _number(text)
    except FormatError:
        return None


def _extended(said: Mapping[str, str]) -> dict[str, bytes]:
    """Return extended attributes. Source: star and GNU tar keep them in records whose keys start like this."""
    attributes = ((key.removeprefix(ATTRIBUTE), value) for key, value in said.items() if key.startswith(ATTRIBUTE))
    return {visible(name): value.encode("utf-8", "surrogateescape") for name, value in attributes}


def _refuse_sparse(max_bytes: int) -> bytes:  # noqa: ARG001  # the contract of every entry
    raise FormatError("is stored with holes (sparse), which is not read")


def _check_sum(header: bytes, own: bytes) -> int:
    """Return the sum of the header's bytes with blanks in place of its own check sum."""
    return sum(header) - sum(own) + len(own) * ord(" ")


def _signed_check_sum(header: bytes, own: bytes) -> int:
    """Return the same sum as some old writers made it, of signed bytes."""
    return _check_sum(header, own) - 256 * sum(byte >= 0x80 for byte in header)


def _number(text: bytes) -> int:
    """Return a header's number: octal text, or big-endian binary where the first bit is set (GNU)."""
    if text[0] & 0x80:
        if text[0] != 0x80:
            raise FormatError("a tar header holds a negative number")
        return int.from_bytes(text[1:], "big")
    digits = text.split(b"\0", 1)[0].strip()
    if digits and not all(0x30 <= d <= 0x37 for d in digits):
        raise FormatError("a tar header holds no octal number where one must stand")
    return int(digits, 8) if digits else 0


def _name(header: TarHeader) -> str:
    prefix = _text(header.prefix) if header.magic == b"ustar\0" else ""
    return f"{prefix}/{_text(header.name)}" if prefix else _text(header.name)


def _text(data: bytes) -> str:
    return data.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _padded(size: int) -> int:
    return -(-size // BLOCK_BYTES) * BLOCK_BYTES


def _pax_records(data: bytes) -> dict[str, str]:
    """Return the ``length key=value`` records; the length counts the whole record."""
    records: dict[str, str] = {}
    place = 0
    while place < len(data):
        digits, space, _ = data[place : place + 12].partition(b" ")
        length = int(digits) if space and digits.isdigit() else 0
        record = data[place + len(digits) + 1 : place + length]
        key, equals, value = record.partition(b"=")
        if place + length > len(data) or not equals or not record.endswith(b"\n"):
            raise FormatError("pax record is malformed")
        records[key.decode("utf-8", "replace")] = value[:-1].decode("utf-8", "surrogateescape")
        place += length
    if not records.get("size", "0").isdecimal() or len(records.get("size", "")) > 20:
        raise FormatError("pax record gives a size that is no number")
    return records


def _example() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        info = tarfile.TarInfo("settings.ini")
        data = b"[pump]\nrate=5\n"
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


FORMAT = ImageFormat(
    name="tar",
    title="tar archive",
    source="POSIX.1-2017, pax utility (ustar and pax formats); GNU tar manual, basic tar format",
    limits="Sparse files are not read; archives older than ustar (before 1988) are not recognised.",
    open=_open,
    magics=(Magic(rb"ustar(?:\x0000|  \x00)", offset=257, anchor=b"ustar"),),
    example=_example,
)
