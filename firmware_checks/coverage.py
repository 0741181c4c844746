"""Where every byte went: counted once, in the innermost content it belongs to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from firmware_checks.region import Region
from toolkit.report.model import Coverage, RegionKind, Unread

__all__ = ["coverage_of", "kinds_of"]


def kinds_of(regions: Iterable[Region]) -> Counter[RegionKind]:
    """Return how many bytes of each kind ``regions`` and all below them hold."""
    tally: Counter[RegionKind] = Counter()
    for root in regions:
        for region in root.walk():
            tally[region.kind] += _own_bytes(region)
            tally.update(region.copied)
    return tally


def coverage_of(roots: Iterable[Region], unread: Sequence[Unread], limits_hit: Sequence[str]) -> Coverage:
    """Return the coverage of a region tree."""
    tally = kinds_of(roots)
    unread_bytes = sum(item.size for item in unread)
    padding, unknown = tally[RegionKind.PADDING], tally[RegionKind.UNKNOWN]
    encrypted = tally[RegionKind.ENCRYPTED]
    recognised = tally.total() - padding - unknown - encrypted
    meaningful = recognised + unknown + encrypted + unread_bytes
    return Coverage(
        total_bytes=tally.total() + unread_bytes,
        recognised_bytes=recognised,
        padding_bytes=padding,
        encrypted_bytes=encrypted,
        unknown_bytes=unknown,
        unread_bytes=unread_bytes,
        recognised_ratio=round(recognised / meaningful, 4) if meaningful else 0.0,
        unread=tuple(unread),
        limits_hit=tuple(limits_hit),
    )


def _own_bytes(region: Region) -> int:
    """Return the bytes of ``region`` that belong to none of its children; none when its content was decoded."""
    if region.decoded:
        return 0
    inner = sum(child.defined_bytes for child in region.children if not _elsewhere(child, region))
    return max(0, region.defined_bytes - inner)


def _elsewhere(child: Region, parent: Region) -> bool:
    """Tell whether ``child`` holds other bytes than its parent: those of an unpacked file."""
    return child.span.path != parent.span.path
