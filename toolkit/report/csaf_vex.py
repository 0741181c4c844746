"""Which vulnerabilities apply, as CSAF 2.0 in the VEX profile (``csaf_vex``).

Source: https://docs.oasis-open.org/csaf/csaf/v2.0/os/csaf-v2.0-os.html, section 4.5 (profile 5) and the mandatory tests
of section 6.1. The image is a product, each component is one too, and what is said is said of the component as part of
the image. A published score becomes a score object where its vector, computed again, gives the same: the standard wants
that (6.1.9), and not every publisher heeds it. All published scores stand in the notes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from toolkit.core.errors import InputError
from toolkit.report.csaf_scores import Statement, scores_of
from toolkit.report.exchange import (
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
from toolkit.report.vulnerability import MatchStatus, Vulnerability

__all__ = ["to_csaf_vex"]

IMAGE: Final = "image"
_CVE: Final = re.compile(r"CVE-[0-9]{4}-[0-9]{4,}")
_SHA256: Final = re.compile(r"[0-9a-fA-F]{64}")
_STATUS_KEYS: Final = {
    MatchStatus.AFFECTED: "known_affected",
    MatchStatus.NOT_AFFECTED: "known_not_affected",
    MatchStatus.UNDER_INVESTIGATION: "under_investigation",
}
_WORST_FIRST: Final = (MatchStatus.AFFECTED, MatchStatus.UNDER_INVESTIGATION, MatchStatus.NOT_AFFECTED)


def to_csaf_vex(report: Report) -> bytes:
    """Return what applies and what does not; raise ``InputError`` when no vulnerability is known, as VEX needs one."""
    if not report.vulnerabilities:
        raise InputError(
            f"{report.subject.name}: CSAF VEX needs a vulnerability, and none is known; take json or cyclonedx"
        )
    by_name: dict[str, dict[str, Statement]] = {}
    for entry, numbers in placed(report):
        for product in [_part_id(number) for number in numbers] or [IMAGE]:
            _keep_worst(by_name.setdefault(entry.id or "unnamed", {}), entry, product)
    document = {
        "document": _head(report),
        "product_tree": _products(report),
        "vulnerabilities": [_vulnerability(name, list(said.values())) for name, said in by_name.items()],
    }
    return as_json(document)


def _keep_worst(said: dict[str, Statement], entry: Vulnerability, product: str) -> None:
    """Keep one statement of a product: two that contradict each other would make the document invalid."""
    before = said.get(product)
    if before is None or _WORST_FIRST.index(entry.status) < _WORST_FIRST.index(before[0].status):
        said[product] = entry, product


def _head(report: Report) -> dict[str, Any]:
    moment, number = document_moment(report), derived_uuid(report, "csaf")
    tool = report.tool
    return {
        "category": "csaf_vex",
        "csaf_version": "2.0",
        "lang": "en",
        "title": f"Known vulnerabilities of {report.subject.name or 'an image'}",
        "publisher": {
            "category": "other",
            "name": "User of medharden",
            "namespace": "urn:medharden:user",
        },
        "notes": [
            {
                "category": "legal_disclaimer",
                "title": "What this is",
                "text": "A program has made this document from an image; it is not a statement of the maker of the "
                "device. The vulnerability data is not complete. Its time is the day the report was judged by.",
            },
            *({"category": "details", "title": "Not examined", "text": text} for text in report.not_examined if text),
        ],
        "tracking": {
            "id": f"medharden-{number}",
            "status": "final",
            "version": "1",
            "initial_release_date": moment,
            "current_release_date": moment,
            "revision_history": [{"date": moment, "number": "1", "summary": "Made from the report of one scan."}],
            "generator": {"engine": _filled({"name": tool.name or "medharden", "version": tool.version})},
        },
    }


def _part_id(number: int) -> str:
    return f"{IMAGE}:component-{number}"


def _products(report: Report) -> dict[str, Any]:
    image = report.subject.name or "image"
    tree: dict[str, Any] = {
        "full_product_names": [
            {"product_id": IMAGE, "name": image, **_image_helper(report)},
            *(_component(number, part) for number, part in enumerate(report.components)),
        ]
    }
    if report.components:
        tree["relationships"] = [
            {
                "category": "default_component_of",
                "product_reference": f"component-{number}",
                "relates_to_product_reference": IMAGE,
                "full_product_name": {
                    "product_id": _part_id(number),
                    "name": f"{_label(part)} as a part of {image}",
                },
            }
            for number, part in enumerate(report.components)
        ]
    return tree


def _image_helper(report: Report) -> dict[str, Any]:
    if not (report.subject.name and _SHA256.fullmatch(report.subject.sha256)):
        return {}
    hashes = [{"algorithm": "sha256", "value": report.subject.sha256.lower()}]
    return {
        "product_identification_helper": {"hashes": [{"filename": report.subject.name, "file_hashes": hashes}]},
    }


def _component(number: int, part: Component) -> dict[str, Any]:
    purl = component_purl(part)
    helper = _filled({"cpe": standard_cpe(part), "purl": None if purl is None else purl.to_string()})
    return {
        "product_id": f"component-{number}",
        "name": _label(part),
        **({"product_identification_helper": helper} if helper else {}),
    }


def _label(part: Component) -> str:
    return f"{part.title or part.name or 'component'} {part.version or '(version not known)'}"


def _filled(values: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}


def _vulnerability(name: str, said: Sequence[Statement]) -> dict[str, Any]:
    is_cve = _CVE.fullmatch(name) is not None
    statuses: dict[str, list[str]] = {}
    for entry, product in said:
        statuses.setdefault(_STATUS_KEYS[entry.status], []).append(product)
    found: dict[str, Any] = {
        **({"cve": name} if is_cve else {"ids": [{"system_name": "other", "text": name}]}),
        "notes": _notes(said),
        "product_status": statuses,
        "references": [{"category": "external", "summary": f"Public record of {name}", "url": source_url(name)}],
    }
    found |= {"scores": scores} if (scores := scores_of(said)) else {}
    found |= {"flags": flags} if (flags := _flags(said)) else {}
    found |= {"threats": threats} if (threats := _threats(said)) else {}
    found |= {"remediations": actions} if (actions := _remediations(said)) else {}
    return found


def _notes(said: Sequence[Statement]) -> list[dict[str, str]]:
    first = said[0][0]
    score = "No CVSS score is known." if first.score is None else f"Highest published CVSS base score {first.score}"
    vector = f" ({first.vector})" if first.vector else ""
    notes = [
        {"category": "description", "title": "What can happen", "text": first.summary or "No description is known."},
        {"category": "general", "title": "Score", "text": f"{score}{vector}"},
    ]
    details = dict.fromkeys(f"{entry.component}: {notes_of(entry)}" for entry, _product in said)
    return notes + [{"category": "details", "title": "Why this status", "text": text} for text in details]


def _flags(said: Iterable[Statement]) -> list[dict[str, Any]]:
    """Return the justifications of what does not apply, each with its products."""
    by_label: dict[str, list[str]] = {}
    for entry, product in said:
        if entry.status is MatchStatus.NOT_AFFECTED and entry.justification is not None:
            by_label.setdefault(entry.justification.value, []).append(product)
    return [{"label": label, "product_ids": products} for label, products in by_label.items()]


def _threats(said: Iterable[Statement]) -> list[dict[str, Any]]:
    return [
        {"category": "impact", "details": entry.reason or notes_of(entry), "product_ids": [product]}
        for entry, product in said
        if entry.status is MatchStatus.NOT_AFFECTED
    ]


def _remediations(said: Iterable[Statement]) -> list[dict[str, Any]]:
    """Return what to do about what applies or may apply; only the maker of the device could promise a fix."""
    by_action: dict[str, list[str]] = {}
    for entry, product in said:
        if entry.status is not MatchStatus.NOT_AFFECTED:
            by_action.setdefault(action_of(entry), []).append(product)
    return [
        {"category": "mitigation", "details": action, "product_ids": products} for action, products in by_action.items()
    ]
