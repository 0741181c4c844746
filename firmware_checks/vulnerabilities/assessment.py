"""From what is inside an image to what is wrong with it: vulnerabilities, support, and what to do first.

Each component is asked for in the shipped facts and in the database where there is one; what the image shows not to
apply is marked with its reason; what the user decided has the last word; the rest is ordered by harm to the patient.
The same image, data, decisions and day give the same answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from device_profiles.schema import DeviceProfile
from firmware_checks.vulnerabilities.database import Database
from firmware_checks.vulnerabilities.identification import Identity
from firmware_checks.vulnerabilities.knowledge import KnowledgeBase, shipped_knowledge
from firmware_checks.vulnerabilities.lookup import data_ages
from firmware_checks.vulnerabilities.matcher import Matcher
from firmware_checks.vulnerabilities.medical_rubric import device_of
from firmware_checks.vulnerabilities.not_affected.device import DeviceEvidence, device_evidence, explain
from firmware_checks.vulnerabilities.not_affected.explain import faults_of
from firmware_checks.vulnerabilities.ranking import Ranking, order
from firmware_checks.vulnerabilities.steps import steps_of
from firmware_checks.vulnerabilities.support import support_of
from firmware_checks.vulnerabilities.triage import Decisions, TriageFile
from firmware_checks.vulnerabilities.versions import SchemeName
from toolkit.report.model import Component
from toolkit.report.vulnerability import (
    Answer,
    ComponentSupport,
    DataAge,
    Match,
    MatchStatus,
    Step,
    UnusedDecision,
    Vulnerability,
)

if TYPE_CHECKING:
    from firmware_checks.inventory import Inventory

__all__ = ["NO_DECISIONS", "Assessment", "VulnerabilityData", "assess", "assessment_of"]

NO_DECISIONS = TriageFile(decisions=(), sha256="")


@dataclass(frozen=True, slots=True, kw_only=True)
class VulnerabilityData:
    """What a scan asks: always the shipped facts, and what the user has besides."""

    day: date
    """Day by which ends of support and of decisions are judged."""
    database: Path | None = None
    triage: TriageFile | None = None
    accepted: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """Component and vulnerability -> name of the acceptance by which it does not count on that day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What is known against the components of one image, the most urgent first."""

    vulnerabilities: tuple[Vulnerability, ...]
    support: tuple[ComponentSupport, ...]
    steps: tuple[Step, ...]
    answers: tuple[Answer, ...]
    unused_decisions: tuple[UnusedDecision, ...]
    data: tuple[DataAge, ...]


def assessment_of(inventory: Inventory, profile: DeviceProfile | None, asked: VulnerabilityData) -> Assessment:
    """Return what the data that is ``asked`` says; raise ``InputError`` when the database cannot be used."""
    with ExitStack() as stack:
        database = stack.enter_context(Database(asked.database)) if asked.database is not None else None
        known = shipped_knowledge()
        return assess(inventory, known, database, profile, asked.triage or NO_DECISIONS, asked.day, asked.accepted)


def assess(
    inventory: Inventory,
    knowledge: KnowledgeBase,
    database: Database | None,
    profile: DeviceProfile | None,
    triage: TriageFile,
    today: date,
    accepted: Mapping[tuple[str, str], str] = MappingProxyType({}),
) -> Assessment:
    """Return what ``knowledge`` and ``database`` say about the components of ``inventory`` on the day ``today``.

    What is ``accepted`` is told and is no reason to act.
    """
    device, asked = device_of(profile), _Question(inventory, knowledge, database, triage, today, accepted)
    ranking = Ranking(device)
    components = {(each.name, each.version, each.version_candidates): each for each in inventory.components}.values()
    rows = sorted((row for component in components for row in asked.rows(component, ranking)), key=order)
    asked.decisions.see(components)
    return Assessment(
        vulnerabilities=tuple(rows),
        support=tuple(asked.support),
        steps=steps_of(
            [row for row in rows if row.accepted is None], inventory.components, asked.support, asked.schemes, device
        ),
        answers=device.answers,
        unused_decisions=asked.decisions.unused,
        data=tuple(data_ages(knowledge, database)),
    )


class _Question:
    """One image on its way through all that is asked about its components."""

    def __init__(
        self,
        inventory: Inventory,
        knowledge: KnowledgeBase,
        database: Database | None,
        triage: TriageFile,
        today: date,
        accepted: Mapping[tuple[str, str], str],
    ) -> None:
        self._accepted = accepted
        self._inventory = inventory
        self._database = database
        self._today = today
        self._matcher = Matcher(knowledge, database, inventory.components)
        self._evidence: DeviceEvidence | None = None
        self.decisions = Decisions(triage, today)
        self.support: list[ComponentSupport] = []
        self.schemes: dict[str, SchemeName] = {}

    def rows(self, component: Component, ranking: Ranking) -> Iterator[Vulnerability]:
        """Yield the vulnerabilities of ``component``, and note its support."""
        identity = self._matcher.identify(component)
        scheme = identity.known.scheme if identity.known is not None else SchemeName.DASHED
        self.schemes[component.name] = scheme
        self._note_support(component, identity)
        for match in self._explained(component, identity):
            decided, decision = self.decisions.apply(match, component, scheme)
            applies = decided.status is not MatchStatus.NOT_AFFECTED
            yield Vulnerability(
                **{name: getattr(decided, name) for name in Match.__struct_fields__},
                component=component.name,
                component_version=component.version,
                urgency=ranking.urgency(decided, component.title),
                triage=decision,
                accepted=self._accepted.get((component.name, decided.id)) if applies else None,
            )

    def _explained(self, component: Component, identity: Identity) -> tuple[Match, ...]:
        matches = self._matcher.match(component)
        if not matches:
            return matches
        if self._evidence is None:
            self._evidence = device_evidence(self._inventory)
        faults = faults_of(matches, identity.known, self._database)
        return explain(matches, component, self._evidence, faults)

    def _note_support(self, component: Component, identity: Identity) -> None:
        if component.version is None:
            return
        for said in support_of(identity, component.version, self._database, self._today):
            fields = msgspec.structs.asdict(said)
            self.support.append(
                ComponentSupport(**fields, component=component.name, component_version=component.version)
            )
