"""The report as PDF: the content of the HTML report on A4, which prints on Letter too."""

from __future__ import annotations

from toolkit.report.exchange import document_day
from toolkit.report.html import to_html
from toolkit.report.languages import ENGLISH
from toolkit.report.model import Report
from toolkit.report.paper import Paper, page_to_pdf

__all__ = ["to_pdf"]


def to_pdf(report: Report, *, language: str = ENGLISH, paper: Paper = "a4") -> bytes:
    """Return the report as PDF; raise ``MissingExtra`` where the library for it is not installed."""
    return page_to_pdf(to_html(report, language=language), day=document_day(report), paper=paper)
