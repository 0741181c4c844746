"""A report with the risks set aside that somebody accepted: pure, and the day is a parameter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import msgspec

from toolkit.core.findings import Evidence, Finding
from toolkit.report.acceptance import (
    Acceptance,
    AcceptanceRecord,
    AcceptanceState,
    AcceptedFinding,
    matches,
    state_on,
)
from toolkit.report.model import Report
from toolkit.report.vulnerability import MatchStatus

__all__ = ["HELD", "AcceptedRisks", "all_findings", "counting", "returned_findings", "settled"]


HELD: Final = (AcceptanceState.ACTIVE, AcceptanceState.EXPIRING)
"""States in which an acceptance holds something back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedRisks:
    """What the user has accepted, and the day by which that is judged."""

    acceptances: tuple[Acceptance, ...]
    day: date
    sha256: str | None = None
    """Digest of the policy file; None when there was none."""

    def vulnerabilities(self) -> dict[tuple[str, str], str]:
        """Return component and vulnerability -> name of the acceptance that counts on this day."""
        return {
            (each.component, each.vulnerability): each.id
            for each in reversed(self.acceptances)
            if each.component is not None and each.vulnerability is not None and each.until >= self.day
        }


@dataclass(slots=True)
class _Tally:
    """What was found for one acceptance."""

    acceptance: Acceptance
    places: Sequence[Evidence]
    matched: int = 0
    returned: list[int] = field(default_factory=list)


def settled(report: Report, risks: AcceptedRisks) -> Report:
    """Return ``report`` with what was accepted apart from what counts, and with what became of every acceptance."""
    tallies = [_Tally(each, _places(report, each.component)) for each in risks.acceptances]
    counting: list[Finding] = []
    accepted: list[AcceptedFinding] = []
    for finding in report.findings:
        found = [tally for tally in tallies if matches(tally.acceptance, finding, tally.places)]
        for tally in found:
            tally.matched += 1
        holding = next((tally.acceptance for tally in found if tally.acceptance.until >= risks.day), None)
        if holding is not None:
            accepted.append(AcceptedFinding(acceptance=holding.id, finding=finding))
            continue
        for tally in found:
            tally.returned.append(len(counting))
        counting.append(finding)
    _count_vulnerabilities(report, tallies)
    return msgspec.structs.replace(
        report,
        findings=tuple(counting),
        accepted=tuple(accepted),
        acceptances=tuple(_record(tally, risks.day) for tally in tallies),
        data=msgspec.structs.replace(
            report.data, policy_sha256=risks.sha256, day=report.data.day or (str(risks.day) if tallies else None)
        ),
    )


def _places(report: Report, component: str | None) -> Sequence[Evidence]:
    return [place for each in report.components if each.name == component for place in each.evidence]


def _count_vulnerabilities(report: Report, tallies: Sequence[_Tally]) -> None:
    rows = Counter(
        (row.component, row.id) for row in report.vulnerabilities if row.status is not MatchStatus.NOT_AFFECTED
    )
    for tally in tallies:
        if tally.acceptance.vulnerability is not None:
            tally.matched = rows[str(tally.acceptance.component), tally.acceptance.vulnerability]


def _record(tally: _Tally, day: date) -> AcceptanceRecord:
    return AcceptanceRecord(
        acceptance=tally.acceptance,
        state=state_on(tally.acceptance, tally.matched, day),
        days_left=(tally.acceptance.until - day).days,
        matched=tally.matched,
        returned=tuple(tally.returned),
    )


def all_findings(report: Report) -> tuple[Finding, ...]:
    """Return what the checks found, accepted or not."""
    return (*report.findings, *(each.finding for each in report.accepted))


def counting(report: Report) -> Mapping[str, AcceptanceRecord]:
    """Return the acceptances of ``report`` that hold something back, by name."""
    return {each.acceptance.id: each for each in report.acceptances if each.state in HELD}


def returned_findings(report: Report) -> Mapping[Finding, AcceptanceRecord]:
    """Return the findings that count again, each with the acceptance that has run out."""
    return {
        report.findings[number]: record
        for record in report.acceptances
        for number in record.returned
        if number < len(report.findings)
    }
