"""Components, vulnerabilities and findings as one table for spreadsheets and maintenance systems.

Each row says in its first column what it is; columns that do not apply to it are empty. Text that came from outside
is made printable, and a spreadsheet does not take it for a formula.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Final

from toolkit.core.findings import Evidence, Finding
from toolkit.report.acceptance import AcceptanceRecord, finding_key
from toolkit.report.accepting import counting
from toolkit.report.exchange import document_day
from toolkit.report.model import Component, Report
from toolkit.report.printable import printable
from toolkit.report.vulnerability import ComponentSupport, Vulnerability

__all__ = ["COLUMNS", "cell", "to_csv"]

COLUMNS: Final = (
    "row", "id", "severity", "status", "decision", "component", "version", "title", "detail", "action", "confidence",
    "justification", "affected_versions", "cwes", "score", "vector", "epss", "exploited_since", "support",
    "support_until", "cpe", "purl", "controls", "path", "offset", "address", "image", "image_sha256", "data_day", "key",
    "accepted_until", "accepted_by", "accepted_reason",
)  # fmt: skip
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "|", "%")
"""With these a spreadsheet begins a formula or a command. Source: OWASP, CSV Injection."""

Row = dict[str, str | float | None]


def to_csv(report: Report) -> bytes:
    """Return the table in UTF-8 with a byte order mark, by which spreadsheets know it."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    image = {"image": report.subject.name, "image_sha256": report.subject.sha256, "data_day": document_day(report)}
    for row in _rows(report):
        writer.writerow({name: cell(value) for name, value in {**row, **image}.items()})
    return stream.getvalue().encode("utf-8-sig")


def cell(value: object) -> str:
    """Return what stands in a cell: printable, in one line, and no formula."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return str(value)
    text = printable(" ".join(value.split()) if "\n" in value or "\r" in value else value)
    return f"'{text}" if text.lstrip().startswith(_FORMULA_STARTS) else text


def _rows(report: Report) -> Iterator[Row]:
    support: dict[tuple[str, str | None], list[ComponentSupport]] = {}
    for stated in report.support:
        support.setdefault((stated.component, stated.component_version), []).append(stated)
    for component in report.components:
        yield _component(component, support.get((component.name, component.version), []))
    held = counting(report)
    for entry in report.vulnerabilities:
        yield _vulnerability(entry) | _accepted(held.get(entry.accepted or ""))
    for finding in report.findings:
        yield _finding(finding)
    for each in report.accepted:
        yield _finding(each.finding) | {"status": "accepted"} | _accepted(held.get(each.acceptance))


def _accepted(record: AcceptanceRecord | None) -> Row:
    if record is None:
        return {}
    accepted = record.acceptance
    return {
        "accepted_until": str(accepted.until),
        "accepted_by": accepted.owner,
        "accepted_reason": accepted.reason,
    }


def _component(component: Component, support: list[ComponentSupport]) -> Row:
    return {
        "row": "component",
        "id": component.name,
        "component": component.name,
        "version": component.version or " or ".join(component.version_candidates),
        "title": component.title,
        "detail": component.category,
        "confidence": component.confidence.value,
        "support": "; ".join(f"{stated.state} ({stated.source})" for stated in support),
        "support_until": min((stated.until for stated in support if stated.until), default=None),
        "cpe": component.cpe,
        "purl": component.purl,
        **_place(component.evidence),
    }


def _vulnerability(entry: Vulnerability) -> Row:
    urgency = entry.urgency
    return {
        "row": "vulnerability",
        "id": entry.id,
        "severity": entry.severity,
        "status": entry.status.value,
        "decision": None if urgency is None else urgency.decision.value,
        "component": entry.component,
        "version": entry.component_version,
        "title": entry.summary,
        "detail": " ".join((entry.reason, *entry.evidence)),
        "action": None if urgency is None else urgency.action,
        "confidence": entry.confidence.value,
        "justification": None if entry.justification is None else entry.justification.value,
        "affected_versions": entry.range,
        "cwes": " ".join(f"CWE-{number}" for number in entry.cwes),
        "score": entry.score if urgency is None or urgency.score is None else urgency.score,
        "vector": entry.vector,
        "epss": entry.epss,
        "exploited_since": entry.exploited_since,
    }


def _finding(finding: Finding) -> Row:
    return {
        "row": "finding",
        "key": finding_key(finding),
        "id": finding.check,
        "severity": finding.severity.value,
        "title": finding.title,
        "detail": finding.detail,
        "action": finding.remedy,
        "controls": "; ".join(finding.controls),
        **_place(finding.evidence),
    }


def _place(evidence: tuple[Evidence, ...]) -> Row:
    if not evidence:
        return {}
    first = evidence[0]
    address = None if first.address is None else f"{first.address:#x}"
    return {"path": first.path, "offset": first.offset, "address": address}
