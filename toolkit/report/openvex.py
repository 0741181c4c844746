"""Which vulnerabilities apply, as OpenVEX 0.2.0.

Source: https://github.com/openvex/spec/blob/main/OPENVEX-SPEC.md. A statement of what does not apply carries either a
justification or an impact statement, as its schema has it, and the evidence in its notes.
"""

from __future__ import annotations

from typing import Any, Final

from toolkit.core.errors import InputError
from toolkit.report.exchange import (
    action_of,
    as_json,
    component_purl,
    derived_uuid,
    document_moment,
    image_purl,
    notes_of,
    placed,
    standard_cpe,
)
from toolkit.report.model import Component, Report
from toolkit.report.vulnerability import MatchStatus, Vulnerability

__all__ = ["to_openvex"]

CONTEXT: Final = "https://openvex.dev/ns/v0.2.0"


def to_openvex(report: Report) -> bytes:
    """Return a statement for each vulnerability; raise ``InputError`` when there is none, for then there is no VEX."""
    if not report.vulnerabilities:
        raise InputError(
            f"{report.subject.name}: OpenVEX needs a vulnerability, and none is known; take json or cyclonedx"
        )
    moment = document_moment(report)
    return as_json(
        {
            "@context": CONTEXT,
            "@id": f"urn:uuid:{derived_uuid(report, 'openvex')}",
            "author": f"{report.tool.name or 'medharden'} (a program, not the maker of the device)",
            "timestamp": moment,
            "version": 1,
            "tooling": f"{report.tool.name} {report.tool.version}; the time is the day the report was judged by",
            "statements": [_statement(report, entry, numbers) for entry, numbers in placed(report)],
        }
    )


def _statement(report: Report, entry: Vulnerability, numbers: tuple[int, ...]) -> dict[str, Any]:
    parts = [_part(number, report.components[number]) for number in numbers]
    product: dict[str, Any] = {"@id": image_purl(report), "hashes": {"sha-256": report.subject.sha256}}
    vulnerability: dict[str, Any] = {"name": entry.id}
    if entry.summary:
        vulnerability["description"] = entry.summary
    statement: dict[str, Any] = {
        "vulnerability": vulnerability,
        "products": [{**product, "subcomponents": parts} if parts else product],
        "status": entry.status.value,
        "status_notes": notes_of(entry),
    }
    if entry.status is MatchStatus.AFFECTED:
        statement["action_statement"] = action_of(entry)
    elif entry.status is MatchStatus.NOT_AFFECTED and entry.justification is not None:
        statement["justification"] = entry.justification.value
    elif entry.status is MatchStatus.NOT_AFFECTED:
        statement["impact_statement"] = entry.reason or notes_of(entry)
    return statement


def _part(number: int, component: Component) -> dict[str, Any]:
    """Return a component under its package URL, else its CPE name, else its place in the report.

    The specification and its schema spell the key of a CPE name differently, so it is used as the identifier alone.
    """
    purl = component_purl(component)
    if purl is not None:
        return {"@id": purl.to_string(), "identifiers": {"purl": purl.to_string()}}
    return {"@id": standard_cpe(component) or f"urn:medharden:component:{number}"}
