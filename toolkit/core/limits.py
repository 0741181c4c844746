"""Budgets: how much of an old laptop one scan may use, and who keeps count."""

from __future__ import annotations

from dataclasses import dataclass, field

from toolkit.core.errors import LimitExceeded
from toolkit.core.problems import Problems

__all__ = ["Budget", "Limits"]

MIB = 1 << 20
TOTAL_FLOOR_BYTES = 64 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Upper bounds for one scan. Defaults suit a laptop with 4 GiB of memory; each hit is reported, none is silent."""

    input_bytes: int = 64 << 30
    """Largest file that is opened at all."""
    depth: int = 16
    """Containers within containers."""
    entries: int = 100_000
    """Files inside all containers together."""
    entry_bytes: int = 256 * MIB
    """Largest single file that is unpacked in memory."""
    held_archive_bytes: int = 32 * MIB
    """A longer archive inside a compressed file is read while it is unpacked and not held in memory."""
    unpacked_bytes: int = 1024 * MIB
    """Everything unpacked from containers together."""
    ratio: int = 1_000
    """Unpacked size over packed size of one entry; a larger one is treated as a bomb."""
    total_ratio: int = 100
    """Everything unpacked over the size of the file; firmware packs ten to one at the best."""
    unread: int = 500
    """Lines about single entries that were not read; the rest is summed up in one."""
    attempts: int = 100_000
    """Places inside unknown bytes where a format is tried because a few bytes look like its start."""
    functions: int = 60_000
    """Functions of microcontroller programs that are compared with signatures."""
    segments: int = 65_536
    """Separate address ranges of one address map."""
    regions: int = 100_000
    """Rows in the region tree."""
    findings_per_check: int = 100
    """Findings one check may add before the rest is summed up in one line."""


@dataclass(slots=True)
class Budget:
    """What is left of ``limits``; one per scan of ``input_bytes``."""

    limits: Limits
    input_bytes: int = 0
    entries: int = 0
    unpacked_bytes: int = 0
    attempts: int = 0
    functions: int = 0
    hits: Problems = field(default_factory=Problems)
    """What was cut short, in words, and where."""

    def allowance(self, packed_bytes: int, path: str) -> int:
        """Return how many bytes an entry of ``packed_bytes`` may unpack to; raise ``LimitExceeded`` when none are left.

        The ratios are applied with a floor: tiny files of zeros compress very well and harm nobody.
        """
        by_ratio = max(MIB, packed_bytes * self.limits.ratio)
        left = self.left_bytes
        if left <= 0:
            total = self.unpacked_bytes + left
            raise self.exceeded("unpacked_bytes", f"more than {total} bytes unpacked, the rest was not read", path)
        return min(by_ratio, self.limits.entry_bytes, left)

    @property
    def left_bytes(self) -> int:
        """How many bytes may still be unpacked; below 0 when more came out than was expected."""
        limits = self.limits
        total = min(limits.unpacked_bytes, max(TOTAL_FLOOR_BYTES, self.input_bytes * limits.total_ratio))
        return total - self.unpacked_bytes

    def spend_unpacked(self, size_bytes: int) -> None:
        """Count ``size_bytes`` that were unpacked."""
        self.unpacked_bytes += size_bytes

    def spend_entry(self, path: str) -> None:
        """Count one entry; raise ``LimitExceeded`` when there were too many."""
        if self.entries >= self.limits.entries:
            raise self.exceeded("entries", f"more than {self.limits.entries} files, the rest was not read", path)
        self.entries += 1

    def spend_attempt(self, path: str) -> None:
        """Count one try at opening a format inside unknown bytes; raise ``LimitExceeded`` when there were too many."""
        if self.attempts >= self.limits.attempts:
            raise self.exceeded("attempts", "too many false starts of formats, the rest was not searched", path)
        self.attempts += 1

    def spend_functions(self, count: int, path: str) -> None:
        """Count functions that were compared; note it when there may have been more than were allowed."""
        self.functions += count
        if self.functions >= self.limits.functions:
            self.exceeded("functions", f"more than {self.limits.functions} functions, the rest was not compared", path)

    def exceeded(self, limit: str, message: str, path: str) -> LimitExceeded:
        """Record that ``limit`` was hit in ``path`` and return the exception to raise."""
        self.hits.add(message, path)
        return LimitExceeded(limit, message)
