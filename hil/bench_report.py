"""The result of a run as the common ``Report``, so that it is shown, translated and read like any other."""

from __future__ import annotations

import hashlib

import msgspec

from hil.bench_check import BenchCheck
from hil.result import BenchResult
from hil.verdict import Result, Verdict
from toolkit.core.findings import Evidence, Finding
from toolkit.report.model import Coverage, DataVersions, ImageSummary, RegionKind, RegionRecord, Report, Subject
from toolkit.report.summary import BENCH_SESSION

__all__ = ["report_of"]

NOT_EXAMINED = (
    "The firmware file was not examined: `medharden scan` does that.",
    "A check that passes says that this attack failed on this device in this state, not that no attack can succeed.",
)
EMULATED = "No real device was examined: the verdicts rest on {level}, and say nothing about a device on a ward."


def report_of(result: BenchResult, checks: dict[str, BenchCheck]) -> Report:
    """Return the report on ``result``; ``checks`` knows what to say about each that failed."""
    subject = _subject(result)
    return Report(
        tool=result.tool,
        data=DataVersions(
            component_rules=0,
            component_rules_sha256=hashlib.sha256(b"").hexdigest(),
            formats=0,
            checks=sum(v.result in (Result.PASS, Result.FAIL) for v in result.verdicts),
            profile=result.profile,
            profile_sha256=result.profile_sha256,
        ),
        subject=subject,
        image=ImageSummary(format=BENCH_SESSION),
        coverage=Coverage(
            total_bytes=subject.size,
            recognised_bytes=subject.size,
            padding_bytes=0,
            encrypted_bytes=0,
            unknown_bytes=0,
            unread_bytes=0,
            recognised_ratio=1.0 if subject.size else 0.0,
        ),
        regions=(_session(result, subject),),
        components=(),
        findings=tuple(_finding(v, checks[v.check], subject.name) for v in result.verdicts if v.result is Result.FAIL),
        not_examined=_not_examined(result),
    )


def _subject(result: BenchResult) -> Subject:
    """Return what was examined: the record of the session, or the verdicts themselves where none was kept."""
    if result.record is not None:
        return Subject(name=result.record.name, size=result.record.size, sha256=result.record.sha256)
    data = msgspec.json.encode(result, order="deterministic")
    return Subject(name=result.device or result.profile, size=len(data), sha256=hashlib.sha256(data).hexdigest())


def _session(result: BenchResult, subject: Subject) -> RegionRecord:
    return RegionRecord(
        path=subject.name,
        format=BENCH_SESSION,
        kind=RegionKind.DATA,
        title=f"Bench session with {result.profile_title}",
        start=0,
        end=subject.size,
        size=subject.size,
        depth=0,
        facts={
            "device": result.device or "none",
            "evidence_level": str(result.level or "none"),
            "passed": result.count(Result.PASS),
            "failed": result.count(Result.FAIL),
            "not_tested": result.count(Result.NOT_TESTED),
            "errors": result.count(Result.ERROR),
            "left": result.safe_state or "not touched",
        },
        problems=tuple(filter(None, (result.stopped, "" if result.left_safe else result.safe_state))),
    )


def _finding(verdict: Verdict, check: BenchCheck, path: str) -> Finding:
    """Return what a failed check says; on an emulated device it is a fact about the firmware or the model run there."""
    return Finding(
        check=check.name,
        title=check.title,
        severity=check.severity,
        detail=f"{verdict.id} on {verdict.level}: {verdict.detail}",
        remedy=check.remedy,
        controls=verdict.controls,
        evidence=(
            Evidence(path=f"{path}, entries {verdict.first_entry} to {verdict.last_entry}", excerpt=verdict.excerpt),
        ),
    )


def _not_examined(result: BenchResult) -> tuple[str, ...]:
    level = (
        () if result.level is not None and result.level.is_real else (EMULATED.format(level=result.level or "none"),)
    )
    rows = tuple(
        f"{v.id} {v.check}: {v.result}: {v.detail}"
        for v in result.verdicts
        if v.result in (Result.NOT_TESTED, Result.ERROR)
    )
    held = tuple(f"Not held back, its bytes are not known: {command}" for command in result.not_enforced)
    return (*level, *NOT_EXAMINED, *rows, *held)
