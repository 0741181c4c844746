"""The same page as PDF."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from toolkit.report import renderer
from toolkit.report.html import to_html
from toolkit.report.languages import languages
from toolkit.report.model import Report
from toolkit.report.paper import PAPERS, SHOWN, Paper, _Tree, page_to_pdf
from toolkit.report.pdf import to_pdf

SIZES = {"a4": (595, 841), "letter": (612, 792)}
WITHOUT = """
import sys
sys.modules["typst"] = None
from toolkit.core.errors import MissingExtra
from toolkit.report.paper import page_to_pdf
try:
    page_to_pdf(b"<html></html>", day="2026-11-24")
except MissingExtra as error:
    print(error)
"""


@pytest.mark.parametrize("paper", PAPERS)
def test_the_pages_have_the_size_that_was_asked_for(vulnerable_report: Report, paper: Paper) -> None:
    made = page_to_pdf(to_html(vulnerable_report), day="2026-11-24", paper=paper)
    boxes = re.findall(rb"/MediaBox ?\[0 0 ([\d.]+) ([\d.]+)\]", made)
    assert {(int(float(width)), int(float(height))) for width, height in boxes} == {SIZES[paper]}


def test_the_file_is_tagged_for_screen_readers_and_the_same_each_time(vulnerable_report: Report) -> None:
    made = to_pdf(vulnerable_report)
    assert made.startswith(b"%PDF-1.7")
    assert b"/Marked true" in made
    assert b"<pdfuaid:part>1</pdfuaid:part>" in made
    assert b"2026-11-25" in made
    assert made == to_pdf(vulnerable_report)


@pytest.mark.parametrize("language", languages())
def test_it_names_its_language(sample_report: Report, language: str) -> None:
    made = renderer("pdf").render(sample_report, language=language)
    assert f"/Lang({language})".encode() in made.replace(b"/Lang (", b"/Lang(")


@settings(max_examples=5, phases=[Phase.generate])
@given(st.data())
def test_any_report_fits_on_paper(reports: st.SearchStrategy[Report], data: st.DataObject) -> None:
    assert to_pdf(data.draw(reports)).endswith(b"%%EOF")


def test_typst_in_a_name_is_text(sample_report: Report) -> None:
    import msgspec

    name = '#panic("ran") $x$ *b* \\ #{1+1} @a <b> [c'
    subject = msgspec.structs.replace(sample_report.subject, name=name)
    assert to_pdf(msgspec.structs.replace(sample_report, subject=subject)).endswith(b"%%EOF")


def test_every_character_that_is_kept_can_be_shown_and_the_others_are_written_out() -> None:
    kept = "".join(chr(code) for first, last in SHOWN for code in range(first, last + 1))
    kept = "".join(c for c in kept if c.isprintable() and unicodedata.category(c) != "Cn")
    written = html.escape(f"{kept} \u65e5 \U0001f600")
    body = f"<h1>{written}</h1><p><code>{written}</code></p>"
    page = f'<html lang="en"><head><title>x</title></head><body><main>{body}</main></body></html>'
    tree = _Tree()
    tree.feed(page)
    tree.close()
    assert r"\u65e5 \u1f600" in json.dumps(tree.body(), ensure_ascii=False).replace("\\\\", "\\")
    assert page_to_pdf(page.encode(), day="2026-11-24").endswith(b"%%EOF")


def test_without_the_library_the_missing_part_is_named() -> None:
    out = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "a report as PDF needs an optional part: install medharden[pdf]"
