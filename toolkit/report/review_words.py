"""What the text and the page of a review share: which rows are shown, and how they read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from toolkit.report.acceptance import AcceptanceRecord, AcceptedFinding
from toolkit.report.acceptance_words import AcceptedRow, accepted_findings, accepted_text, open_lines
from toolkit.report.accepting import HELD
from toolkit.report.languages import Translator
from toolkit.report.review import Change, Difference, Fate, FileChange, Presence, Question, Reason, Review
from toolkit.report.review_wording import CHANGE_NAMES, FATE_NAMES, ReviewLabel

__all__ = ["Table", "accepted_risks", "by_question", "decisions", "not_looked_at", "said", "tables"]

MOST_DECISIONS = 8
MOST_NOT_READ = 3
Table = tuple[ReviewLabel, int, list[tuple[str, str]]]
"""Heading, number of rows in all, and the rows that are shown: what happened, and to what."""


def said(reason: Reason, say: Translator) -> str:
    """Return a reason in the language of ``say``."""
    values = {name: say(value) for name, value in reason.values.items()}
    return say(ReviewLabel[reason.code.upper().replace("-", "_")], **values)


def by_question(review: Review) -> Iterator[tuple[Question, list[Reason]]]:
    """Yield the questions in their order, each with its reasons."""
    for question in Question:
        reasons = [reason for reason in review.reasons if reason.question is question]
        if reasons:
            yield question, reasons


def decisions(review: Review, say: Translator) -> list[str]:
    """Return what became of the user's own decisions, in words."""
    lines = [say(ReviewLabel.DECISION_UNUSED, what=what) for what in review.triage.unused]
    lines += [say(ReviewLabel.DECISION_CARRIED, what=what) for what in review.triage.carried]
    return lines[:MOST_DECISIONS] + _more(len(lines) - MOST_DECISIONS, say)


def accepted_risks(
    accepted: Sequence[AcceptedFinding], acceptances: Sequence[AcceptanceRecord], say: Translator
) -> list[str]:
    """Return what does not count and until when, and which acceptances have run out or are of no use, in words."""
    rows = [
        f"{row.title} ({row.where}). {accepted_text(row.record, say)}" for row in _accepted(accepted, acceptances, say)
    ]
    lines = [*open_lines(acceptances, say), *rows]
    return lines[:MOST_DECISIONS] + _more(len(lines) - MOST_DECISIONS, say)


def _accepted(
    accepted: Sequence[AcceptedFinding], acceptances: Sequence[AcceptanceRecord], say: Translator
) -> Iterator[AcceptedRow]:
    """Yield a row for each finding that does not count, and one for each vulnerability."""
    yield from accepted_findings(accepted, acceptances, say)
    for record in acceptances:
        if record.acceptance.vulnerability is not None and record.state in HELD:
            yield AcceptedRow("", record.acceptance.vulnerability, str(record.acceptance.component), record)


def not_looked_at(review: Review, say: Translator) -> list[str]:
    """Return what this review says nothing about, in words."""
    unread = [
        say(ReviewLabel.NOT_READ_PART, path=part.path, reason=part.reason) for part in review.not_read[:MOST_NOT_READ]
    ]
    unread += _more(len(review.not_read) - MOST_NOT_READ, say)
    return [*unread, *(say(sentence) for sentence in review.not_examined)]


def _more(count: int, say: Translator) -> list[str]:
    return [say(ReviewLabel.AND_MORE, count=say.number(count))] if count > 0 else []


def tables(difference: Difference, say: Translator, most: int) -> Iterator[Table]:
    """Yield what differs, a table a kind, each cut to ``most`` rows; kinds in which nothing differs are left out."""
    for label, count, rows in (
        (ReviewLabel.COMPONENTS, len(difference.components), _components(difference, say)),
        (ReviewLabel.FACTS, len(difference.facts), _facts(difference, say)),
        (ReviewLabel.MEMORY, len(difference.memory), _memory(difference, say)),
        (ReviewLabel.OBSERVATIONS, len(difference.observations), _observations(difference, say)),
        (ReviewLabel.FINDINGS, _unlike(difference), _findings(difference, say)),
        (ReviewLabel.VULNERABILITY_TABLE, len(difference.vulnerabilities), _vulnerabilities(difference, say)),
        (ReviewLabel.FILES, len(difference.files), _files(difference, say)),
    ):
        if count:
            yield label, count, list(islice(rows, most))


