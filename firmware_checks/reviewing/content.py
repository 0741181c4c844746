"""Is the update weaker than what it replaces, which vulnerabilities does it mend, and was enough of it seen?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from firmware_checks.checks.mostly_not_understood import ENOUGH
from firmware_checks.reviewing.authenticity import reason
from toolkit.core.findings import Finding, Severity
from toolkit.report.model import Report
from toolkit.report.review import (
    Difference,
    Fate,
    FindingChange,
    Presence,
    Question,
    Reason,
    VulnerabilityChange,
    Weight,
)
from toolkit.report.review_wording import ReviewLabel as Says
from toolkit.report.vulnerability import Decision, MatchStatus, Vulnerability

__all__ = ["changes", "complete", "vulnerabilities"]

URGENT = frozenset({Decision.IMMEDIATE, Decision.OUT_OF_CYCLE})
ANSWERED_ELSEWHERE = frozenset(
    {
        "container-damaged", "content-not-read", "known-exploited", "mostly-not-understood", "no-rollback-counter",
        "other-processor", "outside-memory-map", "published-test-key", "stored-checksum-wrong", "update-not-signed",
        "vulnerable-component",
    }
)  # fmt: skip
"""Checks whose findings answer another question of the page."""
MOST_SHOWN = 4
MOST_FINDINGS = 5
ENCRYPTED_SHARE = 0.05
"""More of an image that looks encrypted is a part nobody looked into."""


class _Named(Protocol):
    @property
    def id(self) -> str:
        """Name of the vulnerability."""


Row = TypeVar("Row", bound=_Named)


def changes(new: Report, difference: Difference | None) -> Iterator[Reason]:
    """Yield whether the checks found it weaker than what it replaces."""
    if difference is None:
        yield from _weaknesses(new)
        return
    rows = [row for row in difference.findings if row.check not in ANSWERED_ELSEWHERE and row.accepted is None]
    worse = sorted((row for row in rows if _is_worse(row)), key=lambda row: -row.severity.rank)
    for row in worse[:MOST_FINDINGS]:
        weight = Weight.NO_GO if row.severity is Severity.CRITICAL else Weight.ASK
        yield reason(Question.CHANGES, weight, Says.NEW_WEAKNESS, title=row.title, path=row.path or new.subject.name)
    same = [row for row in rows if row.presence is Presence.SAME and row.severity is Severity.CRITICAL]
    if same:
        yield reason(Question.CHANGES, Weight.ASK, Says.OLD_WEAKNESS, count=str(len(same)))
    if not worse:
        gone = sum(row.presence is Presence.GONE for row in rows)
        yield reason(Question.CHANGES, Weight.FINE, Says.NOT_WEAKER, gone=str(gone))
    tables = ("components", "files", "memory", "facts", "observations")
    counts = {name: str(len(getattr(difference, name))) for name in tables}
    yield reason(Question.CHANGES, Weight.NOTE, Says.CHANGED_COUNTS, **counts)


def _is_worse(row: FindingChange) -> bool:
    if row.severity.rank < Severity.HIGH.rank or row.presence is Presence.GONE:
        return False
    return row.old_severity is None or row.severity.rank > row.old_severity.rank


def _weaknesses(new: Report) -> Iterator[Reason]:
    rows = [finding for finding in new.findings if finding.check not in ANSWERED_ELSEWHERE]
    serious = [finding for finding in rows if finding.severity.rank >= Severity.HIGH.rank]
    for finding in serious[:MOST_FINDINGS]:
        critical = finding.severity is Severity.CRITICAL
        weight, label = (Weight.NO_GO, Says.CRITICAL_WEAKNESS) if critical else (Weight.ASK, Says.HIGH_WEAKNESS)
        yield reason(Question.CHANGES, weight, label, title=finding.title, path=_path(finding, new))
    if not serious:
        yield reason(Question.CHANGES, Weight.FINE, Says.NO_WEAKNESS)


def _path(finding: Finding, new: Report) -> str:
    return finding.evidence[0].path if finding.evidence else new.subject.name


def vulnerabilities(new: Report, difference: Difference | None) -> Iterator[Reason]:
    """Yield what it mends, leaves and brings back, as far as that was looked up."""
    ask = Question.VULNERABILITIES
    if new.data.day is None:
        yield reason(ask, Weight.ASK, Says.NOT_LOOKED_UP)
        return
    if not new.components:
        yield reason(ask, Weight.ASK, Says.NO_COMPONENTS)
    if len(new.data.vulnerabilities) <= 1:
        yield reason(ask, Weight.ASK, Says.NO_DATABASE)
    if new.unused_decisions:
        yield reason(ask, Weight.NOTE, Says.DECISIONS_LAPSED, count=str(len(new.unused_decisions)))
    yield from _applying(new) if difference is None else _fates(difference.vulnerabilities)
    if not any(row.status is not MatchStatus.NOT_AFFECTED for row in new.vulnerabilities):
        yield reason(ask, Weight.NOTE, Says.NOTHING_KNOWN)


def _applying(new: Report) -> Iterator[Reason]:
    rows = [row for row in new.vulnerabilities if row.status is not MatchStatus.NOT_AFFECTED and row.accepted is None]
    yield from _counted(rows, _ranked_urgent, (Weight.ASK, Says.APPLY_URGENT), (Weight.NOTE, Says.APPLY_COUNT))


def _ranked_urgent(row: Vulnerability) -> bool:
    return row.urgency is not None and row.urgency.decision in URGENT


def _fates(rows: Iterable[VulnerabilityChange]) -> Iterator[Reason]:
    by_fate: dict[Fate, list[VulnerabilityChange]] = {fate: [] for fate in Fate}
    for row in rows:
        if row.accepted is None or row.fate is Fate.FIXED:
            by_fate[row.fate].append(row)
    says = {
        Fate.REOPENED: ((Weight.NO_GO, Says.REOPENED_COUNT), (Weight.ASK, Says.REOPENED_COUNT)),
        Fate.NEW: ((Weight.ASK, Says.NEW_URGENT), (Weight.NOTE, Says.NEW_COUNT)),
        Fate.LEFT: ((Weight.ASK, Says.LEFT_URGENT), (Weight.NOTE, Says.LEFT_COUNT)),
        Fate.NOT_SEEN: ((Weight.ASK, Says.NOT_SEEN_COUNT), (Weight.ASK, Says.NOT_SEEN_COUNT)),
        Fate.FIXED: ((Weight.FINE, Says.FIXED_COUNT), (Weight.FINE, Says.FIXED_COUNT)),
    }
    for fate, (urgent, other) in says.items():
        yield from _counted(by_fate[fate], _decided_urgent, urgent, other)


def _decided_urgent(row: VulnerabilityChange) -> bool:
    return row.exploited or row.decision in URGENT


def _counted(
    rows: Iterable[Row],
    is_urgent: Callable[[Row], bool],
    urgent: tuple[Weight, Says],
    other: tuple[Weight, Says],
) -> Iterator[Reason]:
    """Yield one reason for the urgent ones and one for the rest; one for all where both say the same."""
    groups: dict[tuple[Weight, Says], list[str]] = {}
    for row in rows:
        groups.setdefault(urgent if is_urgent(row) else other, []).append(row.id)
    for weight, label in sorted(groups, key=lambda key: key != urgent):
        names = list(dict.fromkeys(groups[weight, label]))
        more = f" +{len(names) - MOST_SHOWN}" if len(names) > MOST_SHOWN else ""
        which = ", ".join(names[:MOST_SHOWN]) + more
        yield reason(Question.VULNERABILITIES, weight, label, count=str(len(names)), which=which)


def complete(new: Report) -> Iterator[Reason]:
    """Yield what was not seen of it: silence about that means nothing."""
    ask, coverage = Question.COMPLETE, new.coverage
    content = coverage.total_bytes - coverage.padding_bytes
    share = coverage.encrypted_bytes / content if content else 0.0
    if coverage.unread:
        path = coverage.unread[0].path
        yield reason(ask, Weight.ASK, Says.NOT_ALL_READ, count=str(len(coverage.unread)), path=path)
    for limit in coverage.limits_hit:
        yield reason(ask, Weight.ASK, Says.LIMIT_REACHED, limit=limit)
    if coverage.recognised_ratio < ENOUGH:
        yield reason(ask, Weight.ASK, Says.TOO_LITTLE, percent=f"{coverage.recognised_ratio:.0%}")
    if share > ENCRYPTED_SHARE:
        yield reason(ask, Weight.ASK, Says.ENCRYPTED_PART, percent=f"{share:.0%}")
    elif coverage.recognised_ratio >= ENOUGH and not coverage.unread and not coverage.limits_hit:
        yield reason(ask, Weight.FINE, Says.SEEN, percent=f"{coverage.recognised_ratio:.0%}")
