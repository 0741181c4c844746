"""The components as an SPDX 2.3 bill of materials.

Source: https://spdx.github.io/spdx-spec/v2.3/. A component refers to the pages of the vulnerabilities that
apply to it; the end of its support is its ``validUntilDate``. Licences are not looked at, and say so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import quote

from toolkit.report.exchange import (
    as_json,
    component_purl,
    derived_uuid,
    document_moment,
    is_day,
    placed,
    source_url,
    standard_cpe,
)
from toolkit.report.model import Component, Report
from toolkit.report.vulnerability import MatchStatus

__all__ = ["to_spdx"]

DOCUMENT, IMAGE, NO_ASSERTION = "SPDXRef-DOCUMENT", "SPDXRef-image", "NOASSERTION"
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_NOT_LOOKED_AT: Final = {
    "downloadLocation": NO_ASSERTION,
    "filesAnalyzed": False,
    "licenseConcluded": NO_ASSERTION,
    "licenseDeclared": NO_ASSERTION,
    "copyrightText": NO_ASSERTION,
    "supplier": NO_ASSERTION,
}


def to_spdx(report: Report) -> bytes:
    """Return the bill of materials of the image as SPDX 2.3 JSON."""
    applying: dict[int, list[str]] = {}
    for entry, numbers in placed(report):
        for number in numbers if entry.status is MatchStatus.AFFECTED else ():
            applying.setdefault(number, []).append(entry.id)
    until = {(row.component, row.component_version): row.until for row in report.support if row.until}
    name = report.subject.name or "image"
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": DOCUMENT,
        "name": name,
        "documentNamespace": f"https://spdx.org/spdxdocs/{quote(name, safe='')}-{derived_uuid(report, 'spdx')}",
        "creationInfo": {
            "created": document_moment(report),
            "creators": [_creator(report)],
            "comment": "SBOM type: analyzed. Made by looking into the built image, not from its sources. The time is "
            "the day that the report was judged by; the same image and data give the same document.",
        },
        "comment": " ".join(("Not examined:", *report.not_examined)),
        "packages": [
            _image(report),
            *(
                _package(number, part, applying.get(number, ()), until.get((part.name, part.version)))
                for number, part in enumerate(report.components)
            ),
        ],
        "relationships": [
            _relationship(DOCUMENT, "DESCRIBES", IMAGE),
            *(_relationship(IMAGE, "CONTAINS", _reference(number)) for number in range(len(report.components))),
            _relationship(IMAGE, "CONTAINS", NO_ASSERTION),  # there may be more than was recognised
        ],
    }
    return as_json(document)


def _creator(report: Report) -> str:
    return f"Tool: {' '.join(f'{report.tool.name}-{report.tool.version}'.split())}"


def _relationship(one: str, kind: str, other: str) -> dict[str, str]:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}


def _reference(number: int) -> str:
    return f"SPDXRef-component-{number}"


def _image(report: Report) -> dict[str, Any]:
    package = {
        "SPDXID": IMAGE,
        "name": report.subject.name or "image",
        **_NOT_LOOKED_AT,
        "primaryPackagePurpose": "FIRMWARE",
    }
    if _SHA256.fullmatch(report.subject.sha256):
        package["checksums"] = [{"algorithm": "SHA256", "checksumValue": report.subject.sha256}]
    return package


def _package(number: int, part: Component, applying: Sequence[str], until: str | None) -> dict[str, Any]:
    package: dict[str, Any] = {"SPDXID": _reference(number), "name": part.title or part.name or "component"}
    if part.version:
        package["versionInfo"] = part.version
    package |= _NOT_LOOKED_AT
    package |= {"comment": _comment(part), "externalRefs": list(_external(part, applying))}
    if until is not None and is_day(until):
        package["validUntilDate"] = f"{until}T00:00:00Z"
    return package


def _comment(part: Component) -> str:
    places = [evidence.path for evidence in part.evidence]
    seen = f" Seen in {', '.join(dict.fromkeys(places))}." if places else ""
    candidates = f" It could be version {' or '.join(part.version_candidates)}." if part.version_candidates else ""
    return f"Found with {part.confidence.value} confidence by the rule {part.name}.{candidates}{seen}"


def _external(part: Component, applying: Sequence[str]) -> Iterator[dict[str, str]]:
    if (cpe := standard_cpe(part)) is not None:
        yield _external_reference("SECURITY", "cpe23Type", cpe)
    if (purl := component_purl(part)) is not None:
        yield _external_reference("PACKAGE-MANAGER", "purl", purl.to_string())
    for name in dict.fromkeys(applying):
        yield _external_reference("SECURITY", "advisory", source_url(name))


def _external_reference(category: str, kind: str, locator: str) -> dict[str, str]:
    return {"referenceCategory": category, "referenceType": kind, "referenceLocator": locator}
