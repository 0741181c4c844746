"""The report on paper."""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
import itertools
import re
from html.parser import HTMLParser

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.core.findings import Severity
from toolkit.report.annex_pages import MOST_REGIONS
from toolkit.report.html import MOST_COMPONENTS, MOST_FINDINGS, to_html
from toolkit.report.json_report import from_json, to_json
from toolkit.report.languages import languages
from toolkit.report.model import Report

VOID = {"br", "col", "meta"}
ACTIVE = {"iframe", "object", "embed", "form", "input", "base", "link", "img", "a", "video", "audio"}


SCRIPT = (importlib.resources.files("toolkit.report") / "report.js").read_text(encoding="utf-8")


class _Page(HTMLParser):
    """Reads a page as a browser does and complains about what does not nest."""

    def __init__(self, report: Report, language: str = "en") -> None:
        super().__init__(convert_charrefs=True)
        self.source = to_html(report, language=language).decode()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.style = ""
        self.script = ""
        self._open: list[str] = []
        self.feed(self.source)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "style":
            self.style += data
        elif self._open and self._open[-1] == "script":
            self.script += data
        else:
            self.text += f"{data} " if data.strip() else ""

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def words(self) -> str:
        return " ".join(self.text.replace("\u00a0", " ").split())


def _policy(page: _Page) -> str:
    metas = [m for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert len(metas) == 1
    return metas[0]["content"] or ""


@given(st.data())
def test_any_report_is_a_page_with_no_active_content_but_our_script(
    reports: st.SearchStrategy[Report], data: st.DataObject
) -> None:
    page = _Page(data.draw(reports))
    assert {tag for tag, _ in page.tags} & ACTIVE == set()
    assert page.script == SCRIPT
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on") or name == "style"]
    assert all(c.isprintable() or c in "\n\u00a0" for c in page.source)


@given(st.data())
def test_the_page_made_from_the_json_report_is_the_same(
    reports: st.SearchStrategy[Report], data: st.DataObject
) -> None:
    report = data.draw(reports)
    assert to_html(from_json(to_json(report))) == to_html(report)


def test_hostile_names_are_shown_as_the_text_they_are(sample_report: Report) -> None:
    page = _Page(sample_report)
    assert {tag for tag, _ in page.tags} & ACTIVE == set()
    assert "<script>alert(1)</script>\\x1b[31m\\u202egnp.exe" in page.text
    assert "\u202e" not in page.source
    assert page.source.count("<script") == 1
    assert page.script == SCRIPT


def test_the_page_asks_for_nothing_outside_itself(sample_report: Report) -> None:
    page = _Page(sample_report)
    references = [
        value
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in ("href", "src", "xlink:href")
    ]
    assert references == []
    assert "url(" not in page.style
    assert not re.search(r"fetch|XMLHttp|import|eval|innerHTML|https?:|Storage|cookie", page.script)
    assert "@import" not in page.style
    fills = {a["fill"] for a in page.all("rect") if a.get("fill")}
    assert all(fill == "none" or re.fullmatch(r"url\(#over-[\w-]+\)", fill or "") for fill in fills)


def test_every_pattern_that_is_used_is_defined_once(sample_report: Report) -> None:
    page = _Page(sample_report)
    defined = [a["id"] for a in page.all("pattern")]
    used = {(a["fill"] or "")[5:-1] for a in page.all("rect") if (a.get("fill") or "").startswith("url(#")}
    assert len(defined) == len(set(defined))
    assert used <= set(defined)


def test_the_security_policy_allows_our_style_and_script_and_nothing_else(sample_report: Report) -> None:
    page = _Page(sample_report)
    style, script = (base64.b64encode(hashlib.sha256(t.encode()).digest()).decode() for t in (page.style, page.script))
    assert _policy(page) == (
        f"default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; "
        "base-uri 'none'; form-action 'none'"
    )


def test_every_style_that_is_used_is_written(sample_report: Report) -> None:
    page = _Page(sample_report)
    used = {c for _, attributes in page.tags for c in (attributes.get("class") or "").split()}
    written = set(re.findall(r"\.([a-z][\w-]*)", page.style))
    assert used - written <= {"kind-none", "depth-0"}


@pytest.mark.parametrize("language", languages())
def test_the_page_names_its_language_and_file(sample_report: Report, language: str) -> None:
    page = _Page(sample_report, language)
    assert page.all("html")[0]["lang"] == language
    assert page.source.startswith("<!DOCTYPE html>\n<html ")
    assert "pump-update-4.2.zip</title>" in page.source


def test_headings_and_tables_can_be_followed_by_a_screen_reader(sample_report: Report) -> None:
    page = _Page(sample_report)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert all(head.get("scope") in ("col", "row", "rowgroup") for head in page.all("th"))
    identifiers = [a["id"] for _, a in page.tags if a.get("id")]
    assert len(identifiers) == len(set(identifiers))
    assert {a["aria-labelledby"] for _, a in page.tags if a.get("aria-labelledby")} <= set(identifiers)
    pictures = page.all("svg")
    assert all(a.get("aria-hidden") == "true" or a.get("role") == "img" for a in pictures)


def test_page_one_says_what_a_decision_needs(sample_report: Report) -> None:
    words = _Page(sample_report).words()
    first = words[: words.index("Findings CRITICAL") if "Findings CRITICAL" in words else words.index("What was seen")]
    for sentence in (
        "Serious findings. Do not put this image into use before they are settled.",
        "Known vulnerabilities were not looked up.",
        "Checks that ran: 11. Findings: 1 critical, 1 high, 1 medium, 1 note.",
        "Do not install; ask the maker for an image signed with a key of their own.",
        "76.7 % of the content was recognised. The checks say nothing about the rest.",
        "the entry is protected with a password",
        "Nothing was run: behaviour, radio links and network services of the device were not examined.",
        "medharden is not a medical device.",
    ):
        assert sentence in first


def test_the_evidence_is_all_there(sample_report: Report) -> None:
    words = _Page(sample_report).words()
    for piece in (
        "IEC 62443-4-2 CR 1.9",
        "published-test-key",
        "mbed TLS 2.16.1",
        "cpe:2.3:a:arm:mbed_tls:2.16.1",
        "NOT VALID crc32: whole file deadbeef 78901234",
        "valid crc32: main program 1c291ca3",
        "gap of 383.7 MiB",
        "Problem: suffix is wrong",
        "unpacks to more than 1000 times its size",
        "5b" * 32,
        "infusion-pump-lvp",
        "0x0000b400 0x0004b400 0x08004000 262,144 Program Main program",
        "Accepted with conditions",
        "Signature",
    ):
        assert piece in words


@pytest.mark.parametrize("severity", [None, *Severity])
def test_the_lamp_that_is_lit_is_never_green(empty_report: Report, sample_report: Report, severity: Severity) -> None:
    findings = [msgspec.structs.replace(sample_report.findings[0], severity=severity)] if severity else []
    page = _Page(msgspec.structs.replace(empty_report, findings=tuple(findings)))
    serious = severity in (Severity.HIGH, Severity.CRITICAL)
    lamps = [a["class"] for a in page.all("circle")]
    assert lamps == (["lamp red", "lamp", "lamp"] if serious else ["lamp", "lamp amber", "lamp"])


def test_an_empty_report_says_so_in_every_part(empty_report: Report) -> None:
    words = _Page(empty_report).words()
    for sentence in (
        "Nothing found by the checks that ran. This is not an all-clear.",
        "The checks that ran found nothing.",
        "There is no content besides padding.",
        "No component could be named. That does not mean there is none.",
        "No check sum or hash was found that could be computed again.",
        "No address in the device is known for any part of the file.",
        "Everything in the file was read.",
        "Nothing was told apart in this file.",
        "Vulnerability data none",
    ):
        assert sentence in words


def test_a_large_report_is_bounded_and_says_what_is_left_out(large_report: Report) -> None:
    page = _Page(large_report)
    words = page.words()
    assert len(page.source) < 4_000_000
    for left_out in (3_002 - MOST_REGIONS, 800 - MOST_FINDINGS, 600 - MOST_COMPONENTS, 400 + 100):
        assert f"... {left_out:,} more; see the JSON report." in words


def test_limits_alone_are_reason_enough_for_their_section(empty_report: Report) -> None:
    coverage = msgspec.structs.replace(empty_report.coverage, limits_hit=("depth: nested deeper than 16 levels",))
    words = _Page(msgspec.structs.replace(empty_report, coverage=coverage)).words()
    assert "Limits of the scan that were reached depth: nested deeper than 16 levels" in words


def test_more_address_spaces_than_are_drawn_are_counted(sample_report: Report) -> None:
    row = sample_report.regions[2]
    rows = tuple(msgspec.structs.replace(row, path=f"{n}.bin", depth=0) for n in range(11))
    page = _Page(msgspec.structs.replace(sample_report, regions=rows))
    assert len([a for a in page.all("svg") if a.get("class") == "map"]) == 8
    assert "3 more address spaces are not drawn" in page.words()


def test_a_page_of_many_findings_points_to_those_that_follow(sample_report: Report) -> None:
    findings = sample_report.findings * 2
    coverage = msgspec.structs.replace(sample_report.coverage, unread=sample_report.coverage.unread * 2)
    evidence = sample_report.findings[0].evidence * 5
    long_one = msgspec.structs.replace(findings[0], evidence=evidence)
    page = _Page(msgspec.structs.replace(sample_report, findings=(long_one, *findings[1:]), coverage=coverage))
    assert page.words().count("... 5 more; see the pages that follow.") == 1
    assert page.words().count("... 2 more; see the pages that follow.") == 1
    assert "... 5 more; see the JSON report." in page.words()
