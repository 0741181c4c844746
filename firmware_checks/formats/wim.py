"""Windows images (WIM): Windows itself as it is installed, or the small Windows that a device boots for service."""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from firmware_checks.format import Entry, EntryKind, ImageFormat, Magic, Opened
from firmware_checks.readers.entry_names import name_problems, visible
from firmware_checks.readers.wim_resource import LZMS, LZX, STORED, XPRESS, Resource, ResourceReader
from firmware_checks.readers.windows_metadata import attribute_letters, filetime_s
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded, Truncated
from toolkit.core.layout import U16LE, U32LE, Layout, const, raw, wire
from toolkit.core.limits import MIB, Limits
from toolkit.core.problems import Problems
from toolkit.core.window import Window
from toolkit.report.model import Fact, Integrity, RegionKind

__all__ = ["FORMAT"]

MAGIC: Final = b"MSWIM\0\0\0"
HEADER_BYTES: Final = 208
COMPRESSED_FLAG = 0x2
COMPRESSIONS: Final = {0x2_0000: XPRESS, 0x4_0000: LZX, 0x8_0000: LZMS, 0x20_0000: XPRESS}
FLAGS: Final = {0x4: "read-only", 0x8: "part of a set", 0x10: "resources only", 0x20: "metadata only"}
BLOB_BYTES: Final = 50
METADATA = 0x02
NO_BLOB: Final = bytes(20)
XML_BYTES = 4 * MIB
METADATA_BYTES = 64 * MIB
"""All directories together that are read."""
IMAGES_TOLD = 16
VERDICTS = 16
"""Check values that are reported: the first and the wrong ones."""
MOST_PIECES = 4096
"""Writers make pieces of 10 MiB."""
DEEPEST = 128
"""Folders within folders that are followed."""
LEAST_NAME_LENGTH = 8

ATTRIBUTE_FOLDER, ATTRIBUTE_REPARSE = 0x10, 0x400
SYMBOLIC_LINK, JUNCTION = 0xA000_000C, 0xA000_0003
"""Tags of reparse points that lead to another path. Source: MS-FSCC 2.1.2.1."""
LINK_NAMES_AT: Final = {SYMBOLIC_LINK: 12, JUNCTION: 8}
"""Where the names start in the data of a reparse point, without the head that an image leaves out (MS-FSCC 2.1.2.4)."""

