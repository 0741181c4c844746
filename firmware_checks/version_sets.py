"""Versions that a fingerprint of code leaves possible, joined with the components that texts name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from firmware_checks.component_naming import bounded_evidence, component_of_identity, merge_components
from firmware_checks.component_rules import Category, ComponentRule
from firmware_checks.fusion_quotations import number_of
from firmware_checks.identity import Identity
from toolkit.core.findings import Evidence
from toolkit.report.model import Component, Confidence

__all__ = ["VersionSet", "with_sets"]

LIKELY_MASS = 0.95
MOST_CANDIDATES = 8


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


def with_sets(
    components: Sequence[Component], version_sets: Iterable[VersionSet], rules: Mapping[str, ComponentRule]
) -> tuple[Component, ...]:
    """Return ``components`` with what fingerprints leave possible: a version that is written down says more."""
    made = list(components)
    for one in version_sets:
        paths = {evidence.path for evidence in one.evidence}
        index = next((i for i, c in enumerate(made) if c.version and c.name == one.name and _seen_in(c, paths)), None)
        if index is None:
            made.append(_of_set(one, rules))
        elif not one.likelihoods or number_of(made[index].version or "") in map(number_of, one.likelihoods):
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
    made = component_of_identity(
        Identity(one.name, rule), only, one.confidence, bounded_evidence(one.evidence), Category.LIBRARY
    )
    candidates = tuple(likely[:MOST_CANDIDATES]) if len(likely) > 1 else made.version_candidates
    return msgspec.structs.replace(made, version_candidates=candidates)
