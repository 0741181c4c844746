"""Charts of the HTML report: severity by what is at stake, age of components, and the map of the file.

Each is inline SVG with a title and a description in words, patterns besides colours, its numbers as text in the
picture, and the same numbers in a table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from types import MappingProxyType
from typing import Final

from toolkit.core.findings import Severity
from toolkit.report.days import is_day
from toolkit.report.drawing import rectangle, severity_rectangle, severity_swatch
from toolkit.report.markup import Markup, element, join
from toolkit.report.model import RegionKind
from toolkit.report.sheet import Sheet
from toolkit.report.summary import OF_STEPS, STAKES, address_text
from toolkit.report.vulnerability import HumanImpact, MatchStatus
from toolkit.report.wording import KIND_NAMES, SEVERITY_NAMES, Label

__all__ = ["Charts"]

WIDTH: Final = 720
BAR_LEFT, BAR_WIDTH = 268, 440
ROW_HEIGHT, BAR_HEIGHT = 40, 20
LABEL_CHARACTERS: Final = 42
MOST_COMPONENTS: Final = 20
DAYS_IN_YEAR: Final = 365.25
MOST_YEARS: Final = 12.0
"""Longer bars are cut here; the number beside them is not."""
CELLS: Final = 176
"""Columns of the map of the file, 4 pixels each."""
CELL_WIDTH, MAP_HEIGHT, MAP_LEFT = 4, 34, 8

_UNKNOWN: Final = "unknown"
_SEVERITIES: Final = (*(severity.value for severity in reversed(Severity)), _UNKNOWN)
_NAMES: Final = MappingProxyType(
    {severity.value: name for severity, name in SEVERITY_NAMES.items()} | {_UNKNOWN: Label.UNRANKED}
)
_IMPACTS: Final = (*reversed(HumanImpact), None)

Row = tuple[Label, Counter[str]]
Aged = tuple[str, str, float]
"""Component with its version, day its support ends, and years until then, less than 0 when it has ended."""


class Charts(Sheet):
    """The pictures of one report; those that there is nothing to draw for are left out."""

    def section_of_charts(self) -> Markup:
        """Return the section; nothing at all when there is no picture in it."""
        figures = [figure for figure in (self._severities(), self._ages(), self._file()) if figure]
        return self.section(Label.PICTURES, "pictures", *figures) if figures else Markup("")

    def _figure(self, label: Label, note: str, chart: Markup, *after: Markup) -> Markup:
        caption = element("figcaption", self.say(label), element("span", note, class_="quiet line"))
        return element("figure", caption, chart, *after)

    def _svg(self, label: Label, description: str, name: str, height: float, *parts: Markup) -> Markup:
        title, words = f"{name}-title", f"{name}-words"
        plot = element(
            "svg",
            element("title", self.say(label), id=title),
            element("desc", description, id=words),
            join(parts, "\n"),
            viewBox=f"0 0 {WIDTH} {height:.0f}",
            role="img",
            aria_labelledby=title,
            aria_describedby=words,
            class_="plot",
        )
        return self.wide(self.say(label), plot)

    def _numbers(self, table: Markup) -> Markup:
        return self.fold(self.say(Label.NUMBERS_OF_CHART), table)

    # severity by what is at stake

    def _severities(self) -> Markup:
        rows = list(self._counted())
        if not rows:
            return Markup("")
        largest = max(tally.total() for _, tally in rows)
        parts = [self._bar(number, row, largest) for number, row in enumerate(rows)]
        lines = (f"{self.say(label)}: {self._tally(tally)}" for label, tally in rows)
        chart = self._svg(Label.SEVERITY_CHART, "; ".join(lines), "severities", ROW_HEIGHT * len(rows) + 6, *parts)
        there = [name for name in _SEVERITIES if any(tally[name] for _, tally in rows)]
        legend = (element("li", severity_swatch(name), element("span", self.say(_NAMES[name]))) for name in there)
        return self._figure(
            Label.SEVERITY_CHART,
            self.say(Label.SEVERITY_CHART_NOTE),
            element("ul", *legend, class_="legend inline"),
            chart,
            self._numbers(self._severity_table(rows, there)),
        )

    def _counted(self) -> Iterator[Row]:
        """Yield the bars from top to bottom that have anything in them."""
        by_impact: dict[HumanImpact | None, Counter[str]] = {impact: Counter() for impact in _IMPACTS}
        for row in self.report.vulnerabilities:
            if row.status is not MatchStatus.NOT_AFFECTED and row.accepted is None:
                impact = row.urgency.human_impact if row.urgency is not None else None
                by_impact[impact][row.severity if row.severity in _NAMES else _UNKNOWN] += 1
        for impact, tally in by_impact.items():
            if tally:
                yield STAKES[impact] if impact is not None else Label.UNRANKED, tally
        told = OF_STEPS if self.report.steps else frozenset()
        findings = Counter(each.severity.value for each in self.report.findings if each.check not in told)
        if findings:
            yield Label.OF_CHECKS, findings

    def _tally(self, tally: Counter[str]) -> str:
        say = self.say
        counts = (
            say(Label.COUNT_OF, count=say.number(tally[name]), name=say(_NAMES[name]).lower())
            for name in _SEVERITIES
            if tally[name]
        )
        return ", ".join(counts)

    def _bar(self, number: int, row: Row, largest: int) -> Markup:
        label, tally = row
        y = number * ROW_HEIGHT + 6
        parts = [
            element("text", self.say(label), x=0, y=y + 12, class_="what"),
            element("text", self._tally(tally), x=0, y=y + 27, class_="detail"),
        ]
        x = float(BAR_LEFT)
        for name in _SEVERITIES:
            width = BAR_WIDTH * tally[name] / largest
            if width:
                parts.append(severity_rectangle(name, x, y + 2, max(width, 2.0), BAR_HEIGHT))
            x += width
        return join(parts)

    def _severity_table(self, rows: Sequence[Row], there: Sequence[str]) -> Markup:
        say = self.say
        heads = (Label.FOR_THE_PATIENT, *(_NAMES[name] for name in there))
        lines = (
            element(
                "tr",
                element("th", say(label), scope="row"),
                *(element("td", say.number(tally[name]), class_="number") for name in there),
            )
            for label, tally in rows
        )
        return self.table(heads, lines, "counts")

    # age of components

    def _ages(self) -> Markup:
        day = self.report.data.day
        rows = self._aged(date.fromisoformat(day)) if day is not None and is_day(day) else []
        if not rows:
            return Markup("")
        reach = min(MOST_YEARS, max(1.0, *(abs(years) for _, _, years in rows)))
        height = ROW_HEIGHT * min(len(rows), MOST_COMPONENTS) + 6
        middle = BAR_LEFT + BAR_WIDTH / 2
        line = element("line", x1=middle, x2=middle, y1=0, y2=height, class_="axis")
        parts = [self._age_bar(number, row, reach) for number, row in enumerate(rows[:MOST_COMPONENTS])]
        words = "; ".join(f"{name}: {self._years(years)}" for name, _, years in rows[:MOST_COMPONENTS])
        chart = self._svg(Label.SUPPORT_CHART, words, "ages", height, *parts, line)
        note = self.say(Label.SUPPORT_CHART_NOTE, date=self.say.date(str(day)))
        more = self.more(len(rows) - MOST_COMPONENTS)
        return self._figure(Label.SUPPORT_CHART, note, chart, more, self._numbers(self._age_table(rows)))

    def _aged(self, day: date) -> list[Aged]:
        """Return the components with a known end of support, the oldest first; of several statements the earliest."""
        titles = {component.name: component.title for component in self.report.components}
        ends: dict[str, str] = {}
        for row in self.report.support:
            if row.until is not None and is_day(row.until):
                name = f"{titles.get(row.component, row.component)} {row.component_version or ''}".rstrip()
                ends[name] = min(row.until, ends.get(name, row.until))
        rows = [(name, end, (date.fromisoformat(end) - day).days / DAYS_IN_YEAR) for name, end in ends.items()]
        return sorted(rows, key=lambda row: (row[2], row[0]))

    def _years(self, years: float) -> str:
        label = Label.ENDED_FOR if years < 0 else Label.GOES_ON_FOR
        return self.say(label, years=self.say.number(abs(years), decimals=1))

    def _age_bar(self, number: int, row: Aged, reach: float) -> Markup:
        name, end, years = row
        y = number * ROW_HEIGHT + 6
        width = max(2.0, BAR_WIDTH / 2 * min(1.0, abs(years) / reach))
        middle = BAR_LEFT + BAR_WIDTH / 2
        shown = name if len(name) <= LABEL_CHARACTERS else f"{name[:LABEL_CHARACTERS]}..."
        return join(
            [
                element("text", shown, x=0, y=y + 12, class_="what"),
                element("text", f"{self._years(years)}, {self.say.date(end)}", x=0, y=y + 27, class_="detail"),
                severity_rectangle(
                    "high" if years < 0 else "low", middle - width if years < 0 else middle, y + 2, width, BAR_HEIGHT
                ),
            ]
        )

    def _age_table(self, rows: Sequence[Aged]) -> Markup:
        lines = (
            element(
                "tr",
                element("th", name, scope="row"),
                element("td", self.say.date(end), data_sort=end),
                element("td", self.say.number(years, decimals=1), class_="number", data_sort=f"{years:.3f}"),
            )
            for name, end, years in rows
        )
        return self.table((Label.COMPONENT, Label.UNTIL, Label.YEARS), lines, "counts")

    # map of the file

    def _file(self) -> Markup:
        cells = self._cells()
        kinds = list(dict.fromkeys(cells))
        if len(kinds) < 2:
            return Markup("")
        parts: list[Markup] = []
        start = 0
        for place in range(1, len(cells) + 1):
            if place == len(cells) or cells[place] is not cells[start]:
                x = MAP_LEFT + start * CELL_WIDTH
                parts.append(rectangle(cells[start], x, 2, (place - start) * CELL_WIDTH, MAP_HEIGHT))
                start = place
        size = self.report.subject.size
        for share, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
            left = MAP_LEFT + share * CELLS * CELL_WIDTH
            offset = address_text(int(size * share))
            parts.append(element("text", offset, x=left, y=MAP_HEIGHT + 17, class_=f"detail {anchor}"))
        words = ", ".join(
            f"{self.say(KIND_NAMES[kind])} {self.say.percent(cells.count(kind) / len(cells))}" for kind in kinds
        )
        chart = self._svg(Label.FILE_CHART, words, "file-map", MAP_HEIGHT + 24, *parts)
        return self._figure(Label.FILE_CHART, f"{self.say(Label.FILE_CHART_NOTE)} {words}.", chart)

    def _cells(self) -> list[RegionKind]:
        """Return what each stretch of the file is, the innermost region that reaches its middle; unknown for none."""
        size = self.report.subject.size
        cells = [RegionKind.UNKNOWN] * CELLS
        name = self.report.subject.name
        rows = [row for row in self.report.regions if size and row.path == name and row.end > row.start]
        for row in sorted(rows, key=lambda row: row.depth):
            first, last = (round(place * CELLS / size) for place in (row.start, row.end))
            last = min(CELLS, max(last, first + 1))
            cells[first:last] = [row.kind] * (last - first)
        return cells
