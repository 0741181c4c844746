"""What a scan knows about an image before anything is judged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from firmware_checks.region import Region
from toolkit.report.model import Component, Coverage, ImageSummary, Subject

__all__ = ["Inventory"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """The region tree of one image, what was named in it, and how much of it was understood."""

    subject: Subject
    image: ImageSummary
    roots: tuple[Region, ...]
    components: tuple[Component, ...]
    coverage: Coverage

    def regions(self) -> Iterator[Region]:
        """Yield every region, in reading order."""
        for root in self.roots:
            yield from root.walk()
