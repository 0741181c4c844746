"""The memory of a microcontroller in pages: what was erased and what was never written count as the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from device_profiles.schema import DeviceProfile
from toolkit.hardening.device_memory import mapped_regions
from toolkit.hardening.subject import HardeningSubject, MemoryStretch

__all__ = ["ERASED", "PAGE_BYTES", "BaselineMemory", "Page", "memory_baseline", "pages_of"]

PAGE_BYTES: Final = 1024
"""The smallest page that common flash erases at once; a change is told by these."""
ERASED: Final = 0xFF
"""What erased flash reads as, and what is taken for addresses that a file of records leaves out."""


class Page(msgspec.Struct, frozen=True, array_like=True):
    """Bytes ``[start, end)`` that hold something else than erased flash."""

    start: int
    end: int
    sha256: str


class BaselineMemory(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One region of the memory map, or what lies outside of all of them."""

    space: str
    region: Annotated[str, Meta(description="Id in the memory map; empty for what lies outside.")]
    start: int
    end: int
    use: str
    defined: Annotated[tuple[tuple[int, int], ...], Meta(description="Address ranges the image has bytes for.")]
    pages: tuple[Page, ...]


def memory_baseline(subject: HardeningSubject) -> tuple[BaselineMemory, ...]:
    """Return the memory of ``subject`` by region, and what lies outside of all regions."""
    return tuple(_regions(subject.profile, subject.memory))


def _regions(profile: DeviceProfile, memory: Sequence[MemoryStretch]) -> Iterator[BaselineMemory]:
    edges: dict[str, list[tuple[int, int]]] = {}
    for region in mapped_regions(profile):
        edges.setdefault(region.space, []).append((region.start, region.end))
        yield _region(memory, region.space, region.id, (region.start, region.end), region.use.value)
    for stretch in memory:
        for start, end in _outside(stretch, edges.get(stretch.space, [])):
            yield _region(memory, stretch.space, "", (start, end), "")


def _outside(stretch: MemoryStretch, regions: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield what of ``stretch`` lies in none of ``regions``, which are in order."""
    at, end = stretch.address, stretch.address + len(stretch.data)
    for first, last in regions:
        if at < min(first, end):
            yield at, min(first, end)
        at = max(at, min(last, end))
    if at < end:
        yield at, end


def _region(memory: Sequence[MemoryStretch], space: str, name: str, place: tuple[int, int], use: str) -> BaselineMemory:
    start, end = place
    parts = [s for s in memory if s.space == space and s.address < end and start < s.address + len(s.data)]
    return BaselineMemory(
        space=space,
        region=name,
        start=start,
        end=end,
        use=use,
        defined=tuple((max(start, s.address), min(end, s.address + len(s.data))) for s in parts),
        pages=tuple(pages_of(parts, start, end)),
    )


def pages_of(parts: Sequence[MemoryStretch], start: int, end: int) -> Iterator[Page]:
    """Yield the pages of ``[start, end)`` that hold something, in order; pages are counted from ``start``."""
    pages: dict[int, bytearray] = {}
    for part in parts:
        first, last = max(start, part.address), min(end, part.address + len(part.data))
        at = first - (first - start) % PAGE_BYTES
        while at < last:
            stop = min(at + PAGE_BYTES, end)
            page = pages.setdefault(at, bytearray([ERASED]) * (stop - at))
            begins, ends = max(at, first), min(stop, last)
            page[begins - at : ends - at] = part.data[begins - part.address : ends - part.address]
            at = stop
    for at, page in sorted(pages.items()):
        if page.count(ERASED) < len(page):
            yield Page(at, at + len(page), hashlib.sha256(page).hexdigest())
