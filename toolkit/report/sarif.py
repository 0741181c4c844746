"""Findings and vulnerabilities as SARIF 2.1.0, for code scanning and ticket systems.

Source: https://docs.oasis-open.org/sarif/sarif/v2.1.0/. Each check is a rule, and so are the vulnerabilities of each
component; what does not apply stands there too, as not applicable, with its reason.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from toolkit.core.findings import Evidence, Finding, Severity
from toolkit.report.acceptance import AcceptanceRecord, finding_key
from toolkit.report.accepting import counting
from toolkit.report.exchange import action_of, as_json, notes_of, placed, source_url
from toolkit.report.model import Report
from toolkit.report.vulnerability import MatchStatus, Vulnerability

__all__ = ["to_sarif"]

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
MOST_PLACES: Final = 10
"""Locations of one result; the JSON report has them all."""
_LEVELS: Final = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
    Severity.INFO: "note",
}
_SCORES: Final = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.5",
    Severity.LOW: "2.0",
    Severity.INFO: "0.0",
}
"""``security-severity`` of a finding: the middle of the CVSS range that its word stands for."""
_KINDS: Final = {
    MatchStatus.AFFECTED: "fail",
    MatchStatus.UNDER_INVESTIGATION: "open",
    MatchStatus.NOT_AFFECTED: "notApplicable",
}
_SHA256: Final = re.compile(r"[0-9a-f]{64}")

Rules = dict[str, dict[str, Any]]
Result = dict[str, Any]


def to_sarif(report: Report) -> bytes:
    """Return the report as one SARIF run."""
    rules: Rules = {}
    held = counting(report)
    results = [_finding(report, finding, rules) for finding in report.findings]
    results += [
        _finding(report, each.finding, rules) | _suppressed(held.get(each.acceptance)) for each in report.accepted
    ]
    results += [
        _vulnerability(report, entry, numbers, rules) | _suppressed(held.get(entry.accepted or ""))
        for entry, numbers in placed(report)
    ]
    for result in results if report.acceptances else ():
        result.setdefault("suppressions", [])  # section 3.27.23: all results of a run say it, or none does
    numbers = {name: number for number, name in enumerate(rules)}
    for result in results:
        result["ruleIndex"] = numbers[result["ruleId"]]
    tool = report.tool
    run = {
        "tool": {
            "driver": {
                "name": tool.name or "medharden",
                **({"version": tool.version} if tool.version else {}),
                "rules": list(rules.values()),
            }
        },
        "invocations": [
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": [
                    {"level": "note", "message": {"text": f"Not examined: {text}"}} for text in report.not_examined
                ],
            }
        ],
        "artifacts": [_artifact(report)],
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return as_json({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _suppressed(record: AcceptanceRecord | None) -> Result:
    """Return that a result was accepted outside the image, as SARIF section 3.35 has it; nothing when it was not."""
    if record is None:
        return {}
    accepted = record.acceptance
    justification = f"Accepted until {accepted.until} by {accepted.owner}: {accepted.reason}"
    return {"suppressions": [{"kind": "external", "status": "accepted", "justification": justification}]}


def _artifact(report: Report) -> dict[str, Any]:
    artifact: dict[str, Any] = {
        "location": {"uri": _uri(report.subject.name)},
        "length": report.subject.size,
        "roles": ["analysisTarget"],
    }
    return artifact | (
        {"hashes": {"sha-256": report.subject.sha256}} if _SHA256.fullmatch(report.subject.sha256) else {}
    )


def _uri(path: str) -> str:
    """Return a relative reference that is read as one name, whatever stands in it."""
    return quote(path, safe="/!~") or "image"


def _finding(report: Report, finding: Finding, rules: Rules) -> Result:
    rule = f"check/{finding.check}"
    if rule not in rules:
        help_text = " ".join(filter(None, (finding.remedy, *finding.controls))) or finding.title or finding.check
        rules[rule] = {
            "id": rule,
            "name": _identifier(finding.check),
            "shortDescription": {"text": finding.title or finding.check},
            "help": {"text": help_text},
            "properties": {"tags": ["security", *dict.fromkeys(finding.controls)]},
        }
    return {
        "ruleId": rule,
        "kind": "informational" if finding.severity is Severity.INFO else "fail",
        "level": "none" if finding.severity is Severity.INFO else _LEVELS[finding.severity],
        "message": {"text": " ".join(filter(None, (finding.title, finding.detail, finding.remedy))) or finding.check},
        "locations": _locations(report, finding.evidence),
        "partialFingerprints": {
            **_fingerprint(rule, finding.detail, finding.evidence),
            "medhardenKey/v1": finding_key(finding),
        },
        "properties": {"security-severity": _SCORES[finding.severity], "severity": finding.severity.value},
    }


def _vulnerability(report: Report, entry: Vulnerability, numbers: tuple[int, ...], rules: Rules) -> Result:
    rule = f"component/{entry.component}"
    if rule not in rules:
        title = report.components[numbers[0]].title if numbers else entry.component
        rules[rule] = {
            "id": rule,
            "name": _identifier(f"known vulnerability in {entry.component}"),
            "shortDescription": {"text": f"Known vulnerability in {title}"},
            "help": {"text": "Ask the maker of the device whether it applies and when it is mended."},
            "properties": {"tags": ["security", "vulnerability"]},
        }
    evidence = [place for number in numbers for place in report.components[number].evidence]
    applies = entry.status is MatchStatus.AFFECTED
    name = f"{entry.component} {entry.component_version or '(version not known)'}"
    words = (f"{entry.id} in {name}.", entry.summary, notes_of(entry), action_of(entry) if applies else "")
    return {
        "ruleId": rule,
        "kind": _KINDS[entry.status],
        "level": _level(entry) if applies else "none",
        "message": {"text": " ".join(filter(None, words))},
        "locations": _locations(report, evidence),
        "partialFingerprints": _fingerprint(rule, entry.id, ()),
        "hostedViewerUri": source_url(entry.id),
        "properties": dict(_properties(entry)),
    }


def _properties(entry: Vulnerability) -> Iterator[tuple[str, Any]]:
    yield "vulnerability", entry.id
    yield "status", entry.status.value
    yield "confidence", entry.confidence.value
    yield "severity", entry.severity
    if entry.cwes:
        yield "tags", [f"CWE-{number}" for number in entry.cwes]
    if entry.score is not None:
        yield "security-severity", str(entry.score)
    if entry.justification is not None:
        yield "justification", entry.justification.value
    if entry.exploited_since is not None:
        yield "exploited-since", entry.exploited_since
    if entry.urgency is not None:
        yield "decision", entry.urgency.decision.value


def _level(entry: Vulnerability) -> str:
    if entry.severity in ("critical", "high") or entry.exploited_since is not None:
        return "error"
    return "note" if entry.severity in ("low", "none") else "warning"


def _identifier(text: str) -> str:
    """Return a name in the form that SARIF recommends for rules: words run together, each with a capital."""
    return "".join(word.capitalize() for word in re.findall(r"[A-Za-z0-9]+", text)) or "Rule"


def _locations(report: Report, evidence: Sequence[Evidence]) -> list[dict[str, Any]]:
    """Return where it shows; the image itself where no place is known, since some readers drop what has none."""
    return [_location(place) for place in evidence[:MOST_PLACES] or (Evidence(path=report.subject.name),)]


def _location(place: Evidence) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(place.path)}}
    if place.offset is not None:
        physical["region"] = {"byteOffset": place.offset, "byteLength": 1}
    if place.address is not None:
        physical["address"] = {"absoluteAddress": place.address}
    location: dict[str, Any] = {"physicalLocation": physical}
    return location | ({"message": {"text": place.excerpt}} if place.excerpt else {})


def _fingerprint(rule: str, what: str, evidence: Iterable[Evidence]) -> Mapping[str, str]:
    """Return what stays the same when the same thing is found in the same place of another version."""
    paths = dict.fromkeys(place.path.rpartition("!")[2] for place in evidence)
    digest = hashlib.sha256("\0".join((rule, what, *paths)).encode()).hexdigest()
    return {"medharden/v1": digest[:32]}
