"""A lesson on paper."""

from __future__ import annotations

import html

import pytest

from toolkit.core.findings import Evidence, Finding, Severity
from toolkit.report.languages import Translator, languages
from toolkit.report.lesson import BenchLesson, Lesson
from toolkit.report.lesson_page import lesson_to_html
from toolkit.report.paper import page_to_pdf
from toolkit.report.wording import Label

FOUND = Finding(
    check="telnet-service",
    title="Telnet is started",
    severity=Severity.HIGH,
    detail="telnetd <all>",
    remedy="Ask the manufacturer.",
    evidence=(Evidence(path="weak.bin!etc/inetd.conf", offset=7, excerpt="telnet"),),
)
LESSON = Lesson(
    case="a-case", device="Patient monitor", advisory="ICSMA-00-000-00", cves=("CVE-2020-1",), container="zip",
    image="weak.bin", size=1_000, mechanism="It listens.", for_patient="Alarms stop.", difference="It does not.",
    findings=(FOUND,), further=2, hardened_findings=(),
)  # fmt: skip
BENCH = BenchLesson(
    case="b-case", device="Infusion pump", advisory="ICSMA-00-000-01", reason="By radio.", bench_checks=("replayed",)
)


def text(page: bytes) -> str:
    return html.unescape(page.decode())


def test_the_page_tells_the_case_what_was_found_and_what_is_done_better() -> None:
    page = text(lesson_to_html(LESSON))
    for piece in ("It listens.", "Alarms stop.", "telnetd <all>", "at offset 0x00000007", "finds nothing of this kind"):
        assert piece in page
    assert "<script" not in page
    assert "telnetd <all>" not in lesson_to_html(LESSON).decode()


def test_what_remains_in_the_hardened_image_is_told() -> None:
    import msgspec

    same = msgspec.structs.replace(LESSON, hardened_findings=(FOUND,), further=0)
    page = text(lesson_to_html(same))
    assert "finds nothing of this kind" not in page
    assert page.count("Telnet is started") == 2
    bare = msgspec.structs.replace(FOUND, detail="", remedy="", evidence=())
    assert "What to do" not in text(lesson_to_html(msgspec.structs.replace(LESSON, findings=(bare,))))


@pytest.mark.parametrize("language", languages())
def test_a_case_of_the_bench_is_a_page_too(language: str) -> None:
    page = text(lesson_to_html(BENCH, language=language))
    assert "By radio." in page
    assert "replayed" in page
    assert Translator(language)(Label.NOT_A_MEDICAL_DEVICE) in page


@pytest.mark.parametrize("lesson", [LESSON, BENCH])
def test_a_lesson_is_a_handout(lesson: Lesson | BenchLesson) -> None:
    assert page_to_pdf(lesson_to_html(lesson), day="2026-11-24", paper="letter").startswith(b"%PDF")