DENTRY: Final = struct.Struct("<Q2IQ16x3Q20s4xQ3H")
"""Length, attributes, security, first child, created, accessed, modified, SHA-1, link group or reparse tag, number of
other streams, bytes of the short name and of the name. Source: Microsoft, Windows Imaging File Format, DIRENTRY."""
STREAM: Final = struct.Struct("<Q8x20sH")
"""Length, SHA-1, bytes of the name. Source: as above, STREAMENTRY."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WimHeader:
    """Start of the file. Source: Microsoft, Windows Imaging File Format (2007), WIMHEADER_V1_PACKED."""

    magic: bytes = wire(const(MAGIC))
    header_bytes: int = wire(const(HEADER_BYTES, U32LE))
    version: int = wire(U32LE)
    flags: int = wire(U32LE)
    chunk_bytes: int = wire(U32LE)
    identifier: bytes = wire(raw(16))
    part: int = wire(U16LE)
    parts: int = wire(U16LE)
    images: int = wire(U32LE)
    blobs: bytes = wire(raw(24))
    xml: bytes = wire(raw(24))
    boot: bytes = wire(raw(24))
    boot_image: int = wire(U32LE)
    integrity: bytes = wire(raw(24))
    reserved: bytes = wire(raw(60))


HEADER = Layout(WimHeader, size=HEADER_BYTES)


@dataclass(slots=True)
class _Reader:
    window: Window
    header: WimHeader
    limits: Limits
    problems: Problems = field(default_factory=Problems)
    limits_hit: list[str] = field(default_factory=list)
    blobs: dict[bytes, Resource] = field(default_factory=dict)
    metadata: list[tuple[Resource, bytes]] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    resources: ResourceReader = field(init=False)
    _metadata_left: int = METADATA_BYTES
    _listed: int = 0

    def __post_init__(self) -> None:
        self.resources = ResourceReader(self.window, self.compression, self.header.chunk_bytes)

    @property
    def compression(self) -> str:
        if not self.header.flags & COMPRESSED_FLAG:
            return STORED
        return next((name for bit, name in COMPRESSIONS.items() if self.header.flags & bit), "an unknown method")

    def size(self) -> int:
        """Return where the last resource ends."""
        named = (Resource.of(data) for data in (self.header.blobs, self.header.xml, self.header.integrity))
        ends = (r.end for r in (*named, *self.blobs.values(), *(resource for resource, _ in self.metadata)))
        return max(HEADER_BYTES, *ends)

    def read_blobs(self) -> None:
        """Read the table of all pieces of content, by their SHA-1."""
        place = Resource.of(self.header.blobs)
        table = self._whole(place, "the table of content", self.limits.entries * BLOB_BYTES)
        for at in range(0, len(table) - BLOB_BYTES + 1, BLOB_BYTES):
            resource = Resource.of(table[at : at + 24])
            digest = table[at + 30 : at + BLOB_BYTES]
            if resource.flags & METADATA:
                self.metadata.append((resource, digest))
            else:
                self.blobs[digest] = resource

    def _whole(self, resource: Resource, what: str, max_bytes: int) -> bytes:
        """Return a resource that describes others, or nothing and a problem when it cannot be read."""
        try:
            return self.resources.read(resource, max_bytes)
        except FormatError as error:
            self.problems.add(f"{what} cannot be read: {error}")
        except LimitExceeded as error:
            self.limits_hit.append(f"{what} was not read: {error}")
        return b""

    def xml(self) -> str:
        """Return the description in XML."""
        data = self._whole(Resource.of(self.header.xml), "the description", XML_BYTES)
        return data.decode("utf-16", "replace") if len(data) > 1 else ""

    def read_images(self) -> None:
        """List the files of all images; where their folders cannot be read, the pieces of content by their SHA-1."""
        complete = True
        for number, (resource, digest) in enumerate(self.metadata, start=1):
            data = self._whole(resource, f"the list of files of image {number}", self._metadata_left)
            self._metadata_left -= len(data)
            complete = complete and bool(data)
            if data and hashlib.sha1(data, usedforsecurity=False).digest() != digest:
                self.problems.add(f"the list of files of image {number} does not fit its SHA-1")
            if data:
                self.entries += _Folders(self, data, f"image {number}").entries()
        if not complete or not self.metadata:
            self.entries += [self._file(f"content/{digest.hex()}", digest) for digest in self.blobs]

    def may_list(self) -> bool:
        """Count one more file; tell whether it may be listed."""
        self._listed += 1
        if self._listed > self.limits.entries:
            self.limits_hit.append(f"more than {self.limits.entries} files, the rest is not listed")
        return self._listed <= self.limits.entries

    def read_blob(self, digest: bytes, max_bytes: int) -> bytes:
        """Return a piece of content after it was compared with its SHA-1."""
        if digest == NO_BLOB:
            return b""
        if digest not in self.blobs:
            raise FormatError("its content is not in this file")
        data = self.resources.read(self.blobs[digest], max_bytes)
        if hashlib.sha1(data, usedforsecurity=False).digest() != digest:
            raise FormatError("its content does not fit its SHA-1")
        return data

    def _file(self, name: str, digest: bytes) -> Entry:
        resource = self.blobs[digest]
        return Entry(
            name=name,
            packed_bytes=resource.packed_bytes,
            unpacked_bytes=resource.unpacked_bytes,
            read=partial(self.read_blob, digest),
            offset=resource.start,
        )


@dataclass(frozen=True, slots=True)
class _Dentry:
    attributes: int
    child: int
    modified: int
    digest: bytes
    tag: int
    name: str
    streams: tuple[tuple[str, bytes], ...]
    next: int

    @property
    def content(self) -> bytes:
        """SHA-1 of the unnamed stream, which stands in one of two places."""
        if any(self.digest):
            return self.digest
        return next((digest for name, digest in self.streams if not name), NO_BLOB)


@dataclass(slots=True)
class _Folders:
    """The list of files of one image. Source: Microsoft, Windows Imaging File Format, metadata resource."""

    reader: _Reader
    data: bytes
    title: str
    _seen: set[int] = field(default_factory=set)

    def entries(self) -> Iterator[Entry]:
        """Yield everything below the root, each folder once."""
        security_bytes = int.from_bytes(self.data[:4], "little")
        try:
            root = self._dentry(_up_to_8(max(security_bytes, 8)))
        except FormatError as error:
            self.reader.problems.add(f"the folders of {self.title} cannot be read: {error}")
            return
        waiting = [(root.child, self.title, 1)]
        while waiting:
            place, path, depth = waiting.pop()
            for dentry in self._children(place):
                if not self.reader.may_list():
                    return
                name = f"{path}/{self._judged(dentry.name)}"
                yield from self._entry(dentry, name)
                if dentry.attributes & ATTRIBUTE_FOLDER and dentry.child and depth < DEEPEST:
                    waiting.append((dentry.child, name, depth + 1))

    def _judged(self, name: str) -> str:
        for problem in name_problems(name):
            self.reader.problems.add(problem, name)
        return visible(name)

    def _children(self, place: int) -> Iterator[_Dentry]:
        """Yield the entries that stand from ``place`` on, up to the one without a length."""
        while True:
            if place in self._seen:
                self.reader.problems.add(f"a folder of {self.title} contains itself")
                return
            self._seen.add(place)
            try:
                dentry = self._dentry(place)
            except FormatError as error:
                self.reader.problems.add(f"a folder of {self.title} ends early: {error}")
                return
            if not dentry.next:
                return
            yield dentry
            place = dentry.next

    def _dentry(self, place: int) -> _Dentry:
        window = Window.of(self.data)
        if int.from_bytes(window.take(place, 8), "little") <= LEAST_NAME_LENGTH:
            return _Dentry(0, 0, 0, NO_BLOB, 0, "", (), 0)
        row = DENTRY.unpack(window.take(place, DENTRY.size))
        length, attributes, _, child, _, _, modified, digest, tag, streams, _, name_bytes = row
        if length < DENTRY.size or name_bytes > length - DENTRY.size:
            raise FormatError("an entry is shorter than its name")
        name = bytes(window.take(place + DENTRY.size, name_bytes)).decode("utf-16-le", "backslashreplace")
        position = place + _up_to_8(length)
        others: list[tuple[str, bytes]] = []
        for _ in range(streams):
            stream_length, stream_digest, stream_name_bytes = STREAM.unpack(window.take(position, STREAM.size))
            if stream_length < STREAM.size + stream_name_bytes:
                raise FormatError("a stream is shorter than its name")
            text = bytes(window.take(position + STREAM.size, stream_name_bytes)).decode("utf-16-le", "backslashreplace")
            others.append((text, stream_digest))
            position += _up_to_8(stream_length)
        return _Dentry(attributes, child, modified, digest, tag & 0xFFFF_FFFF, name, tuple(others), position)

    def _entry(self, dentry: _Dentry, name: str) -> Iterator[Entry]:
        modified_s = filetime_s(dentry.modified)
        letters = attribute_letters(dentry.attributes)
        extended = {"dos.attributes": letters.encode()} if letters else {}
        if dentry.attributes & ATTRIBUTE_REPARSE:
            kind = EntryKind.SYMBOLIC_LINK
            target = self._target(dentry)
            yield Entry(name=name, packed_bytes=0, unpacked_bytes=0, kind=kind, modified_s=modified_s, target=target)
        elif dentry.attributes & ATTRIBUTE_FOLDER:
            kind = EntryKind.FOLDER
            yield Entry(
                name=name, packed_bytes=0, unpacked_bytes=0, kind=kind, modified_s=modified_s, extended=extended
            )
        else:
            yield self._file(name, dentry.content, modified_s, extended)
        for stream, digest in dentry.streams:
            if stream:
                yield self._file(f"{name}:{self._judged(stream)}", digest, modified_s, {})

    def _file(self, name: str, digest: bytes, modified_s: int | None, extended: dict[str, bytes]) -> Entry:
        resource = self.reader.blobs.get(digest)
        return Entry(
            name=name,
            packed_bytes=resource.packed_bytes if resource else 0,
            unpacked_bytes=resource.unpacked_bytes if resource else 0,
            read=partial(self.reader.read_blob, digest),
            modified_s=modified_s,
            extended=extended,
            offset=resource.start if resource and any(digest) else None,
        )

    def _target(self, dentry: _Dentry) -> str:
        """Return where a link leads to; empty for other reparse points and where it cannot be read."""
        if dentry.tag not in LINK_NAMES_AT:
            return ""
        try:
            data = Window.of(self.reader.read_blob(dentry.content, 1 << 16))
            start, size = struct.unpack("<2H", data.take(0, 4))
            text = bytes(data.take(LINK_NAMES_AT[dentry.tag] + start, size))
        except (FormatError, LimitExceeded):
            return ""
        return visible(text.decode("utf-16-le", "backslashreplace"))


def _up_to_8(length: int) -> int:
    return -(-length // 8) * 8


def _open(span: Span, limits: Limits) -> Opened:
    window = span.window
    header = HEADER.read(window)
    reader = _Reader(window, header, limits)
    if Resource.of(header.blobs).start < HEADER_BYTES or not 0 < header.part <= header.parts:
        raise FormatError(f"the header at {window.origin:#x} is none of a Windows image")
    reader.read_blobs()
    xml = reader.xml()
    reader.read_images()
    size = reader.size()
    missing = size - window.size
    cut = (f"the file is cut short: {missing} bytes are missing",) if missing > 0 else ()
    return Opened(
        size=min(size, window.size),
        kind=RegionKind.CONTAINER,
        title="Windows image (WIM)",
        facts=_facts(reader, xml),
        integrity=tuple(_integrity(window, header, limits)),
        entries=tuple(reader.entries),
        problems=(*cut, *reader.problems.sentences()),
        limits_hit=tuple(dict.fromkeys(reader.limits_hit)),
    )


def _facts(reader: _Reader, xml: str) -> dict[str, Fact]:
    header = reader.header
    facts: dict[str, Fact] = {
        "format_version": f"{header.version >> 16}.{header.version >> 8 & 0xFF}",
        "compression": reader.compression,
        "images": header.images,
        "contents": len(reader.blobs),
        "part": header.part,
        "parts": header.parts,
        "flags": tuple(name for bit, name in FLAGS.items() if header.flags & bit),
    }
    texts = {"names": "NAME", "editions": "EDITIONID"}
    for fact, tag in texts.items():
        found = re.findall(rf"<{tag}>([^<]{{1,200}})</{tag}>", xml)
        if found:
            facts[fact] = tuple(visible(text) for text in found[:IMAGES_TOLD])
    version = re.search(r"<MAJOR>(\d{1,6})</MAJOR>\s*<MINOR>(\d{1,6})</MINOR>\s*<BUILD>(\d{1,8})</BUILD>", xml)
    if version:
        facts["version"] = ".".join(version.groups())
    return facts


def _integrity(window: Window, header: WimHeader, limits: Limits) -> Iterator[Integrity]:
    """Yield verdicts on the SHA-1 of each piece of the file, where a table of them is there.

    Source: Microsoft, Windows Imaging File Format: size, number of pieces, size of a piece, then the SHA-1 of each;
    they cover everything from the end of the header to the end of the table of content.
    """
    table = Resource.of(header.integrity)
    end = Resource.of(header.blobs).end
    if not table.packed_bytes or end > min(window.size, limits.entry_bytes):
        return
    try:
        _, count, piece_bytes = struct.unpack("<3I", window.take(table.start, 12))
        digests = window.take(table.start + 12, 20 * count)
    except Truncated:
        return
    if piece_bytes == 0 or count > MOST_PIECES or count != -(-(end - HEADER_BYTES) // piece_bytes):
        return
    told = 0
    for index in range(count):
        start = HEADER_BYTES + index * piece_bytes
        data = window.take(start, min(piece_bytes, end - start))
        computed = hashlib.sha1(data, usedforsecurity=False).hexdigest()
        stored = digests[20 * index : 20 * index + 20].hex()
        valid = stored == computed
        if (index == 0 or not valid) and told < VERDICTS:
            told += 1
            covers = f"bytes {start:#x} to {start + len(data):#x}"
            yield Integrity(algorithm="sha1", covers=covers, stored=stored, computed=computed, valid=valid)


def _example() -> bytes:
    """Build an image of a folder with one file, stored."""
    content = b"[pump]\r\nrate=5\r\n"
    digest = hashlib.sha1(content, usedforsecurity=False).digest()
    root_children = 8 + _up_to_8(DENTRY.size) + 8
    folder = _dentry_of("Windows", ATTRIBUTE_FOLDER, NO_BLOB, child=root_children + 8 + 120)
    metadata = struct.pack("<2I", 8, 0) + _dentry_of("", ATTRIBUTE_FOLDER, NO_BLOB, child=root_children) + bytes(8)
    metadata += folder + bytes(8) + _dentry_of("pump.ini", 0x20, digest) + bytes(8)
    xml = '\ufeff<WIM><IMAGE INDEX="1"><NAME>Pump</NAME></IMAGE></WIM>'.encode("utf-16-le")
    body, table = b"", b""
    for data, flags in ((content, 0), (metadata, METADATA)):
        resource = Resource(len(data), flags, HEADER_BYTES + len(body), len(data))
        table += resource.build() + struct.pack("<HI", 1, 1) + hashlib.sha1(data, usedforsecurity=False).digest()
        body += data
    at = HEADER_BYTES + len(body)
    header = WimHeader(
        magic=MAGIC, header_bytes=HEADER_BYTES, version=0x1_0D00, flags=0, chunk_bytes=0, identifier=bytes(16),
        part=1, parts=1, images=1, blobs=Resource(len(table), 0, at, len(table)).build(),
        xml=Resource(len(xml), 0, at + len(table), len(xml)).build(), boot=bytes(24), boot_image=0,
        integrity=bytes(24), reserved=bytes(60),
    )  # fmt: skip
    return HEADER.build(header) + body + table + xml


def _dentry_of(name: str, attributes: int, digest: bytes, *, child: int = 0) -> bytes:
    """Return one entry of a list of files, modified on 2020-01-01."""
    text = name.encode("utf-16-le")
    length = _up_to_8(DENTRY.size + len(text) + (2 if text else 0))
    modified = 132_223_104_000_000_000
    row = DENTRY.pack(length, attributes, -1 & 0xFFFF_FFFF, child, 0, 0, modified, digest, 0, 0, 0, len(text))
    return (row + text).ljust(length, b"\0")


FORMAT = ImageFormat(
    name="wim",
    title="Windows image (WIM)",
    source="Microsoft, Windows Imaging File Format (WIM) white paper, 2007; MS-XCA (XPRESS); MS-PATCH 2 (LZX); MS-FSCC",
    limits=(
        "Stored, XPRESS and LZX (chunks of 32 KiB) content is read, compressed up to 64 MiB a file; LZMS and solid "
        "images (ESD) are only listed, as far as their list of files can be read. "
        "Access rights and short names are not read."
    ),
    open=_open,
    magics=(Magic(rb"MSWIM\x00{3}\xd0\x00{3}"),),
    example=_example,
)
