r"""Findings and vulnerabilities in the Common Event Format, one line each, for a SIEM.

Source: ArcSight Common Event Format, implementation standard, version 0: header fields between ``|``, then pairs of key
and value; ``\`` and ``|`` are escaped in the header, ``\``, ``=`` and line ends in values. The time of every line is
the day of the report, so that equal reports give equal lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from toolkit.core.findings import Evidence, Severity
from toolkit.report.acceptance import AcceptanceRecord
from toolkit.report.exchange import document_day
from toolkit.report.model import Report
from toolkit.report.printable import printable
from toolkit.report.siem_events import ACCEPTED, Event, events
from toolkit.report.vulnerability import Vulnerability

__all__ = ["CEF_SEVERITIES", "to_cef"]

CEF_SEVERITIES: Final = {
    Severity.CRITICAL: 10,
    Severity.HIGH: 8,
    Severity.MEDIUM: 5,
    Severity.LOW: 3,
    Severity.INFO: 1,
}
"""Numbers from 0 to 10; 0 is what somebody has accepted."""
MOST_NAME, MOST_MESSAGE, MOST_PATH, MOST_CUSTOM = 512, 1_023, 1_023, 4_000
"""Longest values by the dictionary of the standard, in characters."""
_ROOM: Final = 24
"""Characters kept for the mark of what was left out."""

Pair = tuple[str, object, int]
"""Key, value, and the longest value in characters."""


def to_cef(report: Report) -> bytes:
    """Return one line an event, in UTF-8."""
    moment = datetime.fromisoformat(document_day(report)).replace(tzinfo=UTC)
    milliseconds = int(moment.timestamp() * 1000)
    lines = (f"{_header(report, event)}{_extension(report, event, milliseconds)}\n" for event in events(report))
    return "".join(lines).encode()


def _header(report: Report, event: Event) -> str:
    severity = 0 if event.status == ACCEPTED else CEF_SEVERITIES[event.severity]
    fields = (
        "medharden", report.tool.name or "medharden", report.tool.version or "0",
        f"{event.kind}/{event.name}", event.title or event.name,
    )  # fmt: skip
    return f"CEF:0|{'|'.join(_escaped_field(field) for field in fields)}|{severity}|"


def _escaped_field(text: str) -> str:
    shown = _shown(text, MOST_NAME)
    return shown.replace("\\", "\\\\").replace("|", "\\|")


def _escaped_value(text: str) -> str:
    return text.replace("\\", "\\\\").replace("=", "\\=")


def _shown(text: str, most: int) -> str:
    """Return ``text`` on one line; what is invisible in it was written out and cannot end a line."""
    return printable(" ".join(text.split()), most=most - _ROOM)


def _extension(report: Report, event: Event, milliseconds: int) -> str:
    pairs = (
        f"{key}={_escaped_value(_shown(str(value), most))}" for key, value, most in _pairs(report, event, milliseconds)
    )
    return " ".join(pairs)


def _pairs(report: Report, event: Event, milliseconds: int) -> Iterator[Pair]:
    subject, place = report.subject, event.place
    yield "rt", milliseconds, MOST_CUSTOM
    yield "cat", event.kind, MOST_PATH
    yield "externalId", event.key, MOST_CUSTOM
    yield "outcome", event.status, MOST_CUSTOM
    yield "fname", subject.name, MOST_PATH
    yield "fsize", subject.size, MOST_CUSTOM
    yield "fileHash", subject.sha256, MOST_CUSTOM
    if event.detail:
        yield "msg", event.detail, MOST_MESSAGE
    if event.action:
        yield from _custom("cs2", "action", event.action)
    if event.controls:
        yield from _custom("cs3", "controls", "; ".join(event.controls))
    if place is not None:
        yield from _place(place)
    if event.vulnerability is not None:
        yield from _component(event.vulnerability)
    if event.acceptance is not None:
        yield from _accepted(event.acceptance)


def _place(place: Evidence) -> Iterator[Pair]:
    yield "filePath", place.path, MOST_PATH
    if place.offset is not None:
        yield from _custom("cn1", "offset", place.offset)
    if place.address is not None:
        yield from _custom("cs1", "address", f"{place.address:#x}")


def _component(row: Vulnerability) -> Iterator[Pair]:
    yield from _custom("cs4", "component", f"{row.component} {row.component_version or ''}".rstrip())
    if row.score is not None:
        yield from _custom("cfp1", "score", row.score)


def _accepted(record: AcceptanceRecord) -> Iterator[Pair]:
    accepted = record.acceptance
    yield from _custom("cs5", "acceptedUntil", accepted.until.isoformat())
    yield from _custom("cs6", "acceptedBy", accepted.owner)
    yield "reason", accepted.reason, MOST_PATH


def _custom(key: str, label: str, value: object) -> Iterator[Pair]:
    yield key, value, MOST_CUSTOM
    yield f"{key}Label", label, MOST_PATH
