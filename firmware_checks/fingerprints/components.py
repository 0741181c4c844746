"""From functions that were recognised to libraries and the versions they could be."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from firmware_checks.fingerprints.functions import Function
from firmware_checks.fingerprints.matching import Candidate, Index, Likeness, PackName
from firmware_checks.fingerprints.pack import Component

__all__ = ["FixState", "FoundComponent", "Recognised", "recognise"]

ALIKE = 0.35
"""From here on two functions are the same; the trial's value, confirmed by the benchmark."""
MARGIN = 0.08
"""The next best library must be this much less alike."""
ALIKE_BESIDE = 0.22
"""Enough for a function that is called from where the library calls it."""
SHORTEST_BESIDE = 6
MOST_BESIDE = 60
"""Names; a helper that half the library calls says nothing about who called it."""
ENOUGH_STRENGTH = 2.2
WITH_TABLE_STRENGTH, WITH_TABLE_FUNCTIONS = 1.2, 2
SHARPNESS = 3.0
"""How fast the likelihood of a version falls with how much worse its functions fit."""
WORST = 0.35
"""A function that a version does not have at all counts like one that is this much less alike."""
NOT_SAME = 0.85
"""A variant that is not the same instruction by instruction counts this much less when versions are weighed."""
NEGLIGIBLE = 0.02
SAME_BUILD = 0.5
NEARLY_ALL = 0.95


@dataclass(frozen=True, slots=True)
class Recognised:
    """A function of the image and what it is."""

    function: Function
    name: PackName
    text: str
    alike: float
    exact: bool

    @property
    def strength(self) -> float:
        """How much it says that the library is inside, 0 to 1."""
        size = min(1.0, max(0.1, (self.function.count - 4) / 28))
        sure = 1.0 if self.exact else min(1.0, max(0.1, (self.alike - 0.2) / 0.4))
        return size * sure


@dataclass(frozen=True, slots=True)
class FixState:
    """Whether a fix that changed a function is inside."""

    vulnerability: str
    fixed: bool
    function: str
    start: int
    """Offset of the function."""


