"""The report on paper: one HTML page that needs nothing else; page one is for people who are not engineers."""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
from collections.abc import Iterator, Sequence
from typing import Final

from toolkit.core.findings import Evidence, Finding
from toolkit.report.address_picture import picture
from toolkit.report.address_spaces import address_spaces
from toolkit.report.drawing import bar, kind_patterns, lamps, swatch
from toolkit.report.languages import ENGLISH, Translator
from toolkit.report.markup import Markup, element, join
from toolkit.report.model import Component, Integrity, RegionKind, RegionRecord, Report
from toolkit.report.printable import printable
from toolkit.report.sheet import Sheet
from toolkit.report.summary import (
    address_text,
    ages_text,
    counts_text,
    coverage_text,
    evidence_text,
    fact_text,
    identity,
    in_words,
    notes,
    shares,
    to_settle,
    upper_rows,
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
MOST_REGIONS: Final = 1_000
MOST_CHECK_VALUES: Final = 500
MOST_UNREAD: Final = 200
MOST_PLACES: Final = 20
MOST_MAPS: Final = 8
MOST_FACTS: Final = 24


def to_html(report: Report, *, language: str = ENGLISH) -> bytes:
    """Return the report as one HTML page in UTF-8: no script, no network, nothing of the image unescaped."""
    return _Page(report, Translator(language)).write().encode()


def _short(words: str) -> str:
    """Return words from the image cut to what page one has room for; they stand in full further down."""
    return printable(words, most=FIRST_CHARACTERS)


def _with_digest(what: str, sha256: str | None) -> Markup:
    return join([what, element("span", "SHA-256 ", element("code", sha256), class_="line")]) if sha256 else join([what])


class _Page(Sheet):
    """One report on its way to one page."""

    def write(self) -> str:
        """Return the whole document."""
        self._vulnerable = VulnerabilityPages(self.report, self.say)
        body = element("body", kind_patterns(), self._first_page(), self._evidence())
        return f"<!DOCTYPE html>\n{element('html', self._head(), body, lang=self.say.language)}\n"

    # page one

    def _head(self) -> Markup:
        style = (importlib.resources.files("toolkit.report") / "report.css").read_text(encoding="utf-8")
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
        title = f"{self.say(Label.REPORT)}: {self.report.subject.name}"
        return element(
            "head",
            element("meta", charset="utf-8"),
            element("meta", http_equiv="Content-Security-Policy", content=policy),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("meta", name="referrer", content="no-referrer"),
            element("title", title),
            element("style", Markup(style)),
        )

    def _first_page(self) -> Markup:
        return element(
            "main",
            self._title(),
            self._verdict(),
            self._what_to_do(),
            self._vulnerable.steps(),
            self._identity(),
            self._coverage(),
            self._not_said(),
            class_="first-page",
        )

    def _title(self) -> Markup:
        say, tool = self.say, self.report.tool
        made_by = say(Label.MADE_BY, name=tool.name, version=tool.version)
        return element(
            "header",
            element("p", say(Label.REPORT), element("span", made_by, class_="made-by"), class_="kicker"),
            element("h1", element("bdi", self.report.subject.name)),
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
        )
        return element("section", lamps(light.light), words, class_=f"verdict {light.light.name.lower()}", id="verdict")

    def _identity(self) -> Markup:
        say = self.say
        facts = [*identity(self.report, say)[1:], (Label.SHA256, self.report.subject.sha256)]
        terms = (element("div", element("dt", say(label)), element("dd", value)) for label, value in facts)
        words = element("p", in_words(self.report, say))
        return self.section(Label.WHAT_IT_IS, "what", words, element("dl", *terms, class_="identity"))

    def _coverage(self) -> Markup:
        say, coverage = self.say, self.report.coverage
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
        unread = [self._unread_line(n) for n in range(min(FIRST_UNREAD, len(coverage.unread)))]
        left_out = len(coverage.unread) - FIRST_UNREAD
        not_read = [element("p", element("b", say(Label.NOT_READ))), self.list(unread), self._more_below(left_out)]
        return self.section(
            Label.COVERAGE,
            "coverage",
            element("p", coverage_text(self.report, say)),
            bar(parts, say) if total else "",
            element("ul", *legend, class_="legend"),
            *(not_read if unread else []),
        )

    def _unread_line(self, index: int) -> Markup:
        item = self.report.coverage.unread[index]
        return join([element("bdi", _short(item.path)), f" ({self.say.size(item.size)}): {_short(item.reason)}"])

    def _more_below(self, count: int) -> Markup:
        if count <= 0:
            return Markup("")
        return element("p", self.say(Label.MORE_BELOW, count=self.say.number(count)), class_="more")

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
            self._more_below(len(self.report.findings) - min(len(findings), FIRST_FINDINGS)),
        )

    def _severity(self, finding: Finding) -> Markup:
        return element("span", self.say(SEVERITY_NAMES[finding.severity]), class_=f"severity {finding.severity.value}")

    def _not_said(self) -> Markup:
        return self.section(
            Label.NOT_SAID,
            "not-said",
            self.list(map(self.say, self.report.not_examined)),
            element("p", self.say(Label.NOT_A_MEDICAL_DEVICE), class_="quiet"),
        )

    # the evidence

    def _evidence(self) -> Markup:
        return join(
            [
                self._findings(),
                *self._vulnerable.sections(),
                self._components(),
                self._check_values(),
                self._maps(),
                self._unread(),
                self._versions(),
                self._sign_off(),
                self._regions(),
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
        ]
        heading = element("h3", self._severity(finding), say(finding.title))
        return element("article", heading, self.facts((label, value) for label, value in facts if value))

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
                picture(space, self.say),
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

    def _versions(self) -> Markup:
        say, report = self.say, self.report
        data, none = report.data, say(Label.NONE_USED)
        facts = [
            (Label.MADE_WITH, f"{report.tool.name} {report.tool.version}"),
            (Label.COMPONENT_RULES, _with_digest(say.number(data.component_rules), data.component_rules_sha256)),
            (Label.FORMATS_TRIED, say.number(data.formats)),
            (Label.CHECKS_RAN, say.number(data.checks)),
            (Label.DEVICE_PROFILE, _with_digest(data.profile, data.profile_sha256) if data.profile else none),
            (Label.VULNERABILITY_DATA, ages_text(self.report, say) or none),
            (Label.JUDGED_ON, data.day or none),
            (Label.OWN_DECISIONS, _with_digest(say(Label.YES), data.triage_sha256) if data.triage_sha256 else none),
            (Label.SCHEMA, report.schema_version),
        ]
        return self.section(Label.DATA_VERSIONS, "data", self.facts(facts), self.paragraph(Label.SAME_AGAIN))

    def _sign_off(self) -> Markup:
        say = self.say
        decisions = (Label.DECISION_ACCEPT, Label.DECISION_CONDITIONS, Label.DECISION_REJECT)
        boxes = element("ul", *(element("li", say(label)) for label in decisions), class_="boxes")
        lines = (
            Label.CONDITIONS,
            Label.WORK_ORDER,
            Label.DUE_DATE,
            Label.PERSON,
            Label.ROLE,
            Label.DATE,
            Label.SIGNATURE,
        )
        blanks = (
            element("div", element("span", say(label)), class_="blank wide" if label is Label.CONDITIONS else "blank")
            for label in lines
        )
        subject = self.report.subject
        what = element("p", element("bdi", subject.name), ", SHA-256 ", element("code", subject.sha256))
        return self.section(
            Label.SIGN_OFF,
            "sign-off",
            what,
            self.paragraph(Label.NOT_A_MEDICAL_DEVICE),
            boxes,
            element("div", *blanks, class_="blanks"),
        )

    def _regions(self) -> Markup:
        rows, left_out = upper_rows(self.report.regions, MOST_REGIONS)
        if not rows:
            return self.section(Label.REGIONS_ANNEX, "regions", self.paragraph(Label.NO_REGIONS))
        heads = (Label.FIRST_BYTE, Label.PAST_LAST_BYTE, Label.ADDRESS, Label.BYTES, Label.KIND, Label.WHAT)
        table = self.table(heads, self._region_rows(rows), "regions")
        return self.section(Label.REGIONS_ANNEX, "regions", table, self.more(left_out))

    def _region_rows(self, rows: Sequence[RegionRecord]) -> Iterator[Markup]:
        path = None
        for row in rows:
            if row.path != path:
                path = row.path
                label = self.say(Label.IN_FILE, path=path)
                yield element("tr", element("th", element("bdi", label), scope="rowgroup", colspan=6), class_="file")
            yield self._region(row)

    def _region(self, row: RegionRecord) -> Markup:
        say = self.say
        facts = [fact_text(name, row.facts[name], say) for name in sorted(row.facts)[:MOST_FACTS]]
        problems = [element("p", say(Label.PROBLEM, problem=p), class_="invalid") for p in row.problems]
        return element(
            "tr",
            element("td", address_text(row.start), class_="hex"),
            element("td", address_text(row.end), class_="hex"),
            element("td", "" if row.address is None else address_text(row.address), class_="hex"),
            element("td", say.number(row.size), class_="number"),
            element("td", say(KIND_NAMES[row.kind]), class_="kind"),
            element(
                "td",
                element("b", say(row.title)),
                element("span", "; ".join(facts), class_="quiet line") if facts else "",
                *problems,
                class_=f"depth-{min(row.depth, 8)}",
            ),
        )
