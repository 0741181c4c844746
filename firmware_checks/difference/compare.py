"""From two examined images to everything that differs between them: the same input gives the same rows."""

from __future__ import annotations

from collections.abc import Iterator

from firmware_checks.difference.alignment import Alignment, Parts, inside
from firmware_checks.difference.examination import Examination
from firmware_checks.difference.judged import component_changes, finding_changes, order_of, vulnerability_changes
from firmware_checks.difference.tables import fact_changes, file_changes, memory_changes, observation_changes
from firmware_checks.format import EntryKind
from toolkit.report.review import Difference
from toolkit.report.review_wording import ReviewLabel

__all__ = ["difference_of"]


def difference_of(old: Examination, new: Examination) -> Difference:
    """Return what differs between the image ``old`` and the image ``new``."""
    alignment = Alignment.of(_paths(old), _paths(new))

    def place(path: str) -> Parts:
        return alignment.old_path(inside(path))

    order = order_of((*old.report.components, *new.report.components))
    before, now = old.inventory, new.inventory
    return Difference(
        tool=new.report.tool,
        old=old.report.subject,
        new=new.report.subject,
        components=tuple(component_changes(old.report, new.report, order)),
        files=tuple(file_changes(old, new, place, inside)),
        memory=tuple(memory_changes(before, now, place, inside)),
        facts=tuple(fact_changes(before, now, place, inside)),
        observations=tuple(observation_changes(before, now, place, inside)),
        findings=tuple(finding_changes(old.report, new.report, place, inside)),
        vulnerabilities=tuple(vulnerability_changes(old.report, new.report, order)),
        not_compared=(
            *_not_compared(old, ReviewLabel.OLD_FILES_BY_SIZE, ReviewLabel.OLD_NOT_ALL_READ),
            *_not_compared(new, ReviewLabel.NEW_FILES_BY_SIZE, ReviewLabel.NEW_NOT_ALL_READ),
        ),
        acceptances=new.report.acceptances,
    )


def _paths(side: Examination) -> Iterator[Parts]:
    for entry in side.inventory.entries:
        yield inside(entry.path)
    for region in side.inventory.regions():
        yield (*inside(region.span.path), "")


def _not_compared(side: Examination, by_size: ReviewLabel, not_read: ReviewLabel) -> Iterator[str]:
    files = (e.path for e in side.inventory.entries if e.kind is EntryKind.FILE)
    if any(path not in side.digests for path in files):
        yield by_size.value
    if side.report.coverage.unread:
        yield not_read.value
