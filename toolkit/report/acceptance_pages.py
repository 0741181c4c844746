"""The HTML report on accepted risks: what does not count and why, what ran out, and what is of no use."""

from __future__ import annotations

from typing import Final

from toolkit.core.findings import Severity
from toolkit.report.acceptance_words import AcceptedRow, accepted_rows, accepted_text, open_lines
from toolkit.report.markup import Markup, element
from toolkit.report.sheet import Sheet
from toolkit.report.wording import SEVERITY_NAMES, Label

__all__ = ["AcceptancePages"]

MOST_ROWS: Final = 500
_NAMES: Final = {severity.value: name for severity, name in SEVERITY_NAMES.items()}


class AcceptancePages(Sheet):
    """What one report says about accepted risks; nothing at all where none were given."""

    def section_of_risks(self) -> Markup:
        """Return the section."""
        rows = list(accepted_rows(self.report, self.say))
        lines = list(open_lines(self.report.acceptances, self.say))
        if not rows and not lines:
            return Markup("")
        heads = (Label.SEVERITY, Label.WHAT, Label.WHERE, Label.REASON)
        table = self.table(heads, map(self._row, rows[:MOST_ROWS]), "accepted") if rows else ""
        return self.section(
            Label.ACCEPTED,
            "accepted",
            self.paragraph(Label.ACCEPTED_NOTE) if rows else "",
            table,
            self.list(lines[:MOST_ROWS]) if lines else "",
            self.more(max(0, len(rows) - MOST_ROWS) + max(0, len(lines) - MOST_ROWS)),
        )

    def _row(self, row: AcceptedRow) -> Markup:
        severity = self.say(_NAMES.get(row.severity, Label.NOT_KNOWN))
        rank = Severity(row.severity).rank if row.severity in _NAMES else -1
        return element(
            "tr",
            element("td", severity, data_sort=rank),
            element("th", row.title, scope="row"),
            element("td", element("bdi", row.where)),
            element("td", accepted_text(row.record, self.say)),
        )
