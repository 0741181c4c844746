"""From all kinds of evidence to one component for each identity and version, with where to see it.

Evidence that counts: patterns, facts of regions, what structures state, versions among a program's own constants, and
sets of versions that fingerprints leave possible. Evidence that does not: documents; and what a program says about a
library that it only links, because that is what it was built against and not what is inside.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from firmware_checks.component_naming import (
    bounded_evidence,
    component_of,
    component_of_identity,
    components_from_regions,
    merge_components,
    name_components,
    package_url,
)
from firmware_checks.component_rules import Category, ComponentRule
from firmware_checks.fact_collection import FileFacts
from firmware_checks.fact_reader import Relation, Statement
from firmware_checks.fusion_elections import Elections
from firmware_checks.fusion_libraries import Libraries
from firmware_checks.fusion_quotations import Hits, Quotations, is_document, number_of, versions_at, without_quotations
from firmware_checks.identity import Identities, Identity
from firmware_checks.region import Region
from firmware_checks.version_sets import VersionSet, with_sets
from toolkit.core.findings import Evidence
from toolkit.report.model import Component, Confidence

__all__ = ["EvidenceOfImage", "VersionSet", "fuse", "is_document"]

SYSTEM_PACKAGES = frozenset({"generic", "deb", "opkg", "apk", "rpm"})
"""Types of package URLs under which C libraries and programs go by their own names."""
PERL = "cpan"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceOfImage:
    """All that was seen in one image."""

    hits: Hits = ()
    regions: Sequence[Region] = ()
    files: Mapping[str, FileFacts] = field(default_factory=dict)
    version_sets: Sequence[VersionSet] = ()


def fuse(seen: EvidenceOfImage, rules: Sequence[ComponentRule], identities: Identities) -> tuple[Component, ...]:
    """Return the components that ``seen`` shows: one for each version of each."""
    return _Fusion(seen, rules, identities).components()


class _Fusion:
    def __init__(self, seen: EvidenceOfImage, rules: Sequence[ComponentRule], identities: Identities) -> None:
        self._seen = seen
        self._rules = rules
        self._by_name = {rule.name: rule for rule in rules}
        self._identities = identities

    def components(self) -> tuple[Component, ...]:
        seen = self._seen
        self._ask_neighbours()
        libraries = Libraries(seen.files, self._identities, versions_at(seen.hits))
        quotations = Quotations(seen.hits, seen.files, self._by_name, self._identities, libraries)
        named = [
            *name_components(quotations.left_out(), self._rules),
            *components_from_regions(seen.regions, self._rules),
            *filter(None, (self._stated(facts, s) for facts, s in _without_parts(seen.files.values()))),
        ]
        settled = self._settled(named)
        voted = Elections(seen.files, libraries).results(_versions_by_name(named))
        named = [*_refined(named, settled, voted), *(c for c in voted if c.name not in settled)]
        named = without_quotations(named, seen.files)
        named += self._told_by_file_names({component.name for component in named})
        return with_sets(merge_components(named), seen.version_sets, self._by_name)

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
        made = component_of_identity(identity, statement.version, statement.confidence, evidence, Category.LIBRARY)
        if statement.purl_type == "generic" or identity.rule is not None:
            return made
        return msgspec.structs.replace(made, purl=package_url(statement))

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


def _without_parts(files: Collection[FileFacts]) -> Iterator[tuple[FileFacts, Statement]]:
    """Yield statements without those of Perl modules below another one, which are parts of what that is in."""
    modules = {s.name for facts in files for s in facts.statements if s.purl_type == PERL}
    for facts in files:
        for statement in facts.statements:
            parts = statement.name.split("-")
            above = ("-".join(parts[:count]) for count in range(1, len(parts)))
            is_described = statement.purl_type != PERL or statement.confidence is Confidence.CERTAIN
            if is_described or modules.isdisjoint(above):
                yield facts, statement


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
            found.setdefault(component.name, set()).add(number_of(component.version))
    return found
