"""What of an image lies outside of all its volumes: boot loaders, kernels and what somebody hides between partitions.

Padding does not count, neither where an area stands; partition tables are left out, because they hold numbers that
every tool draws anew. Sources: UEFI specification 2.10, 5.2 and 5.3 (MBR and GPT).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

__all__ = ["RawArea", "raw_areas"]

SECTOR_BYTES: Final = 512
MBR_TABLE: Final = (440, 512)
"""Disk number and partition table; before them stands the boot code."""
MBR_MARK: Final = b"\x55\xaa"
GPT_MAGIC: Final = b"EFI PART"
GPT_SECTORS: Final = 33
"""Of the header and its table, at the start behind the MBR and at the end of the disk."""
PADDING: Final = b"\x00\xff"
RUN_BYTES: Final = 4096
"""So much of one padding byte parts two areas."""
MOST_AREAS: Final = 10_000

_RUNS = re.compile(rb"\x00{%d,}|\xff{%d,}" % (RUN_BYTES, RUN_BYTES))


class RawArea(msgspec.Struct, frozen=True, array_like=True):
    """Bytes at ``offset`` of the image that are no padding at their ends."""

    offset: int
    size: int
    sha256: str


def raw_areas(view: memoryview, extents: Sequence[tuple[int, int]]) -> tuple[RawArea, ...]:
    """Return the areas of ``view`` outside of ``extents``, in their order."""
    taken = [*extents, *_partition_tables(view)]
    found: list[RawArea] = []
    for start, end in _between(sorted(taken), len(view)):
        for first, last in _stretches(view[start:end]):
            if len(found) == MOST_AREAS:
                return tuple(found)
            content = view[start + first : start + last]
            found.append(RawArea(start + first, len(content), hashlib.sha256(content).hexdigest()))
    return tuple(found)


def _partition_tables(view: memoryview) -> Iterator[tuple[int, int]]:
    if len(view) < SECTOR_BYTES or bytes(view[SECTOR_BYTES - 2 : SECTOR_BYTES]) != MBR_MARK:
        return
    yield MBR_TABLE
    if bytes(view[SECTOR_BYTES : SECTOR_BYTES + len(GPT_MAGIC)]) == GPT_MAGIC:
        yield SECTOR_BYTES, SECTOR_BYTES * (1 + GPT_SECTORS)
        yield len(view) - SECTOR_BYTES * GPT_SECTORS, len(view)


def _between(taken: Sequence[tuple[int, int]], size: int) -> Iterator[tuple[int, int]]:
    at = 0
    for start, end in taken:
        if at < start:
            yield at, min(start, size)
        at = max(at, end)
    if at < size:
        yield at, size


def _stretches(view: memoryview) -> Iterator[tuple[int, int]]:
    """Yield what is between long runs of one padding byte, without padding at the ends."""
    at = 0
    for run in _RUNS.finditer(view):
        yield from _trimmed(view, at, run.start())
        at = run.end()
    yield from _trimmed(view, at, len(view))


def _trimmed(view: memoryview, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield ``[start, end)`` without the padding at both ends, which is shorter than two runs; nothing where all is."""
    head = bytes(view[start : min(end, start + 2 * RUN_BYTES)])
    first = start + len(head) - len(head.lstrip(PADDING))
    tail = bytes(view[max(first, end - 2 * RUN_BYTES) : end])
    last = end - len(tail) + len(tail.rstrip(PADDING))
    if first < last:
        yield first, last
