"""Pages of YAFFS2 on NAND flash: what their tags say, and how large pages and spare bytes are, which nothing says."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from toolkit.core.errors import FormatError
from toolkit.core.window import Window

__all__ = [
    "CHECKPOINT_SEQUENCE",
    "ERASED",
    "FILE",
    "FOLDER",
    "HARD_LINK",
    "HEADER_BYTES",
    "HEADER_FLAG",
    "LOWEST_SEQUENCE",
    "MOST_OBJECT",
    "PAGES",
    "ROOT",
    "SHRINK_FLAG",
    "SPECIAL",
    "SYMBOLIC_LINK",
    "Geometry",
    "ObjectHeader",
    "Tags",
    "find_geometry",
    "judge",
]

PAGES: Final = (
    (512, 16),
    (1024, 16),
    (1024, 32),
    (2032, 16),
    (2048, 64),
    (4080, 16),
    (4096, 128),
    (4096, 216),
    (4096, 218),
    (4096, 224),
    (4096, 256),
    (8192, 256),
    (8192, 448),
    (8192, 512),
    (8192, 640),
    (8192, 744),
)
"""Bytes of content and of tags, small before large: tags of each fourth page of 512 bytes would fit pages of 2048.

Where both make up 2 or 4 KiB they share a page ("inband tags").
"""
TAGS_LAYOUTS: Final = (("<", struct.Struct("<4I")), (">", struct.Struct(">4I")))
TAGS_BYTES = 16
MOST_TAGS_AT = 48
TAGS_AT_STEP = 2

FILE, SYMBOLIC_LINK, FOLDER, HARD_LINK, SPECIAL = range(1, 6)
ROOT = 1
LOWEST_SEQUENCE, HIGHEST_SEQUENCE = 0x1000, 0xEFFF_FF00
OLD_TOOLS_SEQUENCE = 1
CHECKPOINT_SEQUENCE = 0x21
ERASED = 0xFFFF_FFFF
MOST_OBJECT = 1 << 28
HEADER_FLAG, SHRINK_FLAG = 0x8000_0000, 0x4000_0000
"""In the chunk number of a header that repeats its parent there."""

COMPARED_PAGES = 64
LEAST_BLOCK_PAGES = 32
CERTAIN_PAGES = 8
"""So many pages that fit are no chance, whatever follows."""


class Tags(NamedTuple):
    """What a page is. Source: yaffs2 yaffs_packedtags2.h; an error-correcting code may follow, which is not needed."""

    sequence: int
    object: int
    chunk: int
    """0 or flags for the header of the object; otherwise which page of its content, from 1."""
    data_bytes: int

    @property
    def is_header(self) -> bool:
        """Whether the page describes the object."""
        return self.chunk == 0 or bool(self.chunk & HEADER_FLAG)

    @property
    def number(self) -> int:
        """The object, without the type that headers keep in its upper bits."""
        return self.object & (MOST_OBJECT - 1) if self.chunk & HEADER_FLAG else self.object

    def fits(self, page_bytes: int) -> bool:
        """Tell whether these may be tags of a page of ``page_bytes``."""
        if not (LOWEST_SEQUENCE <= self.sequence < HIGHEST_SEQUENCE or self.sequence == OLD_TOOLS_SEQUENCE):
            return False
        if not 0 < self.number < MOST_OBJECT:
            return False
        return self.is_header or (self.chunk < MOST_OBJECT and self.data_bytes <= page_bytes)


class ObjectHeader(NamedTuple):
    """Description of an object. Source: yaffs2 yaffs_guts.h, yaffs_obj_hdr."""

    type: int
    parent: int
    no_sum: int
    name: bytes
    mode: int
    uid: int
    gid: int
    read_s: int
    modified_s: int
    changed_s: int
    size_low: int
    equivalent: int
    """The object a hard link stands for."""
    alias: bytes
    """Where a symbolic link points to."""
    device: int
    size_high: int
    shadowed: int
    """An object that this one took the name of."""
    is_shrink: int
    """Whether content behind the size given here is void."""

    @property
    def size(self) -> int:
        """Size of a file in bytes; writers that know only 32 bits leave the upper half erased."""
        return self.size_low if self.size_high == ERASED else self.size_high << 32 | self.size_low

    def agrees_with(self, tags: Tags) -> bool:
        """Tell whether this may be a header at all, and one with ``tags``, which may repeat its parent and type."""
        if not FILE <= self.type <= SPECIAL or not 0 < self.parent < MOST_OBJECT or self.no_sum != 0xFFFF:
            return False
        name = self.name.split(b"\0", 1)[0]
        if b"/" in name or b"\xff" in name:  # no name of a file, and never in UTF-8
            return False
        repeated = (tags.chunk & (MOST_OBJECT - 1), tags.object // MOST_OBJECT)
        return not tags.chunk & HEADER_FLAG or repeated == (self.parent, self.type)


HEADER_BYTES = 512


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where content and tags stand, and in which byte order."""

    page_bytes: int
    spare_bytes: int
    tags_at: int
    order: str

    @property
    def stride(self) -> int:
        """Bytes from one page to the next."""
        return self.page_bytes + self.spare_bytes

    def tags(self, window: Window, page: int) -> Tags:
        """Return what stands where the tags of ``page`` are."""
        offset = page * self.stride + self.page_bytes + self.tags_at
        return Tags._make(struct.unpack_from(f"{self.order}4I", window.view, offset))

    def header(self, window: Window, page: int) -> ObjectHeader:
        """Return what stands where the header in ``page`` would be."""
        layout = f"{self.order}IIH256s2xIIIIIIII160sI32xI4xII"
        return ObjectHeader._make(struct.unpack_from(layout, window.view, page * self.stride))

    def pages(self, window: Window) -> int:
        """Return how many whole pages there are."""
        return window.size // self.stride


