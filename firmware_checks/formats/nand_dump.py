"""Dumps of NAND flash with the spare bytes of each page: content is looked into as if they were not there."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from firmware_checks.address_map import AddressMap
from firmware_checks.format import ImageFormat, Memory, Opened, Part
from firmware_checks.readers.nand import PageLayout, find_layout, may_have_spare, without_spare
from firmware_checks.readers.yaffs2_pages import Geometry, find_geometry, judge
from firmware_checks.span import Records, Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Fact, RegionKind

__all__ = ["FORMAT"]

MOST_FOREIGN = 256
"""Pages in a row without YAFFS2 tags that end a stretch with them."""
MOST_TRIALS = 200
"""So many pages that look like the header of a file are held against YAFFS2."""

_HEADER: Final = re.compile(
    rb"[\x01-\x05]\x00\x00\x00[\x00-\xff]{3}\x00\xff\xff|\x00{3}[\x01-\x05]\x00[\x00-\xff]{3}\xff\xff"
)
"""Start of a YAFFS2 object header in either byte order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pages(AddressMap):
    """Content of pages without their spare bytes; where it goes in memory the device alone knows."""

    content: tuple[Span, ...] = ()

    def spans(self) -> Iterator[Span]:
        """Yield the stretches of pages."""
        yield from self.content


def _open(span: Span, limits: Limits) -> Opened:
    window = span.window
    layout = find_layout(window)
    pages = window.size // layout.stride
    tagged = list(_tagged(window, layout))
    allowed = limits.entry_bytes // layout.page_bytes
    content = tuple(
        _stretch(span, layout, first, min(last, allowed)) for first, last in _between(tagged, pages) if first < allowed
    )
    facts: dict[str, Fact] = {
        "page_bytes": layout.page_bytes,
        "spare_bytes": layout.spare_bytes,
        "pages": pages,
        "pages_with_yaffs2_tags": sum(last - first for first, last in tagged),
    }
    cut = (f"more than {limits.entry_bytes} bytes of pages, the rest was not looked into",) if pages > allowed else ()
    return Opened(
        size=window.size,
        kind=RegionKind.CONTAINER,
        title="NAND flash dump with spare bytes",
        facts=facts,
        parts=tuple(
            Part(
                start=first * layout.stride,
                end=last * layout.stride,
                title="Pages whose spare bytes say what they are",
                kind=RegionKind.CONTAINER,
                look_inside=True,
            )
            for first, last in tagged
        ),
        memories=(Memory(map=_Pages(path=span.path, segments=(), content=content)),) if content else (),
        limits_hit=cut,
    )


def _stretch(span: Span, layout: PageLayout, first: int, last: int) -> Span:
    """Return pages ``[first, last)`` as one span that knows where in the dump each byte stands."""
    stride = layout.stride
    base = span.provenance.offset_at(0)
    starts = range(0, (last - first) * layout.page_bytes, layout.page_bytes)
    offsets = range(base + first * stride, base + last * stride, stride)
    return Span(span.path, Window.of(without_spare(span.window, layout, first, last)), Records(starts, offsets, 1))


def _between(tagged: list[tuple[int, int]], pages: int) -> Iterator[tuple[int, int]]:
    """Yield the stretches of pages that are not in ``tagged``."""
    position = 0
    for first, last in [*tagged, (pages, pages)]:
        if first > position:
            yield position, first
        position = last


def _tagged(window: Window, layout: PageLayout) -> Iterator[tuple[int, int]]:
    """Yield stretches of pages with YAFFS2 tags: their spare bytes are needed and stay where they are."""
    pages = window.size // layout.stride
    position = trials = 0
    page = 0
    while page < pages and trials < MOST_TRIALS:
        if _HEADER.match(window.view, page * layout.stride) is not None:
            trials += 1
            geometry = _yaffs2_at(window, layout, page)
            if geometry is not None:
                first, last = _reach(window, geometry, page, position)
                yield first, last
                position = page = last
                continue
        page += 1


def _yaffs2_at(window: Window, layout: PageLayout, page: int) -> Geometry | None:
    try:
        return find_geometry(window.sub(page * layout.stride), [(layout.page_bytes, layout.spare_bytes)])
    except FormatError:
        return None


def _reach(window: Window, geometry: Geometry, page: int, least: int) -> tuple[int, int]:
    """Return how far before and behind ``page`` others have such tags."""
    first = page
    while first > least and judge(window, geometry, first - 1) == "used":
        first -= 1
    last = page + 1
    foreign = 0
    for following in range(page + 1, geometry.pages(window)):
        kind = judge(window, geometry, following)
        foreign = foreign + 1 if kind == "foreign" else 0
        if foreign > MOST_FOREIGN:
            break
        if kind in ("used", "checkpoint"):
            last = following + 1
    return first, last


def _example() -> bytes:
    noise = random.Random(1)  # noqa: S311  # filler, not a secret
    pages = [
        noise.randbytes(512).replace(b"\xff", b"\x7f") + b"\x12\x34\x56\xff\xff\xff" + b"\xff" * 10 for _ in range(64)
    ]
    return b"".join(pages)


FORMAT = ImageFormat(
    name="nand-dump",
    title="NAND flash dump with spare bytes",
    source="Linux drivers/mtd/nand/raw/nand_bbt.c and nand_base.c",
    limits=(
        "Only a whole dump of whole erase blocks is opened, and only where the marks beside the pages show how large "
        "they are. Bit errors are not corrected. Where the controller mixes codes into the content, nothing is found."
    ),
    open=_open,
    possible=may_have_spare,
    try_order=-10,
    whole_file_only=True,
    example=_example,
)
