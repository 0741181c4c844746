"""A lesson and the list of cases as plain text, 100 columns wide at most."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from toolkit.core.findings import Evidence, Finding
from toolkit.report.languages import ENGLISH, Translator
from toolkit.report.lesson import BenchLesson, CaseRow, Lesson
from toolkit.report.lesson_wording import LessonLabel
from toolkit.report.printable import printable
from toolkit.report.wording import SEVERITY_NAMES

__all__ = ["cases_to_text", "lesson_to_text"]

WIDTH = 100
CASE_WIDTH = 26
PLACES = 3
COMMANDS = (
    "medharden learn {case} --to lessons",
    "medharden scan lessons/{case}/weak/{image}",
    "medharden scan lessons/{case}/hardened/{image}",
)


def cases_to_text(rows: Sequence[CaseRow], *, language: str = ENGLISH) -> str:
    """Return the list of cases for a terminal."""
    say = Translator(language)
    lines = [say(LessonLabel.CASES), ""]
    lines += [f"  {row.case:{CASE_WIDTH}} {say(row.device)}" for row in rows if row.has_twin]
    lines += ["", say(LessonLabel.BENCH_CASES), ""]
    lines += [f"  {row.case:{CASE_WIDTH}} {say(row.device)}" for row in rows if not row.has_twin]
    lines += ["", say(LessonLabel.NEXT, case=rows[0].case)]
    return _joined(lines)


def lesson_to_text(lesson: Lesson | BenchLesson, *, language: str = ENGLISH) -> str:
    """Return a lesson for a terminal: what was wrong, what it means, where to see it, and how it is done better."""
    say = Translator(language)
    if isinstance(lesson, BenchLesson):
        return _joined(_bench(lesson, say))
    return _joined(_lesson(lesson, say))


def _bench(lesson: BenchLesson, say: Translator) -> Iterator[str]:
    yield f"{lesson.case}: {say(lesson.device)} ({lesson.advisory})"
    yield from _part(say(LessonLabel.WHY_NO_FILE), [say(lesson.reason)])
    yield from _part(say(LessonLabel.BENCH_SHOWS), [", ".join(lesson.bench_checks)])


def _lesson(lesson: Lesson, say: Translator) -> Iterator[str]:
    yield f"{lesson.case}: {say(lesson.device)} ({lesson.advisory})"
    yield from _wrapped(", ".join(lesson.cves), "")
    yield from _part(say(LessonLabel.WHAT_WAS_WRONG), [say(lesson.mechanism)])
    yield from _part(say(LessonLabel.FOR_A_PATIENT), [say(lesson.for_patient)])
    about = say(LessonLabel.IMAGE, container=say(lesson.container), image=lesson.image, size=say.size(lesson.size))
    yield from _part(say(LessonLabel.WEAK_IMAGE), [about])
    told: set[str] = set()
    for finding in lesson.findings:
        yield ""
        yield from _finding(finding, say)
        if finding.check not in told:
            told.add(finding.check)
            yield from _wrapped(f"{say(LessonLabel.WHAT_TO_DO)}: {say(finding.remedy)}", "    ")
    if lesson.further:
        yield ""
        yield from _wrapped(say(LessonLabel.FURTHER, count=lesson.further), "  ")
    yield from _part(say(LessonLabel.HARDENED_IMAGE), [say(lesson.difference)])
    asked = {finding.check for finding in lesson.findings}
    if not any(finding.check in asked for finding in lesson.hardened_findings):
        yield from _wrapped(say(LessonLabel.HARDENED_SILENT), "  ")
    if lesson.hardened_findings:
        yield from _wrapped(say(LessonLabel.HARDENED_REMAINS), "  ")
        for finding in lesson.hardened_findings:
            yield from _finding(finding, say)
    yield ""
    yield say(LessonLabel.TRY)
    for command in COMMANDS:
        yield "  " + command.format(case=lesson.case, image=lesson.image)


def _finding(finding: Finding, say: Translator) -> Iterator[str]:
    severity = say(SEVERITY_NAMES[finding.severity])
    yield from _wrapped(f"{severity}: {say(finding.title)} [{finding.check}]", "  ")
    yield from _wrapped(printable(finding.detail), "    ")
    for place in finding.evidence[:PLACES]:
        yield from _wrapped(f"{say(LessonLabel.WHERE)}: {_place(place, say)}", "    ")


def _place(place: Evidence, say: Translator) -> str:
    path = printable(place.path)
    if place.offset is None:
        where = path
    elif place.address is None:
        where = say(LessonLabel.AT_OFFSET, path=path, offset=say.number(place.offset))
    else:
        where = say(LessonLabel.AT_ADDRESS, path=path, offset=say.number(place.offset), address=f"{place.address:#x}")
    return f"{where} ({printable(place.excerpt)})" if place.excerpt else where


def _part(heading: str, paragraphs: Iterable[str]) -> Iterator[str]:
    yield ""
    yield heading
    for paragraph in paragraphs:
        yield from _wrapped(paragraph, "  ")


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _joined(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
