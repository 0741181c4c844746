"""The end of the HTML report: what it rests on, where a person signs, and what stands where in the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from toolkit.report.markup import Markup, element, join
from toolkit.report.model import RegionRecord
from toolkit.report.sheet import Sheet
from toolkit.report.summary import address_text, ages_text, fact_text, upper_rows
from toolkit.report.wording import KIND_NAMES, Label

__all__ = ["MOST_REGIONS", "AnnexPages"]

MOST_REGIONS: Final = 1_000
MOST_FACTS: Final = 24


def _with_digest(what: str, sha256: str | None) -> Markup:
    return join([what, element("span", "SHA-256 ", element("code", sha256), class_="line")]) if sha256 else join([what])


class AnnexPages(Sheet):
    """The last sections of one report."""

    def sections(self) -> Iterator[Markup]:
        """Yield the sections in their order."""
        yield self.versions()
        yield self.sign_off()
        yield self.regions()

    def versions(self) -> Markup:
        """Return the rules and data that the report rests on."""
        say, report = self.say, self.report
        data, none = report.data, say(Label.NONE_USED)
        facts = [
            (Label.MADE_WITH, f"{report.tool.name} {report.tool.version}"),
            (Label.COMPONENT_RULES, _with_digest(say.number(data.component_rules), data.component_rules_sha256)),
            (Label.FORMATS_TRIED, say.number(data.formats)),
            (Label.CHECKS_RAN, say.number(data.checks)),
            (Label.DEVICE_PROFILE, _with_digest(data.profile, data.profile_sha256) if data.profile else none),
            (Label.VULNERABILITY_DATA, ages_text(self.report, say) or none),
            (Label.POLICY, _with_digest(say(Label.YES), data.policy_sha256) if data.policy_sha256 else none),
            (Label.JUDGED_ON, say.date(data.day) if data.day else none),
            (Label.OWN_DECISIONS, _with_digest(say(Label.YES), data.triage_sha256) if data.triage_sha256 else none),
            (Label.SCHEMA, report.schema_version),
        ]
        return self.section(Label.DATA_VERSIONS, "data", self.facts(facts), self.paragraph(Label.SAME_AGAIN))

    def sign_off(self) -> Markup:
        """Return where a person decides and signs."""
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

    def regions(self) -> Markup:
        """Return what stands where in the file."""
        rows, left_out = upper_rows(self.report.regions, MOST_REGIONS)
        if not rows:
            return self.section(Label.REGIONS_ANNEX, "regions", self.paragraph(Label.NO_REGIONS))
        heads = (Label.FIRST_BYTE, Label.PAST_LAST_BYTE, Label.ADDRESS, Label.BYTES, Label.KIND, Label.WHAT)
        table = self.wide(self.say(Label.REGIONS_ANNEX), self.table(heads, self._region_rows(rows), "regions"))
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
