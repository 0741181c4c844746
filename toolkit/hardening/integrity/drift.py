"""What is different in a dump: the record, and what is said of it."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Meta

from firmware_checks.controls import NOT_APPLICABLE, Controls
from toolkit.core.findings import Evidence, Finding, Severity
from toolkit.report.model import Tool

__all__ = ["Change", "Drift", "DriftRow", "DriftVerdict", "drift_findings"]


class Change(enum.StrEnum):
    """What happened to something since the baseline."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    """Other content, another kind of thing, or a link that leads elsewhere."""
    RE_OWNED = "re-owned"
    RE_MODED = "re-moded"
    ATTRIBUTES = "attributes"
    """Capabilities or other extended attributes."""
    AUTORUN = "autorun"
    """Something that Windows starts by itself."""


class DriftVerdict(enum.StrEnum):
    """The answer in one word."""

    NO_DRIFT = "no-drift"
    DRIFT = "drift"
    INCOMPLETE = "incomplete"
    """Nothing was found, but not everything could be compared: that is no all-clear."""


class DriftRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One difference."""

    change: Change
    path: Annotated[str, Meta(description="Volume, exclamation mark and path; or space and addresses of memory.")]
    detail: Annotated[str, Meta(description="What exactly is different.")]
    old: Annotated[str, Meta(description="What the baseline says; empty when nothing.")] = ""
    new: Annotated[str, Meta(description="What the dump holds; empty when nothing.")] = ""
    may_run: Annotated[bool, Meta(description="Whether the device may execute it.")] = False
    sha256: Annotated[str, Meta(description="Of the content in the dump, for indicators; empty when none.")] = ""


class Drift(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A dump compared with a baseline that a trusted key has signed."""

    format: str
    tool: Tool
    baseline_sha256: Annotated[str, Meta(description="Of the baseline file.")]
    baseline_image: str
    baseline_contents_sha256: str
    baseline_day: str
    signed_by: Annotated[str, Meta(description="Id of the key that has signed the baseline.")]
    image: str
    image_sha256: str
    profile: str
    compared: Annotated[int, Meta(description="Things of the baseline that were compared.")]
    expected: Annotated[int, Meta(description="Differences at places that may change, not told.")]
    rows: tuple[DriftRow, ...]
    not_compared: Annotated[tuple[str, ...], Meta(description="What could not be judged, and why.")]
    notes: Annotated[tuple[str, ...], Meta(description="What was passed over on purpose.")]

    @property
    def verdict(self) -> DriftVerdict:
        """The answer in one word."""
        if self.rows:
            return DriftVerdict.DRIFT
        return DriftVerdict.INCOMPLETE if self.not_compared else DriftVerdict.NO_DRIFT


TITLE = "The device does not hold the software it was released with"
REMEDY = (
    "Keep the device from patients and from the network, keep the dump, and find out who changed it; "
    "install the released software again only when that is clear."
)
INCOMPLETE_TITLE = "A part of the dump could not be compared with the baseline"
INCOMPLETE_REMEDY = "Read the device again; until then nobody can say that it is unchanged."
CONTROLS = Controls(
    fda=("D", "F"), iec_62443=("CR 3.4", "EDR 3.11"), iec_81001=("6.3",), cra=("I.2f",), mds2=("MLDP",),
    cwe=NOT_APPLICABLE,
)  # fmt: skip


def drift_findings(drift: Drift) -> Iterator[Finding]:
    """Yield a finding for each difference, for whoever hands findings on."""
    for row in drift.rows:
        yield Finding(
            check=f"drift-{row.change.value}",
            title=TITLE,
            severity=_severity(row),
            detail=f"{row.change.value}: {row.path}: {row.detail}",
            remedy=REMEDY,
            controls=CONTROLS.rows(),
            evidence=(Evidence(path=f"{drift.image}!{row.path}"),),
        )
    for sentence in drift.not_compared:
        yield Finding(
            check="drift-incomplete",
            title=INCOMPLETE_TITLE,
            severity=Severity.MEDIUM,
            detail=sentence,
            remedy=INCOMPLETE_REMEDY,
            controls=CONTROLS.rows(),
        )


def _severity(row: DriftRow) -> Severity:
    """Return Critical for what may run and is new or other, high for rights, else medium."""
    if row.change is Change.AUTORUN or (row.may_run and row.change in (Change.ADDED, Change.CHANGED)):
        return Severity.CRITICAL
    if row.change in (Change.RE_MODED, Change.RE_OWNED, Change.ATTRIBUTES) or row.may_run:
        return Severity.HIGH
    return Severity.MEDIUM
