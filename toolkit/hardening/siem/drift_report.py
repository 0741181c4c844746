"""A drift as the findings of a report, so that it is handed on by the same ways."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import msgspec

from toolkit import __version__
from toolkit.core.findings import Finding
from toolkit.hardening.integrity.drift import Drift, drift_findings
from toolkit.report.model import Coverage, DataVersions, ImageSummary, Report, Subject, Tool

__all__ = ["DIGEST_MARK", "report_of_drift"]

DIGEST_MARK = "SHA-256 "
"""What stands before the digest of a file in the excerpt of a difference."""


def report_of_drift(drift: Drift, day: date) -> Report:
    """Return a report of ``day`` that holds what is different and nothing else; unknown sizes stand as 0."""
    return Report(
        tool=Tool(name="medharden", version=__version__),
        data=DataVersions(
            component_rules=0,
            component_rules_sha256="",
            formats=0,
            checks=0,
            profile=drift.profile,
            day=day.isoformat(),
        ),
        subject=Subject(name=drift.image, size=0, sha256=drift.image_sha256),
        image=ImageSummary(format="unknown", arch=None),
        coverage=Coverage(
            total_bytes=0,
            recognised_bytes=0,
            padding_bytes=0,
            encrypted_bytes=0,
            unknown_bytes=0,
            unread_bytes=0,
            recognised_ratio=0.0,
        ),
        regions=(),
        components=(),
        findings=tuple(_findings(drift)),
        not_examined=(f"anything but differences from the baseline of {drift.baseline_image}",),
    )


def _findings(drift: Drift) -> Iterator[Finding]:
    """Yield the findings, each difference with the digest of what the dump holds now."""
    digests = [row.sha256 for row in drift.rows]
    for number, finding in enumerate(drift_findings(drift)):
        digest = digests[number] if number < len(digests) else ""
        marked = (msgspec.structs.replace(place, excerpt=f"{DIGEST_MARK}{digest}") for place in finding.evidence)
        yield msgspec.structs.replace(finding, evidence=tuple(marked)) if digest else finding
