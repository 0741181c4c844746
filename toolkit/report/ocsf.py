"""Findings and vulnerabilities as events of the Open Cybersecurity Schema Framework, one JSON object a line.

Source: https://schema.ocsf.io/1.5.0: Detection Finding (class 2004) for what a check found, Vulnerability Finding
(class 2002) for what is known against a component, and first one Scan Activity (class 6007). The time of every event
is the day of the report.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from toolkit.core.findings import Severity
from toolkit.report.exchange import derived_uuid, document_day, source_url
from toolkit.report.model import Report
from toolkit.report.siem_events import ACCEPTED, Event, events
from toolkit.report.vulnerability import Vulnerability

__all__ = ["OCSF_VERSION", "to_ocsf"]

OCSF_VERSION: Final = "1.5.0"
CATEGORY: Final = 2
"""Findings."""
DETECTION, VULNERABILITY, SCAN = 2004, 2002, 6007
CREATE: Final = 1
"""Activity: a finding was made."""
_SEVERITIES: Final = {
    Severity.INFO: (1, "Informational"),
    Severity.LOW: (2, "Low"),
    Severity.MEDIUM: (3, "Medium"),
    Severity.HIGH: (4, "High"),
    Severity.CRITICAL: (5, "Critical"),
}
_NEW, _SUPPRESSED = (1, "New"), (3, "Suppressed")

Object = dict[str, Any]


def to_ocsf(report: Report) -> bytes:
    """Return one event a line, in UTF-8."""
    moment = datetime.fromisoformat(document_day(report)).replace(tzinfo=UTC)
    milliseconds = int(moment.timestamp() * 1000)
    number = str(derived_uuid(report, "ocsf"))
    found = (_event(report, event, milliseconds, number) for event in events(report) if event.kind != "report")
    objects = (_scan(report, milliseconds, number), *found)
    return "".join(f"{json.dumps(each, sort_keys=True)}\n" for each in objects).encode()


def _scan(report: Report, milliseconds: int, number: str) -> Object:
    """Return that the image was examined."""
    return {
        "activity_id": 2,
        "activity_name": "Completed",
        "category_name": "Application Activity",
        "category_uid": 6,
        "class_name": "Scan Activity",
        "class_uid": SCAN,
        "message": f"{report.subject.name} was examined; this is not an all-clear.",
        "metadata": _metadata(report, number),
        "num_detections": len(report.findings),
        "num_skipped_items": len(report.coverage.unread),
        "scan": {"name": "medharden scan", "type": "Manual", "type_id": 1, "uid": number},
        "severity": "Informational",
        "severity_id": 1,
        "time": milliseconds,
        "total": report.data.checks,
        "type_name": "Scan Activity: Completed",
        "type_uid": SCAN * 100 + 2,
    }


def _metadata(report: Report, number: str) -> Object:
    product = {"name": "medharden", "vendor_name": "medharden", "version": report.tool.version}
    return {"correlation_uid": number, "product": product, "version": OCSF_VERSION}


def _event(report: Report, event: Event, milliseconds: int, number: str) -> Object:
    is_known = event.vulnerability is not None
    class_uid = VULNERABILITY if is_known else DETECTION
    severity_id, severity = _SEVERITIES[event.severity]
    status_id, status = _SUPPRESSED if event.status == ACCEPTED else _NEW
    return {
        "activity_id": CREATE,
        "activity_name": "Create",
        "category_name": "Findings",
        "category_uid": CATEGORY,
        "class_name": "Vulnerability Finding" if is_known else "Detection Finding",
        "class_uid": class_uid,
        "finding_info": _information(event, milliseconds),
        "message": event.title,
        "metadata": _metadata(report, number),
        "resources": [_resource(report)],
        "severity": severity,
        "severity_id": severity_id,
        "status": status,
        "status_id": status_id,
        "time": milliseconds,
        "type_name": f"{'Vulnerability' if is_known else 'Detection'} Finding: Create",
        "type_uid": class_uid * 100 + CREATE,
        **dict(_more(event)),
    }


def _information(event: Event, milliseconds: int) -> Object:
    known = {"src_url": source_url(event.name)} if event.vulnerability is not None else {}
    return {
        "analytic": {"name": event.name, "type": "Rule", "type_id": 1, "uid": event.name},
        "created_time": milliseconds,
        "desc": event.detail,
        "title": event.title,
        "types": list(event.controls),
        "uid": event.key,
        **known,
    }


def _resource(report: Report) -> Object:
    subject = report.subject
    data = {"sha256": subject.sha256, "size_bytes": subject.size}
    return {"data": data, "name": subject.name, "type": "firmware image", "uid": subject.sha256}


def _more(event: Event) -> Iterator[tuple[str, Any]]:
    """Yield what not every event has."""
    if event.action:
        yield "remediation", {"desc": event.action}
    if event.place is not None:
        place = event.place
        data = {"path": place.path, "offset": place.offset, "address": place.address, "excerpt": place.excerpt}
        yield "evidences", [{"data": {name: value for name, value in data.items() if value not in (None, "")}}]
    if event.acceptance is not None:
        accepted = event.acceptance.acceptance
        yield "status_detail", f"{event.status}: until {accepted.until} by {accepted.owner}: {accepted.reason}"
    if event.vulnerability is not None:
        yield "vulnerabilities", [_details(event.vulnerability, event)]


def _details(row: Vulnerability, event: Event) -> Object:
    cve: Object = {"uid": row.id, "references": [source_url(row.id)]}
    if row.score is not None:
        cve["cvss"] = [
            {"base_score": row.score, "vector_string": row.vector or "", "version": _cvss_version(row.vector)}
        ]
    if row.epss is not None:
        cve["epss"] = {"score": str(row.epss)}
    if row.cwes:
        cve["related_cwes"] = [{"uid": f"CWE-{number}"} for number in row.cwes]
    package = {"name": row.component, "version": row.component_version or "unknown"}
    return {
        "affected_packages": [package],
        "cve": cve,
        "desc": row.summary,
        "is_exploit_available": row.exploited_since is not None,
        "remediation": {"desc": event.action},
        "severity": row.severity.capitalize(),
        "title": event.title,
    }


def _cvss_version(vector: str | None) -> str:
    """Return the version that a vector names; vectors of version 2 name none."""
    prefix, _, rest = (vector or "").partition("/")
    return prefix.removeprefix("CVSS:") if rest and prefix.startswith("CVSS:") else "2.0"
