"""From all kinds of evidence to one component for each identity and version, with where to see it.

Evidence that counts: patterns, facts of regions, what structures state, versions among a program's own constants, and
sets of versions that fingerprints leave possible. Evidence that does not: documents; and what a program says about a
library that it only links, because that is what it was built against and not what is inside.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from urllib.parse import quote

import msgspec

from firmware_checks.component_naming import (
    bounded_evidence,
    component_of,
    components_from_regions,
    merge_components,
    name_components,
    release_of,
)
from firmware_checks.component_rules import Category, ComponentRule
from firmware_checks.fact_collection import FileFacts
from firmware_checks.fact_reader import Relation, Statement
from firmware_checks.identity import Identities, Identity
from firmware_checks.own_versions import (
    STRONG_POINTS,
    Ballot,
    Linked,
    Verdict,
    decide,
    settled_by_rule,
    votes_of,
    votes_of_file_name,
    votes_of_release_in_name,
    votes_of_symbol_versions,
    with_votes_of_rule,
    without_doubtful,
)
from firmware_checks.patterns import Hit
from firmware_checks.region import Region
from firmware_checks.span import Span
from toolkit.core.findings import Evidence
from toolkit.report.model import Component, Confidence

__all__ = ["EvidenceOfImage", "VersionSet", "fuse", "is_document"]

LIKELY_MASS = 0.95
SYSTEM_PACKAGES = frozenset({"generic", "deb", "opkg", "apk", "rpm"})
"""Types of package URLs under which C libraries and programs go by their own names."""
BUILT_IN = frozenset({Category.LIBRARY, Category.CRYPTO, Category.SDK})
NEVER_BUILT_IN = frozenset({Category.APPLICATION, Category.OPERATING_SYSTEM, Category.BOOTLOADER})
FAMILY = 3
"""Projects that are released together share the first letters of their names."""
MOST_CANDIDATES = 8
_DOCUMENT = re.compile(
    r"(?:^|[!/])(?:usr/|opt/[^!/]+/)?(?:local/)?(?:share/)?(?:doc|docs|man|info|gtk-doc|licenses?|locale|help)/|"
    r"(?:^|[!/])(?:changelog|changes|news|readme|copying|licen[cs]e|copyright|authors|notice|release.?notes)[^!/]*$|"
    r"\.(?:html?|md|rst|adoc|pdf|pod|po|mo)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionSet:
    """Which versions of a component a body of code could be, and how likely each is."""

    name: str
    """Name of a ``ComponentRule``; what has none goes under its own name."""
    likelihoods: Mapping[str, float]
    """By version, on any scale; empty when nothing is known about the version."""
    evidence: tuple[Evidence, ...]
    confidence: Confidence
    """That the component is inside at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceOfImage:
    """All that was seen in one image."""

    hits: Sequence[tuple[Span, Hit]] = ()
    regions: Sequence[Region] = ()
    files: Mapping[str, FileFacts] = field(default_factory=dict)
    version_sets: Sequence[VersionSet] = ()


def is_document(path: str) -> bool:
    """Tell whether the file is text for people about software and not software."""
    return _DOCUMENT.search(path) is not None


def fuse(seen: EvidenceOfImage, rules: Sequence[ComponentRule], identities: Identities) -> tuple[Component, ...]:
    """Return the components that ``seen`` shows: one for each version of each."""
    return _Fusion(seen, rules, identities).components()


