"""7z archives: files packed together, with their description packed at the end."""

from __future__ import annotations

import struct
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from firmware_checks.format import Entry, EntryKind, ImageFormat, Magic, Opened
from firmware_checks.readers.entry_names import name_problems, visible
from firmware_checks.readers.inode_tree import PATH_CHARACTERS
from firmware_checks.readers.seven_zip_folder import ENCRYPTED, method_name, unpack_folder
from firmware_checks.readers.seven_zip_header import (
    ENCODED_HEADER,
    HEADER,
    Description,
    File,
    Folder,
    HeaderBytes,
    Streams,
    read_description,
    read_streams,
)
from firmware_checks.readers.seven_zip_stream import FolderStream, lzma_chain
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded, MedhardenError
from toolkit.core.layout import U8, U32LE, U64LE, Layout, const, wire
from toolkit.core.limits import Limits
from toolkit.core.problems import Problems
from toolkit.core.window import Window
from toolkit.report.model import Fact, Integrity, RegionKind

__all__ = ["FORMAT"]

MAGIC = b"7z\xbc\xaf\x27\x1c"
START_CRC_FROM = 12
MOST_HEADERS = 4
"""A header may be packed, and so may be the header of that; writers pack it once."""
HEADER_BYTES = 32 << 20
"""A quarter of a million files with names of 60 letters."""
OPEN_FOLDERS = 2
UNIX_EXTENSION = 0x8000
"""Bit of the attributes: the upper half is a Unix mode. Source: p7zip, FILE_ATTRIBUTE_UNIX_EXTENSION."""
FILETIME_UNIX_EPOCH_S = 11_644_473_600
FILETIME_PER_S: Final = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SevenZipStart:
    """First bytes of an archive. Source: LZMA SDK 23.01, DOC/7zFormat.txt."""

    magic: bytes = wire(const(MAGIC))
    major: int = wire(U8)
    minor: int = wire(U8)
    start_crc32: int = wire(U32LE)
    """Of the three fields that follow."""
    header_offset: int = wire(U64LE)
    """Counted from the end of these bytes."""
    header_bytes: int = wire(U64LE)
    header_crc32: int = wire(U32LE)


START = Layout(SevenZipStart, size=32)


