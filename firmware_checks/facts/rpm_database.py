"""The database of installed packages of rpm, in its three forms: SQLite, ndb and Berkeley DB.

All three hold one binary header for each package: an index of tags, then their values. Only name, version, release and
source package are read.
"""

from __future__ import annotations

import re
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing

from firmware_checks.fact_reader import Content, Fact, FactReader, Relation, Statement
from firmware_checks.readers.byte_search import positions
from toolkit.core.errors import FormatError
from toolkit.core.window import Window

__all__ = ["READER"]

NAME, VERSION, RELEASE, SOURCE = 1000, 1001, 1002, 1044
TEXT_TYPES = frozenset({6, 9})
MOST_PACKAGES, MOST_TAGS, MOST_BYTES = 20_000, 4096, 256 << 20
MOST_HEADER_BYTES = 8 << 20
SQLITE_MAGIC = b"SQLite format 3\0"
NDB_MAGIC, NDB_BLOB = b"RpmP", b"BlbS"
NDB_BLOB_HEADER_BYTES = 16
BDB_MAGICS = frozenset({0x061561, 0x053162})
"""Hash and B-tree, at byte 12 of the first page. Source: Berkeley DB, dbinc/db_page.h."""
OVERFLOW_PAGE, PAGE_HEADER_BYTES = 7, 26
_SOURCE_NAME = re.compile(r"(?P<name>.+)-[^-]+-[^-]+\.(?:no)?src\.rpm")


def _read(content: Content) -> Iterator[Fact]:
    window = content.span.window
    if window.size > MOST_BYTES:
        return
    for number, (offset, header) in enumerate(_headers(window)):
        if number == MOST_PACKAGES:
            return
        tags = _tags(header)
        name, version = tags.get(NAME), tags.get(VERSION)
        if name and version:
            source = _SOURCE_NAME.fullmatch(tags.get(SOURCE, ""))
            yield Statement(
                name=source["name"] if source else name,
                version=version,
                release=f"{version}-{tags[RELEASE]}" if RELEASE in tags else version,
                relation=Relation.LISTS,
                offset=offset,
                excerpt=f"{name} {version}",
                purl_type="rpm",
            )


def _headers(window: Window) -> Iterator[tuple[int, bytes]]:
    """Yield where each package's header stands, as far as the form tells, and its bytes."""
    if window.starts_with(SQLITE_MAGIC):
        return _in_sqlite(window)
    if window.starts_with(NDB_MAGIC):
        return _in_ndb(window)
    return _in_berkeley(window)


def _in_sqlite(window: Window) -> Iterator[tuple[int, bytes]]:
    with closing(sqlite3.connect(":memory:")) as database:
        try:
            database.deserialize(bytes(window.view))
            database.execute("PRAGMA query_only = 1")
            rows = database.execute("SELECT blob FROM Packages LIMIT ?", (MOST_PACKAGES,))
            for (blob,) in rows:
                if isinstance(blob, bytes):
                    yield 0, blob
        except (sqlite3.Error, OverflowError) as error:
            raise FormatError(f"the package database cannot be read: {error}") from None


def _in_ndb(window: Window) -> Iterator[tuple[int, bytes]]:
    for place in positions(window, NDB_BLOB, 0, window.size):
        if place % NDB_BLOB_HEADER_BYTES == 0 and place + NDB_BLOB_HEADER_BYTES <= window.size:
            (size,) = struct.unpack("<I", window.take(place + 12, 4))
            start = place + NDB_BLOB_HEADER_BYTES
            yield start, bytes(window.view[start : start + min(size, MOST_HEADER_BYTES)])


def _in_berkeley(window: Window) -> Iterator[tuple[int, bytes]]:
    """Yield what stands on chains of overflow pages: a header is too large for an ordinary one."""
    order = "<" if struct.unpack("<I", window.take(12, 4))[0] in BDB_MAGICS else ">"
    (page_bytes,) = struct.unpack(f"{order}I", window.take(20, 4))
    if page_bytes not in {512 << shift for shift in range(8)}:
        raise FormatError(f"no page of a database has {page_bytes} bytes")
    row = struct.Struct(f"{order}8xIIIHHBB")
    pages = window.size // page_bytes
    for number in range(1, pages):
        _, previous, _, _, _, _, kind = row.unpack(window.take(number * page_bytes, PAGE_HEADER_BYTES))
        if kind == OVERFLOW_PAGE and previous == 0:
            yield number * page_bytes + PAGE_HEADER_BYTES, _chain(window, row, page_bytes, number)


def _chain(window: Window, row: struct.Struct, page_bytes: int, first: int) -> bytes:
    data, number, seen = bytearray(), first, set[int]()
    while number and number not in seen and (number + 1) * page_bytes <= window.size and len(data) < MOST_HEADER_BYTES:
        seen.add(number)
        _, _, following, _, used, _, kind = row.unpack(window.take(number * page_bytes, PAGE_HEADER_BYTES))
        if kind != OVERFLOW_PAGE:
            break
        start = number * page_bytes + PAGE_HEADER_BYTES
        data += window.view[start : start + min(used, page_bytes - PAGE_HEADER_BYTES)]
        number = following
    return bytes(data)


def _tags(header: bytes) -> dict[int, str]:
    """Return the texts of the tags we act on. Source: rpm, header format: index of 16-byte rows, big endian."""
    if len(header) < 8:  # two counts
        return {}
    rows, size = struct.unpack_from(">II", header)
    if rows > MOST_TAGS:
        return {}
    values = header[8 + 16 * rows : 8 + 16 * rows + size]
    found = {}
    for tag, kind, offset, _ in struct.iter_unpack(">IIII", header[8 : 8 + 16 * rows][: len(header[8:]) // 16 * 16]):
        if tag in {NAME, VERSION, RELEASE, SOURCE} and kind in TEXT_TYPES:
            found[tag] = values[offset : offset + 256].partition(b"\0")[0].decode("utf-8", "replace")
    return found


def _wants(content: Content) -> bool:
    return content.name in {"Packages", "Packages.db", "rpmdb.sqlite"} and "/rpm/" in f"/{content.path}"


def _example() -> tuple[str, bytes]:
    texts = {
        NAME: "libopenssl1_1",
        VERSION: "1.1.1l",
        RELEASE: "150400.7",
        SOURCE: "openssl-1_1-1.1.1l-150400.7.src.rpm",
    }
    index, values = b"", b""
    for tag, text in texts.items():
        index += struct.pack(">IIII", tag, 6, len(values), 1)
        values += text.encode() + b"\0"
    header = struct.pack(">II", len(texts), len(values)) + index + values
    blob = NDB_BLOB + struct.pack("<III", 1, 0, len(header)) + header
    return "usr/lib/sysimage/rpm/Packages.db", NDB_MAGIC.ljust(16, b"\0") + blob


READER = FactReader(
    name="rpm-database",
    title="rpm database",
    source="rpm: docs/manual/hregions, lib/backend/ndb/rpmpkg.c, lib/backend/sqlite.c; Berkeley DB dbinc/db_page.h",
    wants=_wants,
    read=_read,
    example=_example,
    states=(("openssl-1_1", "1.1.1l"),),
)