@dataclass(slots=True, kw_only=True)
class FoundComponent:
    """A library that is inside."""

    name: str
    functions: tuple[Recognised, ...]
    likelihoods: Mapping[str, float]
    """Of each version that is not ruled out; they add up to 1."""
    fixes: tuple[FixState, ...] = ()
    tables: int = 0
    strength: float = 0.0
    toolchain: bool = False

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions that make up nearly all of the likelihood, the likeliest first."""
        kept: list[str] = []
        mass = 0.0
        for version, likelihood in self.likelihoods.items():
            kept.append(version)
            mass += likelihood
            if mass >= NEARLY_ALL:
                break
        return tuple(kept)


@dataclass(slots=True)
class _Gathered:
    """What speaks for one component."""

    sure: dict[PackName, Recognised] = field(default_factory=dict)
    shared: dict[PackName, Recognised] = field(default_factory=dict)
    """Functions that another component has as well."""

    def add(self, recognised: Recognised, *, sure: bool) -> None:
        """Keep the most alike function of each name."""
        place = self.sure if sure else self.shared
        known = place.get(recognised.name)
        if known is None or (known.exact, known.alike) < (recognised.exact, recognised.alike):
            place[recognised.name] = recognised


def recognise(index: Index, functions: Sequence[Function], tables: Mapping[str, int]) -> list[FoundComponent]:
    """Return the components inside; ``tables`` says how many constant tables of each were seen."""
    gathered: dict[str, _Gathered] = defaultdict(_Gathered)
    for function in functions:
        _vote(index, function, index.candidates(function), gathered)
    graph = _CallGraph.of(functions)
    found: list[FoundComponent] = []
    for name, seen in gathered.items():
        if not seen.sure:
            continue
        _look_beside(index, seen, graph)
        strength = sum(r.strength for r in seen.sure.values())
        if _is_inside(index, seen, strength, tables.get(name, 0)):
            found.append(_component(index, name, seen, strength, tables.get(name, 0)))
    return sorted(found, key=lambda component: component.name)


def component_name(index: Index, name: PackName) -> str:
    """Return the component that a function of a pack belongs to."""
    return _declared(index, name).name


def _declared(index: Index, name: PackName) -> Component:
    pack = index.packs[name[0]]
    return pack.meta.components[pack.component_of(name[1])]


def _vote(index: Index, function: Function, candidates: Iterable[Candidate], gathered: Mapping[str, _Gathered]) -> None:
    best: dict[str, Candidate] = {}
    for candidate in candidates:
        best.setdefault(component_name(index, candidate.name), candidate)
    if not best:
        return
    ordered = sorted(best.items(), key=lambda item: -item[1].alike)
    top = ordered[0][1]
    if top.alike < ALIKE and not top.exact:
        return
    near = [(name, c) for name, c in ordered if c.alike > top.alike - MARGIN]
    for name, candidate in near:
        gathered[name].add(_recognised(index, function, candidate), sure=len(near) == 1)


def _recognised(index: Index, function: Function, candidate: Candidate) -> Recognised:
    pack, name = candidate.name
    return Recognised(function, candidate.name, index.packs[pack].text(name), candidate.alike, candidate.exact)


@dataclass(slots=True)
class _CallGraph:
    """Who calls whom in the image, by where functions start."""

    functions: Mapping[int, Function]
    callers: dict[int, list[Function]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, functions: Sequence[Function]) -> _CallGraph:
        """Return the call graph of ``functions``."""
        graph = cls({function.start: function for function in functions})
        for function in functions:
            for start in dict.fromkeys(function.calls):
                graph.callers[start].append(function)
        return graph

    def called(self, function: Function) -> list[Function]:
        """Return the functions that ``function`` calls."""
        return [self.functions[start] for start in function.calls if start in self.functions]


def _look_beside(index: Index, seen: _Gathered, graph: _CallGraph) -> None:
    """Recognise functions with less likeness where the library has one beside a function that is recognised."""
    waiting = list(seen.sure.values())
    taken = {r.function.start for r in waiting}
    while waiting:
        known = waiting.pop()
        pack = index.packs[known.name[0]]
        called, callers = pack.callees(known.name[1]), pack.callers(known.name[1])
        for functions, numbers in (
            (graph.called(known.function), called),
            (graph.callers[known.function.start], callers),
        ):
            names = {(known.name[0], number) for number in numbers} - seen.sure.keys()
            for function in functions:
                recognised = _beside(index, function, names) if function.start not in taken else None
                if recognised is not None:
                    seen.sure[recognised.name] = recognised
                    names.discard(recognised.name)
                    taken.add(function.start)
                    waiting.append(recognised)


def _beside(index: Index, function: Function, names: AbstractSet[PackName]) -> Recognised | None:
    if function.count < SHORTEST_BESIDE or not 0 < len(names) <= MOST_BESIDE:
        return None
    likeness = Likeness(index, function)
    alike, best = max((likeness.to_name(name), name) for name in names)
    return _recognised(index, function, Candidate(best, alike, exact=False)) if alike >= ALIKE_BESIDE else None


def _is_inside(index: Index, seen: _Gathered, strength: float, tables: int) -> bool:
    wanted = _declared(index, next(iter(seen.sure))).minimum_functions
    if tables and len(seen.sure) >= min(wanted, WITH_TABLE_FUNCTIONS):
        return strength >= WITH_TABLE_STRENGTH
    return len(seen.sure) >= wanted and strength >= ENOUGH_STRENGTH


def _component(index: Index, name: str, seen: _Gathered, strength: float, tables: int) -> FoundComponent:
    functions = sorted((seen.shared | seen.sure).values(), key=lambda r: (-r.strength, r.function.start))
    fits = [(r, _fit(index, r)) for r in functions]
    return FoundComponent(
        name=name,
        functions=tuple(functions),
        likelihoods=_likelihoods(index, fits) if _tells_version(index, functions) else {},
        fixes=tuple(_fixes(index, fits)),
        tables=tables,
        strength=strength,
        toolchain=_declared(index, functions[0].name).toolchain,
    )


def _tells_version(index: Index, functions: Sequence[Recognised]) -> bool:
    """Tell whether a version can be told: one alone in the packs is believed only where the very same build shows."""
    if len(_declared(index, functions[0].name).versions) > 1:
        return True
    strengths = [(r.strength, r.exact) for r in functions]
    return sum(s for s, exact in strengths if exact) >= SAME_BUILD * sum(s for s, _ in strengths)


def _fit(index: Index, recognised: Recognised) -> list[tuple[int, float]]:
    """Return how well each variant fits: what is the same instruction by instruction fits best."""
    pack = index.packs[recognised.name[0]]
    same = set(pack.exactly(recognised.function.exact))
    variants = Likeness(index, recognised.function).to_variants(recognised.name)
    return [(v, (1 + alike) / 2 if v in same else alike * NOT_SAME) for v, alike in variants]


_Fits = Sequence[tuple[Recognised, Sequence[tuple[int, float]]]]


def _likelihoods(index: Index, fits: _Fits) -> dict[str, float]:
    """Return how likely each version is: the sum over functions of how much worse its best variant fits."""
    scores: dict[str, float] = defaultdict(float)
    versions: set[str] = set()
    rows: list[tuple[float, float, dict[str, float]]] = []
    for recognised, variants in fits:
        pack = index.packs[recognised.name[0]]
        by_version: dict[str, float] = defaultdict(float)
        for variant, alike in variants:
            for build in {pack.build(number).version for number in pack.builds_of(variant)}:
                by_version[build] = max(by_version[build], alike)
        versions.update(_declared(index, recognised.name).versions)
        if by_version:
            rows.append((math.log2(recognised.function.count), max(by_version.values()), by_version))
    for weight, best, by_version in rows:
        for version in versions:
            scores[version] += weight * (max(by_version.get(version, 0.0), best - WORST) - best)
    if not scores:
        return {}
    top = max(scores.values())
    raw = {version: math.exp(SHARPNESS * (score - top)) for version, score in scores.items()}
    kept = {version: value for version, value in raw.items() if value >= NEGLIGIBLE}
    total = sum(kept.values())
    return {v: kept[v] / total for v in sorted(kept, key=lambda v: (-kept[v], v))}


def _fixes(index: Index, fits: _Fits) -> Iterable[FixState]:
    """Yield for each known fix whether it is inside: only where the very function it changes is one we know."""
    said: dict[str, set[tuple[bool, str, int]]] = defaultdict(set)
    for recognised, variants in fits:
        pack = index.packs[recognised.name[0]]
        builds = {v: [pack.build(number) for number in pack.builds_of(v)] for v, _ in variants}
        same = [b for v in pack.exactly(recognised.function.exact) for b in builds.get(v, ())]
        known = {fix for rows in builds.values() for build in rows for fix in build.fixes}
        for fix in known:
            states = {fix in build.fixes for build in same}
            if recognised.text in fix.functions and len(states) == 1:
                said[fix.vulnerability].add((states.pop(), recognised.text, recognised.function.start))
    for vulnerability, rows in sorted(said.items()):
        if len({fixed for fixed, _, _ in rows}) == 1:
            fixed, function, start = min(rows)
            yield FixState(vulnerability, fixed, function, start)
