"""The report on a screen: what matters fits in the first window, the rest is bounded."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TextIO

from toolkit.core.findings import Finding, Severity
from toolkit.report.acceptance_words import accepted_rows, accepted_text, open_lines, returned_text
from toolkit.report.accepting import returned_findings
from toolkit.report.languages import ENGLISH, Translator
from toolkit.report.model import Component, RegionRecord, Report
from toolkit.report.printable import printable
from toolkit.report.summary import (
    Light,
    address_text,
    counts_text,
    coverage_text,
    evidence_text,
    identity,
    in_words,
    notes,
    page_one_facts,
    runs_by_path,
    shares,
    title,
    upper_rows,
    verdict,
    version_text,
    worst_first,
)
from toolkit.report.urgency import DECISION_NAMES, not_affected_lines, step_action, step_counts, step_name
from toolkit.report.vulnerability import Decision
from toolkit.report.wording import CONFIDENCE_NAMES, KIND_NAMES, SEVERITY_NAMES, Label

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

__all__ = ["DEFAULT_WIDTH", "to_text", "write_text"]

DEFAULT_WIDTH: Final = 80
MOST_REGIONS: Final = 40
MOST_FINDINGS: Final = 15
MOST_COMPONENTS: Final = 40
MOST_UNREAD: Final = 10
MOST_STEPS: Final = 10
MOST_PLACES: Final = 3
"""Places of evidence shown for one finding."""
MOST_CHARACTERS: Final = 400
BAR_CELLS: Final = 40

_BAR_MARKS: Final = ("#", ".", "x", "?", "-")
"""One mark for each share of the coverage bar: recognised, padding, encrypted, unknown, unread."""
_LIGHT_STYLES: Final = MappingProxyType({Light.RED: "bold white on red", Light.AMBER: "bold black on yellow"})
_SEVERITY_STYLES: Final = MappingProxyType(
    {
        Severity.CRITICAL: "bold red",
        Severity.HIGH: "red",
        Severity.MEDIUM: "yellow",
        Severity.LOW: "cyan",
        Severity.INFO: "dim",
    }
)
_DECISION_STYLES: Final = MappingProxyType(
    {
        Decision.IMMEDIATE: "bold red",
        Decision.OUT_OF_CYCLE: "red",
        Decision.SCHEDULED: "yellow",
        Decision.DEFER: "dim",
    }
)


def to_text(report: Report, *, language: str = ENGLISH) -> bytes:
    """Return the report as plain text of 80 columns in UTF-8."""
    stream = io.StringIO()
    write_text(report, stream, language=language)
    lines = (line.rstrip(" ") for line in stream.getvalue().splitlines())
    return "".join(f"{line}\n" for line in lines).encode()


def write_text(
    report: Report,
    stream: TextIO,
    *,
    width: int | None = None,
    language: str = ENGLISH,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write the report to ``stream``; in colour only when it is a terminal and ``environment`` has no NO_COLOR.

    ``width`` is in columns; without it a terminal is asked for its own, and anything else gets 80.
    """
    from rich.console import Console

    terminal = stream.isatty()
    console = Console(
        file=stream,
        width=width if width or terminal else DEFAULT_WIDTH,
        force_terminal=terminal,
        force_jupyter=False,
        markup=False,
        highlight=False,
        emoji=False,
        _environ=environment,
    )
    _Page(report, console, Translator(language)).write()


