"""Which version of a library is inside, from how well the functions of each version fit those that were recognised."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from firmware_checks.fingerprints.matching import Index, Likeness
from firmware_checks.vulnerabilities.versions import version_key

if TYPE_CHECKING:
    from firmware_checks.fingerprints.components import Recognised

__all__ = ["Fit", "fits_of", "version_likelihoods"]

SHARPNESS = 3.0
"""How fast the likelihood of a version falls with how much worse its functions fit."""
WORST = 0.35
"""A function that a version does not have at all counts like one that is this much less alike."""
NOT_SAME = 0.85
"""A variant that is not the same instruction by instruction counts this much less when versions are weighed."""
NEGLIGIBLE = 0.02
SAME_BUILD, SAME_VERSION = 0.5, 0.8
"""Share of functions that are the same instruction by instruction as in a known build. From the first on, the compiler
and its options are known ones; below the second, the functions that differ then must be of a version that is not known.
In the benchmark 9 of 10 versions are above where they are known, and with the true one left out 5 of 9 in between."""
BESIDE = 0.15
"""Likelihood of the versions next to one that may only be the nearest, as a share of its own."""


class Fit(NamedTuple):
    """How well a variant in a pack fits a function of the image."""

    variant: int
    alike: float
    same: bool
    """Instruction by instruction."""


@dataclass(frozen=True, slots=True)
class _Row:
    """What one function says."""

    weight: float
    alike: Mapping[str, float]
    """By version: how well its best variant fits."""
    same: AbstractSet[str]
    """The versions that have this very function."""


def fits_of(index: Index, recognised: Recognised) -> list[Fit]:
    """Return how well each variant fits: what is the same instruction by instruction fits best."""
    same = set(index.packs[recognised.name[0]].exactly(recognised.function.exact))
    variants = Likeness(index, recognised.function).to_variants(recognised.name)
    return [Fit(v, (1 + alike) / 2 if v in same else alike * NOT_SAME, v in same) for v, alike in variants]


def version_likelihoods(
    index: Index, fits: Iterable[tuple[Recognised, Sequence[Fit]]], versions: AbstractSet[str], *, ready_made: bool
) -> dict[str, float]:
    """Return how likely each of ``versions`` is, the likeliest first; nothing when none can be told.

    A likelihood is the sum over functions of how much worse the best variant of a version fits. Where a version is only
    the nearest of those known, the ones next to it stay possible; one that is known alone is not named then, and none
    where each is known from one ``ready_made`` build: the difference may be the compiler's.
    """
    rows = [row for recognised, found in fits if (row := _row(index, recognised, found)).alike]
    if not rows or not versions:
        return {}
    scores = {version: sum(row.weight * _worse(row.alike, version) for row in rows) for version in versions}
    top = max(scores.values())
    raw = {version: math.exp(SHARPNESS * (score - top)) for version, score in scores.items()}
    same = max(_same_share(rows, version) for version in versions if scores[version] == top)
    if same < SAME_VERSION and (ready_made or len(versions) == 1):
        return {}
    if SAME_BUILD <= same < SAME_VERSION:
        _keep_neighbours(raw)
    kept = {version: value for version, value in raw.items() if value >= NEGLIGIBLE}
    total = sum(kept.values())
    return {v: kept[v] / total for v in sorted(kept, key=lambda v: (-kept[v], v))}


def _row(index: Index, recognised: Recognised, fits: Iterable[Fit]) -> _Row:
    pack = index.packs[recognised.name[0]]
    alike: dict[str, float] = defaultdict(float)
    same: set[str] = set()
    for fit in fits:
        for version in {pack.build(number).version for number in pack.builds_of(fit.variant)} - {""}:
            alike[version] = max(alike[version], fit.alike)
            if fit.same:
                same.add(version)
    return _Row(math.log2(recognised.function.count), alike, same)


def _worse(alike: Mapping[str, float], version: str) -> float:
    best = max(alike.values())
    return max(alike.get(version, 0.0), best - WORST) - best


def _same_share(rows: Sequence[_Row], version: str) -> float:
    return sum(row.weight for row in rows if version in row.same) / sum(row.weight for row in rows)


def _keep_neighbours(raw: dict[str, float]) -> None:
    """Make the versions before and after the likeliest one possible."""
    ordered = sorted(raw, key=version_key)
    place = ordered.index(max(ordered, key=raw.__getitem__))
    for version in ordered[max(0, place - 1) : place + 2]:
        raw[version] = max(raw[version], BESIDE)
