"""Answering for one component that somebody names, without an image."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import msgspec
from msgspec import Meta

from firmware_checks.vulnerabilities.cpe import parse_cpe
from firmware_checks.vulnerabilities.database import Database
from firmware_checks.vulnerabilities.identification import Identifier, Via
from firmware_checks.vulnerabilities.knowledge import KnowledgeBase
from firmware_checks.vulnerabilities.matcher import Matcher
from firmware_checks.vulnerabilities.support import support_of
from toolkit.core.errors import FormatError, InputError
from toolkit.report.model import Component, Confidence
from toolkit.report.vulnerability import DataAge, Match, Support
from toolkit.report.wording import Label

__all__ = ["Answer", "component_named", "data_ages", "look_up"]


class Answer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything known about one component."""

    name: Annotated[str, Meta(description="The component.")]
    version: Annotated[str | None, Meta(description="Its version; null when it is not known.")]
    identified_by: Annotated[str, Meta(description="knowledge, cpe or name: how it was found in the data.")]
    products: Annotated[tuple[str, ...], Meta(description="Vendor and product under which the data has it.")]
    data: Annotated[tuple[DataAge, ...], Meta(description="What was asked.")]
    caution: Annotated[str, Meta(description="What the answer does not say.")]
    support: Annotated[tuple[Support, ...], Meta(description="Until when this version is supported.")]
    matches: Annotated[tuple[Match, ...], Meta(description="Vulnerabilities, by name.")]


CAUTION = (
    "No entry means that nothing stands in this data, which is not complete; "
    "it does not mean that the component has no vulnerability."
)


def component_named(name: str, version: str | None) -> Component:
    """Return the component that ``name`` stands for: a name, a CPE 2.3 name or a package URL."""
    title, cpe, purl = name, None, None
    if name.startswith("cpe:2.3:"):
        try:
            stated = parse_cpe(name)
        except FormatError as error:
            raise InputError(str(error)) from error
        title, cpe = stated.product, name
        version = version or (stated.full_version if stated.version not in ("*", "-") else None)
    elif name.startswith("pkg:"):
        purl = name
        title, _, rest = name.partition("?")[0].rpartition("/")[2].partition("@")
        version = version or rest or None
    return Component(
        name=title, title=title, category="", version=version, purl=purl, cpe=cpe, confidence=Confidence.CERTAIN
    )


def look_up(component: Component, knowledge: KnowledgeBase, database: Database | None, today: date) -> Answer:
    """Return what the shipped facts and ``database`` know about ``component``."""
    identity = Identifier(knowledge).identify(component)
    component = component if identity.via is not Via.NAME else _with_rule(component)
    identity = Identifier(knowledge).identify(component)
    version = component.version
    return Answer(
        name=component.name,
        version=version,
        identified_by=identity.via.value,
        products=tuple(f"{vendor} {product}" for vendor, product in identity.products),
        data=tuple(data_ages(knowledge, database)),
        caution=CAUTION,
        support=support_of(identity, version, database, today) if version else (),
        matches=Matcher(knowledge, database).match(component),
    )


def data_ages(knowledge: KnowledgeBase, database: Database | None) -> list[DataAge]:
    """Return the data that is asked, each kind with the day of the newest."""
    day = knowledge.date
    own = [DataAge(name=str(Label.FACTS_SHIPPED), date=day.isoformat() if day else None)]
    newest: dict[str, str] = {}
    for feed in database.feeds() if database is not None else ():
        newest[feed.kind] = max(feed.date, newest.get(feed.kind, ""))
    return own + [DataAge(name=kind, date=newest[kind] or None) for kind in sorted(newest)]


def _with_rule(component: Component) -> Component:
    """Return ``component`` with the names that its detection rule states, where there is one."""
    from firmware_checks.component_index import load_indexed_rules

    wanted = component.name.lower()
    for rule in load_indexed_rules().rules:
        if wanted in (rule.name, rule.title.lower(), *rule.aliases):
            cpe = rule.cpe_of(component.version)
            return msgspec.structs.replace(component, name=rule.name, title=rule.title, cpe=cpe)
    return component
