"""What a bill of materials lacks, held against what regulators ask for, and what to ask the vendor.

Sources: NTIA, The Minimum Elements for a Software Bill of Materials, 12 July 2021, data fields; CISA, 2025 Minimum
Elements for a Software Bill of Materials, draft for comment of 22 August 2025, data fields and known unknowns; FDA,
Cybersecurity in Medical Devices, 3 February 2026, section V.A.4: the fields of NTIA, and for each component the level
of support and the day its support ends.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta

from firmware_checks.sbom.record import Sbom, SbomComponent

__all__ = ["FIELDS", "Guide", "Quality", "QualityRow", "Verdict", "judge"]

MOST_NAMES = 10
"""Components that a row names; the rest is counted."""
_TIME = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


class Guide(enum.StrEnum):
    """Whose list a document is held against."""

    NTIA = "ntia"
    CISA = "cisa"
    FDA = "fda"


_TITLES = {
    Guide.NTIA: "NTIA minimum elements (2021)",
    Guide.CISA: "CISA minimum elements (draft of 2025)",
    Guide.FDA: "FDA premarket guidance (2026), V.A.4",
}


class Verdict(enum.StrEnum):
    """How far a field is filled."""

    COMPLETE = "complete"
    PARTLY = "partly"
    MISSING = "missing"


class QualityRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One field, and for how many components it is there."""

    field: Annotated[str, Meta(description="Short name of the field.")]
    title: Annotated[str, Meta(description="The field, in words.")]
    present: Annotated[int, Meta(ge=0, description="Components that have it; 1 or 0 for a field of the document.")]
    of: Annotated[int, Meta(ge=0, description="Components; 1 for a field of the document.")]
    verdict: Annotated[Verdict, Meta(description="How far it is filled.")]
    without: Annotated[tuple[str, ...], Meta(description="Some of the components that do not have it.")] = ()
    ask: Annotated[str, Meta(description="What to ask the vendor; empty when nothing is missing.")] = ""


class Quality(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A bill of materials held against one list of fields."""

    format: Annotated[str, Meta(description="Format, version and encoding of the document.")]
    against: Annotated[Guide, Meta(description="Whose list: ntia, cisa or fda.")]
    title: Annotated[str, Meta(description="The name of that list.")]
    components: Annotated[int, Meta(ge=0, description="Components of the document, with what it is about.")]
    complete: Annotated[bool, Meta(description="Whether every field is filled for every component.")]
    rows: Annotated[tuple[QualityRow, ...], Meta(description="The fields.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    name: str
    title: str
    ask: str
    guides: frozenset[Guide]
    of_component: Callable[[SbomComponent, Sbom], bool] | None = None
    of_document: Callable[[Sbom], bool] | None = None


_ALL, _NEW = frozenset(Guide), frozenset({Guide.CISA})

FIELDS = (
    _Field(name="author", title="Author of the SBOM data", guides=_ALL,
           ask="Who has made this SBOM? Name the organisation or person in the document.",
           of_document=lambda sbom: bool(sbom.authors)),
    _Field(name="timestamp", title="Day and time it was made (ISO 8601)", guides=_ALL,
           ask="When was this SBOM made, and for which release of the device?",
           of_document=lambda sbom: _TIME.fullmatch(sbom.timestamp) is not None),
    _Field(name="supplier", title="Supplier or producer of each component", guides=_ALL,
           ask="Who makes these components?",
           of_component=lambda part, _: bool(part.supplier)),
    _Field(name="name", title="Name of each component", guides=_ALL,
           ask="What are the components without a name?",
           of_component=lambda part, _: bool(part.name.strip())),
    _Field(name="version", title="Version of each component", guides=_ALL,
           ask="Which version of these components is in the device?",
           of_component=lambda part, _: bool(part.version)),
    _Field(name="identifier", title="Another unique identifier (purl, CPE, SWID, SWHID) of each component", guides=_ALL,
           ask="Give a package URL or CPE name for these components, so that they are found in vulnerability data.",
           of_component=lambda part, _: bool(part.purl or part.cpe or part.other_identifiers)),
    _Field(name="dependency", title="Relationship of each component to another", guides=_ALL,
           ask="What do these components belong to, and what do they need?",
           of_component=lambda part, sbom: part.reference in sbom.related),
    _Field(name="hash", title="Hash of each component", guides=_NEW,
           ask="Give the SHA-256 of these components as they are in the device.",
           of_component=lambda part, _: bool(part.hashes)),
    _Field(name="license", title="Licence of each component", guides=_NEW,
           ask="Under which licence are these components used?",
           of_component=lambda part, _: bool(part.licenses)),
    _Field(name="tool", title="Name of the tool that made it", guides=_NEW,
           ask="With which program was this SBOM made?",
           of_document=lambda sbom: bool(sbom.tools)),
    _Field(name="context", title="Generation context: before, during or after the build", guides=_NEW,
           ask="Was this SBOM made from sources, in the build, or from the finished image?",
           of_document=lambda sbom: bool(sbom.context)),
    _Field(name="known-unknowns", title="What is not known is said", guides=_NEW,
           ask="Is the list complete? Say for which components the parts are not known.",
           of_document=lambda sbom: sbom.says_how_complete),
    _Field(name="support-level", title="Level of support of each component", guides=frozenset({Guide.FDA}),
           ask="Are these components maintained, no longer maintained, or abandoned?",
           of_component=lambda part, _: bool(part.support_level)),
    _Field(name="end-of-support", title="Day the support of each component ends", guides=frozenset({Guide.FDA}),
           ask="On which day does the support of these components end, and what replaces them then?",
           of_component=lambda part, _: _DAY.match(part.end_of_support) is not None),
)  # fmt: skip
"""The fields in the order in which a report shows them."""


def judge(sbom: Sbom, guide: Guide) -> Quality:
    """Return which fields of the list of ``guide`` the document has."""
    rows = tuple(_rows(sbom, guide))
    return Quality(
        format=f"{sbom.format} {sbom.version} {sbom.encoding}",
        against=guide,
        title=_TITLES[guide],
        components=len(sbom.everything),
        complete=all(row.verdict is Verdict.COMPLETE for row in rows),
        rows=rows,
    )


def _rows(sbom: Sbom, guide: Guide) -> Iterator[QualityRow]:
    for field in FIELDS:
        if guide not in field.guides:
            continue
        without: list[str] = []
        if field.of_component is not None:
            parts = sbom.everything
            without = [_label(part) for part in parts if not field.of_component(part, sbom)]
            present, of = len(parts) - len(without), len(parts)
        else:
            present, of = int(field.of_document is not None and field.of_document(sbom)), 1
        verdict = _verdict(present, of)
        yield QualityRow(
            field=field.name,
            title=field.title,
            present=present,
            of=of,
            verdict=verdict,
            without=tuple(without[:MOST_NAMES]),
            ask="" if verdict is Verdict.COMPLETE else field.ask,
        )


def _verdict(present: int, of: int) -> Verdict:
    """Return how far a field is filled; without components it is not, as there is nothing in the document."""
    if present == of and of:
        return Verdict.COMPLETE
    return Verdict.PARTLY if present else Verdict.MISSING


def _label(part: SbomComponent) -> str:
    return " ".join(filter(None, (part.name or part.reference or "(no name)", part.version)))
