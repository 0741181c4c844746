"""The pictures of the HTML report say in words what they show, and the same in numbers."""

from __future__ import annotations

import html
import itertools
import re

import msgspec
import pytest

from toolkit.core.findings import Finding
from toolkit.report.charts import CELLS, MOST_COMPONENTS, Charts
from toolkit.report.html import to_html
from toolkit.report.languages import Translator, languages
from toolkit.report.model import RegionKind, Report

SAY = Translator()
STYLE = re.compile(r"--(ink|quiet|accent|red|amber): (#[0-9a-f]{6});")


def drawn(report: Report) -> str:
    return Charts(report, SAY).section_of_charts()


def test_every_picture_has_a_title_and_says_in_words_what_it_shows(vulnerable_report: Report) -> None:
    page = drawn(vulnerable_report)
    assert re.findall(r"<title[^>]*>(.*?)</title>", page) == [
        "Severity by what is at stake for the patient",
        "Age of components: end of support",
    ]
    severities, ages = re.findall(r"<desc[^>]*>(.*?)</desc>", page)
    assert (
        severities
        == "A failure can cost a life.: 2 not known; Findings of the checks: 1 critical, 1 high, 1 medium, 1 note"
    )
    assert ages == "Mbed TLS 2.16.1: ended 2.7 years ago"
    assert page.count("The same in numbers") == 2
    assert page.count('tabindex="0"') == 2


def test_what_is_accepted_or_does_not_apply_is_not_drawn(vulnerable_report: Report) -> None:
    first, *rest = vulnerable_report.vulnerabilities
    accepted = msgspec.structs.replace(first, accepted="one")
    page = drawn(msgspec.structs.replace(vulnerable_report, vulnerabilities=(accepted, *rest)))
    assert "A failure can cost a life.: 1 not known" in page


def test_nothing_to_draw_is_no_section(empty_report: Report) -> None:
    assert drawn(empty_report) == ""


def test_support_is_drawn_by_the_earliest_day_and_only_where_both_days_are_known(vulnerable_report: Report) -> None:
    ended = vulnerable_report.support[1]
    later = msgspec.structs.replace(ended, until="2030-01-01")
    month = msgspec.structs.replace(ended, component="freertos", until="2024-03")
    goes_on = msgspec.structs.replace(later, component="lwip")
    report = msgspec.structs.replace(vulnerable_report, support=(ended, later, month, goes_on))
    page = drawn(report)
    assert "Mbed TLS 2.16.1: ended 2.7 years ago; lwip 2.16.1: 3.1 years left" in page
    undated = msgspec.structs.replace(report, data=msgspec.structs.replace(report.data, day=None))
    assert "end of support" not in drawn(undated)


def test_many_components_are_bounded_and_counted(vulnerable_report: Report) -> None:
    ended = vulnerable_report.support[1]
    names = [f"{'p' * 60}{number:02}" for number in range(MOST_COMPONENTS + 3)]
    rows = tuple(msgspec.structs.replace(ended, component=name) for name in names)
    page = drawn(msgspec.structs.replace(vulnerable_report, support=rows))
    assert "... 3 more; see the JSON report." in page
    assert f"{'p' * 42}..." in page


def test_the_file_is_mapped_from_end_to_end(sample_report: Report) -> None:
    size = sample_report.subject.size
    row = msgspec.structs.replace(
        sample_report.regions[0], path=sample_report.subject.name, start=0, end=size, depth=0, kind=RegionKind.CONTAINER
    )
    program = msgspec.structs.replace(row, start=size // 2, end=size, depth=1, kind=RegionKind.PROGRAM)
    tiny = msgspec.structs.replace(row, start=8, end=9, depth=2, kind=RegionKind.METADATA)
    report = msgspec.structs.replace(sample_report, regions=(tiny, program, row), findings=())
    cells = Charts(report, SAY)._cells()
    assert len(cells) == CELLS
    assert [kind for kind, _ in itertools.groupby(cells)] == [
        RegionKind.METADATA,
        RegionKind.CONTAINER,
        RegionKind.PROGRAM,
    ]
    assert "Header 0.6 %, Container 49.4 %, Program 50 %" in drawn(report).replace("50.0", "50")


def test_a_severity_nobody_has_heard_of_is_not_known(vulnerable_report: Report) -> None:
    row = msgspec.structs.replace(vulnerable_report.vulnerabilities[0], severity="apocalyptic", urgency=None)
    bare = msgspec.structs.replace(vulnerable_report, vulnerabilities=(row,), findings=())
    assert "Not known: 1 not known" in drawn(bare)


@pytest.mark.parametrize("language", languages())
def test_pictures_speak_the_language_of_the_page(vulnerable_report: Report, language: str) -> None:
    title = Translator(language)("Severity by what is at stake for the patient")
    assert f">{title}</title>" in html.unescape(to_html(vulnerable_report, language=language).decode())


def _luminance(colour: str) -> float:
    """Return the relative luminance, WCAG 2.1."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_colour_of_text_stands_out_from_the_paper(sample_report: Report) -> None:
    colours = dict(STYLE.findall(to_html(sample_report).decode()))
    assert len(colours) == 5
    ratios = {name: 1.05 / (_luminance(colour) + 0.05) for name, colour in colours.items()}
    assert min(ratios.values()) >= 4.5, ratios


def test_findings_that_steps_tell_are_drawn_once(vulnerable_report: Report) -> None:
    told = Finding(
        check="vulnerable-component",
        title="A component has known vulnerabilities",
        severity=vulnerable_report.findings[0].severity,
    )
    more = msgspec.structs.replace(vulnerable_report, findings=(*vulnerable_report.findings, told))
    assert drawn(more) == drawn(vulnerable_report)