@dataclass(slots=True)
class _Unpacker:
    """Unpacks folders; the last two stay open, as files are asked for nearly in their order, by several threads."""

    window: Window
    streams: Streams
    most_bytes: int
    _starts: tuple[int, ...] = field(init=False)
    """Where each packed stream starts."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _open: dict[int, FolderStream | bytes | MedhardenError] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._starts = tuple(accumulate(self.streams.packed_sizes, initial=START.size + self.streams.position))

    def read(self, number: int, start: int, size: int) -> bytes:
        """Return ``size`` bytes from ``start`` on of what folder ``number`` unpacks to."""
        with self._lock:
            if number not in self._open:
                while len(self._open) >= OPEN_FOLDERS:
                    del self._open[next(iter(self._open))]
                try:
                    self._open[number] = self._opened(self.streams.folders[number])
                except (FormatError, LimitExceeded) as error:
                    self._open[number] = error
            content = self._open[number]
            if isinstance(content, MedhardenError):
                raise content
            return content.read(start, size) if isinstance(content, FolderStream) else content[start : start + size]

    def _opened(self, folder: Folder) -> FolderStream | bytes:
        sizes = self.streams.packed_sizes
        if folder.first_stream >= len(sizes):
            raise FormatError("has no packed bytes")
        packed = self.window.take(self._starts[folder.first_stream], sizes[folder.first_stream])
        chain = lzma_chain(folder)
        if chain is not None:
            return FolderStream(chain, packed, folder.size, self.most_bytes)
        largest = max(folder.sizes)
        if largest > self.most_bytes:
            raise LimitExceeded("entry_bytes", f"is packed in one piece of {largest} bytes, {self.most_bytes} may be")
        return unpack_folder(folder, packed)


@dataclass(frozen=True, slots=True)
class _Content:
    """The bytes ``[start, start + size)`` of an unpacked folder."""

    unpacker: _Unpacker
    folder: int
    start: int
    size: int
    crc32: int | None

    def read(self, max_bytes: int) -> bytes:
        """Return the file; raise ``FormatError`` when its check value is wrong."""
        if self.size > max_bytes:
            raise LimitExceeded("entry_bytes", f"unpacks to more than {max_bytes} bytes")
        data = self.unpacker.read(self.folder, self.start, self.size)
        computed = zlib.crc32(data)
        if self.crc32 is not None and computed != self.crc32:
            raise FormatError(f"is damaged: its crc32 is {computed:08x}, the archive says {self.crc32:08x}")
        return data


def _open(span: Span, limits: Limits) -> Opened:
    window = span.window
    start = START.read(window)
    computed = zlib.crc32(window.take(START_CRC_FROM, START.size - START_CRC_FROM))
    if computed != start.start_crc32:
        raise FormatError(f"the check value of the 7z start header is wrong at {window.origin:#x}")
    size = START.size + start.header_offset + start.header_bytes
    verdicts = [_verdict("start header", start.start_crc32, computed)]
    problems = Problems()
    description = Description()
    try:
        header = window.take(START.size + start.header_offset, start.header_bytes)
        verdicts.append(_verdict("header", start.header_crc32, zlib.crc32(header)))
        description = _described(window, header, limits)
    except (FormatError, LimitExceeded) as error:
        problems.add(f"its list of files cannot be read: {error}")
    entries = tuple(_entries(window, description, limits, problems))
    return Opened(
        size=min(size, window.size),
        kind=RegionKind.CONTAINER,
        title="7z archive",
        facts={"version": f"{start.major}.{start.minor}", **_facts(description, entries)},
        integrity=tuple(verdicts),
        entries=entries[: limits.entries],
        in_order=True,
        problems=problems.sentences(),
        limits_hit=(f"more than {limits.entries} files, the rest was not listed",)
        if len(entries) > limits.entries
        else (),
    )


def _verdict(covers: str, stored: int, computed: int) -> Integrity:
    return Integrity(
        algorithm="crc32", covers=covers, stored=f"{stored:08x}", computed=f"{computed:08x}", valid=stored == computed
    )


def _described(window: Window, header: memoryview | bytes, limits: Limits) -> Description:
    """Return what ``header`` describes; it is unpacked first when it is packed itself."""
    most_bytes = min(HEADER_BYTES, limits.entry_bytes)
    for _ in range(MOST_HEADERS):
        if not header:
            return Description()
        if len(header) > HEADER_BYTES:
            raise FormatError(f"its header has {len(header)} bytes")
        reader = HeaderBytes(header)
        kind = reader.byte()
        if kind == HEADER:
            return read_description(reader)
        if kind != ENCODED_HEADER:
            break
        streams = read_streams(reader)
        if not streams.folders:
            break
        unpacked_bytes = streams.folders[0].size
        if unpacked_bytes > most_bytes:
            raise LimitExceeded("entry_bytes", f"its header unpacks to {unpacked_bytes} bytes, {most_bytes} may be")
        header = _Unpacker(window, streams, most_bytes).read(0, 0, unpacked_bytes)
    raise FormatError("no 7z header stands where it should")


def _entries(window: Window, description: Description, limits: Limits, problems: Problems) -> Iterator[Entry]:
    """Yield one more entry than may be listed at most."""
    contents = _contents(_Unpacker(window, description.streams, limits.entry_bytes))
    names: set[str] = set()
    left = limits.entries + 1
    for file in description.files:
        content = next(contents, None) if file.has_content else None
        if file.is_anti or (file.has_content and content is None):
            problems.add("a file is named that has no content", file.name)
            continue
        for problem in name_problems(file.name):
            problems.add(problem, file.name)
        if file.name in names:
            problems.add("name is there more than once", file.name)
        names.add(file.name)
        if not left:
            return
        left -= 1
        yield _entry(file, content)


def _contents(unpacker: _Unpacker) -> Iterator[_Content]:
    """Yield the files of all folders in the order in which they stand."""
    streams = unpacker.streams
    rows = iter(zip(streams.sizes, streams.sums, strict=True))
    for number, count in enumerate(streams.counts):
        place = 0
        for _ in range(count):
            size, crc32 = next(rows)
            yield _Content(unpacker, number, place, size, crc32)
            place += size


def _entry(file: File, content: _Content | None) -> Entry:
    attributes = file.attributes or 0
    name = visible(file.name, most_characters=PATH_CHARACTERS)
    mode = attributes >> 16 & 0o7777 if attributes & UNIX_EXTENSION else None
    modified = None if file.modified is None else file.modified // FILETIME_PER_S - FILETIME_UNIX_EPOCH_S
    if content is None:
        kind = EntryKind.FOLDER if file.is_folder else EntryKind.FILE
        return Entry(name=name, packed_bytes=0, unpacked_bytes=0, kind=kind, mode=mode, modified_s=modified)
    return Entry(
        name=name,
        packed_bytes=_packed_bytes(content),
        unpacked_bytes=content.size,
        read=content.read,
        mode=mode,
        modified_s=modified,
    )


def _packed_bytes(content: _Content) -> int:
    """Return the file's share of the packed bytes of its folder, by its share of the unpacked ones."""
    streams = content.unpacker.streams
    folder = streams.folders[content.folder]
    packed = sum(streams.packed_sizes[folder.first_stream : folder.first_stream + len(folder.packed)])
    return -(-packed * content.size // folder.size) if folder.size else 0


def _facts(description: Description, entries: tuple[Entry, ...]) -> dict[str, Fact]:
    coders = [coder for folder in description.streams.folders for coder in folder.coders]
    methods = tuple(dict.fromkeys(method_name(coder) for coder in coders))
    facts: dict[str, Fact] = {"files": sum(entry.kind is EntryKind.FILE for entry in entries)}
    if methods:
        facts["methods"] = methods[:20]
        facts["encrypted"] = ENCRYPTED in methods
    return facts


def _example() -> bytes:
    """Build an archive of two files that are stored one after the other."""
    files = {"pump.ini": b"rate = 5\n", "pump.bin": b"pump 1.2"}
    data = b"".join(files.values())
    names = b"".join(name.encode("utf-16-le") + b"\0\0" for name in files)
    first = len(files["pump.ini"])
    sums = b"".join(struct.pack("<I", zlib.crc32(content)) for content in files.values())
    header = (
        bytes([HEADER, 4, 6, 0, 1, 9, len(data), 0])  # one packed stream
        + bytes([7, 0x0B, 1, 0, 1, 1, 0, 0x0C, len(data), 0])  # one folder, stored
        + bytes([8, 0x0D, 2, 9, first, 0x0A, 1]) + sums + bytes([0, 0])  # two files in it
        + bytes([5, 2, 0x11, len(names) + 1, 0]) + names + bytes([0, 0])
    )  # fmt: skip
    tail = struct.pack("<QQI", len(data), len(header), zlib.crc32(header))
    return MAGIC + struct.pack("<BBI", 0, 4, zlib.crc32(tail)) + tail + data + header


FORMAT = ImageFormat(
    name="7z",
    title="7z archive",
    source="LZMA SDK 23.01, DOC/7zFormat.txt and DOC/Methods.txt",
    limits="Files packed with BCJ2, PPMd, deflate64, ARM64 or RISC-V filters, or with a password, are listed and not "
    "read, and so are files packed together to more than 256 MiB. A symbolic link is a file that holds its target.",
    open=_open,
    magics=(Magic(rb"7z\xbc\xaf\x27\x1c\x00"),),
    example=_example,
)
