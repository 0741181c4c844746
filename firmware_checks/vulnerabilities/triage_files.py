"""Reading decisions of users: OpenVEX, CSAF 2.0 and CycloneDX, strictly.

Names that the formats do not know are passed over, as their specifications ask; a status that is not one, or a reason
that is missing where the format demands it, is an error, for a decision read wrongly is worse than none. Sources:
OpenVEX Specification 0.2.0; CycloneDX 1.6, vulnerabilities.analysis; for CSAF see ``triage_csaf``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from firmware_checks.vulnerabilities.triage import (
    Decided,
    Named,
    TriageFile,
    decode,
    expiry_at,
    in_order,
    name_of,
    source_text,
)
from firmware_checks.vulnerabilities.triage_csaf import csaf_decisions
from toolkit.core.errors import FormatError, InputError
from toolkit.report.vulnerability import Justification

__all__ = ["read_triage"]

MOST_BYTES = 64 << 20
MOST_DECISIONS = 100_000
MOST_DEPTH = 12
EXPIRES_PROPERTY = "medharden:triage-expires"
Status = Literal["not_affected", "affected", "fixed", "under_investigation"]


def read_triage(path: Path) -> TriageFile:
    """Return the decisions in the file at ``path``; raise ``InputError`` where they cannot be taken as they are."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{path}: larger than {MOST_BYTES >> 20} MiB, so it is no file of decisions")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be opened: {error.strerror or error}") from error
    try:
        decisions = in_order(_read(data))
    except FormatError as error:
        raise InputError(f"{path}: {error}") from error
    return TriageFile(decisions=decisions, sha256=hashlib.sha256(data).hexdigest())


def _read(data: bytes) -> list[Decided]:
    head = decode(data, dict[str, msgspec.Raw])
    kinds: tuple[tuple[str, Callable[[bytes], Iterator[Decided]]], ...] = (
        ("statements", _openvex),
        ("bomFormat", _cyclonedx),
        ("document", csaf_decisions),
    )
    reader = next((reader for key, reader in kinds if key in head), None)
    if reader is None:
        raise FormatError("neither OpenVEX nor CSAF nor CycloneDX: it has no statements, document or bomFormat")
    found: list[Decided] = []
    for decision in reader(data):
        if len(found) == MOST_DECISIONS:
            raise FormatError(f"more than {MOST_DECISIONS} decisions")
        found.append(decision)
    return found


# OpenVEX


class _VexComponent(msgspec.Struct):
    id: str = msgspec.field(default="", name="@id")
    identifiers: dict[str, str] = {}
    subcomponents: list[_VexComponent | str] = []


class _VexVulnerability(msgspec.Struct):
    name: str
    aliases: list[str] = []


class _VexStatement(msgspec.Struct):
    vulnerability: _VexVulnerability | str
    status: Status
    products: list[_VexComponent | str] = []
    justification: Justification | None = None
    impact_statement: str = ""
    action_statement: str = ""
    status_notes: str = ""
    timestamp: str | None = None
    last_updated: str | None = None


class _Vex(msgspec.Struct):
    context: str = msgspec.field(name="@context")
    author: str
    timestamp: str
    statements: list[_VexStatement]


def _openvex(data: bytes) -> Iterator[Decided]:
    document = decode(data, _Vex)
    if not document.context.startswith("https://openvex.dev/ns"):
        raise FormatError(f"@context {document.context[:80]!r} is not OpenVEX")
    for number, row in enumerate(document.statements):
        vulnerability = row.vulnerability
        name = vulnerability if isinstance(vulnerability, str) else vulnerability.name
        place = f"statements[{number}] ({name})"
        if row.status == "not_affected" and row.justification is None and not row.impact_statement:
            raise FormatError(f"{place}: not_affected needs a justification or an impact_statement")
        if not row.products:
            raise FormatError(f"{place}: names no product")
        texts = (row.impact_statement, row.action_statement, row.status_notes)
        for component in _vex_components(row.products):
            yield Decided(
                id=name,
                component=component,
                status=row.status,
                justification=row.justification,
                statement=" ".join(filter(None, texts)),
                source=source_text("OpenVEX", document.author),
                decided=row.last_updated or row.timestamp or document.timestamp,
                expires=expiry_at(place, *texts),
            )


def _vex_components(products: list[_VexComponent | str]) -> Iterator[Named]:
    """Yield what the products consist of where that is said, else the products themselves."""
    for product in products:
        parts = [] if isinstance(product, str) else product.subcomponents
        yield from map(_vex_name, parts or [product])


