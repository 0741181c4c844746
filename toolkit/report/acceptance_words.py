"""Accepted risks in words: the same sentences in the text, the HTML page, the review and the difference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from toolkit.report.acceptance import Acceptance, AcceptanceRecord, AcceptanceState, AcceptedFinding
from toolkit.report.languages import Translator
from toolkit.report.model import Report
from toolkit.report.wording import Label

__all__ = [
    "AcceptedRow",
    "acceptance_notes",
    "accepted_findings",
    "accepted_rows",
    "accepted_text",
    "open_lines",
    "returned_text",
    "subject_of",
]


class AcceptedRow(NamedTuple):
    """One line of what does not count."""

    severity: str
    title: str
    where: str
    record: AcceptanceRecord


def subject_of(acceptance: Acceptance) -> str:
    """Return what an acceptance is about, as its file has it."""
    if acceptance.vulnerability is not None:
        return f"{acceptance.vulnerability} ({acceptance.component})"
    return f"{acceptance.check} ({', '.join(acceptance.paths)})" if acceptance.paths else str(acceptance.check)


def accepted_text(record: AcceptanceRecord, say: Translator) -> str:
    """Return until when, by whom and why a risk is accepted, and that this is soon over where it is."""
    sentence = say(Label.ACCEPTED_UNTIL, **_values(record, say))
    if record.state is not AcceptanceState.EXPIRING:
        return sentence
    return f"{sentence} {say(Label.RUNS_OUT_IN, days=say.number(record.days_left))}"


def returned_text(record: AcceptanceRecord, say: Translator) -> str:
    """Return that a risk counts again, since its acceptance has run out."""
    return say(Label.RAN_OUT, **_values(record, say))


def _values(record: AcceptanceRecord, say: Translator) -> dict[str, str]:
    accepted = record.acceptance
    return {"date": say.date(str(accepted.until)), "owner": accepted.owner, "reason": accepted.reason}


def accepted_rows(report: Report, say: Translator) -> Iterator[AcceptedRow]:
    """Yield what does not count, findings first, then vulnerabilities."""
    yield from accepted_findings(report.accepted, report.acceptances, say)
    records = {record.acceptance.id: record for record in report.acceptances}
    for row in report.vulnerabilities:
        if row.accepted in records:
            name = f"{row.component} {row.component_version or ''}".rstrip()
            yield AcceptedRow(row.severity, f"{row.id} ({name})", row.summary, records[row.accepted])


def accepted_findings(
    accepted: Sequence[AcceptedFinding], acceptances: Sequence[AcceptanceRecord], say: Translator
) -> Iterator[AcceptedRow]:
    """Yield the findings that do not count."""
    records = {record.acceptance.id: record for record in acceptances}
    for each in accepted:
        if each.acceptance in records:
            finding = each.finding
            where = ", ".join(dict.fromkeys(place.path for place in finding.evidence)) or finding.detail
            yield AcceptedRow(finding.severity.value, say(finding.title), where, records[each.acceptance])


def acceptance_notes(acceptances: Sequence[AcceptanceRecord], say: Translator) -> str:
    """Return in one line how many risks are set aside, soon not any more, and not any more; empty when none are."""
    tally = Counter[AcceptanceState]()
    for record in acceptances:
        tally[record.state] += record.matched if record.state is not AcceptanceState.EXPIRED else 1
    soon, ran_out = tally[AcceptanceState.EXPIRING], tally[AcceptanceState.EXPIRED]
    counts = (
        (Label.ACCEPTED_COUNT, tally[AcceptanceState.ACTIVE] + soon),
        (Label.SOON_COUNT, soon),
        (Label.RAN_OUT_COUNT, ran_out),
    )
    return " ".join(say(label, count=say.number(count)) for label, count in counts if count)


def open_lines(acceptances: Sequence[AcceptanceRecord], say: Translator) -> Iterator[str]:
    """Yield what is to be done about the file of acceptances: those that have run out, and those of no use."""
    for record in acceptances:
        accepted = record.acceptance
        if record.state is AcceptanceState.EXPIRED:
            yield say(Label.RAN_OUT_FOR, what=subject_of(accepted), **_values(record, say))
        elif record.state is AcceptanceState.UNUSED:
            yield say(Label.UNUSED_ACCEPTANCE, what=accepted.id, subject=subject_of(accepted))