def _score(window: Window, geometry: Geometry) -> tuple[int, int]:
    """Return how many of the first pages have tags that fit, and how many are headers; 0 when it may be chance.

    A header is seldom taken for one by chance. Where content comes first, the pages must be of one erase block, which
    all have the same sequence number.
    """
    kinds: Counter[str] = Counter()
    sequences = set()
    for page in range(min(geometry.pages(window), COMPARED_PAGES)):
        kind = judge(window, geometry, page)
        kinds[kind] += 1
        if kinds["foreign"] > kinds["used"] // 8 or not kinds["used"]:
            if kinds["used"] < CERTAIN_PAGES:
                return 0, 0
            break
        tags = geometry.tags(window, page)
        kinds["header"] += kind == "used" and tags.is_header
        if kind == "used" and page < LEAST_BLOCK_PAGES:
            sequences.add(tags.sequence)
    certain = geometry.tags(window, 0).is_header or (len(sequences) == 1 and kinds["used"] >= CERTAIN_PAGES)
    return (kinds["used"], kinds["header"]) if certain else (0, 0)


def judge(window: Window, geometry: Geometry, page: int) -> str:
    """Return whether a page is ``used``, ``erased``, part of a ``checkpoint`` or ``foreign``."""
    tags = geometry.tags(window, page)
    if tags.sequence == ERASED:
        return "erased"
    if tags.sequence == CHECKPOINT_SEQUENCE:
        return "checkpoint"
    if not tags.fits(geometry.page_bytes):
        return "foreign"
    return "used" if not tags.is_header or geometry.header(window, page).agrees_with(tags) else "foreign"


def _candidates(window: Window, pages: Iterable[tuple[int, int]]) -> Iterator[Geometry]:
    """Yield the geometries by which the first page has tags that make sense: few of some six hundred."""
    for page_bytes, spare_bytes in pages:
        if page_bytes + spare_bytes > window.size:
            continue
        spare = bytes(window.view[page_bytes : page_bytes + spare_bytes])
        for tags_at in range(0, min(spare_bytes - TAGS_BYTES, MOST_TAGS_AT) + 1, TAGS_AT_STEP):
            for order, layout in TAGS_LAYOUTS:
                fields = layout.unpack_from(spare, tags_at)
                numbered = 0 < fields[1] < MOST_OBJECT or fields[2] & HEADER_FLAG  # what most bytes are not
                if numbered and Tags._make(fields).fits(page_bytes):
                    yield Geometry(page_bytes, spare_bytes, tags_at, order)


def find_geometry(window: Window, pages: Iterable[tuple[int, int]] = PAGES) -> Geometry:
    """Return the geometry, with one of the sizes in ``pages``, that most pages fit; raise ``FormatError`` for none."""
    score, best = (0, 0), None
    for candidate in _candidates(window, pages):
        fitting = _score(window, candidate)
        if fitting > score:
            score, best = fitting, candidate
    if best is None or (score[0] == 1 and best.pages(window) > 1 and judge(window, best, 1) != "erased"):
        raise FormatError(f"no YAFFS2 pages at {window.origin:#x}")
    return best