class _Fusion:
    def __init__(self, seen: EvidenceOfImage, rules: Sequence[ComponentRule], identities: Identities) -> None:
        self._seen = seen
        self._rules = rules
        self._by_name = {rule.name: rule for rule in rules}
        self._identities = identities
        self._libraries: dict[str, str | None] = {}

    def components(self) -> tuple[Component, ...]:
        seen = self._seen
        self._ask_neighbours()
        told = self._told_by_own_libraries()
        counted = [
            (span, hit)
            for span, hit in seen.hits
            if not self._is_quoted(span.path, hit.pattern.owner) and not self._is_passing(span.path, hit, told)
        ]
        named = [
            *name_components(counted, self._rules),
            *components_from_regions(seen.regions, self._rules),
            *filter(None, (self._stated(facts, s) for facts in seen.files.values() for s in facts.statements)),
        ]
        known = _versions_by_name(named)
        settled = self._settled(named)
        voted = self._voted(known)
        named = [*_refined(named, settled, voted), *(c for c in voted if c.name not in settled)]
        named = _without_quotations(named, seen.files)
        named += self._told_by_file_names({component.name for component in named})
        return _with_sets(merge_components(named), seen.version_sets, self._by_name)

    def _ask_neighbours(self) -> None:
        """Give programs that several projects have to the one of which there are other files in the image."""
        there = Counter(f.identity.name for f in self._seen.files.values() if f.is_elf and f.identity is not None)
        for facts in self._seen.files.values():
            others = self._identities.alternatives(facts.path.rpartition("!")[2]) if facts.is_elf else ()
            chosen = facts.identity
            if len(others) < 2 or (
                chosen is not None and (there[chosen.name] > 1 or chosen.name not in _names(others))
            ):
                continue
            likely = [other for other in others if there[other.name] and (chosen is None or other.name != chosen.name)]
            if len(likely) == 1:
                facts.identity = likely[0]

    def _is_quoted(self, path: str, owner: str) -> bool:
        """Tell whether what a rule found in the file at ``path`` is about something that is not in it."""
        if is_document(path):
            return True
        facts = self._seen.files.get(path)
        rule = self._by_name.get(owner)
        if facts is None or rule is None or (facts.identity is not None and facts.identity.name == owner):
            return False
        if facts.is_text:
            return not _goes_by(rule, path, self._identities)
        if facts.is_object and facts.identity is not None:
            return True
        return self._is_other_program(facts, rule) or owner in self._linked(facts)

    @staticmethod
    def _is_other_program(facts: FileFacts, rule: ComponentRule) -> bool:
        """Tell whether a program of a known project names a program: those are not built into others."""
        is_known = facts.identity is not None and facts.identity.is_known
        is_dynamic = facts.linkage is not None and facts.linkage.is_dynamic
        is_program = rule.category in NEVER_BUILT_IN or (
            bool(rule.files) and not rule.sonames and rule.category not in BUILT_IN
        )
        return is_known and is_dynamic and is_program

    def _told_by_own_libraries(self) -> dict[str, set[str]]:
        """Return the versions that the own libraries of components tell, by name of the rule."""
        told: dict[str, set[str]] = {}
        for span, hit in self._seen.hits:
            facts = self._seen.files.get(span.path)
            version = dict(hit.groups).get("version")
            if (
                version
                and facts
                and facts.identity
                and facts.identity.name == hit.pattern.owner
                and ".so" in facts.name
            ):
                told.setdefault(hit.pattern.owner, set()).add(version)
        return told

    def _is_passing(self, path: str, hit: Hit, told: Mapping[str, set[str]]) -> bool:
        """Tell whether a program names, in one place only, another version than the library that is there has.

        It was built with the header of that version; a copy of the library inside would show in more than one place.
        """
        facts = self._seen.files.get(path)
        owner, version = hit.pattern.owner, dict(hit.groups).get("version")
        if facts is None or facts.linkage is None or not facts.linkage.is_dynamic or version is None:
            return False
        is_own = facts.identity is not None and facts.identity.name == owner
        return not is_own and version not in told.get(owner, {version}) and self._places[path, owner] == 1

    @cached_property
    def _places(self) -> Counter[tuple[str, str]]:
        return Counter((span.path, hit.pattern.owner) for span, hit in self._seen.hits)

    @cached_property
    def _versions_at(self) -> dict[str, set[tuple[str, str]]]:
        """Owners of rules and the versions that their patterns found, by path: copies inside, or quotations."""
        found: dict[str, set[tuple[str, str]]] = defaultdict(set)
        for span, hit in self._seen.hits:
            version = dict(hit.groups).get("version")
            if version is not None:
                found[span.path].add((hit.pattern.owner, _number(version)))
        return found

    def _linked(self, facts: FileFacts) -> frozenset[str]:
        """Return the names of the components whose libraries a file loads, directly or through others."""
        found: set[str] = set()
        seen: set[str] = set()
        waiting = list(facts.linkage.needed) if facts.linkage is not None else []
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            component = self._library(name)
            found.update([component] if component is not None else [])
            waiting += self._needed_by.get(name, ())
        return frozenset(found)

    @cached_property
    def _needed_by(self) -> dict[str, tuple[str, ...]]:
        """What each library of the image asks for, by the name others ask for it."""
        linkages = (facts.linkage for facts in self._seen.files.values() if facts.linkage is not None)
        return {linkage.soname: linkage.needed for linkage in linkages if linkage.soname is not None}

    def _library(self, name: str) -> str | None:
        """Return the name of the component that a library is."""
        if name not in self._libraries:
            identity = self._identities.of_file(f"lib/{name}")
            self._libraries[name] = None if identity is None else identity.name
        return self._libraries[name]

    def _stated(self, facts: FileFacts, statement: Statement) -> Component | None:
        """Return the component that a structure names; packages of a language are not the library of the same name."""
        evidence = (facts.evidence(statement.offset, statement.excerpt),)
        if statement.purl_type in SYSTEM_PACKAGES:
            identity = self._identities.of_name(statement.name)
            if statement.relation is Relation.LISTS and statement.purl_type == "generic" and identity.rule is None:
                named = self._identities.of_file(f"lib/lib{statement.name.removeprefix('lib')}.so")
                if named is None or not named.is_known:
                    return None
                identity = named
        else:
            identity = Identity(statement.name)
        made = _component(identity, statement.version, statement.confidence, evidence, Category.LIBRARY)
        if statement.purl_type == "generic" or identity.rule is not None:
            return made
        return msgspec.structs.replace(made, purl=_purl(statement))

    def _settled(self, named: Iterable[Component]) -> frozenset[str]:
        """Return components whose version their own files have told by other means."""
        files = self._seen.files
        settled = set()
        for component in named:
            for evidence in component.evidence if component.version is not None else ():
                facts = files.get(evidence.path)
                if facts is not None and facts.identity is not None and facts.identity.name == component.name:
                    settled.add(component.name)
        return frozenset(settled)

    def _voted(self, known: dict[str, set[str]]) -> list[Component]:
        """Return the components whose own files agree on a version.

        What is plain is decided first, then the libraries: they tell which numbers in other programs are theirs.
        """
        ballots, owners = self._ballots()
        told = frozenset(known)
        for name, of_one in ballots.items():
            verdict = decide(of_one, {})
            if verdict is not None and verdict.version and verdict.points >= STRONG_POINTS and name not in told:
                known.setdefault(name, set()).add(_number(verdict.version))
        for name, of_one in ballots.items():
            is_library = any(".so" in self._seen.files[ballot.path].name for ballot in of_one)
            verdict = decide(of_one, self._all_linked(of_one, known)) if is_library and name not in known else None
            if verdict is not None and verdict.version and owners[name].is_known:
                known[name] = {_number(verdict.version)}
        verdicts = ((name, decide(of_one, self._all_linked(of_one, known))) for name, of_one in ballots.items())
        plain = [
            (owners[name], verdict if owners[name].rule is not None else without_doubtful(verdict))
            for name, verdict in verdicts
            if verdict is not None
        ]
        return [self._of_verdict(one, verdict) for one, verdict in plain if one.is_known or verdict.is_named]

    def _all_linked(self, ballots: Iterable[Ballot], known: Mapping[str, set[str]]) -> dict[str, Linked]:
        """Return by path what is known about the libraries of the files that vote."""
        return {ballot.path: self._linked_by(self._seen.files[ballot.path], known) for ballot in ballots}

    def _told_by_file_names(self, named: Collection[str]) -> list[Component]:
        """Return components of rules whose files are there by name and say nothing more."""
        evidence: dict[str, list[Evidence]] = defaultdict(list)
        rules: dict[str, ComponentRule] = {}
        for facts in self._seen.files.values():
            identity = facts.identity
            is_own = (
                facts.is_elf and identity is not None and identity.rule is not None and identity.rule.owns(facts.name)
            )
            if identity is not None and identity.rule is not None and is_own and identity.name not in named:
                rules[identity.name] = identity.rule
                evidence[identity.name].append(Evidence(path=facts.path, excerpt=facts.name))
        return [component_of(r, None, Confidence.MEDIUM, bounded_evidence(evidence[n])) for n, r in rules.items()]

    def _ballots(self) -> tuple[dict[str, list[Ballot]], dict[str, Identity]]:
        """Return what every component's own files say about its version, and whose they are."""
        ballots: dict[str, list[Ballot]] = defaultdict(list)
        owners: dict[str, Identity] = {}
        told: dict[str, set[str]] = defaultdict(set)
        for facts in self._seen.files.values():
            identity = facts.identity
            if identity is None or facts.is_object or is_document(facts.path):
                continue
            votes = with_votes_of_rule(votes_of(facts.texts, identity, facts.name), facts.own)
            votes += votes_of_release_in_name(facts.name) if identity.is_known else ()
            if facts.linkage is not None and identity.is_known:
                votes += votes_of_symbol_versions(facts.name, facts.linkage.symbol_versions, identity.keys)
            if identity.rule is not None and identity.rule.file_version:
                votes += votes_of_file_name(facts.name)
            if votes:
                ballots[identity.name].append(Ballot(facts.path, votes))
                owners.setdefault(identity.name, identity)
                told[identity.name].update(facts.own)
        telling = {name: self._telling(of_one) for name, of_one in ballots.items()}
        return {name: settled_by_rule(of_one, told[name]) for name, of_one in telling.items()}, owners

    def _telling(self, ballots: list[Ballot]) -> list[Ballot]:
        """Return ``ballots`` of programs where those agree on a version; scripts are kept up less well."""
        programs = [ballot for ballot in ballots if self._seen.files[ballot.path].is_elf]
        verdict = decide(programs, {}) if programs and len(programs) < len(ballots) else None
        return programs if verdict is not None and verdict.version is not None else ballots

    def _linked_by(self, facts: FileFacts, known: Mapping[str, set[str]]) -> Linked:
        """Return what is known about the libraries that a file loads, its own component's left out."""
        own = facts.identity.name if facts.identity is not None else ""
        direct = facts.linkage.needed if facts.linkage is not None else ()
        identities = [self._identities.of_file(f"lib/{name}") for name in direct]
        return Linked(
            names=direct,
            is_family=any(
                i is not None and i.name != own and i.name[:FAMILY] == own[:FAMILY] != "lib" for i in identities
            ),
            versions=frozenset(v for name in self._linked(facts) if name != own for v in known.get(name, ()))
            | frozenset(v for owner, v in self._versions_at.get(facts.path, ()) if owner != own),
            keys=frozenset().union(*(i.keys for i in identities if i is not None and i.name not in {own, "glibc"})),
        )

    def _of_verdict(self, identity: Identity, verdict: Verdict) -> Component:
        files = self._seen.files
        evidence = [files[path].evidence(text.offset, text.text) for path, text in verdict.votes]
        confidence = Confidence.MEDIUM if verdict.points < STRONG_POINTS else Confidence.HIGH
        if verdict.version is None or not identity.is_known:
            confidence = Confidence.LOW if verdict.version is None else Confidence.MEDIUM
        is_library = all(".so" in files[path].name for path, _ in verdict.votes)
        category = Category.LIBRARY if is_library else Category.APPLICATION
        made = _component(identity, verdict.version, confidence, bounded_evidence(evidence), category)
        return msgspec.structs.replace(made, version_candidates=verdict.candidates or made.version_candidates)