def _unlike(difference: Difference) -> int:
    return sum(row.presence is not Presence.SAME for row in difference.findings)


def _step(old: object, new: object) -> str:
    return f"{_shown(old)} -> {_shown(new)}"


def _shown(value: object) -> str:
    if value is None:
        return "-"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _components(difference: Difference, say: Translator) -> Iterator[tuple[str, str]]:
    order = (Change.DOWNGRADED, Change.REMOVED, Change.CHANGED, Change.ADDED, Change.UPGRADED)
    for row in sorted(difference.components, key=lambda row: order.index(row.change)):
        yield say(CHANGE_NAMES[row.change]), f"{row.title}: {_step(row.old, row.new)}"


def _facts(difference: Difference, say: Translator) -> Iterator[tuple[str, str]]:
    for row in difference.facts:
        is_address = row.name.endswith("_address")
        values = (f"{v:#x}" if is_address and isinstance(v, int) else v for v in (row.old, row.new))
        where = f"{row.title or row.path or difference.new.name}: {row.name.replace('_', ' ')}"
        yield say(CHANGE_NAMES[Change.CHANGED]), f"{where}: {_step(*values)}"


def _memory(difference: Difference, say: Translator) -> Iterator[tuple[str, str]]:
    for row in difference.memory:
        ends = (None if end is None else f"{row.address:#010x}-{end - 1:#010x}" for end in (row.old_end, row.new_end))
        yield say(CHANGE_NAMES[row.change]), _step(*ends)


def _observations(difference: Difference, say: Translator) -> Iterator[tuple[str, str]]:
    for row in difference.observations:
        yield say(CHANGE_NAMES[row.change]), f"{row.topic}: {row.path or difference.new.name}: {row.excerpt}"


def _findings(difference: Difference, say: Translator) -> Iterator[tuple[str, str]]:
    names = {Presence.NEW: Change.ADDED, Presence.GONE: Change.REMOVED}
    rows = [row for row in difference.findings if row.presence is not Presence.SAME]
    for row in sorted(rows, key=lambda row: (row.presence is Presence.GONE, -row.severity.rank)):
        where = f" ({row.path})" if row.path else ""
        yield say(CHANGE_NAMES[names[row.presence]]), f"{say(row.title)}{where}{_set_aside(row.accepted, say)}"


def _vulnerabilities(difference: Difference, say: Translator) -> Iterator[tuple[str, str]]:
    fates = list(Fate)
    for row in sorted(difference.vulnerabilities, key=lambda row: (fates.index(row.fate), -(row.score or 0), row.id)):
        step = _step(row.old_version, row.new_version)
        yield say(FATE_NAMES[row.fate]), f"{row.id}: {row.component} {step}{_set_aside(row.accepted, say)}"


def _set_aside(acceptance: str | None, say: Translator) -> str:
    return f" - {say(ReviewLabel.SET_ASIDE, name=acceptance)}" if acceptance is not None else ""


def _files(difference: Difference, say: Translator) -> Iterator[tuple[str, str]]:
    for row in difference.files:
        yield say(CHANGE_NAMES[row.change]), f"{row.path}{_file_step(row)}"


def _file_step(row: FileChange) -> str:
    if row.old is None or row.new is None:
        return ""
    steps = {
        "content": _step(row.old.size, row.new.size) + " B",
        "mode": _step(_octal(row.old.mode), _octal(row.new.mode)),
        "owner": _step(f"{row.old.uid}:{row.old.gid}", f"{row.new.uid}:{row.new.gid}"),
        "target": _step(row.old.target, row.new.target),
        "kind": _step(row.old.kind, row.new.kind),
    }
    return f" ({'; '.join(f'{what} {steps[what]}' for what in row.what)})"


def _octal(mode: int | None) -> str | None:
    return None if mode is None else f"{mode:04o}"
