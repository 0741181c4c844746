"""Clusters and the chains that make files of them, as FAT and exFAT keep both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.window import Window

__all__ = ["FIRST_CLUSTER", "ClusterHeap", "SiblingNames"]

FIRST_CLUSTER = 2
"""Number of the first cluster; 0 and 1 mean other things."""


@dataclass(slots=True)
class ClusterHeap:
    """``clusters`` pieces of ``cluster_bytes``, the first at byte ``start``; ``following`` asks the table what is next.

    What lies outside of the heap ends a chain: free, bad, reserved and last clusters are all marked that way.
    """

    window: Window
    start: int
    cluster_bytes: int
    clusters: int
    following: Callable[[int], int]
    _folder_bytes_left: int = field(init=False)

    def __post_init__(self) -> None:
        self._folder_bytes_left = min(self.clusters * self.cluster_bytes, self.window.size)

    def has(self, cluster: int) -> bool:
        """Tell whether there is a cluster of this number."""
        return FIRST_CLUSTER <= cluster < FIRST_CLUSTER + self.clusters

    def place(self, cluster: int) -> int:
        """Return the byte where ``cluster`` starts."""
        return self.start + (cluster - FIRST_CLUSTER) * self.cluster_bytes

    def read(self, first: int, size: int, max_bytes: int) -> bytes:
        """Return the ``size`` bytes of the chain that starts at cluster ``first``."""
        wanted = self._count(size, max_bytes)
        pieces: list[memoryview] = []
        starts: set[int] = set()
        for start, count in self._runs(first, wanted):
            if start in starts:
                raise FormatError("its chain of clusters runs in a circle")
            starts.add(start)
            pieces.append(self.window.take(self.place(start), count * self.cluster_bytes))
            wanted -= count
        if wanted:
            missing = wanted * self.cluster_bytes
            raise FormatError(f"its chain of clusters breaks off: about {missing} of {size} bytes are missing")
        if pieces:
            pieces[-1] = pieces[-1][: len(pieces[-1]) - (-size % self.cluster_bytes)]
        return b"".join(pieces)

    def read_contiguous(self, first: int, size: int, max_bytes: int) -> bytes:
        """Return the ``size`` bytes from cluster ``first`` on, which need no chain."""
        count = self._count(size, max_bytes)
        if count and not (self.has(first) and self.has(first + count - 1)):
            raise FormatError(f"its {size} bytes reach out of the volume")
        return bytes(self.window.take(self.place(first), size)) if count else b""

    def folder(self, first: int, most_bytes: int) -> Iterator[tuple[int, memoryview]]:
        """Yield each cluster of a folder with its place; raise ``FormatError`` beyond ``most_bytes`` or on a circle.

        All folders together may be as large as the volume and no larger, so that chains that share clusters end.
        """
        seen: set[int] = set()
        cluster = first
        while self.has(cluster):
            if cluster in seen or len(seen) * self.cluster_bytes >= most_bytes:
                raise FormatError("a folder's chain of clusters runs in a circle or is too long")
            seen.add(cluster)
            yield self.folder_piece(cluster)
            cluster = self.following(cluster)

    def folder_piece(self, cluster: int) -> tuple[int, memoryview]:
        """Return one cluster of a folder with its place."""
        self._folder_bytes_left -= self.cluster_bytes
        if self._folder_bytes_left < 0:
            raise FormatError("folders share clusters; the rest of them was not read")
        place = self.place(cluster)
        return place, self.window.take(place, self.cluster_bytes)

    def _count(self, size: int, max_bytes: int) -> int:
        if size > max_bytes:
            raise LimitExceeded("entry_bytes", f"holds more than {max_bytes} bytes")
        count = -(-size // self.cluster_bytes)
        if count > self.clusters:
            raise FormatError(f"claims {size} bytes, more than the volume has")
        return count

    def _runs(self, first: int, most: int) -> Iterator[tuple[int, int]]:
        """Yield ``(first cluster, count)`` of the pieces of a chain that stand together, ``most`` clusters in all."""
        start, count, cluster = first, 0, first
        for _ in range(most):
            if not self.has(cluster):
                break
            if cluster != start + count:
                yield start, count
                start, count = cluster, 0
            count += 1
            cluster = self.following(cluster)
        if count:
            yield start, count


@dataclass(slots=True)
class SiblingNames:
    """The names in one folder of a system that takes ``A`` and ``a`` for the same letter."""

    _seen: set[str] = field(default_factory=set)

    def problem(self, name: str) -> str:
        """Return what is wrong with one more ``name`` among the others, in words; empty when nothing is."""
        folded = name.casefold()
        clash = folded in self._seen
        self._seen.add(folded)
        return "name is there more than once, or differs from another only in capital letters" if clash else ""
