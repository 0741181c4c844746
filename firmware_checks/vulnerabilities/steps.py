"""The list "do this first": one line a component, with what to do about all its vulnerabilities together."""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from device_profiles.schema import Interface
from firmware_checks.vulnerabilities.cvss import parse_vector
from firmware_checks.vulnerabilities.medical_rubric import REACHES, VECTOR_REACH, Device, reach_of
from firmware_checks.vulnerabilities.ranking import first_fixed
from firmware_checks.vulnerabilities.support import mended_no_more
from firmware_checks.vulnerabilities.versions import SchemeName, version_key
from toolkit.report.languages import Translator
from toolkit.report.model import Component
from toolkit.report.urgency import step_action, step_meaning
from toolkit.report.vulnerability import (
    ComponentSupport,
    Decision,
    Exploitation,
    MatchStatus,
    Step,
    Urgency,
    Vulnerability,
)

__all__ = ["interfaces_for", "steps_of"]

MOST_NAMED = 3
"""Vulnerabilities named in one line."""
_CANDIDATE = re.compile(r"(?<=\d)[.-]?(?:a|b|c|rc|alpha|beta|pre)\.?\d+$", re.IGNORECASE)
_ENGLISH = Translator()
_WORST = tuple(Exploitation)
_BEFORE_ROUTINE = (Decision.IMMEDIATE, Decision.OUT_OF_CYCLE)
"""Only what cannot wait for routine service is worth the trouble of closing a connection."""


def steps_of(
    rows: Sequence[Vulnerability],
    components: Iterable[Component],
    support: Iterable[ComponentSupport],
    schemes: Mapping[str, SchemeName],
    device: Device,
) -> tuple[Step, ...]:
    """Return one line for each component with something that applies or may apply, the most urgent first.

    ``rows`` stand in the order in which to act; ``schemes`` says how the versions of components are ordered.
    """
    titles = {component.name: component.title for component in components}
    support = tuple(support)
    ended = mended_no_more(support)
    days: dict[tuple[str, str | None], str] = {}
    for said in support:
        if said.until is not None:
            key = said.component, said.component_version
            days[key] = max(said.until, days.get(key, ""))
    groups: dict[tuple[str, str | None], list[Vulnerability]] = defaultdict(list)
    for row in rows:
        if row.urgency is not None:
            groups[row.component, row.component_version].append(row)
    steps = []
    for (name, version), group in groups.items():
        step = _step(titles[name], group, schemes.get(name, SchemeName.DASHED), device)
        key = name, version
        steps.append(msgspec.structs.replace(step, supported_until=days.get(key), unsupported=key in ended))
    return tuple(map(_worded, steps))


def _step(title: str, rows: Sequence[Vulnerability], scheme: SchemeName, device: Device) -> Step:
    urgencies = [row.urgency for row in rows if row.urgency is not None]
    first, worst = rows[0], urgencies[0]
    certain = [row for row in rows if row.status is MatchStatus.AFFECTED]
    return Step(
        component=first.component,
        title=title,
        component_version=first.component_version,
        decision=worst.decision,
        urgent=sum(each.decision is worst.decision for each in urgencies),
        affected=len(certain),
        open=len(rows) - len(certain),
        exploited=sum(row.exploited_since is not None for row in rows),
        first=tuple(row.id for row in rows[:MOST_NAMED]),
        score=max((each.score for each in urgencies if each.score is not None), default=None),
        exploitation=max((each.exploitation for each in urgencies), key=_WORST.index),
        exposure=worst.exposure,
        human_impact=worst.human_impact,
        update_to=_mended_in(certain, scheme),
        isolate=_to_isolate(rows, urgencies, device),
        replace_by=device.replace_by,
        sentence="",
        action="",
    )


def _worded(step: Step) -> Step:
    return msgspec.structs.replace(step, sentence=step_meaning(step, _ENGLISH), action=step_action(step, _ENGLISH))


def _mended_in(rows: Iterable[Vulnerability], scheme: SchemeName) -> str | None:
    """Return the newest of the versions in which ``rows`` are mended, as far as they are known.

    Nobody is sent to a candidate of a release: that is the release.
    """
    versions = (_CANDIDATE.sub("", version) for version in (first_fixed(row.range) for row in rows) if version)
    return max(versions, key=functools.partial(version_key, scheme=scheme), default=None)


def _to_isolate(rows: Sequence[Vulnerability], urgencies: Sequence[Urgency], device: Device) -> tuple[str, ...]:
    """Return the connections to close: those that the most urgent vulnerabilities can be used through."""
    most_urgent = urgencies[0].decision
    if most_urgent not in _BEFORE_ROUTINE:
        return ()
    named: dict[str, None] = {}
    vectors = {row.vector for row, urgency in zip(rows, urgencies, strict=True) if urgency.decision is most_urgent}
    for interface in device.interfaces:
        if any(interface in interfaces_for(vector, device) for vector in vectors):
            named[_name_of(interface)] = None
    return tuple(named)


def interfaces_for(vector: str | None, device: Device) -> tuple[Interface, ...]:
    """Return the connections of ``device`` that are as wide a way in as a vulnerability with ``vector`` asks for.

    Nothing is named for one that needs a hand on the device or a program that runs on it: closing a port is no cure.
    """
    parsed = parse_vector(vector or "")
    asked = parsed.metrics["AV"] if parsed is not None else "N"
    if asked not in ("N", "A"):
        return ()
    least = REACHES.index(VECTOR_REACH[asked])
    return tuple(each for each in device.interfaces if REACHES.index(reach_of(each)) >= least)


def _name_of(interface: Interface) -> str:
    """Return what a technician looks for: name, kind, connector and the ports it listens on."""
    sockets = interface.sockets
    ports = [f"TCP {port}" for port in sockets.listen_tcp or ()] + [f"UDP {port}" for port in sockets.listen_udp or ()]
    kind = "" if interface.type == interface.id else interface.type.replace("_", " ")
    parts = ", ".join(filter(None, (kind, interface.connector, ", ".join(ports))))
    return f"{interface.id} ({parts})" if parts else interface.id
