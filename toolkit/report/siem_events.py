"""What a report tells a security information system: one event a finding and one a vulnerability."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from toolkit.core.findings import Evidence, Severity
from toolkit.report.acceptance import AcceptanceRecord, finding_key
from toolkit.report.accepting import counting, returned_findings
from toolkit.report.exchange import action_of, notes_of
from toolkit.report.model import Report
from toolkit.report.vulnerability import MatchStatus, Vulnerability

__all__ = ["ACCEPTED", "OPEN", "RETURNED", "Event", "events"]

OPEN: Final = "open"
ACCEPTED: Final = "accepted"
RETURNED: Final = "acceptance-expired"
_SEVERITIES: Final = {severity.value: severity for severity in Severity}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that was found."""

    kind: str
    """report, finding or vulnerability."""
    name: str
    """Name of the check, or of the vulnerability."""
    title: str
    detail: str
    action: str
    severity: Severity
    key: str
    """The same for the same thing in the next firmware version."""
    status: str
    """open, accepted, or acceptance-expired; nothing-found of a whole report."""
    acceptance: AcceptanceRecord | None = None
    place: Evidence | None = None
    controls: tuple[str, ...] = ()
    vulnerability: Vulnerability | None = None


def events(report: Report) -> Iterator[Event]:
    """Yield that the image was examined, the findings, accepted ones too, and the vulnerabilities that may apply."""
    yield _examined(report)
    held, returned = counting(report), returned_findings(report)
    findings = [(finding, returned.get(finding)) for finding in report.findings]
    accepted = [(each.finding, held.get(each.acceptance)) for each in report.accepted]
    for number, (finding, record) in enumerate((*findings, *accepted)):
        counts = number < len(findings)
        yield Event(
            kind="finding",
            name=finding.check,
            title=finding.title,
            detail=finding.detail,
            action=finding.remedy,
            severity=finding.severity,
            key=finding_key(finding),
            status=(OPEN if record is None else RETURNED) if counts else ACCEPTED,
            acceptance=record,
            place=finding.evidence[0] if finding.evidence else None,
            controls=finding.controls,
        )
    for row in report.vulnerabilities:
        if row.status is not MatchStatus.NOT_AFFECTED:
            yield _vulnerability(row, held.get(row.accepted or ""))


def _examined(report: Report) -> Event:
    """Return the event that is always there: silence of a scan that did not run looks different."""
    seen = f"{report.coverage.recognised_ratio:.1%} recognised, {len(report.coverage.unread)} parts not read"
    counts = f"{len(report.findings)} findings, {len(report.accepted)} accepted, {report.data.checks} checks ran"
    return Event(
        kind="report",
        name="image-examined",
        title="A firmware image was examined; this is not an all-clear",
        detail=f"{counts}; {seen}",
        action="",
        severity=report.worst or Severity.INFO,
        key=report.subject.sha256[:16],
        status=OPEN if report.findings else "nothing-found",
    )


def _vulnerability(row: Vulnerability, record: AcceptanceRecord | None) -> Event:
    name = f"{row.component} {row.component_version or '(version not known)'}"
    certain = "applies to" if row.status is MatchStatus.AFFECTED else "may apply to"
    return Event(
        kind="vulnerability",
        name=row.id,
        title=f"{row.id} {certain} {name}",
        detail=" ".join(filter(None, (row.summary, notes_of(row)))),
        action=action_of(row),
        severity=_SEVERITIES.get(row.severity, Severity.INFO if row.severity == "none" else Severity.MEDIUM),
        key=f"{row.id}@{row.component}",
        status=OPEN if record is None else ACCEPTED,
        acceptance=record,
        vulnerability=row,
    )
