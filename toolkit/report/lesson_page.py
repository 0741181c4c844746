"""A lesson as one HTML page, for the wall of a workshop or as a handout; as PDF it is the same page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from toolkit.core.findings import Finding
from toolkit.report.languages import ENGLISH, Translator
from toolkit.report.lesson import BenchLesson, Lesson
from toolkit.report.lesson_wording import LessonLabel
from toolkit.report.markup import Markup, element, join
from toolkit.report.page_frame import framed
from toolkit.report.summary import evidence_text
from toolkit.report.wording import SEVERITY_NAMES, Label

__all__ = ["lesson_to_html"]

MOST_PLACES: Final = 3


def lesson_to_html(lesson: Lesson | BenchLesson, *, language: str = ENGLISH) -> bytes:
    """Return the lesson as one HTML page in UTF-8: no script, no network."""
    say = Translator(language)
    parts = _bench(lesson, say) if isinstance(lesson, BenchLesson) else _lesson(lesson, say)
    name = f"{lesson.case}: {say(lesson.device)}"
    note = element("p", say(Label.NOT_A_MEDICAL_DEVICE), class_="quiet")
    header = element("header", element("p", lesson.advisory, class_="kicker"), element("h1", name))
    body = element("body", element("main", header, *parts, note))
    return framed(body, title=name, language=language).encode()


def _section(heading: str, *content: str) -> Markup:
    return element("section", element("h2", heading), *content)


def _bench(lesson: BenchLesson, say: Translator) -> list[Markup]:
    return [
        _section(say(LessonLabel.WHY_NO_FILE), element("p", say(lesson.reason))),
        _section(say(LessonLabel.BENCH_SHOWS), element("p", ", ".join(lesson.bench_checks))),
    ]


def _lesson(lesson: Lesson, say: Translator) -> list[Markup]:
    about = say(LessonLabel.IMAGE, container=say(lesson.container), image=lesson.image, size=say.size(lesson.size))
    further = say(LessonLabel.FURTHER, count=say.number(lesson.further))
    asked = {finding.check for finding in lesson.findings}
    silent = not any(finding.check in asked for finding in lesson.hardened_findings)
    remains = [element("p", say(LessonLabel.HARDENED_REMAINS)), *_articles(lesson.hardened_findings, say)]
    return [
        element("p", ", ".join(lesson.cves), class_="quiet"),
        _section(say(LessonLabel.WHAT_WAS_WRONG), element("p", say(lesson.mechanism))),
        _section(say(LessonLabel.FOR_A_PATIENT), element("p", say(lesson.for_patient))),
        _section(
            say(LessonLabel.WEAK_IMAGE),
            element("p", about),
            *_articles(lesson.findings, say),
            element("p", further) if lesson.further else "",
        ),
        _section(
            say(LessonLabel.HARDENED_IMAGE),
            element("p", say(lesson.difference)),
            element("p", say(LessonLabel.HARDENED_SILENT)) if silent else "",
            *(remains if lesson.hardened_findings else []),
        ),
    ]


def _articles(findings: Iterable[Finding], say: Translator) -> list[Markup]:
    return [_article(finding, say) for finding in findings]


def _article(finding: Finding, say: Translator) -> Markup:
    severity = element("span", say(SEVERITY_NAMES[finding.severity]), class_=f"severity {finding.severity.value}")
    places = [
        join([element("bdi", evidence_text(place, say)), " ", element("code", place.excerpt)])
        for place in finding.evidence[:MOST_PLACES]
    ]
    return element(
        "article",
        element("h3", severity, say(finding.title)),
        element("p", finding.detail) if finding.detail else "",
        element("p", element("b", say(LessonLabel.WHAT_TO_DO)), ": ", say(finding.remedy)) if finding.remedy else "",
        element("p", element("b", say(LessonLabel.WHERE)), ": ", join(places, element("br"))) if places else "",
    )