def _without_quotations(components: Iterable[Component], files: Mapping[str, FileFacts]) -> list[Component]:
    """Leave out versions that only texts tell, where a program of the component is there to tell its own."""
    made = list(components)

    def is_told_by_texts(component: Component) -> bool:
        own = (
            facts is not None and facts.is_text and (facts.identity is None or facts.identity.name != component.name)
            for facts in (files.get(evidence.path) for evidence in component.evidence)
        )
        return component.confidence is not Confidence.CERTAIN and all(own)

    told = {c.name for c in made if c.version is not None and not is_told_by_texts(c)}
    told |= {facts.identity.name for facts in files.values() if facts.is_elf and facts.identity is not None}
    return [c for c in made if c.name not in told or not is_told_by_texts(c)]


def _refined(
    components: Iterable[Component], settled: Collection[str], voted: Iterable[Component]
) -> Iterator[Component]:
    """Yield ``components``, with a series (252) replaced by the release of it that own files tell (252.39)."""
    releases = {c.name: c for c in voted if c.name in settled and c.version is not None}
    for component in components:
        release = releases.get(component.name)
        is_series = release is not None and f"{release.version}".startswith(f"{component.version}.")
        if release is None or not is_series:
            yield component
        else:
            evidence = bounded_evidence([*release.evidence, *component.evidence])
            yield msgspec.structs.replace(release, evidence=evidence)


