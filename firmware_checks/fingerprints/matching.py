"""Which function of which library each function of an image is, by the packs at hand."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import TypeVar

from firmware_checks.fingerprints.functions import Function
from firmware_checks.fingerprints.pack import Pack

__all__ = ["Candidate", "Index", "Likeness", "PackName"]

_Value = TypeVar("_Value")

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
LEAST_KNOWN = 0.42
"""Of the weight of a function's features that packs must know: below 0.35 nothing can be alike enough, and in the
benchmark nothing was below 0.47."""
MOST_EXACT = 12
"""So many functions with one hash: it tells nothing."""
LEAST_ALIKE = 0.2
TOO_DIFFERENT = 2
"""Levels apart: the two functions differ in size by a factor of four or more."""

MISSING = frozenset({-1})

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
        best = 0.0
        if self._most_alike(name) < LEAST_ALIKE:
            return best
        for variant, level in self._comparable(name):
            if self._common(name[0], variant, level) > max(best, LEAST_ALIKE) * self._at(level)[1]:
                best = max(best, self._alike(name[0], variant, level))
        return best

    def _most_alike(self, name: PackName) -> float:
        """Return what the likeness to any variant of ``name`` is at most, about."""
        _, weight = self._at(self.level)
        common = self._numbers_at(name[0], self.level) & self.index.packs[name[0]].union(name[1])
        return self.index.weight_of(name[0], common) / weight if weight else 0.0

    def to_variants(self, name: PackName) -> Iterator[tuple[int, float]]:
        """Yield the number of each variant of ``name`` and how alike it is."""
        for variant, level in self._comparable(name):
            yield variant, self._alike(name[0], variant, level)

    def _comparable(self, name: PackName) -> Iterator[tuple[int, int]]:
        """Yield the number and level of each variant that is about as large."""
        pack = self.index.packs[name[0]]
        for variant in pack.variants_of(name[1]):
            level = pack.variant(variant).level
            if abs(level - self.level) < TOO_DIFFERENT:
                yield variant, level

    def _common(self, pack: int, variant: int, level: int) -> float:
        """Return the weight of what both have; that by the weight of one of them is more than the likeness."""
        return self.index.weight_of(pack, self._numbers_at(pack, level) & self.index.packs[pack].feature_set(variant))

    def _alike(self, pack: int, variant: int, level: int) -> float:
        theirs, their_weight = self.index.weighed_set(pack, variant)
        _, weight = self._at(level)
        common = self.index.weight_of(pack, self._numbers_at(pack, level) & theirs)
        union = weight + their_weight - common
        return common / union if union else 0.0

    def _numbers_at(self, pack: int, level: int) -> frozenset[int]:
        numbers = self._numbers.get((pack, level))
        if numbers is None:
            found = frozenset(self.index.numbers[pack].of(self._at(level)[0]))
            numbers = self._numbers[pack, level] = found - MISSING
        return numbers

    def is_known(self) -> bool:
        """Tell whether enough of the function is known for anything to be alike."""
        features, weight = self._at(self.level)
        return weight - self.index.unknown_weight * len(features & self.index.unknown) >= LEAST_KNOWN * weight

    def _at(self, level: int) -> tuple[frozenset[int], float]:
        known = self._levels.get(level)
        if known is None:
            features = self.function.sample(level)
            known = self._levels[level] = (features, sum(self.index.weights.of(features)))
        return known


class _Table(dict[int, _Value]):
    """Values by number, each made when it is first asked for."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[int], _Value]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, number: int) -> _Value:
        """Make the value of a number that was not asked for before."""
        value = self[number] = self._make(number)
        return value

    def of(self, numbers: Iterable[int]) -> Iterator[_Value]:
        """Return the values of ``numbers``."""
        return map(self.__getitem__, numbers)


@dataclass(slots=True)
class Index:
    """All packs together, and how much each feature tells: the rarer the more."""

    packs: Sequence[Pack]
    numbers: list[_Table[int]] = field(init=False)
    """Of each pack: the number of a feature in it, -1 when it is not there."""
    weights: _Table[float] = field(init=False)
    """How much a feature tells, in bits."""
    unknown: set[int] = field(default_factory=set)
    """Of the features whose weight was asked for: those that no pack has, all of the same weight."""
    unknown_weight: float = 0.0
    _number_weights: list[_Table[float]] = field(init=False)
    _places: _Table[list[tuple[float, int, int]]] = field(init=False)
    _sets: dict[tuple[int, int], tuple[frozenset[int], float]] = field(default_factory=dict)
    _names: int = 0

    def __post_init__(self) -> None:
        self._names = sum(pack.names for pack in self.packs)
        self.unknown_weight = math.log2(1 + self._names / 2)
        self.numbers = [_Table(pack.feature_number) for pack in self.packs]
        self.weights = _Table(self._weight)
        self._number_weights = [_Table(partial(self._weight_in, pack)) for pack in self.packs]
        self._places = _Table(self._look_up)

    def _found(self, feature: int) -> list[tuple[int, int]]:
        """Return the pack and the number of a feature, for all packs that have it."""
        found = [(pack, numbers[feature]) for pack, numbers in enumerate(self.numbers)]
        return [(pack, number) for pack, number in found if number >= 0]

    def _weight(self, feature: int) -> float:
        found = self._found(feature)
        if not found:
            self.unknown.add(feature)
            return self.unknown_weight
        spread = sum(self.packs[pack].spread(number) for pack, number in found)
        return math.log2(1 + self._names / max(2, spread))

    def _weight_in(self, pack: Pack, number: int) -> float:
        return self.weights[pack.features[number]]

    def weight_of(self, pack: int, numbers: Iterable[int]) -> float:
        """Return the sum of the weights of features given by their numbers."""
        return sum(self._number_weights[pack].of(numbers))

    def weighed_set(self, pack: int, variant: int) -> tuple[frozenset[int], float]:
        """Return the features of a variant and their weight."""
        known = self._sets.get((pack, variant))
        if known is None:
            numbers = self.packs[pack].feature_set(variant)
            known = self._sets[pack, variant] = (numbers, self.weight_of(pack, numbers))
        return known

    def has_name(self, component: str, text: str) -> bool:
        """Tell whether a component has a function of this name, whatever a compiler added behind a dot."""
        return any(pack.has_name(component, text.partition(".")[0]) for pack in self.packs)

    def candidates(self, function: Function) -> list[Candidate]:
        """Return what ``function`` could be, the most alike first."""
        exact = self._exact(function) if function.count >= SHORTEST_EXACT else []
        if len(exact) > MOST_EXACT or (not exact and function.count < SHORTEST_ALIKE):
            return []
        likeness = Likeness(self, function)
        names = exact or (self._by_features(likeness.sample()) if likeness.is_known() else [])
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
        known = sorted(chain.from_iterable(self._places.of(features)))[:SEARCHED_FEATURES]
        gained: dict[PackName, float] = defaultdict(float)
        for weight, pack, number in known:
            for name in self.packs[pack].with_feature(number):
                gained[pack, name] -= weight
        least = LEAST_SHARED * -sum(weight for weight, _, _ in known)
        best = sorted((name for name in gained if gained[name] >= least), key=lambda name: (-gained[name], name))
        return best[:CANDIDATES]

    def _look_up(self, feature: int) -> list[tuple[float, int, int]]:
        """Return where a feature that is not too common is known: the negative of its weight, pack and number."""
        return [
            (-self.weights[feature], pack, number)
            for pack, number in self._found(feature)
            if self.packs[pack].spread(number) <= COMMON
        ]
