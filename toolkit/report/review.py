"""What differs between two images, and what to think of an update: the records, declared once.

``medharden diff --json`` prints a ``Difference``, ``medharden review --format json`` a ``Review``. The same files read
with the same data give the same bytes.
"""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec
from msgspec import Meta

from toolkit.core.findings import Severity
from toolkit.report.acceptance import AcceptanceRecord, AcceptedFinding
from toolkit.report.model import DataVersions, Fact, Subject, Tool, Unread
from toolkit.report.vulnerability import MatchStatus

__all__ = [
    "Change",
    "ComponentChange",
    "Difference",
    "FactChange",
    "Fate",
    "FileChange",
    "FileState",
    "FindingChange",
    "MemoryChange",
    "ObservationChange",
    "Presence",
    "Question",
    "Reason",
    "Review",
    "TriageCarried",
    "Verdict",
    "VulnerabilityChange",
    "Weight",
]

SCHEMA_VERSION = "1.0"


class Change(enum.StrEnum):
    """How something differs from what it was."""

    ADDED = "added"
    REMOVED = "removed"
    UPGRADED = "upgraded"
    DOWNGRADED = "downgraded"
    CHANGED = "changed"


class Presence(enum.StrEnum):
    """Whether a finding is in the new image, the old one, or both."""

    NEW = "new"
    GONE = "gone"
    SAME = "same"


class Fate(enum.StrEnum):
    """What becomes of a known vulnerability."""

    REOPENED = "reopened"
    """It was ruled out for what runs now, or the component goes back to an older version, and it applies again."""
    NEW = "new"
    LEFT = "left"
    FIXED = "fixed"
    """The component is still there, and it does not apply to it any more."""
    NOT_SEEN = "not-seen"
    """The component was not found any more: that does not show that it is gone."""


class Verdict(enum.StrEnum):
    """The answer on the page."""

    GO = "go"
    NO_GO = "no-go"
    ASK = "ask-the-vendor"


class Weight(enum.StrEnum):
    """What one reason does to the verdict; the heaviest decides."""

    NOTE = "note"
    """It is worth knowing and decides nothing."""
    FINE = "fine"
    ASK = "ask"
    NO_GO = "no-go"


class Question(enum.StrEnum):
    """What the page answers, in this order."""

    AUTHENTIC = "authentic"
    MODEL = "model"
    DOWNGRADE = "downgrade"
    CHANGES = "changes"
    VULNERABILITIES = "vulnerabilities"
    COMPLETE = "complete"


class ComponentChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A third-party part that came, went, or has another version."""

    name: Annotated[str, Meta(description="Name of the component, as in a report.")]
    title: Annotated[str, Meta(description="Its name as people know it.")]
    change: Annotated[Change, Meta(description="Up and down follow the order in which its makers count.")]
    old: Annotated[str | None, Meta(description="Version before, candidates with | between; null when not known.")]
    new: Annotated[str | None, Meta(description="Version now; null when not known.")]


class FileState(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a container says of one of its entries."""

    kind: Annotated[str, Meta(description="file, folder, symbolic-link ...")]
    size: Annotated[int | None, Meta(description="Bytes; null when not known.")]
    mode: Annotated[int | None, Meta(description="Permission bits of Unix; null when there are none.")]
    uid: Annotated[int | None, Meta(description="Number of the owner.")]
    gid: Annotated[int | None, Meta(description="Number of the group.")]
    target: Annotated[str, Meta(description="Where a link points to.")]
    sha256: Annotated[str | None, Meta(description="SHA-256 of the content; null when it was not read.")]


class FileChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An entry of a container that came, went or changed."""

    path: Annotated[str, Meta(description="Path without the name of the image; where it went, as it was.")]
    change: Annotated[Change, Meta(description="added, removed or changed.")]
    what: Annotated[tuple[str, ...], Meta(description="content, mode, owner, target or kind, where it changed.")] = ()
    old: Annotated[FileState | None, Meta(description="Before; null when it was not there.")] = None
    new: Annotated[FileState | None, Meta(description="Now; null when it is not there any more.")] = None


class MemoryChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A stretch of the device's memory that the image defines."""

    path: Annotated[str, Meta(description="File it stands in, without the name of the image.")]
    change: Annotated[Change, Meta(description="added, removed or changed.")]
    address: Annotated[int, Meta(description="First address.")]
    old_end: Annotated[int | None, Meta(description="One past the last address before.")] = None
    new_end: Annotated[int | None, Meta(description="One past the last address now.")] = None


class FactChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something the image says of itself: version, signature, counter against going back, processor."""

    path: Annotated[str, Meta(description="File it stands in, without the name of the image.")]
    title: Annotated[str, Meta(description="What says it.")]
    name: Annotated[str, Meta(description="Name of the fact, as in a report.")]
    old: Annotated[Fact | None, Meta(description="Before; null when it was not said.")] = None
    new: Annotated[Fact | None, Meta(description="Now; null when it is not said.")] = None


class FindingChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a check says of one image or of both."""

    presence: Annotated[Presence, Meta(description="new, gone or same.")]
    check: Annotated[str, Meta(description="Name of the check.")]
    title: Annotated[str, Meta(description="What is wrong.")]
    severity: Annotated[Severity, Meta(description="How much it matters; of the new image where it is in both.")]
    old_severity: Annotated[Severity | None, Meta(description="In the old image, where it is in both.")] = None
    path: Annotated[str, Meta(description="Where, without the name of the image; empty for the whole.")] = ""
    detail: Annotated[str, Meta(description="What exactly was seen.")] = ""
    accepted: Annotated[
        str | None, Meta(description="Name of the acceptance by which it does not count; null when it does.")
    ] = None


class ObservationChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key, account, service or setting that came or went; one that changed did both."""

    topic: Annotated[str, Meta(description="What sort of thing, for example private key.")]
    change: Annotated[Change, Meta(description="added or removed.")]
    path: Annotated[str, Meta(description="File it stands in, without the name of the image.")]
    excerpt: Annotated[str, Meta(description="What stands there, without secrets.")]


class VulnerabilityChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A known vulnerability of a component in either image."""

    id: Annotated[str, Meta(description="CVE name, or another identifier.")]
    component: Annotated[str, Meta(description="Name of the component.")]
    fate: Annotated[Fate, Meta(description="What becomes of it.")]
    old_version: Annotated[str | None, Meta(description="Version of the component before.")] = None
    new_version: Annotated[str | None, Meta(description="Version of the component now.")] = None
    old_status: Annotated[MatchStatus | None, Meta(description="Whether it applied; null when it was not known.")] = (
        None
    )
    new_status: Annotated[MatchStatus | None, Meta(description="Whether it applies; null when it is not known.")] = None
    severity: Annotated[str, Meta(description="Published severity as a word.")] = "unknown"
    score: Annotated[float | None, Meta(description="Highest published score.")] = None
    decision: Annotated[str | None, Meta(description="How soon to act on this device; null when not ranked.")] = None
    exploited: Annotated[bool, Meta(description="Whether it is used in attacks.")] = False
    triaged: Annotated[bool, Meta(description="Whether the user decided about it.")] = False
    accepted: Annotated[
        str | None, Meta(description="Name of the acceptance by which it does not count; null when it does.")
    ] = None


class Difference(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that differs between two images; rows in the order of their paths and names."""

    schema_version: Annotated[str, Meta(description="Version of this document's structure.")] = SCHEMA_VERSION
    tool: Annotated[Tool, Meta(description="What made it.")]
    old: Annotated[Subject, Meta(description="The image there was.")]
    new: Annotated[Subject, Meta(description="The image that comes.")]
    components: Annotated[tuple[ComponentChange, ...], Meta(description="Parts that came, went or changed.")] = ()
    files: Annotated[tuple[FileChange, ...], Meta(description="Files that came, went or changed.")] = ()
    memory: Annotated[tuple[MemoryChange, ...], Meta(description="Memory of the device that is defined.")] = ()
    facts: Annotated[tuple[FactChange, ...], Meta(description="Versions, signatures, counters, processor.")] = ()
    observations: Annotated[
        tuple[ObservationChange, ...], Meta(description="Keys, accounts, services and settings.")
    ] = ()
    findings: Annotated[tuple[FindingChange, ...], Meta(description="Findings of both images, the same ones too.")] = ()
    vulnerabilities: Annotated[
        tuple[VulnerabilityChange, ...], Meta(description="What applies or applied, the ones that are left too.")
    ] = ()
    not_compared: Annotated[tuple[str, ...], Meta(description="What could not be compared, and why.")] = ()
    acceptances: Annotated[
        tuple[AcceptanceRecord, ...], Meta(description="Accepted risks, and what became of them in the new image.")
    ] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs that counts."""
        same_findings = all(f.presence is Presence.SAME or f.accepted for f in self.findings)
        same_faults = all(v.fate is Fate.LEFT or v.accepted for v in self.vulnerabilities)
        tables = (self.components, self.files, self.memory, self.facts, self.observations)
        return same_findings and same_faults and not any(tables)


class Reason(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One reason for the verdict."""

    question: Annotated[Question, Meta(description="Which question it answers.")]
    weight: Annotated[Weight, Meta(description="What it does to the verdict.")]
    code: Annotated[str, Meta(description="Name of the reason, for programs.")]
    sentence: Annotated[str, Meta(description="The reason in words.")]
    values: Annotated[dict[str, str], Meta(description="What is put into the sentence.")] = {}


class TriageCarried(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Decisions of the user: which still count for the new image, and which do not, and why."""

    carried: Annotated[tuple[str, ...], Meta(description="Vulnerability and component, decided and still used.")] = ()
    unused: Annotated[tuple[str, ...], Meta(description="The same with the reason why it is not used.")] = ()


class Review(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The verdict on an update before it is installed, with its reasons."""

    schema_version: Annotated[str, Meta(description="Version of this document's structure.")] = SCHEMA_VERSION
    tool: Annotated[Tool, Meta(description="What made it.")]
    data: Annotated[DataVersions, Meta(description="Rules and data it rests on.")]
    new: Annotated[Subject, Meta(description="The update.")]
    current: Annotated[Subject | None, Meta(description="What runs now; null when it was not given.")] = None
    profile: Annotated[str | None, Meta(description="Device profile; null when none was given.")] = None
    verdict: Annotated[Verdict, Meta(description="go, no-go or ask-the-vendor.")]
    signers: Annotated[tuple[str, ...], Meta(description="Who signed it, as far as that was verified.")] = ()
    reasons: Annotated[tuple[Reason, ...], Meta(min_length=1, description="Why, by question.")]
    difference: Annotated[Difference | None, Meta(description="What changes; null without the current file.")] = None
    triage: Annotated[TriageCarried, Meta(description="What becomes of the user's decisions.")] = TriageCarried()
    accepted: Annotated[
        tuple[AcceptedFinding, ...], Meta(description="Findings that do not count, because somebody accepted them.")
    ] = ()
    acceptances: Annotated[
        tuple[AcceptanceRecord, ...], Meta(description="Every accepted risk that was given, and what became of it.")
    ] = ()
    not_read: Annotated[tuple[Unread, ...], Meta(description="Parts of the update that were not read.")] = ()
    not_examined: Annotated[
        tuple[str, ...], Meta(min_length=1, description="What this review says nothing about; never empty.")
    ]
