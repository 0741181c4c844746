"""Which part of the image goes where in the device's memory, read off the region rows."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from toolkit.report.model import RegionKind, RegionRecord

__all__ = ["AddressSpace", "Area", "address_spaces"]

MOST_DEPTH = 64
"""Rows deeper than this count as being at this depth."""


@dataclass(frozen=True, slots=True)
class Area:
    """Addresses ``[start, end)`` with the innermost region that lies there."""

    start: int
    end: int
    kind: RegionKind
    title: str

    @property
    def size(self) -> int:
        """Bytes."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class AddressSpace:
    """Memory as one container describes it; ``areas`` are sorted and do not overlap."""

    name: str
    areas: tuple[Area, ...]


@dataclass(slots=True)
class _Node:
    row: RegionRecord
    children: list[_Node] = field(default_factory=list)

    @property
    def extent(self) -> tuple[int, int] | None:
        row = self.row
        if row.address is None:
            return None
        end = row.address + row.size if row.address_end is None else row.address_end
        return (row.address, end) if end > row.address else None


@dataclass(slots=True)
class _Group:
    """Regions that can share one address space; ``taken`` holds their extents, sorted."""

    nodes: list[_Node] = field(default_factory=list)
    taken: list[tuple[int, int]] = field(default_factory=list)

    def has_room_for(self, extent: tuple[int, int]) -> bool:
        at = bisect_left(self.taken, extent)
        before = at == 0 or self.taken[at - 1][1] <= extent[0]
        return before and (at == len(self.taken) or extent[1] <= self.taken[at][0])

    def add(self, node: _Node, extent: tuple[int, int]) -> None:
        self.nodes.append(node)
        insort(self.taken, extent)


def address_spaces(rows: Sequence[RegionRecord]) -> list[AddressSpace]:
    """Return the address spaces that a report's regions describe.

    Regions with addresses that lie side by side in the same container share one; where they would overlap, a new
    one begins, because a container may hold images for several devices.
    """
    spaces: list[AddressSpace] = []
    for name, siblings in _families(_tree(rows)):
        groups: list[_Group] = []
        for node in siblings:
            extent = node.extent or (0, 0)
            if not groups or not groups[-1].has_room_for(extent):
                groups.append(_Group())
            groups[-1].add(node, extent)
        spaces += [AddressSpace(name, tuple(_merged(_areas(group.nodes)))) for group in groups]
    return spaces


def _tree(rows: Sequence[RegionRecord]) -> list[_Node]:
    roots: list[_Node] = []
    above: list[_Node] = []
    for row in rows:
        node = _Node(row)
        while above and above[-1].row.depth >= min(row.depth, MOST_DEPTH):
            above.pop()
        (above[-1].children if above else roots).append(node)
        above.append(node)
    return roots


def _families(roots: list[_Node]) -> Iterator[tuple[str, list[_Node]]]:
    """Yield the topmost regions with an address, by the container they lie in, under its name.

    Unpacked content is topmost again: its addresses are not those of what it was packed in.
    """
    waiting: list[tuple[str, list[_Node], str | None]] = [("", roots, None)]
    while waiting:
        name, nodes, path_around = waiting.pop()
        by_path: dict[str, list[_Node]] = {}
        below: list[tuple[str, list[_Node], str | None]] = []
        for node in nodes:
            path = node.row.path
            if node.extent is not None and path != path_around:
                by_path.setdefault(path, []).append(node)
            if node.children:
                around = path if node.extent is not None or path == path_around else None
                below.append((f"{path} ({node.row.title})", node.children, around))
        for path, family in by_path.items():
            yield (name if name.startswith(path) else path), family
        waiting += reversed(below)


def _placed(node: _Node) -> Iterator[_Node]:
    """Yield the next regions with an address below ``node`` that belong to the same file."""
    for child in node.children:
        if child.row.path == node.row.path:
            yield from [child] if child.extent else _placed(child)


def _areas(nodes: Sequence[_Node]) -> Iterator[Area]:
    """Yield the areas of ``nodes``, the innermost region first in its place; overlaps go to the lower address."""
    position = 0
    for node in sorted((n for n in nodes if n.extent), key=lambda n: n.extent or (0, 0)):
        start, end = node.extent or (0, 0)
        start = max(start, position)
        if start < end:
            yield from _inside(node, start, end)
            position = end


def _inside(node: _Node, start: int, end: int) -> Iterator[Area]:
    """Yield the areas of ``node`` in ``[start, end)``: inner regions, and around them its own bytes if it has any."""
    placed = list(_placed(node))
    inner = [area for area in _areas(placed) if area.start < end and area.end > start]
    hollow = bool(inner) and node.row.size <= sum(child.row.size for child in placed)
    position = start
    for area in inner:
        low, high = max(area.start, position), min(area.end, end)
        if low > position and not hollow:
            yield Area(position, low, node.row.kind, node.row.title)
        yield Area(low, high, area.kind, area.title)
        position = high
    if position < end and not hollow:
        yield Area(position, end, node.row.kind, node.row.title)


def _merged(areas: Iterator[Area]) -> list[Area]:
    """Return the areas; those that continue each other and say the same are joined."""
    joined: list[Area] = []
    for area in areas:
        last = joined[-1] if joined else None
        if last and (last.end, last.kind, last.title) == (area.start, area.kind, area.title):
            joined[-1] = Area(last.start, area.end, area.kind, area.title)
        else:
            joined.append(area)
    return joined