class _Page:
    """One report on its way to one console."""

    def __init__(self, report: Report, console: Console, say: Translator) -> None:
        self._report = report
        self._console = console
        self._say = say

    def write(self) -> None:
        """Write all parts, the most important first."""
        self._verdict()
        self._identity()
        self._coverage()
        self._steps()
        self._components()
        self._findings()
        self._accepted()
        self._regions()
        self._limits()

    def _text(self, words: str, style: str = "") -> Text:
        """Return ``words`` ready to show: every text on the page passes here and is made harmless."""
        from rich.text import Text

        shown = printable(words, most=MOST_CHARACTERS)
        encoding = self._console.encoding
        return Text(shown.encode(encoding, "backslashreplace").decode(encoding), style=style, overflow="fold")

    def _print(self, *items: RenderableType) -> None:
        for item in items:
            self._console.print(item)

    def _heading(self, label: Label) -> None:
        self._print("", self._text(self._say(label), "bold underline"))

    def _grid(self, *widths: int | None, indent: int = 2) -> Table:
        """Return a table without lines; a width of None takes what is left."""
        from rich.table import Table

        grid = Table.grid(padding=(0, 2, 0, 0), expand=False)
        grid.add_column(width=indent - 2 if indent > 2 else 0)
        for width in widths:
            grid.add_column(width=width, overflow="fold")
        return grid

    def _row(self, grid: Table, *cells: str | Text) -> None:
        grid.add_row("", *(cell if not isinstance(cell, str) else self._text(cell) for cell in cells))

    def _paragraph(self, words: str, style: str = "") -> None:
        grid = self._grid(None)
        self._row(grid, self._text(words, style))
        self._print(grid)

    def _bullet(self, words: str) -> None:
        grid = self._grid(1, None)
        self._row(grid, "-", words)
        self._print(grid)

    def _verdict(self) -> None:
        say, report = self._say, self._report
        light = verdict(report)
        made_by = say(Label.MADE_BY, name=report.tool.name, version=report.tool.version)
        self._print(self._text(f"{say(title(report))}: {report.subject.name}", "bold"), self._text(made_by, "dim"), "")
        word = say(light.light.value).upper()
        grid = self._grid(len(word) + 2, None, indent=2)
        self._row(grid, self._text(f" {word} ", _LIGHT_STYLES[light.light]), self._text(say(light.headline), "bold"))
        for note in (*notes(report, say), counts_text(report, say)):
            self._row(grid, "", note)
        for label, words in page_one_facts(report, say):
            self._row(grid, "", say(Label.PAIR, name=say(label), value=words))
        self._print(grid)

    def _identity(self) -> None:
        self._heading(Label.WHAT_IT_IS)
        self._paragraph(in_words(self._report, self._say))
        facts = identity(self._report, self._say)
        grid = self._grid(max(len(self._say(label)) for label, _ in facts), None)
        for label, value in facts:
            self._row(grid, self._text(self._say(label), "dim"), value)
        self._print("", grid)
        digest = self._grid(None, None)  # a row of its own: in 80 columns it must not be broken
        self._row(digest, self._text(self._say(Label.SHA256), "dim"), self._report.subject.sha256)
        self._print(digest)

    def _coverage(self) -> None:
        say, coverage = self._say, self._report.coverage
        self._heading(Label.COVERAGE)
        self._paragraph(coverage_text(self._report, say))
        parts = shares(self._report)
        bar = _bar([part.size for part in parts])
        if bar:
            self._paragraph(f"[{bar}]")
        grid = self._grid(1, None, None)
        for mark, part in zip(_BAR_MARKS, parts, strict=True):
            if part.size:
                self._row(grid, mark, say(part.label), say.size(part.size))
        self._print(grid)
        if coverage.unread:
            self._paragraph(say(Label.PAIR, name=say(Label.NOT_READ), value=""), "bold")
            for item in coverage.unread[:MOST_UNREAD]:
                self._bullet(f"{item.path} ({say.size(item.size)}): {item.reason}")
            self._more(len(coverage.unread) - MOST_UNREAD)
        if coverage.limits_hit:
            self._paragraph(say(Label.PAIR, name=say(Label.LIMITS_HIT), value=""), "bold")
            for limit in coverage.limits_hit[:MOST_UNREAD]:
                self._bullet(limit)
            self._more(len(coverage.limits_hit) - MOST_UNREAD)

    def _components(self) -> None:
        say, components = self._say, self._report.components
        self._heading(Label.COMPONENTS)
        if not components:
            self._paragraph(say(Label.NO_COMPONENTS))
            return
        grid = self._grid(None, None, None)
        heads = (Label.COMPONENT, Label.VERSION, Label.CONFIDENCE)
        self._row(grid, *(self._text(say(head), "dim") for head in heads))
        for component in components[:MOST_COMPONENTS]:
            self._row(grid, *self._component(component))
        self._print(grid)
        self._more(len(components) - MOST_COMPONENTS)

    def _component(self, component: Component) -> tuple[str, str, str]:
        return component.title, version_text(component, self._say), self._say(CONFIDENCE_NAMES[component.confidence])

    def _steps(self) -> None:
        """Write one short paragraph a component, never one a vulnerability: there may be thousands."""
        say, report = self._say, self._report
        if not report.data.vulnerabilities:
            return
        self._heading(Label.DO_THIS_FIRST)
        if not report.steps:
            self._paragraph(say(Label.NO_KNOWN_VULNERABILITY))
        names = {decision: say(name).upper() for decision, name in DECISION_NAMES.items()}
        for step in report.steps[:MOST_STEPS]:
            grid = self._grid(max(map(len, names.values())), None)
            tag = self._text(names[step.decision], _DECISION_STYLES[step.decision])
            self._row(grid, tag, self._text(step_name(step, say), "bold"))
            self._row(grid, "", f"{step_counts(step, say)} {', '.join(step.first)}")
            self._row(grid, "", step_action(step, say))
            self._print(grid)
        self._more(len(report.steps) - MOST_STEPS)
        for line in not_affected_lines(report, say):
            self._bullet(line)

    def _findings(self) -> None:
        say, findings = self._say, worst_first(self._report.findings)
        self._heading(Label.FINDINGS)
        if not findings:
            self._paragraph(say(Label.NO_FINDINGS))
            return
        names = {severity: say(name).upper() for severity, name in SEVERITY_NAMES.items()}
        returned = returned_findings(self._report)
        for finding in findings[:MOST_FINDINGS]:
            grid = self._grid(max(map(len, names.values())), None)
            severity = self._text(names[finding.severity], _SEVERITY_STYLES[finding.severity])
            self._row(grid, severity, self._text(say(finding.title), "bold"))
            for line in self._about(finding):
                self._row(grid, "", line)
            if finding in returned:
                self._row(grid, "", self._text(returned_text(returned[finding], say), "bold"))
            self._print(grid)
        self._more(len(findings) - MOST_FINDINGS)

    def _accepted(self) -> None:
        """Write what does not count, and what is to be done about the file of accepted risks."""
        say = self._say
        rows = list(accepted_rows(self._report, say))
        lines = list(open_lines(self._report.acceptances, say))
        if not rows and not lines:
            return
        self._heading(Label.ACCEPTED)
        for row in rows[:MOST_FINDINGS]:
            grid = self._grid(10, None)
            self._row(grid, row.severity.upper(), self._text(row.title, "bold"))
            self._row(grid, "", row.where)
            self._row(grid, "", accepted_text(row.record, say))
            self._print(grid)
        self._more(len(rows) - MOST_FINDINGS)
        for line in lines[:MOST_FINDINGS]:
            self._bullet(line)
        self._more(len(lines) - MOST_FINDINGS)

    def _about(self, finding: Finding) -> Iterator[str]:
        say = self._say
        if finding.detail:
            yield finding.detail
        if finding.remedy:
            yield say(Label.PAIR, name=say(Label.ACTION), value=say(finding.remedy))
        for evidence in finding.evidence[:MOST_PLACES]:
            yield say(Label.PAIR, name=say(Label.WHERE), value=evidence_text(evidence, say))
        if len(finding.evidence) > MOST_PLACES:
            yield say(Label.MORE_ROWS, count=say.number(len(finding.evidence) - MOST_PLACES))

    def _regions(self) -> None:
        say = self._say
        self._heading(Label.REGIONS)
        rows, left_out = upper_rows(self._report.regions, MOST_REGIONS)
        if not rows:
            self._paragraph(say(Label.NO_REGIONS))
        bytes_width = max((len(say.number(row.size)) for row in rows), default=0)
        for path, run in runs_by_path(rows):
            self._paragraph(say(Label.IN_FILE, path=path), "bold")
            self._print(self._region_table(run, bytes_width))
        self._more(left_out)

    def _region_table(self, rows: Sequence[RegionRecord], bytes_width: int) -> Table:
        say = self._say
        hex_width = len(address_text(0))
        grid = self._grid(hex_width, hex_width, max(bytes_width, len(say(Label.BYTES))), None)
        grid.columns[3].justify = "right"
        heads = (Label.OFFSET, Label.ADDRESS, Label.BYTES, Label.WHAT)
        self._row(grid, *(self._text(say(head), "dim") for head in heads))
        for row in rows:
            what = self._text(f"{'  ' * min(row.depth, 8)}{say(row.title)}")
            what.append_text(self._text(f" - {say(KIND_NAMES[row.kind]).lower()}", "dim"))
            address = "" if row.address is None else address_text(row.address)
            self._row(grid, address_text(row.start), address, say.number(row.size), what)
            for line in self._troubles(row):
                self._row(grid, "", "", "", self._text(line, "red"))
        return grid

    def _troubles(self, row: RegionRecord) -> Iterator[str]:
        say = self._say
        for check in row.integrity:
            if not check.valid:
                yield say(Label.PAIR, name=f"{check.algorithm} ({check.covers})", value=say(Label.INVALID))
        for problem in row.problems:
            yield say(Label.PROBLEM, problem=problem)

    def _limits(self) -> None:
        say = self._say
        self._heading(Label.NOT_SAID)
        for sentence in self._report.not_examined:
            self._bullet(say(sentence))
        self._print("", self._text(say(Label.NOT_A_MEDICAL_DEVICE), "dim"))

    def _more(self, count: int) -> None:
        if count > 0:
            self._paragraph(self._say(Label.MORE_ROWS, count=self._say.number(count)), "dim")


def _bar(sizes: Sequence[int]) -> str:
    """Return a bar of 40 marks; every share that is there gets one mark or more."""
    total = sum(sizes)
    cells = [max(1, round(size * BAR_CELLS / total)) if size else 0 for size in sizes] if total else []
    while sum(cells) > BAR_CELLS:
        cells[cells.index(max(cells))] -= 1
    while cells and sum(cells) < BAR_CELLS:
        cells[cells.index(max(cells))] += 1
    return "".join(mark * count for mark, count in zip(_BAR_MARKS, cells, strict=True)) if cells else ""
