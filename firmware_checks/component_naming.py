"""From places where rules matched to named components, each with where to see it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

import msgspec

from firmware_checks.component_rules import EVIDENCE_PER_COMPONENT, Category, ComponentRule, FactSource
from firmware_checks.fact_reader import Statement
from firmware_checks.identity import Identity
from firmware_checks.patterns import Hit, Pattern
from firmware_checks.region import Region
from firmware_checks.span import Span
from toolkit.core.findings import Evidence
from toolkit.report.model import Component, Confidence

__all__ = [
    "bounded_evidence",
    "component_of",
    "component_of_identity",
    "components_from_regions",
    "merge_components",
    "name_components",
    "package_url",
    "release_of",
]

SIGNS_FOR_MEDIUM = 2
"""One text could be there by chance or as a quotation; two different ones of the same component hardly are."""

_RELEASE = re.compile(
    r"(?P<number>\d+(?:\.(?!(?:19|20)\d{6}(?!\d))\d+)*(?:(?!rc|alpha|beta|pre|dev)[a-z]{1,2}\d*)?)"
    r"(?:[-._~]?(?P<update>(?:rc|alpha|beta|preview|pre)[-.]?\d{0,3}|devel|dev))?"
    r"(?=$|[-+_~ ]|\.[a-wyz]|\.(?:19|20)\d{6}(?!\d))",
    re.IGNORECASE,
)
"""The release in a version; what follows is what a build adds: ``git describe``, a packager's revision, an own name."""
_FACT_VERSION = re.compile(r"[vV]?(?P<version>\d+(?:\.\d+)+[\w.+~-]*)")


@dataclass(slots=True)
class _Seen:
    """What was seen of one rule."""

    versions: dict[str, list[tuple[Span, Hit]]] = field(default_factory=dict)
    signs: dict[str, dict[Pattern, list[tuple[Span, Hit]]]] = field(default_factory=dict)
    """By path: signs count together only within one file."""


def name_components(hits: Iterable[tuple[Span, Hit]], rules: Sequence[ComponentRule]) -> tuple[Component, ...]:
    """Return the components that ``hits`` show: one for each version, and one without where only signs were seen."""
    by_name = {rule.name: rule for rule in rules}
    seen: dict[str, _Seen] = {}
    for span, hit in hits:
        rule = by_name.get(hit.pattern.owner)
        if rule is None:
            continue
        of_rule = seen.setdefault(rule.name, _Seen())
        version = dict(hit.groups).get("version")
        if version is None:
            of_rule.signs.setdefault(span.path, {}).setdefault(hit.pattern, []).append((span, hit))
        else:
            of_rule.versions.setdefault(rule.spelled(version), []).append((span, hit))
    return merge_components(c for name, of_rule in seen.items() for c in _named(by_name[name], of_rule))


def _named(rule: ComponentRule, seen: _Seen) -> Iterator[Component]:
    for version, places in seen.versions.items():
        yield component_of(rule, version, Confidence.HIGH, _evidence(places))
    known = {span.path for places in seen.versions.values() for span, _ in places}
    for path, signs in seen.signs.items():
        if path not in known and len(signs) >= rule.minimum_signs:
            confidence = Confidence.MEDIUM if len(signs) >= SIGNS_FOR_MEDIUM else Confidence.LOW
            first_of_each = [places[0] for places in signs.values()]
            others = [place for places in signs.values() for place in places[1:]]
            yield component_of(rule, None, confidence, _evidence([*first_of_each, *others]))


def components_from_regions(regions: Iterable[Region], rules: Sequence[ComponentRule]) -> tuple[Component, ...]:
    """Return the components that facts of ``regions`` name: what a format has read from a structure."""
    sources = [(rule, source) for rule in rules for source in rule.facts]
    named = (_from_facts(rule, source, region) for region in regions for rule, source in sources)
    return merge_components(component for component in named if component is not None)


def _from_facts(rule: ComponentRule, source: FactSource, region: Region) -> Component | None:
    fact = region.facts.get(source.version)
    variant = "" if source.variant is None else region.facts.get(source.variant)
    if fact is None or variant is None:
        return None
    found = _FACT_VERSION.match(str(fact))
    version = rule.spelled(found["version"]) if found else None
    evidence = msgspec.structs.replace(region.span.evidence(0), excerpt=f"{source.version} = {fact}")
    confidence = Confidence.CERTAIN if version else Confidence.HIGH
    return component_of(rule, version, confidence, (evidence,), str(variant))


def merge_components(components: Iterable[Component]) -> tuple[Component, ...]:
    """Return ``components`` with equal ones joined, sorted by name and version.

    One without a version goes where every file it was seen in also shows a version.
    """
    merged: dict[tuple[str, str | None, str | None], Component] = {}
    for component in components:
        key = (component.name, component.purl, component.version)
        merged[key] = _joined(merged[key], component) if key in merged else component
    known = {(c.name, e.path) for c in merged.values() if c.version is not None for e in c.evidence}
    kept = [
        c for c in merged.values() if c.version is not None or not all((c.name, e.path) in known for e in c.evidence)
    ]
    return tuple(sorted(kept, key=lambda c: (c.name, c.version or "", c.purl or "")))


def _joined(one: Component, other: Component) -> Component:
    ranks = list(Confidence)
    return msgspec.structs.replace(
        one,
        confidence=max(one.confidence, other.confidence, key=ranks.index),
        evidence=bounded_evidence([*one.evidence, *other.evidence]),
    )


def release_of(version: str) -> str | None:
    """Return the release that ``version``, as a build names itself, was made from; None where that is the same."""
    release = _RELEASE.match(version)
    return release.group() if release and release.group() != version else None


def component_of(
    rule: ComponentRule,
    version: str | None,
    confidence: Confidence,
    evidence: tuple[Evidence, ...],
    variant: str = "",
) -> Component:
    """Return the component of ``rule`` in a version."""
    release = None if version is None else _RELEASE.match(version)
    cpe = rule.cpe_of(release["number"], release["update"] or "*") if release else rule.cpe_of(version)
    return Component(
        name=rule.name,
        title=rule.title.replace("{variant}", variant),
        category=rule.category,
        version=version,
        version_candidates=tuple(filter(None, (release_of(version or ""),))),
        purl=rule.purl_of(version, variant),
        cpe=cpe,
        confidence=confidence,
        evidence=evidence,
    )


def _evidence(places: Iterable[tuple[Span, Hit]]) -> tuple[Evidence, ...]:
    return bounded_evidence(span.evidence(hit.start, size=hit.end - hit.start) for span, hit in places)


def bounded_evidence(evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """Return the first few of ``evidence``, each place once."""
    places: dict[tuple[str, int | None], Evidence] = {}
    for one in evidence:
        places.setdefault((one.path, one.offset), one)
    return tuple(places.values())[:EVIDENCE_PER_COMPONENT]


def component_of_identity(
    identity: Identity, version: str | None, confidence: Confidence, evidence: tuple[Evidence, ...], category: Category
) -> Component:
    """Return the component of ``identity``, by its rule where it has one."""
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


def package_url(statement: Statement) -> str:
    """Return the package URL that a structure tells of a package."""
    parts = [quote(part, safe=".-_~") for part in (*statement.namespace.split("/"), statement.name) if part]
    version = statement.release or statement.version
    return f"pkg:{statement.purl_type}/{'/'.join(parts)}" + (f"@{quote(version, safe='.-_~:')}" if version else "")
