"""Which function of which library each function of an image is, by the packs at hand."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from firmware_checks.fingerprints.functions import Function
from firmware_checks.fingerprints.pack import Pack

__all__ = ["Candidate", "Index", "Likeness", "PackName"]

SHORTEST_EXACT = 8
"""Instructions of a function that is believed when all are the same."""
SHORTEST_ALIKE = 12
"""Instructions of a function that is compared by features; shorter ones are alike by chance."""
SEARCHED_FEATURES = 14
"""The rarest features of a function name candidates; more find nothing new in the benchmark."""
COMMON = 300
"""A feature of more functions than this names no candidate."""
LEAST_SHARED = 0.15
"""Of the weight of the searched features that a candidate must have."""
CANDIDATES = 6
MOST_EXACT = 12
"""So many functions with one hash: it tells nothing."""
LEAST_ALIKE = 0.2
TOO_DIFFERENT = 2
"""Levels apart: the two functions differ in size by a factor of four or more."""

PackName = tuple[int, int]
"""Number of a pack and number of a name in it."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A function of a library that a function of the image could be."""

    name: PackName
    alike: float
    """Weighted Jaccard index of the features, 0 to 1."""
    exact: bool


@dataclass(slots=True)
class Likeness:
    """How alike one function is to the variants of names; computed on demand."""

    index: Index
    function: Function
    _levels: dict[int, tuple[frozenset[int], float]] = field(default_factory=dict)
    _numbers: dict[tuple[int, int], frozenset[int]] = field(default_factory=dict)
    level: int = 0

    def __post_init__(self) -> None:
        self.level = self.function.level

    def sample(self) -> frozenset[int]:
        """Return the features of the function that would be kept of it in a pack."""
        return self._at(self.level)[0]

    def to_name(self, name: PackName) -> float:
        """Return the likeness to the most similar variant of ``name``; 0 where it would be next to nothing."""
        if self._most_alike(name) < LEAST_ALIKE:
            return 0.0
        return max((alike for _, alike in self.to_variants(name)), default=0.0)

    def _most_alike(self, name: PackName) -> float:
        """Return what the likeness to any variant of ``name`` is at most, about."""
        _, weight = self._at(self.level)
        common = self._numbers_at(name[0], self.level) & self.index.packs[name[0]].union(name[1])
        return self.index.weight_of(name[0], common) / weight if weight else 0.0

    def to_variants(self, name: PackName) -> Iterator[tuple[int, float]]:
        """Yield the number of each variant of ``name`` and how alike it is."""
        pack = self.index.packs[name[0]]
        for variant in pack.variants_of(name[1]):
            level = pack.variant(variant).level
            if abs(level - self.level) < TOO_DIFFERENT:
                yield variant, self._alike(name[0], variant, level)

    def _alike(self, pack: int, variant: int, level: int) -> float:
        theirs, their_weight = self.index.weighed_set(pack, variant)
        _, weight = self._at(level)
        common = self.index.weight_of(pack, self._numbers_at(pack, level) & theirs)
        union = weight + their_weight - common
        return common / union if union else 0.0

    def _numbers_at(self, pack: int, level: int) -> frozenset[int]:
        numbers = self._numbers.get((pack, level))
        if numbers is None:
            found = (self.index.number(pack, feature) for feature in self._at(level)[0])
            numbers = self._numbers[pack, level] = frozenset(number for number in found if number >= 0)
        return numbers

    def _at(self, level: int) -> tuple[frozenset[int], float]:
        known = self._levels.get(level)
        if known is None:
            features = self.function.sample(level)
            known = self._levels[level] = (features, sum(map(self.index.weight, features)))
        return known


