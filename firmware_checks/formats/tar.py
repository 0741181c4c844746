"""tar archives: files one after the other, each with a header of text.

Read without the standard library's reader, which several of its releases let hang or exhaust memory on made-up headers.
"""

from __future__ import annotations

import io
import tarfile
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from firmware_checks.format import Entry, ImageFormat, Magic, Opened
from firmware_checks.readers.entry_names import name_problems, visible
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.layout import Layout, raw, wire
from toolkit.core.limits import Limits
from toolkit.core.problems import Problems
from toolkit.core.window import Window
from toolkit.report.model import Fact, Integrity, RegionKind

__all__ = ["FORMAT"]

BLOCK_BYTES = 512
RECORD_BYTES = 20 * BLOCK_BYTES
"""Writers fill the file up to this size by habit."""
NAME_BYTES = 1 << 16
"""Longest extension (long name, pax records) that is read."""
LINKS_TOLD = 20

HARD_LINK, SYMBOLIC_LINK, FOLDER = b"1", b"2", b"5"
LONG_NAME, LONG_LINK = b"L", b"K"
PAX, PAX_GLOBAL = (b"x", b"X"), b"g"
SPARSE = b"S"
SPARSE_MORE_AT, SPARSE_MORE_NEXT_AT = 482, 504
"""Where the header and each following block say that more of the sparse map follows."""
SET_ID = 0o6000

WITHOUT_CONTENT: Final = {
    HARD_LINK: "hard_links",
    SYMBOLIC_LINK: "symbolic_links",
    b"3": "devices",
    b"4": "devices",
    FOLDER: "folders",
    b"6": "pipes",
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
    window: Window
    limits: Limits
    position: int = 0
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

    def read_all(self) -> None:
        """Read header after header; raise ``FormatError`` when the first is none."""
        for _ in range(2 * self.limits.entries + 2):
            block = self.window.view[self.position : self.position + BLOCK_BYTES]
            if self.position and (len(block) < BLOCK_BYTES or not any(block)):
                self._finish(complete=len(block) == BLOCK_BYTES)
                return
            try:
                self._read_header()
            except FormatError as error:
                if self.position == 0:
                    raise
                self.problems.append(f"the rest was not read: {error}")
                return
            if len(self.entries) > self.limits.entries:  # one more than may be read: then the opener says so
                return
        self.problems.append(f"more than {2 * self.limits.entries} headers; the rest was not read")

    def _read_header(self) -> None:
        start = self.position
        header = HEADER.read(self.window, start)
        self._judge(header, start)
        kind = header.kind
        size = int(self._pax.get("size", "-1")) if kind not in (*PAX, PAX_GLOBAL, LONG_NAME, LONG_LINK) else -1
        size = _number(header.size) if size < 0 else size
        self.position += BLOCK_BYTES
        if kind in (*PAX, PAX_GLOBAL, LONG_NAME, LONG_LINK):
            self._read_extension(kind, size)
            return
        name = self._pax.get("path") or self._defaults.get("path") or _name(header)
        link = self._pax.get("linkpath") or _text(header.link)
        sparse = kind == SPARSE or any(key.startswith("GNU.sparse.") for key in self._pax)
        self._pax = {}
        self._judge_name(name, header)
        if kind in WITHOUT_CONTENT:
            self._note(kind, name, link, size)
            return
        if kind == SPARSE:
            self._skip_sparse_map(start)
        if not name.endswith("/"):
            self._add(name, size, sparse=sparse)
        self.position += _padded(size)

    def _judge(self, header: TarHeader, start: int) -> None:
        """Hold the header's check sum against its bytes; a wrong one ends the reading."""
        stored = _number(header.check_sum)
        block = bytes(self.window.take(start, BLOCK_BYTES))
        computed = _check_sum(block, header.check_sum)
        valid = stored == computed or stored == _signed_check_sum(block, header.check_sum)
        if start == 0 or not valid:
            covers = f"header of '{visible(_name(header), most_characters=80)}'"
            self.verdicts.append(
                Integrity(
                    algorithm="sum of bytes", covers=covers, stored=str(stored), computed=str(computed), valid=valid
                )
            )
        if not valid:
            raise FormatError(f"tar header check sum is wrong at {self.window.origin + start:#x}")

    def _read_extension(self, kind: bytes, size: int) -> None:
        """Read a long name or pax records for what comes next; what cannot be read is left out, as many programs do."""
        data = bytes(self.window.take(self.position, size)) if size <= NAME_BYTES else b""
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

    def _judge_name(self, name: str, header: TarHeader) -> None:
        for problem in name_problems(name):
            self.tally.add(problem, name)
        if name in self._names:
            self.tally.add("name is there more than once", name)
        self._names.add(name)
        if _number(header.mode) & SET_ID:
            self.counts["set_user_or_group_id"] += 1

    def _note(self, kind: bytes, name: str, link: str, size: int) -> None:
        """Record what has no content of its own; links are told and never followed."""
        self.counts[WITHOUT_CONTENT[kind]] += 1
        if size and kind != FOLDER:
            self.tally.add("link or device claims to have content; some programs skip it and some do not", name)
        if kind in (HARD_LINK, SYMBOLIC_LINK):
            if len(self.links) < LINKS_TOLD:
                self.links.append(f"{visible(name)} -> {visible(link)}")
            if any("out of the folder" in p or "absolute" in p for p in name_problems(link)):
                self.tally.add("link points out of the folder it is unpacked to", f"{name} -> {link}")

    def _skip_sparse_map(self, start: int) -> None:
        more = self.window.take(start + SPARSE_MORE_AT, 1)[0]
        while more:
            more = self.window.take(self.position + SPARSE_MORE_NEXT_AT, 1)[0]
            self.position += BLOCK_BYTES

    def _add(self, name: str, size: int, *, sparse: bool) -> None:
        if sparse:
            self.tally.add("is stored with holes (sparse), which is not read", name)
        self.entries.append(
            Entry(
                name=visible(name),
                packed_bytes=size,
                unpacked_bytes=size,
                read=_refuse_sparse if sparse else partial(_read, self.window, self.position, size),
                offset=self.position,
            )
        )

    def _finish(self, *, complete: bool) -> None:
        """Take the blocks of zeros at the end into the archive, as far as writers put them there."""
        if not complete:
            self.problems.append("the end mark is missing: the archive may be cut short")
            return
        until = -(-(self.position + 2 * BLOCK_BYTES) // RECORD_BYTES) * RECORD_BYTES
        while self.position < until:
            block = self.window.view[self.position : self.position + BLOCK_BYTES]
            if len(block) < BLOCK_BYTES or any(block):
                return
            self.position += BLOCK_BYTES


def _open(span: Span, limits: Limits) -> Opened:
    reader = _Reader(span.window, limits)
    if not span.window.starts_with(b"ustar", 257):
        raise FormatError(f"no tar header at {span.window.origin:#x}")
    reader.read_all()
    facts: dict[str, Fact] = {"files": len(reader.entries), **dict(sorted(reader.counts.items()))}
    if reader.links:
        facts["links"] = tuple(reader.links)
    return Opened(
        size=min(reader.position, span.size),
        kind=RegionKind.CONTAINER,
        title="tar archive",
        facts=facts,
        integrity=tuple(reader.verdicts),
        entries=tuple(reader.entries),
        problems=(*reader.problems, *reader.tally.sentences()),
    )


def _read(window: Window, start: int, size: int, max_bytes: int) -> bytes:
    if size > max_bytes:
        raise LimitExceeded("entry_bytes", f"holds more than {max_bytes} bytes")
    return bytes(window.take(start, size))


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
