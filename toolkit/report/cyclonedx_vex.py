"""Vulnerabilities in CycloneDX 1.6: as a part of the bill of materials, and as a document that refers to it.

Source: https://cyclonedx.org/docs/1.6/json/#vulnerabilities. There is an entry for each component, since the analysis
of one vulnerability can differ between components. What CycloneDX has no word for is a ``medharden:`` property.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from toolkit.report.exchange import (
    NO_DAY,
    action_of,
    as_json,
    component_purl,
    derived_uuid,
    document_moment,
    notes_of,
    placed,
    source_url,
    standard_cpe,
)
from toolkit.report.model import Component, Report
from toolkit.report.vulnerability import Justification, MatchStatus, Vulnerability

__all__ = ["IMAGE", "component_reference", "serial_number", "to_cyclonedx_vex", "vulnerability_entries"]

IMAGE: Final = "image"
_STATES: Final = {
    MatchStatus.AFFECTED: "exploitable",
    MatchStatus.NOT_AFFECTED: "not_affected",
    MatchStatus.UNDER_INVESTIGATION: "in_triage",
}
_JUSTIFICATIONS: Final = {
    Justification.COMPONENT_NOT_PRESENT: "requires_dependency",
    Justification.CODE_NOT_PRESENT: "code_not_present",
    Justification.CODE_NOT_IN_EXECUTE_PATH: "code_not_reachable",
    Justification.NOT_CONTROLLED_BY_ADVERSARY: "requires_environment",
    Justification.INLINE_MITIGATIONS: "protected_by_mitigating_control",
}
"""The nearest words of CycloneDX, as the OpenVEX project translates them too."""
_VERSION_STATES: Final = {
    MatchStatus.AFFECTED: "affected",
    MatchStatus.NOT_AFFECTED: "unaffected",
    MatchStatus.UNDER_INVESTIGATION: "unknown",
}
_METHODS: Final = {"CVSS:3.0/": "CVSSv3", "CVSS:3.1/": "CVSSv31", "CVSS:4.0/": "CVSSv4"}
_SEVERITIES: Final = frozenset({"critical", "high", "medium", "low", "none"})
_PUBLISHERS: Final = {
    "nvd": ("NVD", "https://nvd.nist.gov/"),
    "cna": ("CVE Program", "https://www.cve.org/"),
    "osv": ("OSV", "https://osv.dev/"),
    "csaf": ("CSAF advisory", ""),
    "medharden": ("medharden", ""),
}
LONGEST_VERSION: Final = 1024


def serial_number(report: Report) -> str:
    """Return the serial number of the bill of materials of ``report``."""
    return str(derived_uuid(report, "cyclonedx"))


def component_reference(number: int) -> str:
    """Return the ``bom-ref`` of the component that stands at ``number`` in the report."""
    return f"component-{number}"


def to_cyclonedx_vex(report: Report) -> bytes:
    """Return the vulnerabilities and the components they are said of.

    They refer to the components of the document that ``to_cyclonedx`` makes of the same report.
    """
    bom = f"urn:cdx:{serial_number(report)}/1"
    entries = list(vulnerability_entries(report, lambda reference: f"{bom}#{reference}"))
    metadata: dict[str, Any] = {
        "component": {
            "type": "firmware",
            "name": report.subject.name,
            "bom-ref": f"{IMAGE}-vex",
            "externalReferences": [{"type": "bom", "url": bom}],
        },
        "properties": [
            {"name": "medharden:data", "value": f"{age.name}: {age.date or 'no date'}"}
            for age in report.data.vulnerabilities
        ],
        "tools": {
            "components": [{"type": "application", "name": report.tool.name, "version": report.tool.version}],
        },
    }
    moment = document_moment(report)
    return as_json(
        {
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "serialNumber": f"urn:uuid:{derived_uuid(report, 'cyclonedx-vex')}",
            "version": 1,
            "components": [_named(number, report.components[number]) for number in _spoken_of(report)],
            "metadata": metadata if moment.startswith(NO_DAY) else {"timestamp": moment, **metadata},
            "vulnerabilities": entries,
        }
    )


def _spoken_of(report: Report) -> list[int]:
    return sorted({number for _entry, numbers in placed(report) for number in numbers})


def _named(number: int, component: Component) -> dict[str, Any]:
    """Return a component with its names alone, so that the document can be read without the bill of materials."""
    purl = component_purl(component)
    named = {
        "version": component.version,
        "purl": None if purl is None else purl.to_string(),
        "cpe": standard_cpe(component),
    }
    known = {name: value for name, value in named.items() if value}
    return {"type": "library", "bom-ref": component_reference(number), "name": component.title, **known}


def vulnerability_entries(report: Report, link: Callable[[str], str]) -> Iterator[dict[str, Any]]:
    """Yield the vulnerabilities; ``link`` turns the ``bom-ref`` of a component into what an entry refers to it by."""
    for place, (entry, numbers) in enumerate(placed(report)):
        references = [component_reference(number) for number in numbers] or [IMAGE]
        analysis: dict[str, Any] = {"state": _STATES[entry.status]}
        if entry.status is MatchStatus.NOT_AFFECTED and entry.justification is not None:
            analysis["justification"] = _JUSTIFICATIONS[entry.justification]
        if entry.status is MatchStatus.AFFECTED and "<" in entry.range:  # there is a version in which it is mended
            analysis["response"] = ["update"]
        found: dict[str, Any] = {
            "bom-ref": f"vulnerability-{place}",
            "id": entry.id,
            "source": {"name": _source_name(entry), "url": source_url(entry.id)},
            "references": list(_references(entry)),
            "ratings": list(_ratings(entry)),
            "cwes": [number for number in entry.cwes if number > 0],
            "description": entry.summary,
            "recommendation": action_of(entry) if entry.status is not MatchStatus.NOT_AFFECTED else "",
            "analysis": {**analysis, "detail": notes_of(entry)},
            "affects": [_affected(entry, link(reference)) for reference in dict.fromkeys(references)],
            "properties": [
                {"name": f"medharden:{name}", "value": value} for name, value in _properties(entry) if value
            ],
        }
        yield {name: value for name, value in found.items() if value not in ("", [])}


def _source_name(entry: Vulnerability) -> str:
    return "NVD" if entry.id.startswith("CVE-") else "OSV"


def _references(entry: Vulnerability) -> Iterator[dict[str, Any]]:
    """Yield the records the match rests on that go by another name."""
    for source, record in dict.fromkeys((row.source, row.record) for row in entry.provenance):
        name, url = _PUBLISHERS.get(source, (source, ""))
        if record and record != entry.id:
            yield {"id": record, "source": {"name": name, **({"url": url} if url else {})}}


def _ratings(entry: Vulnerability) -> Iterator[dict[str, Any]]:
    severity = entry.severity if entry.severity in _SEVERITIES else "unknown"
    published: dict[str, Any] = {"source": {"name": _source_name(entry)}, "severity": severity}
    if entry.score is not None:
        published["score"] = entry.score
    if entry.vector:
        published |= {"method": _METHODS.get(entry.vector[:9], "CVSSv2"), "vector": entry.vector}
    yield published
    urgency = entry.urgency
    if urgency is None:
        return
    yield {"source": {"name": "medharden"}, "method": "SSVC", "justification": urgency.sentence,
           "vector": f"decision:{urgency.decision.value}"}  # fmt: skip
    if urgency.score is not None and urgency.score != entry.score:
        yield {"source": {"name": "medharden"}, "method": "other", "score": urgency.score,
               "justification": "Base score with the widest way in that this device has."}  # fmt: skip


def _affected(entry: Vulnerability, reference: str) -> dict[str, Any]:
    versions = entry.versions or ((entry.component_version,) if entry.component_version else ())
    rows = [
        {"version": version, "status": _VERSION_STATES[entry.status]}
        for version in dict.fromkeys(versions)
        if len(version) <= LONGEST_VERSION
    ]
    return {"ref": reference, "versions": rows} if rows else {"ref": reference}


def _properties(entry: Vulnerability) -> Iterator[tuple[str, str]]:
    yield "confidence", entry.confidence.value
    yield "affected-range", entry.range
    yield "justification", "" if entry.justification is None else entry.justification.value
    yield "exploited-since", entry.exploited_since or ""
    yield "epss", "" if entry.epss is None else str(entry.epss)
    for family in entry.families:
        yield "family", family
    for row in entry.provenance:
        yield "provenance", " ".join(filter(None, (row.source, row.record, row.product, row.node, row.range)))
    if entry.triage is not None:
        yield "triage-source", entry.triage.source
        yield "triage-decided", entry.triage.decided or ""
        yield "triage-expires", entry.triage.expires or ""
