"""YAFFS2 file systems on NAND flash: pages of content, each with a few bytes beside it that say what it is.

These tags stand in the spare bytes of each page, so a dump without spare bytes cannot be read. Nothing in the image
says how large pages and spare bytes are; what fits is found out. The page with the highest sequence number counts.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from firmware_checks.format import EntryKind, ImageFormat, Magic, Opened
from firmware_checks.readers.entry_names import visible
from firmware_checks.readers.inode_tree import Inode, kind_of_mode, wide_device
from firmware_checks.readers.lost_folders import LOST, lost_folders
from firmware_checks.readers.tree_listing import list_tree
from firmware_checks.readers.yaffs2_pages import (
    ERASED,
    FILE,
    FOLDER,
    HARD_LINK,
    HEADER_BYTES,
    HEADER_FLAG,
    LOWEST_SEQUENCE,
    MOST_OBJECT,
    ROOT,
    SHRINK_FLAG,
    SYMBOLIC_LINK,
    Geometry,
    Tags,
    find_geometry,
    judge,
)
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.problems import Problems
from toolkit.core.window import Window
from toolkit.report.model import Fact, RegionKind

__all__ = ["FORMAT"]

UNLINKED, DELETED = 3, 4
"""Folders that stand for "nowhere"."""
BLOCK_PAGES = 64
MOST_FOREIGN = 256
"""Pages in a row that are no part of it and may be a few broken blocks; more are something else."""
PAGES_PER_ENTRY = 10
"""So many pages are read for each entry that may be listed: a million by default, 2 GiB of the usual pages."""


@dataclass(slots=True)
class _System:
    """Where the newest pages of all objects stand."""

    window: Window
    geometry: Geometry
    most_pages: int
    problems: Problems = field(default_factory=lambda: Problems(unit="page"))
    counts: Counter[str] = field(default_factory=Counter)
    end: int = 0
    headers: dict[int, int] = field(default_factory=dict)
    contents: dict[int, dict[int, int]] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)
    children: dict[int, list[tuple[bytes, int]]] = field(default_factory=dict)
    lost: dict[int, bytes] = field(default_factory=dict)
    full: bool = False

    def load(self) -> None:
        """Look at all pages, then apply them in the order they were written."""
        for place in sorted(self._used()):
            page = place & ERASED
            tags = self.geometry.tags(self.window, page)
            if tags.is_header:
                self._take_header(page, tags)
            else:
                self.contents.setdefault(tags.number, {})[tags.chunk] = page
                reach = (tags.chunk - 1) * self.geometry.page_bytes + tags.data_bytes
                self.sizes[tags.number] = max(self.sizes.get(tags.number, 0), reach)
        for number, page in self.headers.items():
            header = self.geometry.header(self.window, page)
            stands_for = header.equivalent if header.type == HARD_LINK else number
            if number != ROOT:
                self.children.setdefault(header.parent, []).append((header.name.split(b"\0", 1)[0], stands_for))
        self.lost = lost_folders(self.children, self._members, (ROOT, UNLINKED, DELETED), self.problems)

    def _members(self, folder: int) -> Iterator[int]:
        return (number for _, number in self.children.get(folder, ()))

    def _used(self) -> Iterator[int]:
        """Yield sequence number and page, in one number, of each page in use, until what follows is foreign."""
        foreign = 0
        for page in range(self.geometry.pages(self.window)):
            kind = judge(self.window, self.geometry, page)
            foreign = foreign + 1 if kind == "foreign" else 0
            if foreign > MOST_FOREIGN:
                return
            if kind not in ("used", "checkpoint"):
                continue
            self.end = page + 1
            self.counts[kind] += 1
            if kind == "used":
                yield self.geometry.tags(self.window, page).sequence << 32 | page
                if self.counts["used"] >= self.most_pages:
                    self.full = True
                    return

    def _take_header(self, page: int, tags: Tags) -> None:
        number, header = tags.number, self.geometry.header(self.window, page)
        self.headers[number] = page
        self.sizes[number] = header.size if header.type == FILE else 0
        if 0 < header.shadowed < MOST_OBJECT and header.shadowed != number:
            self.headers.pop(header.shadowed, None)
        flags = tags.chunk & HEADER_FLAG and tags.chunk & SHRINK_FLAG
        if flags or header.is_shrink == 1:
            chunks = self.contents.get(number, {})
            for chunk in [c for c in chunks if (c - 1) * self.geometry.page_bytes >= header.size]:
                del chunks[chunk]

    def names(self, folder: int) -> Iterator[tuple[bytes, int]]:
        """See ``FileSystem``."""
        yield from sorted(self.children.get(folder, ()))
        if folder == ROOT:
            yield from ((name, lost) for lost, name in self.lost.items())

    def inode(self, number: int) -> Inode:
        """See ``FileSystem``."""
        page = self.headers.get(number)
        if page is None and number in self.lost:
            return LOST
        if page is None:
            raise FormatError("a hard link to it is there, its header is not")
        header = self.geometry.header(self.window, page)
        chunks = self.contents.get(number, {})
        kinds = {FILE: EntryKind.FILE, SYMBOLIC_LINK: EntryKind.SYMBOLIC_LINK, FOLDER: EntryKind.FOLDER}
        kind = kinds.get(header.type) or kind_of_mode(header.mode)
        if kind is None or header.type == HARD_LINK:
            raise FormatError(f"object {number} is of no known kind")
        size = self.sizes[number]
        alias = header.alias.split(b"\0", 1)[0] if kind is EntryKind.SYMBOLIC_LINK else b""
        return Inode(
            kind=kind,
            read=partial(_read, self.window, self.geometry, chunks, size),
            packed_bytes=len(chunks) * self.geometry.stride,
            unpacked_bytes=size,
            mode=header.mode & 0o7777,
            uid=header.uid,
            gid=header.gid,
            modified_s=header.modified_s,
            target=visible(alias.decode("utf-8", "backslashreplace")),
            device=wide_device(header.device) if "device" in kind else None,
            extended=self._attributes(page),
            offset=page * self.geometry.stride,
        )

    def _attributes(self, page: int) -> Mapping[str, bytes]:
        """Return the extended attributes behind the header: each with its size, its name and its value."""
        start = page * self.geometry.stride
        area = self.window.view[start + HEADER_BYTES : start + self.geometry.page_bytes]
        values: dict[str, bytes] = {}
        while len(area) > 4:
            (size,) = struct.unpack_from(f"{self.geometry.order}i", area)
            if not 4 < size <= len(area):
                break
            name, nul, value = bytes(area[4:size]).partition(b"\0")
            if nul:
                values[visible(name.decode("utf-8", "backslashreplace"))] = value
            area = area[size:]
        return values


def _read(window: Window, geometry: Geometry, chunks: Mapping[int, int], size: int, max_bytes: int) -> bytes:
    if size > max_bytes:
        raise LimitExceeded("entry_bytes", f"holds more than {max_bytes} bytes")
    content = bytearray(size)
    for chunk, page in chunks.items():
        start = (chunk - 1) * geometry.page_bytes
        length = min(geometry.tags(window, page).data_bytes, size - start)
        if length > 0:
            content[start : start + length] = window.take(page * geometry.stride, length)
    return bytes(content)


def _open(span: Span, limits: Limits) -> Opened:
    geometry = find_geometry(span.window)
    system = _System(span.window, geometry, PAGES_PER_ENTRY * limits.entries)
    system.load()
    listing = list_tree(system, ROOT, limits, system.problems)
    facts: dict[str, Fact] = {
        "byte_order": "little" if geometry.order == "<" else "big",
        "page_bytes": geometry.page_bytes,
        "spare_bytes": geometry.spare_bytes,
        "tags_at": geometry.tags_at,
        "pages": system.counts["used"],
        "checkpoint_pages": system.counts["checkpoint"],
        "deleted_objects": len(system.children.get(UNLINKED, ())) + len(system.children.get(DELETED, ())),
        **listing.facts,
    }
    cut = (f"more than {system.most_pages} pages, the rest was not read",) if system.full else ()
    return Opened(
        size=_size(system),
        kind=RegionKind.CONTAINER,
        title="YAFFS2 file system",
        facts=facts,
        entries=listing.entries,
        problems=system.problems.sentences(),
        limits_hit=(*listing.limits_hit, *cut),
    )


def _size(system: _System) -> int:
    """Return the bytes up to the last page in use; with the rest of its block of 64 pages, if that is erased."""
    stride = system.geometry.stride
    padded = -(-system.end // BLOCK_PAGES) * BLOCK_PAGES * stride
    rest = bytes(system.window.view[system.end * stride : padded])
    return padded if padded <= system.window.size and rest.count(0xFF) == len(rest) else system.end * stride


def _page(geometry: Geometry, tags: Tags, data: bytes) -> bytes:
    """Return one page with its tags; what is not used is erased."""
    spare = bytearray(b"\xff" * geometry.spare_bytes)
    struct.pack_into(f"{geometry.order}4I", spare, geometry.tags_at, *tags)
    return data.ljust(geometry.page_bytes, b"\xff") + bytes(spare)


def _header(order: str, kind: int, parent: int, name: bytes, **more: int) -> bytes:
    """Return the header of an object as mkyaffs2image writes it; ``more`` are fields of ``ObjectHeader``."""
    fields = {"mode": 0, "size_low": ERASED, "equivalent": ERASED, "device": 0, "size_high": ERASED}
    fields |= {"shadowed": ERASED, "is_shrink": ERASED, "uid": 0, "gid": 0, "modified_s": 1_600_000_000} | more
    f = fields
    head = struct.pack(f"{order}IIH256s2x", kind, parent, 0xFFFF, name)
    head += struct.pack(f"{order}6I", f["mode"], f["uid"], f["gid"], 0, f["modified_s"], 0)
    head += struct.pack(f"{order}II160sI", f["size_low"], f["equivalent"], b"", f["device"]) + b"\xff" * 32
    return head + struct.pack(f"{order}IIII", f["size_high"], ERASED, f["shadowed"], f["is_shrink"])


def _example() -> bytes:
    geometry = Geometry(512, 16, 0, "<")
    text = b"rate = 5 ml/h\n" * 50
    pieces = [text[start : start + 512] for start in range(0, len(text), 512)]
    header = _header("<", FILE, ROOT, b"settings.ini", mode=0o100644, size_low=len(text))
    pages = [_page(geometry, Tags(LOWEST_SEQUENCE, 257, 0, 0xFFFF), header)]
    pages += [
        _page(geometry, Tags(LOWEST_SEQUENCE, 257, n, len(piece)), piece) for n, piece in enumerate(pieces, start=1)
    ]
    return b"".join(pages)


def _content_first(page_bytes: int, spare_bytes: int, tags_at: int) -> Magic:
    """Return what shows two pages of content in little-endian order, as a dump of a used chip may begin.

    Both are of one erase block, so they have the same sequence number.
    """
    sequence = rb"((?:[\x00-\xff][\x10-\xff]\x00|[\x00-\xff]{2}[\x01-\x3f])\x00)"
    number = rb"(?:[\x01-\xff][\x00-\xff]|\x00[\x01-\xff])[\x00-\x0f]\x00"
    tags = number * 2 + rb"[\x00-\xff]{2}\x00\x00"
    to_the_next = rb"(?s:.{%d})" % (page_bytes + spare_bytes - 16)
    expression = sequence + tags + to_the_next + rb"\1" + tags
    return Magic(expression, offset=page_bytes + tags_at, anchor=b"\0\0", anywhere=False)


FORMAT = ImageFormat(
    name="yaffs2",
    title="YAFFS2 file system",
    source="yaffs2 core/yaffs_guts.h, yaffs_packedtags2.c, yaffs_yaffs2.c and utils/mkyaffs2image.c (Aleph One)",
    limits=(
        "Needs the spare bytes of each page in the dump. Bit errors are not corrected. Within a larger dump it is "
        "found by the first object in its root folder, so pages before that are missed."
    ),
    open=_open,
    magics=(
        Magic(rb"[\x01-\x05]\x00\x00\x00\x01\x00\x00\x00\xff\xff", anchor=b"\x00\x00\x00\x01\x00\x00\x00\xff\xff"),
        Magic(rb"\x00\x00\x00[\x01-\x05]\x00\x00\x00\x01\xff\xff", anchor=b"\x00\x00\x00\x01\xff\xff"),
        Magic(rb"[\x01-\x05]\x00\x00\x00[\x00-\xff]{3}\x00\xff\xff", anchor=b"\x00\xff\xff", anywhere=False),
        Magic(rb"\x00\x00\x00[\x01-\x05]\x00[\x00-\xff]{3}\xff\xff", anchor=b"\xff\xff", anywhere=False),
        *(_content_first(*layout) for layout in ((2048, 64, 0), (2048, 64, 2), (4096, 128, 0), (4096, 128, 2))),
    ),
    example=_example,
)