def _names(identities: Iterable[Identity]) -> set[str]:
    return {identity.name for identity in identities}


def _versions_by_name(named: Iterable[Component]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for component in named:
        if component.version is not None:
            found.setdefault(component.name, set()).add(_number(component.version))
    return found


def _number(version: str) -> str:
    match = re.match(r"\d+(?:\.\d+)*", version)
    return match.group() if match else version


def _goes_by(rule: ComponentRule, path: str, identities: Identities) -> bool:
    """Tell whether a folder or file on ``path`` has a name of the component."""
    keys = identities.of_rule(rule).keys
    words = re.findall(r"[a-z0-9+]+", path.lower())
    joined = (a + b for a, b in pairwise(words))
    return rule.category == Category.OPERATING_SYSTEM or not keys.isdisjoint(words) or not keys.isdisjoint(joined)


def _component(
    identity: Identity, version: str | None, confidence: Confidence, evidence: tuple[Evidence, ...], category: Category
) -> Component:
    if identity.rule is not None:
        return component_of(identity.rule, version, confidence, evidence)
    name = identity.name
    cpe_name = re.sub(r"([^\w.-])", r"\\\1", name.lower(), flags=re.ASCII)
    release = version and (release_of(version) or version)
    cpe_version = re.sub(r"([^\w.-])", r"\\\1", release.lower(), flags=re.ASCII) if release else "*"
    return Component(
        name=name,
        title=name,
        category=category,
        version=version,
        version_candidates=(release,) if release and release != version else (),
        purl=f"pkg:generic/{quote(name, safe='.-_~')}" + (f"@{quote(version, safe='.-_~')}" if version else ""),
        cpe=f"cpe:2.3:a:*:{cpe_name}:{cpe_version}:*:*:*:*:*:*:*",
        confidence=confidence,
        evidence=evidence,
    )


def _purl(statement: Statement) -> str:
    parts = [quote(part, safe=".-_~") for part in (*statement.namespace.split("/"), statement.name) if part]
    version = statement.release or statement.version
    return f"pkg:{statement.purl_type}/{'/'.join(parts)}" + (f"@{quote(version, safe='.-_~:')}" if version else "")


def _with_sets(
    components: Sequence[Component], version_sets: Iterable[VersionSet], rules: Mapping[str, ComponentRule]
) -> tuple[Component, ...]:
    """Return ``components`` with what fingerprints leave possible: a version that is written down says more."""
    made = list(components)
    for one in version_sets:
        paths = {evidence.path for evidence in one.evidence}
        index = next((i for i, c in enumerate(made) if c.version and c.name == one.name and _seen_in(c, paths)), None)
        if index is None:
            made.append(_of_set(one, rules))
        elif not one.likelihoods or _number(made[index].version or "") in map(_number, one.likelihoods):
            evidence = bounded_evidence([*made[index].evidence, *one.evidence])
            made[index] = msgspec.structs.replace(made[index], evidence=evidence)
    return merge_components(made)


def _seen_in(component: Component, paths: set[str]) -> bool:
    return any(evidence.path in paths for evidence in component.evidence)


def _of_set(one: VersionSet, rules: Mapping[str, ComponentRule]) -> Component:
    mass = sum(one.likelihoods.values())
    ranked = sorted(one.likelihoods, key=lambda version: (-one.likelihoods[version], version))
    likely: list[str] = []
    covered = 0.0
    for version in ranked:
        if mass and covered >= LIKELY_MASS * mass:
            break
        likely.append(version)
        covered += one.likelihoods[version]
    only = likely[0] if len(likely) == 1 else None
    rule = rules.get(one.name)
    made = _component(Identity(one.name, rule), only, one.confidence, bounded_evidence(one.evidence), Category.LIBRARY)
    candidates = tuple(likely[:MOST_CANDIDATES]) if len(likely) > 1 else made.version_candidates
    return msgspec.structs.replace(made, version_candidates=candidates)
