"""Everything one run on the bench says, declared once: evidence file, JUnit and report are views of it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from hil.level import EvidenceLevel
from hil.verdict import Reason, Result, Verdict
from toolkit.report.model import Tool

__all__ = ["SCHEMA_VERSION", "Attempt", "BenchResult", "RecordFile"]

SCHEMA_VERSION = "1.0"


class _Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all records here share."""


class Attempt(_Record, frozen=True, kw_only=True):
    """One device that was tried; the last one is the one that was used, if any was."""

    device: Annotated[str, Meta(description="Address of the device.")]
    problem: Annotated[str, Meta(description="Why it was not used; empty for the one that was.")] = ""


class RecordFile(_Record, frozen=True, kw_only=True):
    """The record of the session that belongs to a result."""

    name: Annotated[str, Meta(description="Name of the file, without its folder.")]
    size: Annotated[int, Meta(ge=0, description="Bytes.")]
    sha256: Annotated[str, Meta(description="SHA-256, 64 lower-case hexadecimal digits.")]


class BenchResult(_Record, frozen=True, kw_only=True):
    """One run: what was connected, what was asked, what came out."""

    schema_version: Annotated[str, Meta(description="Version of this document's structure.")] = SCHEMA_VERSION
    tool: Annotated[Tool, Meta(description="What made it.")]
    profile: Annotated[str, Meta(description="Id of the device profile.")]
    profile_title: Annotated[str, Meta(description="Name of the device for people.")]
    profile_sha256: Annotated[str, Meta(description="SHA-256 of the device profile.")]
    interface: Annotated[str, Meta(description="Interface of the profile at which one was connected.")]
    attempts: Annotated[tuple[Attempt, ...], Meta(description="Devices that were tried, in order.")]
    device: Annotated[str, Meta(description="Address of the device that was used; empty when none was.")] = ""
    level: Annotated[EvidenceLevel | None, Meta(description="What the verdicts rest on; null without a device.")] = None
    proof: Annotated[tuple[str, ...], Meta(description="Answers that proved the identity, in hexadecimal.")] = ()
    settings: Annotated[dict[str, str], Meta(description="Facts about the connection.")] = {}
    confirmation: Annotated[str, Meta(description="What the operator confirmed, and how; empty when not asked.")] = ""
    not_enforced: Annotated[
        tuple[str, ...],
        Meta(description="Forbidden commands of the profile whose bytes are not known, so that none was held back."),
    ] = ()
    safe_state: Annotated[str, Meta(description="How the device was left.")] = ""
    left_safe: Annotated[bool, Meta(description="Whether it is known to be in its safe state.")] = True
    stopped: Annotated[str, Meta(description="Why the run ended before its end; empty otherwise.")] = ""
    seed: Annotated[int, Meta(ge=0, description="Start value of everything that was left to chance.")] = 0
    started: Annotated[str, Meta(description="Time of the start in UTC; empty where it was not told.")] = ""
    record: Annotated[RecordFile | None, Meta(description="The record; null when none was kept.")] = None
    verdicts: Annotated[tuple[Verdict, ...], Meta(description="One row a check, in the order of the catalogue.")]

    def count(self, result: Result) -> int:
        """Return how many verdicts have this result."""
        return sum(verdict.result is result for verdict in self.verdicts)

    def unproven(self, accepted: EvidenceLevel) -> tuple[Verdict, ...]:
        """Return the verdicts that say nothing although somebody wanted to know.

        Left out are checks that make no sense for the device, those that nobody armed, and those that count only on
        something more real than ``accepted``, which the person who accepts it knows.
        """
        return tuple(v for v in self.verdicts if v.result is Result.NOT_TESTED and not _excused(v, accepted))

    def exit_code(self, accepted: EvidenceLevel) -> int:
        """Return 2 when no check could run or one broke off, 1 when one failed or is unproven, else 0."""
        if self.level is None or self.count(Result.ERROR):
            return 2
        if self.count(Result.FAIL) or self.unproven(accepted) or self.stopped or not self.left_safe:
            return 1
        return 0


def _excused(verdict: Verdict, accepted: EvidenceLevel) -> bool:
    if verdict.reason is Reason.LEVEL:
        return verdict.lowest_level.rank > accepted.rank
    return verdict.reason in (Reason.NOT_APPLICABLE, Reason.NOT_ARMED)