def _vex_name(component: _VexComponent | str) -> Named:
    if isinstance(component, str):
        return name_of(component)
    known = component.identifiers
    return name_of(known.get("purl") or component.id, cpe=known.get("cpe23", ""))


# CycloneDX


class _BomComponent(msgspec.Struct):
    name: str
    ref: str = msgspec.field(default="", name="bom-ref")
    version: str = ""
    purl: str = ""
    cpe: str = ""
    components: list[_BomComponent] = []


class _Analysis(msgspec.Struct, rename="camel"):
    state: Literal["resolved", "resolved_with_pedigree", "exploitable", "in_triage", "false_positive", "not_affected"]
    justification: str = ""
    detail: str = ""
    first_issued: str | None = None
    last_updated: str | None = None


class _Affects(msgspec.Struct):
    ref: str


class _Property(msgspec.Struct):
    name: str = ""
    value: str = ""


class _BomVulnerability(msgspec.Struct):
    id: str
    analysis: _Analysis | None = None
    affects: list[_Affects] = []
    properties: list[_Property] = []


class _BomReference(msgspec.Struct):
    type: str
    url: str


class _BomSubject(msgspec.Struct, rename="camel"):
    external_references: list[_BomReference] = []


class _BomMetadata(msgspec.Struct):
    timestamp: str | None = None
    authors: list[_Property] = []
    component: _BomSubject = msgspec.field(default_factory=_BomSubject)


class _Bom(msgspec.Struct, rename="camel"):
    bom_format: Literal["CycloneDX"]
    vulnerabilities: list[_BomVulnerability]
    components: list[_BomComponent] = []
    metadata: _BomMetadata = msgspec.field(default_factory=_BomMetadata)


_STATES: dict[str, str] = {
    "resolved": "fixed",
    "resolved_with_pedigree": "fixed",
    "exploitable": "affected",
    "in_triage": "under_investigation",
    "false_positive": "not_affected",
    "not_affected": "not_affected",
}
_BOM_REASONS = {
    "code_not_present": Justification.CODE_NOT_PRESENT,
    "code_not_reachable": Justification.CODE_NOT_IN_EXECUTE_PATH,
    "requires_configuration": Justification.CODE_NOT_IN_EXECUTE_PATH,
    "requires_dependency": Justification.CODE_NOT_IN_EXECUTE_PATH,
    "requires_environment": Justification.NOT_CONTROLLED_BY_ADVERSARY,
    "protected_by_compiler": Justification.INLINE_MITIGATIONS,
    "protected_at_runtime": Justification.INLINE_MITIGATIONS,
    "protected_at_perimeter": Justification.INLINE_MITIGATIONS,
    "protected_by_mitigating_control": Justification.INLINE_MITIGATIONS,
}


def _cyclonedx(data: bytes) -> Iterator[Decided]:
    document = decode(data, _Bom)
    names = dict(_bom_names(document.components, 0))
    author = ", ".join(each.name for each in document.metadata.authors if each.name)
    for number, row in enumerate(document.vulnerabilities):
        place = f"vulnerabilities[{number}] ({row.id})"
        analysis = row.analysis
        if analysis is None:
            continue  # listed without a decision
        if analysis.justification and analysis.justification not in _BOM_REASONS:
            raise FormatError(f"{place}: {analysis.justification[:80]!r} is no justification of CycloneDX")
        if not row.affects:
            raise FormatError(f"{place}: affects nothing")
        days = [f"expires {each.value}" for each in row.properties if each.name == EXPIRES_PROPERTY]
        for affected in row.affects:
            yield Decided(
                id=row.id,
                component=_bom_component(affected.ref, names, document),
                status=_STATES[analysis.state],
                justification=_BOM_REASONS.get(analysis.justification),
                statement=analysis.detail,
                source=source_text("CycloneDX", author),
                decided=analysis.last_updated or analysis.first_issued or document.metadata.timestamp,
                expires=expiry_at(place, analysis.detail, *days),
            )


def _bom_component(ref: str, names: dict[str, Named], document: _Bom) -> Named:
    """Return the component that ``ref`` stands for: one of the document, also by way of the SBOM that it belongs to."""
    link, _, inner = ref.rpartition("#")
    own = {each.url for each in document.metadata.component.external_references if each.type == "bom"}
    return names.get(ref) or (names.get(inner) if link in own else None) or name_of(inner)


def _bom_names(components: list[_BomComponent], depth: int) -> Iterator[tuple[str, Named]]:
    for each in components:
        if each.ref:
            yield each.ref, name_of(each.purl or each.name, cpe=each.cpe, name=each.name, version=each.version)
        if depth < MOST_DEPTH:
            yield from _bom_names(each.components, depth + 1)
