"""What lies outside of all volumes, compared: the same bytes at another place are the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from toolkit.hardening.integrity.drift import Change
from toolkit.hardening.integrity.file_comparison import Comparison
from toolkit.hardening.raw_areas import RawArea

__all__ = ["compare_areas"]


def compare_areas(old: Sequence[RawArea], new: Sequence[RawArea], comparison: Comparison) -> None:
    """Compare the areas; one that changed at its place is told once."""
    comparison.compared += len(old)
    gone = _only(old, new)
    came = {area.offset: area for area in _only(new, old)}
    for area in gone:
        other = came.pop(area.offset, None)
        change = Change.REMOVED if other is None else Change.CHANGED
        detail = f"{area.size} bytes outside of all volumes {'are gone' if other is None else 'are others'}"
        _add(comparison, change, area, detail, (area.sha256, "" if other is None else other.sha256))
    for area in came.values():
        _add(comparison, Change.ADDED, area, f"{area.size} bytes outside of all volumes are new", ("", area.sha256))


def _only(areas: Sequence[RawArea], others: Sequence[RawArea]) -> list[RawArea]:
    """Return the ``areas`` whose content is not among ``others`` as often."""
    left = Counter(area.sha256 for area in others)
    alone: list[RawArea] = []
    for area in areas:
        if left[area.sha256]:
            left[area.sha256] -= 1
        else:
            alone.append(area)
    return alone


def _add(comparison: Comparison, change: Change, area: RawArea, detail: str, digests: tuple[str, str]) -> None:
    old, new = digests
    comparison.add(change, f"bytes at {area.offset:#x}", detail, old=old, new=new, may_run=True, sha256=new)