@dataclass(slots=True)
class Index:
    """All packs together, and how much each feature tells: the rarer the more."""

    packs: Sequence[Pack]
    _weights: dict[int, float] = field(default_factory=dict)
    _number_weights: list[dict[int, float]] = field(default_factory=list)
    _numbers: list[dict[int, int]] = field(default_factory=list)
    _sets: dict[tuple[int, int], tuple[frozenset[int], float]] = field(default_factory=dict)
    _places: dict[int, list[tuple[float, int, int]]] = field(default_factory=dict)
    _names: int = 0

    def __post_init__(self) -> None:
        self._names = sum(pack.names for pack in self.packs)
        self._number_weights = [{} for _ in self.packs]
        self._numbers = [{} for _ in self.packs]

    def number(self, pack: int, feature: int) -> int:
        """Return the number of ``feature`` in a pack, -1 when it is not there."""
        known = self._numbers[pack]
        number = known.get(feature)
        if number is None:
            number = known[feature] = self.packs[pack].feature_number(feature)
        return number

    def weight(self, feature: int) -> float:
        """Return how much ``feature`` tells, in bits."""
        weight = self._weights.get(feature)
        if weight is None:
            numbers = ((pack, self.number(pack, feature)) for pack in range(len(self.packs)))
            spread = sum(self.packs[pack].spread(number) for pack, number in numbers if number >= 0)
            weight = self._weights[feature] = math.log2(1 + self._names / max(2, spread))
        return weight

    def weight_of(self, pack: int, numbers: Iterable[int]) -> float:
        """Return the sum of the weights of features given by their numbers."""
        known, features = self._number_weights[pack], self.packs[pack].features
        total = 0.0
        for number in numbers:
            weight = known.get(number)
            if weight is None:
                weight = known[number] = self.weight(features[number])
            total += weight
        return total

    def weighed_set(self, pack: int, variant: int) -> tuple[frozenset[int], float]:
        """Return the features of a variant and their weight."""
        known = self._sets.get((pack, variant))
        if known is None:
            numbers = self.packs[pack].feature_set(variant)
            known = self._sets[pack, variant] = (numbers, self.weight_of(pack, numbers))
        return known

    def candidates(self, function: Function) -> list[Candidate]:
        """Return what ``function`` could be, the most alike first."""
        exact = self._exact(function) if function.count >= SHORTEST_EXACT else []
        if len(exact) > MOST_EXACT or (not exact and function.count < SHORTEST_ALIKE):
            return []
        likeness = Likeness(self, function)
        names = exact or self._by_features(likeness.sample())
        found = [Candidate(name, likeness.to_name(name), bool(exact)) for name in names]
        return sorted((c for c in found if c.exact or c.alike >= LEAST_ALIKE), key=lambda c: (-c.alike, c.name))

    def _exact(self, function: Function) -> list[PackName]:
        found = {
            (index, pack.variant(variant).name): None
            for index, pack in enumerate(self.packs)
            for variant in pack.exactly(function.exact)
        }
        return list(found)

    def _by_features(self, features: Iterable[int]) -> list[PackName]:
        known: list[tuple[float, int, int]] = []
        for feature in features:
            places = self._places.get(feature)
            if places is None:
                places = self._places[feature] = self._look_up(feature)
            known += places
        known.sort()
        gained: dict[PackName, float] = defaultdict(float)
        for weight, pack, number in known[:SEARCHED_FEATURES]:
            for name in self.packs[pack].with_feature(number):
                gained[pack, name] -= weight
        least = LEAST_SHARED * -sum(weight for weight, _, _ in known[:SEARCHED_FEATURES])
        best = sorted((name for name in gained if gained[name] >= least), key=lambda name: (-gained[name], name))
        return best[:CANDIDATES]

    def _look_up(self, feature: int) -> list[tuple[float, int, int]]:
        """Return where a feature that is not too common is known: the negative of its weight, pack and number."""
        numbers = [(pack, self.number(pack, feature)) for pack in range(len(self.packs))]
        return [
            (-self.weight(feature), pack, number)
            for pack, number in numbers
            if number >= 0 and self.packs[pack].spread(number) <= COMMON
        ]
