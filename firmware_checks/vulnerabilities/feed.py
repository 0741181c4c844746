"""Files of vulnerability data: what kind they are, and their records one after the other."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TypeVar, cast

import msgspec

from firmware_checks.vulnerabilities.record import Record, SourceKind
from toolkit.core.errors import FormatError, InputError
from toolkit.core.registry import discover

__all__ = [
    "CsafAdvisory",
    "Cycle",
    "Epss",
    "Feed",
    "FeedHead",
    "Item",
    "KnownExploited",
    "Member",
    "UnknownFeed",
    "decode",
    "feed_of",
    "feeds",
    "members",
]

HEAD_BYTES = 1 << 12
"""So much of a file tells what kind it is."""
LARGEST_DOCUMENT_BYTES = 1 << 30
"""One JSON document in memory; the largest year of the NVD has 250 MB."""
LARGEST_LINE_BYTES = 16 << 20
LARGEST_MEMBER_BYTES = 64 << 20
TAR_MAGIC_AT = 257
BUFFER_BYTES = 1 << 18
CHUNK_BYTES = 1 << 20
MOST_MEMBERS = 1_000_000
_UNPACK_ERRORS = (OSError, EOFError, lzma.LZMAError, zlib.error, tarfile.TarError, zipfile.BadZipFile)
Decoded = TypeVar("Decoded")


class UnknownFeed(FormatError):
    """None of the formats that can be imported."""


class KnownExploited(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of CISA's list of what is exploited."""

    name: str
    added: str
    due: str = ""
    ransomware: bool = False
    title: str = ""
    action: str = ""


class Epss(msgspec.Struct, frozen=True, gc=False):
    """How probable it is that a vulnerability is exploited within 30 days, and its rank; both from 0 to 1."""

    name: str
    probability: float
    percentile: float


class Cycle(msgspec.Struct, frozen=True, kw_only=True):
    """A line of versions of a product and until when it is supported; dates or True and False."""

    product: str
    label: str
    identifiers: tuple[str, ...]
    cycle: str
    released: str = ""
    end_of_support: str = ""
    """Day on which free support ends; ``yes`` where it has ended on no known day, ``no`` where it goes on."""
    end_of_paid_support: str = ""
    latest: str = ""


class CsafAdvisory(msgspec.Struct, frozen=True, kw_only=True):
    """A security advisory of CISA or a maker, with what it says about each product."""

    id: str
    title: str
    publisher: str = ""
    released: str = ""
    url: str = ""
    products: tuple[tuple[str, str, str, str, str], ...] = ()
    """Vulnerability, status, vendor, product, version text."""


Item = Record | KnownExploited | Epss | Cycle | CsafAdvisory


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedHead:
    """What a file says about itself."""

    kind: str
    date: str = ""
    """Day of the data in ISO 8601; empty where the file does not say."""
    version: str = ""


@dataclass(slots=True)
class Member:
    """One file, or one file of an archive, unpacked."""

    name: str
    stream: IO[bytes]
    head: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.head = self.stream.read(HEAD_BYTES)

    def lines(self) -> Iterator[bytes]:
        """Yield the lines, unpacked one after the other; raise ``InputError`` when one is too long."""
        *whole, rest = self.head.split(b"\n")
        yield from whole
        while line := self.stream.readline(LARGEST_LINE_BYTES):
            if len(rest) + len(line) > LARGEST_LINE_BYTES:
                raise InputError(f"{self.name}: a line of more than {LARGEST_LINE_BYTES} bytes, which no such file has")
            yield (rest + line).rstrip(b"\n")
            rest = b""
        if rest:
            yield rest

    def data(self, largest_bytes: int = LARGEST_DOCUMENT_BYTES) -> bytearray:
        """Return all bytes, which are in memory once; raise ``InputError`` when there are too many."""
        data = bytearray(self.head)
        while chunk := self.stream.read(CHUNK_BYTES):
            data += chunk
            if len(data) > largest_bytes:
                raise InputError(f"{self.name}: more than {largest_bytes} bytes, which no such file has")
        return data


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """One format of vulnerability data."""

    name: str
    title: str
    recognises: Callable[[Member], bool]
    """Tells from the first bytes whether a member is of this format."""
    read: Callable[[Member], Iterator[FeedHead | Item]]
    """Yields what the member holds; raises ``FormatError`` when it is broken."""
    source: SourceKind | None = None
    """Whose records they are; None where it holds no records."""


def feeds() -> dict[str, Feed]:
    """Return all formats by name."""
    return discover("firmware_checks.vulnerabilities.feeds", attribute="FEED", kind=Feed, group=None)


def feed_of(member: Member, known: dict[str, Feed]) -> Feed:
    """Return the format of ``member``; raise ``UnknownFeed`` when it is none we know."""
    for feed in known.values():
        if feed.recognises(member):
            return feed
    raise UnknownFeed("this is no vulnerability data we know")


def decode(data: bytes | bytearray | msgspec.Raw, kind: type[Decoded]) -> Decoded:
    """Decode JSON; raise ``FormatError`` with what is wrong and where."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(str(error)) from error


def members(path: Path) -> Iterator[Member]:
    """Yield the files in ``path``: itself, unpacked, or what an archive holds; raise ``InputError``."""
    try:
        with path.open("rb") as file:
            yield from _members(path.name, file)
    except _UNPACK_ERRORS as error:
        raise InputError(f"{path}: cannot be read to its end: {error}") from error


def _members(name: str, file: io.BufferedReader) -> Iterator[Member]:
    stream = _unpacked(file)
    start = stream.peek(TAR_MAGIC_AT + 5)
    if start[:4] == b"PK\x03\x04":
        yield from _zip_members(stream)
    elif start[TAR_MAGIC_AT : TAR_MAGIC_AT + 5] == b"ustar":
        yield from _tar_members(stream)
    else:
        yield Member(name, stream)


def _unpacked(file: io.BufferedReader) -> io.BufferedReader:
    start = file.peek(6)
    if start[:2] == b"\x1f\x8b":
        return io.BufferedReader(cast("io.RawIOBase", gzip.GzipFile(fileobj=file)), BUFFER_BYTES)
    if start[:6] == b"\xfd7zXZ\x00":
        return io.BufferedReader(cast("io.RawIOBase", lzma.LZMAFile(file)), BUFFER_BYTES)
    if start[:3] == b"BZh":
        return io.BufferedReader(cast("io.RawIOBase", bz2.BZ2File(file)), BUFFER_BYTES)
    return file


def _tar_members(stream: IO[bytes]) -> Iterator[Member]:
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for count, info in enumerate(archive):
            if count > MOST_MEMBERS:
                raise InputError("more files than any archive of vulnerability data has")
            content = archive.extractfile(info) if info.isfile() and info.size <= LARGEST_MEMBER_BYTES else None
            if content is not None and _is_data(info.name):
                yield Member(info.name, io.BytesIO(content.read()))


def _zip_members(file: IO[bytes]) -> Iterator[Member]:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist()[:MOST_MEMBERS]:
            if not info.is_dir() and _is_data(info.filename):
                with archive.open(info) as stream:
                    yield Member(info.filename, stream)


def _is_data(name: str) -> bool:
    return name.lower().endswith((".json", ".jsonl", ".csv", ".yaml", ".yml"))
