"""Findings and vulnerabilities as syslog messages of RFC 5424, one line each, for a SIEM.

Each line is ``<PRI>1 TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA MSG``, ended by a line feed (RFC 6587,
section 3.4.2). There is no host name and no process number, and the time is the day of the report: equal reports give
equal lines. The structured data carries everything; its name is ``medharden@32473``, with the enterprise number that
IANA keeps for examples (RFC 5612), since the project has none of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from toolkit.core.findings import Severity
from toolkit.report.exchange import document_moment
from toolkit.report.model import Report
from toolkit.report.printable import printable
from toolkit.report.siem_events import ACCEPTED, Event, events

__all__ = ["FACILITY", "SD_ID", "SYSLOG_SEVERITIES", "to_syslog"]

FACILITY: Final = 13
"""Log audit, RFC 5424 table 1."""
SD_ID: Final = "medharden@32473"
SYSLOG_SEVERITIES: Final = {
    Severity.CRITICAL: 2,
    Severity.HIGH: 3,
    Severity.MEDIUM: 4,
    Severity.LOW: 5,
    Severity.INFO: 6,
}
"""RFC 5424 table 2; what somebody has accepted is 6, informational."""
MOST_CHARACTERS: Final = 110
"""Of one value: a line stays near the 2048 octets that receivers should accept (RFC 5424, section 6.1)."""
BYTE_ORDER_MARK: Final = "\ufeff"
"""Says that the message is UTF-8 (RFC 5424, section 6.4)."""


def to_syslog(report: Report) -> bytes:
    """Return one line an event, in UTF-8."""
    moment = document_moment(report)
    return "".join(f"{_line(report, event, moment)}\n" for event in events(report)).encode()


def _line(report: Report, event: Event, moment: str) -> str:
    severity = SYSLOG_SEVERITIES[Severity.INFO if event.status == ACCEPTED else event.severity]
    data = " ".join((SD_ID, *(f'{name}="{_escaped(value)}"' for name, value in _parameters(report, event))))
    words = _shown(f"{event.severity.value}: {event.title}. {event.action}")
    return f"<{FACILITY * 8 + severity}>1 {moment} - medharden - {event.kind} [{data}] {BYTE_ORDER_MARK}{words}"


def _escaped(text: str) -> str:
    r"""Return a value of structured data: ``"``, ``\`` and ``]`` are escaped (RFC 5424, section 6.3.3)."""
    return _shown(text).replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")


def _shown(text: str) -> str:
    """Return ``text`` on one line; what is invisible in it is written out and cannot end a line."""
    return printable(" ".join(text.split()), most=MOST_CHARACTERS)


def _parameters(report: Report, event: Event) -> Iterator[tuple[str, str]]:
    place = event.place
    yield "name", event.name
    yield "severity", event.severity.value
    yield "status", event.status
    yield "key", event.key
    yield "image", report.subject.name
    yield "sha256", report.subject.sha256
    if event.detail:
        yield "detail", event.detail
    if place is not None:
        yield "path", place.path
        if place.offset is not None:
            yield "offset", str(place.offset)
        if place.address is not None:
            yield "address", f"{place.address:#x}"
    if event.controls:
        yield "controls", "; ".join(event.controls)
    if event.vulnerability is not None:
        row = event.vulnerability
        yield "component", f"{row.component} {row.component_version or ''}".rstrip()
    if event.acceptance is not None:
        accepted = event.acceptance.acceptance
        yield "acceptedUntil", accepted.until.isoformat()
        yield "acceptedBy", accepted.owner
        yield "acceptedReason", accepted.reason
