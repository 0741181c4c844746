"""The report on a screen."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from toolkit.report.languages import languages
from toolkit.report.model import Report
from toolkit.report.text import MOST_FINDINGS, MOST_REGIONS, _bar, to_text, write_text

ESCAPE = "\x1b"


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class _OldConsole(io.StringIO):
    """A console that knows the characters of Western Europe and no others."""

    encoding = "cp1252"


def _lines(report: Report, language: str = "en") -> list[str]:
    return to_text(report, language=language).decode().splitlines()


def _shown(report: Report, stream: io.StringIO, width: int, environment: Mapping[str, str]) -> str:
    write_text(report, stream, width=width, environment=environment)
    return stream.getvalue()


@pytest.mark.parametrize("language", languages())
@given(st.data())
def test_any_report_fits_80_columns_without_control_characters(
    reports: st.SearchStrategy[Report], language: str, data: st.DataObject
) -> None:
    for line in _lines(data.draw(reports), language):
        assert cell_len(line) <= 80
        assert line.replace("\u00a0", " ").isprintable()


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("width", [40, 60, 80, 132])
def test_the_sample_keeps_to_the_width_it_is_given(sample_report: Report, language: str, width: int) -> None:
    stream = io.StringIO()
    write_text(sample_report, stream, width=width, language=language)
    assert max(cell_len(line) for line in stream.getvalue().splitlines()) <= width


def test_what_matters_most_stands_in_the_first_lines(sample_report: Report) -> None:
    lines = _lines(sample_report)
    assert "RED" in lines[3]
    assert "Do not put this image into use" in lines[3]
    order = ["What it is", "How much was understood", "Components", "Findings", "What stands where"]
    places = [lines.index(heading) for heading in [*order, "What this report does not say"]]
    assert places == sorted(places)


def test_a_file_without_findings_gets_amber_and_no_all_clear(empty_report: Report) -> None:
    text = "\n".join(_lines(empty_report))
    assert "AMBER" in text
    assert "This is not an all-clear." in text
    assert "vulnerabilities were not looked up" in text


def test_findings_come_worst_first_with_action_and_place(sample_report: Report) -> None:
    text = " ".join(" ".join(_lines(sample_report)).split())
    assert text.index("CRITICAL The image trusts a key") < text.index("HIGH The update is not signed")
    assert "Action: Ask the maker for a signed update, and how the device verifies it." in text
    assert "Where: pump-update-4.2.zip!radio.dfu at offset 0x00000000, address 0x00004000" in text


def test_a_wrong_check_value_stands_beside_its_region(sample_report: Report) -> None:
    text = " ".join(" ".join(_lines(sample_report)).split())
    assert "crc32 (whole file): NOT VALID" in text
    assert "crc32 (main program)" not in text


def test_hostile_names_are_shown_as_the_text_they_are(sample_report: Report) -> None:
    text = to_text(sample_report).decode()
    assert ESCAPE not in text
    assert "\u202e" not in text
    assert "\\x1b[31m" in text
    assert "[bold" in text
    assert ":smile:" in text


def test_a_large_report_is_bounded_and_says_what_is_left_out(large_report: Report) -> None:
    lines = _lines(large_report)
    text = "\n".join(lines)
    assert len(lines) < 600
    assert f"... {3_002 - MOST_REGIONS:,} more" in text
    assert f"... {800 - MOST_FINDINGS:,} more" in text
    assert "0x00000000" in text


def test_there_is_colour_on_a_terminal_only(sample_report: Report) -> None:
    colourful = {"TERM": "xterm-256color"}
    assert ESCAPE in _shown(sample_report, _Terminal(), 80, colourful)
    assert ESCAPE not in _shown(sample_report, io.StringIO(), 80, colourful | {"FORCE_COLOR": "1"})


@pytest.mark.parametrize("setting", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_person_can_switch_colour_off(sample_report: Report, setting: dict[str, str]) -> None:
    shown = _shown(sample_report, _Terminal(), 80, {"TERM": "xterm"} | setting)
    assert re.search(rf"{ESCAPE}\[[0-9;]*3[0-7]m", shown) is None


def test_a_terminal_is_asked_for_its_width(empty_report: Report) -> None:
    stream = _Terminal()
    write_text(empty_report, stream, environment={"COLUMNS": "50", "NO_COLOR": "1"})
    assert max(len(re.sub(rf"{ESCAPE}[^m]*m", "", line)) for line in stream.getvalue().splitlines()) <= 50


def test_an_old_console_gets_only_characters_it_has(sample_report: Report) -> None:
    subject = msgspec.structs.replace(sample_report.subject, name="\u6ce8\u5c04\u6cf5.bin")
    stream = _OldConsole()
    write_text(msgspec.structs.replace(sample_report, subject=subject), stream, language="fr")
    assert "\\u6ce8\\u5c04\\u6cf5.bin" in stream.getvalue()
    stream.getvalue().encode("cp1252")


@given(st.lists(st.integers(0, 10**12), min_size=5, max_size=5))
def test_the_bar_has_40_marks_and_hides_no_share(sizes: list[int]) -> None:
    bar = _bar(sizes)
    assert len(bar) == (40 if any(sizes) else 0)
    assert [mark in bar for mark in "#.x?-"] == [size > 0 for size in sizes]


def test_the_bytes_are_the_same_each_time(sample_report: Report) -> None:
    assert to_text(sample_report) == to_text(msgspec.structs.replace(sample_report))
