"""From a component to the vulnerabilities it has, may have, and why.

Two sources are asked: the knowledge base that is shipped, and the database where there is one. What they say about the
same vulnerability becomes one match that keeps every statement. Absence of a match means that nothing stands in this
data, never that the component is safe.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

from firmware_checks.vulnerabilities.applicability import Environment, Truth, evaluate, is_foreign_target
from firmware_checks.vulnerabilities.database import (
    CONDITIONAL,
    SOURCE_NAMES,
    AffectedRow,
    Database,
    StoredProduct,
    place_of,
)
from firmware_checks.vulnerabilities.identification import Identifier, Identity, Via
from firmware_checks.vulnerabilities.judgement import Case, Claim, known_claim, lower, match_of, sureness
from firmware_checks.vulnerabilities.knowledge import KnowledgeBase, KnownProduct
from firmware_checks.vulnerabilities.tables import SOURCES
from firmware_checks.vulnerabilities.versions import version_key
from toolkit.report.model import Component, Confidence
from toolkit.report.vulnerability import Match, Provenance

__all__ = ["Matcher"]

_YEAR_CHARACTERS = len("CVE-2021-")
_OWN_SYSTEMS = frozenset({"rtos", "operating-system"})
_PACKAGE_REVISION = re.compile(r"(?<=[0-9a-z])-(?:r?\d[\w.+~]*)$")
_DISTRIBUTIONS = ("pkg:deb/", "pkg:rpm/", "pkg:apk/", "pkg:opkg/")


class _Question(NamedTuple):
    """One version of one product that the database is asked about."""

    product: StoredProduct
    label: str
    version: str | None
    versions: frozenset[str]


class Matcher:
    """Answers for components of one device.

    ``environment`` is what else was found in the device: it decides what needs a certain system or chip.
    """

    def __init__(
        self, knowledge: KnowledgeBase, database: Database | None = None, environment: Sequence[Component] = ()
    ) -> None:
        self._knowledge = knowledge
        self._database = database
        self._components = environment
        self._identifier = Identifier(knowledge)

    def identify(self, component: Component) -> Identity:
        """Return what ``component`` goes by in the data."""
        return self._identifier.identify(component)

    def match(self, component: Component) -> tuple[Match, ...]:
        """Return what is known to be wrong with ``component``, by name of the vulnerability."""
        identity = self._identifier.identify(component)
        versions = _versions_of(component)
        cases: dict[str, Case] = {}
        if identity.known is not None:
            self._ask_knowledge(identity.known, versions, cases)
        if self._database is not None:
            self._ask_database(self._database, identity, versions, cases)
        ceiling = lower(component.confidence, _ceiling(identity))
        matches = [match_of(name, case, versions, ceiling) for name, case in cases.items() if case.claims]
        return tuple(sorted(matches, key=_order))

    @cached_property
    def _environment(self) -> Environment:
        products: dict[tuple[str, str], tuple[str, ...]] = {}
        schemes = {}
        has_own_system = False
        for component in self._components:
            identity = self._identifier.identify(component)
            for vendor, name in identity.products:
                products[vendor, name] = products.get((vendor, name), ()) + _versions_of(component)
                if identity.known is not None:
                    schemes[vendor, name] = identity.known.scheme
            has_own_system |= component.category in _OWN_SYSTEMS and "windows" not in component.name
        return Environment(products, schemes, has_own_system)

    def _ask_knowledge(self, product: KnownProduct, versions: tuple[str, ...], cases: dict[str, Case]) -> None:
        keys = {version: version_key(version, product.scheme) for version in versions}
        for row in product.vulnerability:
            said = (known_claim(product, row, each, keys) for each in row.ranges)
            case = cases[row.id] = Case([claim for claim in said if claim is not None], known=row)
            if not case.claims:
                case.denial = ", ".join(row.affected)

    def _ask_database(
        self, database: Database, identity: Identity, versions: tuple[str, ...], cases: dict[str, Case]
    ) -> None:
        names = database.name_of
        for product in self._stored(database, identity):
            for version in versions or (None,):
                question = _Question(product, product.label, version, frozenset(() if version is None else (version,)))
                for row in database.affected(product, version):
                    name = names(row.record // SOURCES)
                    claim = self._stored_claim(database, row, question, name)
                    case = cases.get(name)
                    if case is None:
                        cases[name] = Case([claim], row=row)
                        continue
                    case.row = case.row or row
                    case.claims.append(claim)

    def _stored(self, database: Database, identity: Identity) -> list[StoredProduct]:
        found = [product for vendor, name in identity.products for product in database.products(vendor, name)]
        if not identity.products:
            found = [product for name in identity.names for product in database.products_named(name)]
        return list(dict.fromkeys(product for product in found if product.part != "h"))

    def _stored_claim(self, database: Database, row: AffectedRow, question: _Question, name: str) -> Claim:
        confidence, note = sureness(row, question.product, question.version)
        conditions: tuple[str, ...] = ()
        is_excluded = False
        if row.attributes:
            confidence, conditions, is_excluded = self._narrowed(row.attributes, confidence)
        if row.node & CONDITIONAL:
            verdict = evaluate(database.configuration(row), self._around(question.product, question.version))
            is_excluded |= verdict.truth is Truth.NO
            conditions += tuple(f"the device also has {condition}" for condition in verdict.conditions)
        return Claim(
            provenance=Provenance(
                source=SOURCE_NAMES[row.record % SOURCES],
                record=name,
                product=question.label,
                node=place_of(row.node),
                range=row.range,
            ),
            confidence=confidence,
            versions=question.versions,
            note=note,
            conditions=conditions,
            is_excluded=is_excluded,
            is_outranked=bool(row.is_outranked),
        )

    def _around(self, product: StoredProduct, version: str | None) -> Environment:
        known = self._environment
        key = product.vendor, product.name
        return Environment(
            {**known.products, key: () if version is None else (version,)},
            {**known.schemes, key: product.scheme},
            known.has_own_system,
        )

    def _narrowed(self, attributes: str, confidence: Confidence) -> tuple[Confidence, tuple[str, ...], bool]:
        conditions: list[str] = []
        for line in attributes.split("\n"):
            name, _, value = line.partition("=")
            if name == "doubt":
                confidence = Confidence.LOW
            elif name == "target_software" and is_foreign_target(value, self._environment):
                return confidence, (f"it is the edition for {value}",), True
            else:
                conditions.append(
                    f"it is the edition for {value}"
                    if name.startswith("target")
                    else f"its {name.replace('_', ' ')} is {value}"
                )
        return confidence, tuple(conditions), False


def _versions_of(component: Component) -> tuple[str, ...]:
    """Return the versions that ``component`` may be, as its makers count: without a distribution's revision."""
    versions = (component.version,) if component.version else component.version_candidates
    if (component.purl or "").startswith(_DISTRIBUTIONS):
        versions = tuple(_PACKAGE_REVISION.sub("", version) for version in versions)
    return tuple(dict.fromkeys(versions))


def _ceiling(identity: Identity) -> Confidence:
    return Confidence.LOW if identity.via is Via.NAME else Confidence.HIGH


def _order(match: Match) -> str:
    """Return what sorts names by year and number: CVE-2021-9999 before CVE-2021-10000."""
    name = match.id
    return f"{name[:_YEAR_CHARACTERS]}{len(name):03}{name}"
