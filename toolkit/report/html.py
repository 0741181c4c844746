"""The report on paper: one HTML page that needs nothing else; page one is for people who are not engineers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from toolkit.core.findings import Evidence, Finding
from toolkit.report.acceptance import finding_key
from toolkit.report.acceptance_pages import AcceptancePages
from toolkit.report.acceptance_words import returned_text
from toolkit.report.accepting import returned_findings
from toolkit.report.address_picture import picture
from toolkit.report.address_spaces import address_spaces
from toolkit.report.annex_pages import AnnexPages
from toolkit.report.charts import Charts
from toolkit.report.drawing import bar, kind_patterns, lamps, swatch
from toolkit.report.languages import ENGLISH, Translator
from toolkit.report.markup import Markup, element, join
from toolkit.report.model import Component, Integrity, RegionKind, RegionRecord, Report
from toolkit.report.page_frame import framed
from toolkit.report.printable import printable
from toolkit.report.sheet import Sheet
from toolkit.report.summary import (
    counts_text,
    coverage_text,
    evidence_text,
    identity,
    in_words,
    notes,
    page_one_facts,
    shares,
    title,
    to_settle,
    verdict,
    version_text,
    worst_first,
)
from toolkit.report.vulnerability_pages import VulnerabilityPages
from toolkit.report.wording import CONFIDENCE_NAMES, KIND_MEANINGS, KIND_NAMES, SEVERITY_NAMES, Label

__all__ = ["to_html"]

FIRST_FINDINGS: Final = 3
FIRST_UNREAD: Final = 2
FIRST_CHARACTERS: Final = 120
MOST_FINDINGS: Final = 500
MOST_COMPONENTS: Final = 500
MOST_CHECK_VALUES: Final = 500
MOST_UNREAD: Final = 200
MOST_PLACES: Final = 20
MOST_MAPS: Final = 8


def to_html(report: Report, *, language: str = ENGLISH) -> bytes:
    """Return the report as one HTML page in UTF-8: no network, nothing of the image unescaped, no script but our own.

    The script sorts and searches on screen; without it the page says the same.
    """
    return _Page(report, Translator(language)).write().encode()


def _short(words: str) -> str:
    """Return words from the image cut to what page one has room for; they stand in full further down."""
    return printable(words, most=FIRST_CHARACTERS)


class _Page(Sheet):
    """One report on its way to one page."""

    def write(self) -> str:
        """Return the whole document."""
        self._vulnerable = VulnerabilityPages(self.report, self.say)
        self._returned = returned_findings(self.report)
        say = self.say
        evidence = element("div", self._evidence(), id="evidence")
        body = element(
            "body",
            kind_patterns(),
            element("main", self._first_page(), evidence),
            data_search=say(Label.SEARCH),
            data_search_found=str(say(Label.SEARCH_FOUND)),
            data_sort_by=str(say(Label.SORT_BY)),
        )
        words = f"{say(title(self.report))}: {self.report.subject.name}"
        return framed(body, title=words, language=say.language, script="report.js")

    # page one

    def _first_page(self) -> Markup:
        return element(
            "div",
            self._title(),
            self._verdict(),
            self._what_to_do(),
            self._not_said(),
            self._vulnerable.steps(),
            class_="first-page",
        )

    def _title(self) -> Markup:
        say, tool = self.say, self.report.tool
        made_by = say(Label.MADE_BY, name=tool.name, version=tool.version)
        return element(
            "header",
            element("p", say(title(self.report)), element("span", made_by, class_="made-by"), class_="kicker"),
            element("h1", element("bdi", self.report.subject.name)),
            element("p", "SHA-256 ", element("code", self.report.subject.sha256), class_="quiet"),
        )

    def _verdict(self) -> Markup:
        say = self.say
        light = verdict(self.report)
        words = element(
            "div",
            element("p", say(light.light.value), class_="word"),
            element("p", say(light.headline), class_="headline"),
            *(element("p", note) for note in notes(self.report, say)),
            element("p", counts_text(self.report, say)),
            *(element("p", element("b", say(label)), ": ", text) for label, text in page_one_facts(self.report, say)),
        )
        return element("section", lamps(light.light), words, class_=f"verdict {light.light.name.lower()}", id="verdict")

    def _identity(self) -> Markup:
        say = self.say
        facts = [*identity(self.report, say)[1:], (Label.SHA256, self.report.subject.sha256)]
        terms = (element("div", element("dt", say(label)), element("dd", value)) for label, value in facts)
        words = element("p", in_words(self.report, say))
        return self.section(Label.WHAT_IT_IS, "what", words, element("dl", *terms, class_="identity"))

    def _coverage(self) -> Markup:
        say = self.say
        parts = shares(self.report)
        total = sum(part.size for part in parts)
        legend = [
            element(
                "li",
                swatch(part.kind),
                element("span", say(part.label)),
                element("b", say.percent(part.size / total if total else 0)),
                element("span", say.size(part.size), class_="quiet"),
            )
            for part in parts
        ]
        return self.section(
            Label.COVERAGE,
            "coverage",
            element("p", coverage_text(self.report, say)),
            bar(parts, say) if total else "",
            element("ul", *legend, class_="legend"),
        )

    def _unread_line(self, index: int) -> Markup:
        item = self.report.coverage.unread[index]
        what = join([element("bdi", _short(item.path)), f" ({self.say.size(item.size)}): {_short(item.reason)}"])
        return join([element("b", self.say(Label.UNREAD_SHARE)), ": ", what])

    def _what_to_do(self) -> Markup:
        say = self.say
        findings = to_settle(self.report)
        if not findings and self.report.steps:
            return Markup("")
        if not findings:
            return self.section(Label.WHAT_TO_DO_FIRST, "first", self.paragraph(Label.NOTHING_TO_SETTLE))
        items = [
            element(
                "li",
                self._severity(finding),
                element("b", say(finding.title)),
                element("p", say(finding.remedy)) if finding.remedy else "",
            )
            for finding in findings[:FIRST_FINDINGS]
        ]
        return self.section(
            Label.WHAT_TO_DO_FIRST,
            "first",
            element("ol", *items, class_="first-findings"),
            self.more_below(len(self.report.findings) - min(len(findings), FIRST_FINDINGS)),
        )

    def _severity(self, finding: Finding) -> Markup:
        return element("span", self.say(SEVERITY_NAMES[finding.severity]), class_=f"severity {finding.severity.value}")

    def _not_said(self) -> Markup:
        unread = self.report.coverage.unread
        lines = [self._unread_line(number) for number in range(min(FIRST_UNREAD, len(unread)))]
        return self.section(
            Label.NOT_SAID,
            "not-said",
            element("p", coverage_text(self.report, self.say)),
            self.list([*map(self.say, self.report.not_examined), *lines]),
            self.more_below(len(unread) - FIRST_UNREAD),
            element("p", self.say(Label.NOT_A_MEDICAL_DEVICE), class_="quiet"),
        )

    # the evidence

    def _evidence(self) -> Markup:
        return join(
            [
                self._identity(),
                self._coverage(),
                Charts(self.report, self.say).section_of_charts(),
                self._findings(),
                AcceptancePages(self.report, self.say).section_of_risks(),
                *self._vulnerable.sections(),
                self._components(),
                self._check_values(),
                self._maps(),
                self._unread(),
                *AnnexPages(self.report, self.say).sections(),
            ],
            "\n",
        )

    def _findings(self) -> Markup:
        findings = worst_first(self.report.findings)
        if not findings:
            return self.section(Label.FINDINGS, "findings", self.paragraph(Label.NO_FINDINGS))
        articles = [self._finding(finding) for finding in findings[:MOST_FINDINGS]]
        return self.section(Label.FINDINGS, "findings", *articles, self.more(len(findings) - MOST_FINDINGS))

    def _finding(self, finding: Finding) -> Markup:
        say = self.say
        facts: list[tuple[Label, str]] = [
            (Label.SEEN, finding.detail),
            (Label.ACTION, say(finding.remedy) if finding.remedy else ""),
            (Label.WHERE, self._places(finding.evidence)),
            (Label.CONTROLS, "; ".join(finding.controls)),
            (Label.CHECK, element("code", finding.check)),
            (Label.KEY, element("code", finding_key(finding))),
        ]
        heading = element("h3", self._severity(finding), say(finding.title))
        record = self._returned.get(finding)
        returned = element("p", element("b", returned_text(record, say))) if record is not None else ""
        return element("article", heading, returned, self.facts((label, value) for label, value in facts if value))

    def _places(self, evidence: Sequence[Evidence]) -> Markup:
        lines = [self._place(item) for item in evidence[:MOST_PLACES]]
        if len(evidence) > MOST_PLACES:
            left_out = self.say.number(len(evidence) - MOST_PLACES)
            lines.append(element("span", self.say(Label.MORE_ROWS_JSON, count=left_out)))
        return join(lines, element("br"))

    def _place(self, evidence: Evidence) -> Markup:
        where = element("bdi", evidence_text(evidence, self.say))
        return join([where, " ", element("code", evidence.excerpt)]) if evidence.excerpt else where

    def _components(self) -> Markup:
        components = self.report.components
        if not components:
            return self.section(Label.COMPONENTS, "components", self.paragraph(Label.NO_COMPONENTS))
        heads = (Label.COMPONENT, Label.VERSION, Label.CONFIDENCE, Label.EVIDENCE)
        rows = (self._component(component) for component in components[:MOST_COMPONENTS])
        more = self.more(len(components) - MOST_COMPONENTS)
        return self.section(Label.COMPONENTS, "components", self.table(heads, rows, "components"), more)

    def _component(self, component: Component) -> Markup:
        say = self.say
        identifiers = [element("code", name) for name in (component.purl, component.cpe) if name]
        return element(
            "tr",
            element("th", component.title, element("span", say(component.category), class_="quiet line"), scope="row"),
            element("td", version_text(component, say)),
            element("td", say(CONFIDENCE_NAMES[component.confidence])),
            element("td", join([self._places(component.evidence), *(element("div", i) for i in identifiers)])),
        )

    def _check_values(self) -> Markup:
        rows = [self._check_value(row, value) for row in self.report.regions for value in row.integrity]
        if not rows:
            return self.section(Label.INTEGRITY, "integrity", self.paragraph(Label.NO_INTEGRITY))
        heads = (Label.VERDICT, Label.COVERS, Label.STORED, Label.COMPUTED, Label.WHERE)
        return self.section(
            Label.INTEGRITY,
            "integrity",
            self.paragraph(Label.INTEGRITY_NOTE),
            self.table(heads, rows[:MOST_CHECK_VALUES]),
            self.more(len(rows) - MOST_CHECK_VALUES),
        )

    def _check_value(self, row: RegionRecord, value: Integrity) -> Markup:
        say = self.say
        verdict_word = element("b", say(Label.VALID if value.valid else Label.INVALID))
        return element(
            "tr",
            element("td", verdict_word, class_="valid" if value.valid else "invalid"),
            element("td", f"{value.algorithm}: {say(value.covers)}"),
            element("td", element("code", value.stored)),
            element("td", element("code", value.computed)),
            element("td", element("bdi", row.path), ": ", say(row.title)),
        )

    def _maps(self) -> Markup:
        spaces = address_spaces(self.report.regions)
        if not spaces:
            return self.section(Label.ADDRESS_MAP, "map", self.paragraph(Label.NO_ADDRESSES))
        figures = [
            element(
                "figure",
                element("figcaption", self.say(Label.MAP_OF, name=space.name)),
                self.wide(self.say(Label.MAP_OF, name=space.name), picture(space, self.say)),
            )
            for space in spaces[:MOST_MAPS]
        ]
        if len(spaces) > MOST_MAPS:
            figures.append(self.paragraph(Label.MORE_MAPS, count=len(spaces) - MOST_MAPS))
        return self.section(Label.ADDRESS_MAP, "map", self.paragraph(Label.MAP_NOTE), self._kinds(), *figures)

    def _kinds(self) -> Markup:
        say = self.say
        items = (
            element("li", swatch(kind), element("b", say(KIND_NAMES[kind])), " ", say(KIND_MEANINGS[kind]))
            for kind in RegionKind
        )
        return element("ul", *items, class_="legend kinds")

    def _unread(self) -> Markup:
        say, coverage = self.say, self.report.coverage
        if not coverage.unread and not coverage.limits_hit:
            return self.section(Label.NOT_READ, "unread", self.paragraph(Label.ALL_READ))
        rows = (
            element(
                "tr",
                element("td", element("bdi", item.path)),
                element("td", say.number(item.size), class_="number"),
                element("td", item.reason),
            )
            for item in coverage.unread[:MOST_UNREAD]
        )
        table = self.table((Label.FILE, Label.BYTES, Label.REASON), rows, "unread") if coverage.unread else ""
        limits = [element("h3", say(Label.LIMITS_HIT)), self.list(coverage.limits_hit[:MOST_UNREAD])]
        left_out = max(0, len(coverage.unread) - MOST_UNREAD) + max(0, len(coverage.limits_hit) - MOST_UNREAD)
        return self.section(
            Label.NOT_READ, "unread", table, *(limits if coverage.limits_hit else []), self.more(left_out)
        )
