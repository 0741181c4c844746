"""Raw dumps of NAND flash: after each page stand spare bytes, for marks of bad blocks and error-correcting codes.

Nothing in a dump says how large both are. It shows in the mark of bad blocks: a byte that is 0xFF beside every page.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from toolkit.core.errors import FormatError
from toolkit.core.window import Window

__all__ = ["PageLayout", "find_layout", "may_have_spare", "without_spare"]

SMALL_PAGE_MARK_AT = 5
"""Where chips with pages of 512 bytes keep the mark; others keep it in the first byte. Source: Linux nand_bbt.c."""
BLOCK_PAGES: Final = {512: 32}
LARGE_BLOCK_PAGES = 64
"""Fewest pages of an erase block; a dump consists of whole ones."""
SAMPLES = 2000
LEAST_SAMPLES = 24
"""So many pages with content must show the mark; at one in 256 for each, chance is out of the question."""
EDGE_BYTES = 8
CONTROL_BYTES = (-512, -256, -64, -16)
"""How far before the mark no other column of 0xFF may stand: tables of records have such columns, too."""


@dataclass(frozen=True, slots=True)
class PageLayout:
    """How a dump is divided, in bytes."""

    page_bytes: int
    spare_bytes: int

    @property
    def stride(self) -> int:
        """Bytes from one page to the next."""
        return self.page_bytes + self.spare_bytes

    @property
    def mark_at(self) -> int:
        """Where the mark of a bad block stands, from the start of the page."""
        return self.page_bytes + (SMALL_PAGE_MARK_AT if self.page_bytes == min(BLOCK_PAGES) else 0)

    @property
    def block_bytes(self) -> int:
        """Bytes of the fewest pages that an erase block has."""
        return self.stride * BLOCK_PAGES.get(self.page_bytes, LARGE_BLOCK_PAGES)


LAYOUTS: Final = tuple(
    PageLayout(page_bytes, spare_bytes)
    for page_bytes, spares in (
        (512, (16,)),
        (2048, (64, 128)),
        (4096, (128, 216, 218, 224, 256)),
        (8192, (256, 436, 448, 512, 640, 744)),
    )
    for spare_bytes in spares
)
_BLOCKS: Final = tuple({layout.block_bytes for layout in LAYOUTS})
_COMMON_DIVISOR: Final = math.gcd(*_BLOCKS)


def may_have_spare(window: Window) -> bool:
    """Tell whether the size is that of a dump with spare bytes: of few files it is."""
    size = window.size
    if size == 0 or size % _COMMON_DIVISOR:
        return False
    return any(size % block_bytes == 0 for block_bytes in _BLOCKS)


def find_layout(window: Window) -> PageLayout:
    """Return the layout that the bytes show; raise ``FormatError`` when they show none."""
    for layout in LAYOUTS:
        if window.size > 0 and window.size % layout.block_bytes == 0 and _shows(window, layout):
            return layout
    raise FormatError(f"no spare bytes beside pages are to be seen at {window.origin:#x}")


def _shows(window: Window, layout: PageLayout) -> bool:
    """Tell whether the mark is there beside nearly all pages whose content reaches the spare bytes on both sides."""
    view, stride = window.view, layout.stride
    pages = window.size // stride - 1
    erased = b"\xff" * EDGE_BYTES
    seen = marked = control = 0
    for page in range(0, pages, max(1, pages // SAMPLES)):
        start = page * stride
        end, following = start + layout.page_bytes, start + stride
        if view[end - EDGE_BYTES : end] == erased or view[following : following + EDGE_BYTES] == erased:
            continue
        mark = start + layout.mark_at
        seen += 1
        marked += view[mark] == 0xFF
        control += any(view[mark + back] == 0xFF for back in CONTROL_BYTES if start <= mark + back < end)
        if marked < seen - 1 - seen // 50:
            return False
    return seen >= LEAST_SAMPLES and control < seen // 2


def without_spare(window: Window, layout: PageLayout, first: int, last: int) -> bytes:
    """Return the content of the pages ``[first, last)``."""
    stride, size = layout.stride, layout.page_bytes
    return b"".join(window.view[start : start + size] for start in range(first * stride, last * stride, stride))
