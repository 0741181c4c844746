"""What the documents for other programs share: day, derived numbers, names of image and components.

These documents must carry a time and a number of their own. Equal reports give equal bytes, so the time is the day that
the report was judged by, or else that of its newest data, and each number is derived from the report.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Iterator
from typing import Any, Final
from urllib.parse import quote

from packageurl import PackageURL

from toolkit.report.days import is_day
from toolkit.report.json_report import to_json
from toolkit.report.model import Component, Report
from toolkit.report.vulnerability import MatchStatus, Vulnerability

__all__ = [
    "NO_DAY",
    "action_of",
    "as_json",
    "component_purl",
    "derived_uuid",
    "document_day",
    "document_moment",
    "image_purl",
    "is_day",
    "notes_of",
    "placed",
    "source_url",
    "standard_cpe",
]

NO_DAY: Final = "1970-01-01"
"""Stands where a format demands a day and the report holds none."""

_DOCUMENTS: Final = uuid.uuid5(uuid.NAMESPACE_URL, "urn:medharden:documents")
_CPE: Final = re.compile(
    r"cpe:2\.3:[aho*-](?::(?:[A-Za-z0-9._*?-]|\\[\\*?!\"#$%&'()+,/:;<=>@\[\]^`{|}~-])+){5}"
    r"(?::(?:[a-zA-Z]{2,3}(?:-(?:[a-zA-Z]{2}|[0-9]{3}))?|[*-]))"
    r"(?::(?:[A-Za-z0-9._*?-]|\\[\\*?!\"#$%&'()+,/:;<=>@\[\]^`{|}~-])+){4}"
)
"""A CPE 2.3 formatted string, NIST IR 7695 section 6.2: part, 5 fields, language, 4 fields."""
_OUR_ACTION: Final = "Ask the maker of the device whether it is mended, and when; keep the device off open networks."


def as_json(document: dict[str, Any]) -> bytes:
    """Return a document as the content of a file."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def document_day(report: Report) -> str:
    """Return the day that the report was judged by, else that of its newest data, in ISO 8601; else ``NO_DAY``."""
    if report.data.day is not None and is_day(report.data.day):
        return report.data.day
    return max((age.date for age in report.data.vulnerabilities if age.date and is_day(age.date)), default=NO_DAY)


def document_moment(report: Report) -> str:
    """Return the first moment of that day."""
    return f"{document_day(report)}T00:00:00Z"


def derived_uuid(report: Report, kind: str) -> uuid.UUID:
    """Return the number of the document of ``kind`` that is made from ``report``; each report has another."""
    return uuid.uuid5(uuid.uuid5(_DOCUMENTS, kind), to_json(report).decode())


def image_purl(report: Report) -> str:
    """Return a package URL of the image: its name and its digest."""
    name = quote(report.subject.name, safe="") or "image"
    return f"pkg:generic/{name}?checksum=sha256:{quote(report.subject.sha256, safe='')}"


def component_purl(component: Component) -> PackageURL | None:
    """Return the package URL; None when there is none or a version from the image made it unreadable."""
    if component.purl is None:
        return None
    try:
        return PackageURL.from_string(component.purl)
    except ValueError:
        return None


def standard_cpe(component: Component) -> str | None:
    """Return the CPE 2.3 name; None when there is none or it is not written as the standard has it."""
    return component.cpe if component.cpe and _CPE.fullmatch(component.cpe) else None


def placed(report: Report) -> Iterator[tuple[Vulnerability, tuple[int, ...]]]:
    """Yield each vulnerability with the numbers of the components it is said of; none when it names none of them."""
    by_version: dict[tuple[str, str | None], list[int]] = {}
    by_name: dict[str, list[int]] = {}
    for number, component in enumerate(report.components):
        by_version.setdefault((component.name, component.version), []).append(number)
        by_name.setdefault(component.name, []).append(number)
    for entry in report.vulnerabilities:
        exact = by_version.get((entry.component, entry.component_version))
        yield entry, tuple(exact or by_name.get(entry.component) or ())


def source_url(identifier: str) -> str:
    """Return the page on which a vulnerability is described."""
    if identifier.startswith("CVE-"):
        return f"https://nvd.nist.gov/vuln/detail/{quote(identifier, safe='')}"
    return f"https://osv.dev/vulnerability/{quote(identifier, safe='')}"


def action_of(entry: Vulnerability) -> str:
    """Return what to do, in words; never empty."""
    stated = entry.urgency.action if entry.urgency is not None else ""
    return stated or _OUR_ACTION


def notes_of(entry: Vulnerability) -> str:
    """Return why the status is what it is: reason, evidence, and the user's own decision; never empty."""
    parts = [entry.reason, *(f"Evidence: {text}" for text in entry.evidence)]
    if entry.triage is not None:
        day = f" on {entry.triage.decided}" if entry.triage.decided else ""
        parts.append(f"Decided{day} ({entry.triage.source}): {entry.triage.statement}")
    if entry.versions and entry.status is not MatchStatus.NOT_AFFECTED:
        parts.append(f"Affected of the possible versions: {', '.join(entry.versions)}.")
    parts.append(f"Affected versions: {entry.range}. Confidence: {entry.confidence.value}.")
    return _joined(parts)


def _joined(parts: Iterable[str]) -> str:
    return " ".join(part.strip() for part in parts if part.strip())
