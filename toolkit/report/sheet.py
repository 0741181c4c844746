"""What all sections of the HTML report are made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from toolkit.report.languages import Translator
from toolkit.report.markup import Markup, element, join
from toolkit.report.model import Report
from toolkit.report.wording import Label

__all__ = ["Sheet"]

_OF_NUMBERS: Final = frozenset({"counts", "regions"})
"""Tables that a narrow screen moves sideways; in the others sentences stand, which it shows below each other."""


class Sheet:
    """One report in one language, and the parts to show it with."""

    def __init__(self, report: Report, say: Translator) -> None:
        self.report = report
        self.say = say

    def section(self, label: Label, identifier: str, *content: str) -> Markup:
        """Return a section with a heading that names it."""
        heading = element("h2", self.say(label), id=identifier)
        return element("section", heading, *content, aria_labelledby=identifier)

    def paragraph(self, label: Label, **values: object) -> Markup:
        """Return a sentence of our own."""
        return element("p", self.say(label, **values))

    def table(self, heads: Iterable[Label], rows: Iterable[Markup], class_: str = "") -> Markup:
        """Return a table with heads over its columns."""
        head = element("tr", *(element("th", self.say(label), scope="col") for label in heads))
        body = element("tbody", join(rows, "\n"))
        classes = class_ if class_ in _OF_NUMBERS else f"{class_} stacked".strip()
        return element("table", element("thead", head), body, class_=classes)

    def wide(self, name: str, content: Markup) -> Markup:
        """Return content that a narrow screen moves sideways, by keys too, rather than make it too small to read."""
        return element("div", content, class_="wide", tabindex=0, role="group", aria_label=name)

    def facts(self, facts: Iterable[tuple[Label, str]]) -> Markup:
        """Return names and values, one row each."""
        rows = (
            element("tr", element("th", self.say(label), scope="row"), element("td", value)) for label, value in facts
        )
        return element("table", element("tbody", join(rows, "\n")), class_="facts")

    def more(self, count: int) -> Markup:
        """Return how many rows were left out; nothing when none were."""
        if count <= 0:
            return Markup("")
        return element("p", self.say(Label.MORE_ROWS_JSON, count=self.say.number(count)), class_="more")

    def more_below(self, count: int) -> Markup:
        """Return how many rows stand on the pages that follow; nothing when none do."""
        if count <= 0:
            return Markup("")
        return element("p", self.say(Label.MORE_BELOW, count=self.say.number(count)), class_="more")

    def list(self, items: Iterable[str]) -> Markup:
        """Return a list of items."""
        return element("ul", *(element("li", item) for item in items))

    def fold(self, summary: str, *content: str) -> Markup:
        """Return content that opens when its summary is clicked."""
        return element("details", element("summary", summary), *content)
