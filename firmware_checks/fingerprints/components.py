"""From functions that were recognised to libraries and the versions they could be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from firmware_checks.fingerprints.functions import Function
from firmware_checks.fingerprints.matching import Candidate, Index, Likeness, PackName
from firmware_checks.fingerprints.pack import Build, Component, Fix, Pack
from firmware_checks.fingerprints.versions import Fit, fits_of, version_likelihoods

__all__ = ["FixState", "FoundComponent", "Recognised", "Votes"]

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
BEYOND_DOUBT = 10.0
"""So strong a library is not mistaken for a relation of another."""
WITH_TABLE_STRENGTH, WITH_TABLE_FUNCTIONS = 1.7, 2
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


@dataclass(slots=True)
class Votes:
    """What functions of an image say about which libraries are inside."""

    index: Index
    gathered: dict[str, _Gathered] = field(default_factory=lambda: defaultdict(_Gathered))
    """By component, for every component that has a function like one of the image."""
    nearest: dict[int, tuple[str, float]] = field(default_factory=dict)
    """By where a function starts: the component that has the most alike one, and how alike it is."""

    def add(self, functions: Iterable[Function]) -> None:
        """Compare ``functions`` with all that is known."""
        for function in functions:
            self._vote(function, self.index.candidates(function))

    def _vote(self, function: Function, candidates: Iterable[Candidate]) -> None:
        best: dict[str, Candidate] = {}
        for candidate in candidates:
            best.setdefault(component_name(self.index, candidate.name), candidate)
        if not best:
            return
        ordered = sorted(best.items(), key=lambda item: -item[1].alike)
        name, top = ordered[0]
        if top.alike < ALIKE and not top.exact:
            return
        self.nearest[function.start] = (name, 1.0 if top.exact else top.alike)
        near = [(name, c) for name, c in ordered if c.alike > top.alike - MARGIN]
        for name, candidate in near:
            self.gathered[name].add(_recognised(self.index, function, candidate), sure=len(near) == 1)

    def components(self, functions: Sequence[Function], tables: Mapping[str, int]) -> list[FoundComponent]:
        """Return the libraries inside; ``tables`` says how many constant tables of each were seen."""
        graph = _CallGraph.of(functions)
        claims = [(name, seen) for name, seen in self.gathered.items() if seen.sure]
        for name, seen in claims:
            self._look_beside(name, seen, graph)
        found: list[FoundComponent] = []
        for name, seen in sorted(claims, key=lambda claim: -_strength(claim[1].sure.values())):
            own = self._own(seen, [component.name for component in found])
            if own and _is_inside(self.index, own, tables.get(name, 0)):
                found.append(_component(self.index, name, seen, tables.get(name, 0)))
        return sorted(found, key=lambda component: component.name)

    def _own(self, seen: _Gathered, stronger: Sequence[str]) -> list[Recognised]:
        """Return what was recognised without the functions that a stronger component has under the same name.

        One library has parts of another: XXH64 is in LZ4 and in Zstandard, the arithmetic of Curve25519 in many.
        """
        sure = list(seen.sure.values())
        if _strength(sure) >= BEYOND_DOUBT:
            return sure
        return [r for r in sure if not any(self.index.has_name(name, r.text) for name in stronger)]

    def _look_beside(self, component: str, seen: _Gathered, graph: _CallGraph) -> None:
        """Recognise functions with less likeness where the library has one beside a function that is recognised."""
        waiting = list(seen.sure.values())
        taken = {r.function.start for r in waiting}
        while waiting:
            known = waiting.pop()
            pack = self.index.packs[known.name[0]]
            called, callers = pack.callees(known.name[1]), pack.callers(known.name[1])
            for functions, numbers in (
                (graph.called(known.function), called),
                (graph.callers[known.function.start], callers),
            ):
                names = {(known.name[0], number) for number in numbers} - seen.sure.keys()
                for function in functions:
                    recognised = self._beside(component, function, names) if function.start not in taken else None
                    if recognised is not None:
                        seen.sure[recognised.name] = recognised
                        names.discard(recognised.name)
                        taken.add(function.start)
                        waiting.append(recognised)

    def _beside(self, component: str, function: Function, names: AbstractSet[PackName]) -> Recognised | None:
        if function.count < SHORTEST_BESIDE or not 0 < len(names) <= MOST_BESIDE:
            return None
        likeness = Likeness(self.index, function)
        alike, best = max((likeness.to_name(name), name) for name in names)
        other, to_other = self.nearest.get(function.start, (component, 0.0))
        if alike < ALIKE_BESIDE or (other != component and alike < to_other):
            return None
        return _recognised(self.index, function, Candidate(best, alike, exact=False))


def _strength(recognised: Iterable[Recognised]) -> float:
    return sum(r.strength for r in recognised)


def component_name(index: Index, name: PackName) -> str:
    """Return the component that a function of a pack belongs to."""
    return _declared(index, name).name


def _declared(index: Index, name: PackName) -> Component:
    pack = index.packs[name[0]]
    return pack.meta.components[pack.component_of(name[1])]


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


def _is_inside(index: Index, own: Sequence[Recognised], tables: int) -> bool:
    wanted, strength = _declared(index, own[0].name).minimum_functions, _strength(own)
    if tables and len(own) >= min(wanted, WITH_TABLE_FUNCTIONS):
        return strength >= WITH_TABLE_STRENGTH
    return len(own) >= wanted and strength >= ENOUGH_STRENGTH


def _component(index: Index, name: str, seen: _Gathered, tables: int) -> FoundComponent:
    functions = sorted((seen.shared | seen.sure).values(), key=lambda r: (-r.strength, r.function.start))
    fits = [(r, fits_of(index, r)) for r in functions]
    versions = {version for r in functions for version in _declared(index, r.name).versions}
    declared = _declared(index, functions[0].name)
    return FoundComponent(
        name=name,
        functions=tuple(functions),
        likelihoods=version_likelihoods(index, fits, versions, ready_made=declared.ready_made),
        fixes=tuple(_fixes(index, fits)),
        tables=tables,
        strength=_strength(seen.sure.values()),
        toolchain=declared.toolchain,
    )


def _fixes(index: Index, fits: Iterable[tuple[Recognised, Sequence[Fit]]]) -> Iterable[FixState]:
    """Yield for each known fix whether it is inside: only where the very function it changes is one we know."""
    said: dict[str, set[tuple[bool, str, int]]] = defaultdict(set)
    for recognised, variants in fits:
        pack = index.packs[recognised.name[0]]
        builds = {fit.variant: [pack.build(number) for number in pack.builds_of(fit.variant)] for fit in variants}
        same = [b for v in pack.exactly(recognised.function.exact) for b in builds.get(v, ())]
        known = {fix for rows in builds.values() for build in rows for fix in build.fixes}
        for fix in known:
            states = {fix in build.fixes for build in same if fix in build.fixes or _needs(pack, build, fix)}
            if recognised.text in fix.functions and len(states) == 1:
                said[fix.vulnerability].add((states.pop(), recognised.text, recognised.function.start))
    for vulnerability, rows in sorted(said.items()):
        if len({fixed for fixed, _, _ in rows}) == 1:
            fixed, function, start = min(rows)
            yield FixState(vulnerability, fixed, function, start)


def _needs(pack: Pack, build: Build, fix: Fix) -> bool:
    """Tell whether the version of ``build`` is one that was fixed by a patch; others may never have had the fault."""
    ours = (b for b in pack.meta.builds if (b.component, b.version) == (build.component, build.version))
    return any(fix in other.fixes for other in ours)
