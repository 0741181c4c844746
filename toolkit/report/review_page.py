"""The review on paper: one A4 page of HTML that needs nothing else, for who decides and signs."""

from __future__ import annotations

from typing import Final

from toolkit.report.languages import ENGLISH, Translator
from toolkit.report.markup import Markup, element
from toolkit.report.page_frame import framed
from toolkit.report.printable import printable
from toolkit.report.review import Reason, Review, Weight
from toolkit.report.review_wording import HEADLINES, QUESTION_NAMES, VERDICT_NAMES, WEIGHT_NAMES, ReviewLabel
from toolkit.report.review_words import accepted_risks, by_question, decisions, not_looked_at, said, tables
from toolkit.report.wording import Label

__all__ = ["review_to_html"]

ROWS: Final = 3
MOST_CHARACTERS: Final = 260
"""Of one sentence; longer ones stand in full in the JSON document."""
STYLE: Final = """
.review { font-size: 14px; }
.verdict.go { --tone: #1f5f7a; }
.verdict .word { font-size: 1.5rem; white-space: nowrap; }
.verdict .headline { margin: 0; font-size: 1.1rem; }
.files-of th { width: 9rem; }
.reasons { table-layout: fixed; }
.reasons .question { width: 13rem; }
.reasons .weight { width: 6rem; }
.reasons th { padding-right: 1rem; font-weight: 600; }
.reasons .word { font-weight: 700; }
.reasons .no-go { color: var(--red); }
.reasons .ask { color: var(--amber); }
.reasons .fine { color: var(--accent); }
.reasons .note { color: var(--quiet); }
.kinds-of-change { columns: 2; column-gap: 2rem; font-size: .93em; }
.kinds-of-change div { break-inside: avoid; margin-bottom: .5rem; }
.kinds-of-change h3 { font-size: .95rem; }
.kinds-of-change li { overflow-wrap: anywhere; }
.kinds-of-change ul, .plain { padding-left: 1.2rem; }
@media (max-width: 40rem) {
  .reasons .question { width: 36%; }
  .reasons .weight { width: 22%; }
  .files-of { table-layout: fixed; }
  .files-of th { width: 30%; }
  .kinds-of-change { columns: 1; }
}
@media print {
  .review { font-size: 8.4pt; line-height: 1.26; }
  .review section { margin-top: 2.4mm; }
  .review h1 { font-size: 14pt; }
  .review h2 { font-size: 10.5pt; margin-bottom: .6mm; }
  .review th, .review td { padding: .4mm 2mm .4mm 0; }
  .verdict .word { font-size: 17pt; }
  .verdict .headline { font-size: 11pt; }
  .reasons .question { width: 44mm; }
  .reasons .weight { width: 18mm; }
  .kinds-of-change { font-size: 7.8pt; }
  .kinds-of-change h3 { font-size: 8.4pt; }
  .kinds-of-change div { margin-bottom: 1mm; }
  .review .boxes { margin: 1mm 0; }
  .review .blanks + p { margin-top: 2mm; }
  .review .blanks { gap: 4mm 8mm; padding-top: 1mm; }
}
"""


def review_to_html(review: Review, *, language: str = ENGLISH) -> str:
    """Return the review as one HTML page: no script, no network, nothing of the image unescaped."""
    return _Page(review, Translator(language)).write()


def _short(words: str) -> str:
    return printable(words, most=MOST_CHARACTERS)


class _Page:
    """One review on its way to one page."""

    def __init__(self, review: Review, say: Translator) -> None:
        self._review = review
        self._say = say

    def write(self) -> str:
        """Return the whole document."""
        main = element(
            "main",
            self._title(),
            self._verdict(),
            self._reasons(),
            self._changes(),
            self._listed(ReviewLabel.YOUR_DECISIONS, "decisions", decisions(self._review, self._say)),
            self._listed(
                Label.ACCEPTED,
                "accepted",
                accepted_risks(self._review.accepted, self._review.acceptances, self._say),
            ),
            self._listed(ReviewLabel.NOT_LOOKED_AT, "not-looked-at", not_looked_at(self._review, self._say)),
            self._sign_off(),
            class_="review",
        )
        title = f"{self._say(ReviewLabel.REVIEW)}: {self._review.new.name}"
        return framed(element("body", main), title=title, language=self._say.language, more_style=STYLE)

    def _title(self) -> Markup:
        say, review = self._say, self._review
        made_by = say(Label.MADE_BY, name=review.tool.name, version=review.tool.version)
        kicker = element("p", say(ReviewLabel.REVIEW), element("span", made_by, class_="made-by"), class_="kicker")
        return element("header", kicker, element("h1", element("bdi", review.new.name)), self._subjects())

    def _subjects(self) -> Markup:
        say, review = self._say, self._review
        rows = [(ReviewLabel.UPDATE, review.new), (ReviewLabel.CURRENT, review.current)]
        lines = []
        for label, subject in rows:
            shown = element("td", say(ReviewLabel.CURRENT_NOT_GIVEN))
            if subject is not None:
                shown = element("td", element("bdi", subject.name), " SHA-256 ", element("code", subject.sha256))
            lines.append(element("tr", element("th", say(label), scope="row"), shown))
        profile = review.profile or say(Label.NONE_USED)
        lines.append(element("tr", element("th", say(Label.DEVICE_PROFILE), scope="row"), element("td", profile)))
        return element("table", element("tbody", *lines), class_="files-of")

    def _verdict(self) -> Markup:
        verdict = self._review.verdict
        tone = {"go": "go", "no-go": "red"}.get(verdict.value, "amber")
        return element(
            "section",
            element("p", self._say(VERDICT_NAMES[verdict]), class_="word"),
            element("p", self._say(HEADLINES[verdict]), class_="headline"),
            class_=f"verdict {tone}",
            id="verdict",
        )

    def _section(self, label: ReviewLabel | Label, identifier: str, *content: str) -> Markup:
        heading = element("h2", self._say(label), id=identifier)
        return element("section", heading, *content, aria_labelledby=identifier)

    def _reasons(self) -> Markup:
        rows = []
        for question, reasons in by_question(self._review):
            name = element("th", self._say(QUESTION_NAMES[question]), scope="row", rowspan=len(reasons))
            for number, reason in enumerate(reasons):
                rows.append(element("tr", "" if number else name, *self._reason(reason)))
        columns = element("colgroup", *(element("col", class_=name) for name in ("question", "weight", "reason")))
        table = element("table", columns, element("tbody", *rows), class_="reasons")
        return self._section(ReviewLabel.IN_SHORT, "why", table)

    def _reason(self, reason: Reason) -> tuple[Markup, Markup]:
        weight = element("td", self._say(WEIGHT_NAMES[reason.weight]), class_=f"word {reason.weight.value}")
        quiet = "quiet" if reason.weight is Weight.NOTE else None
        return weight, element("td", _short(said(reason, self._say)), class_=quiet)

    def _changes(self) -> Markup:
        say, difference = self._say, self._review.difference
        if difference is None:
            return self._section(ReviewLabel.WHAT_CHANGES, "changes", element("p", say(ReviewLabel.NOT_COMPARED)))
        if difference.is_empty:
            return self._section(ReviewLabel.WHAT_CHANGES, "changes", element("p", say(ReviewLabel.NOTHING_CHANGES)))
        blocks = []
        for label, count, rows in tables(difference, say, ROWS):
            items = [element("li", element("b", what), " ", _short(text)) for what, text in rows]
            if count > len(rows):
                more = say(ReviewLabel.AND_MORE, count=say.number(count - len(rows)))
                items.append(element("li", more, class_="more"))
            heading = element("h3", f"{say(label)} ({say.number(count)})")
            blocks.append(element("div", heading, element("ul", *items)))
        return self._section(ReviewLabel.WHAT_CHANGES, "changes", element("div", *blocks, class_="kinds-of-change"))

    def _listed(self, label: ReviewLabel | Label, identifier: str, lines: list[str]) -> Markup:
        if not lines:
            return Markup("")
        items = (element("li", _short(line)) for line in lines)
        return self._section(label, identifier, element("ul", *items, class_="plain"))

    def _sign_off(self) -> Markup:
        say = self._say
        choices = (ReviewLabel.SIGN_INSTALL, ReviewLabel.SIGN_ASK, ReviewLabel.SIGN_NOT)
        boxes = element("ul", *(element("li", say(label)) for label in choices), class_="boxes")
        blanks = (Label.PERSON, Label.ROLE, Label.DATE, Label.SIGNATURE)
        lines = element("div", *(element("div", say(label), class_="blank") for label in blanks), class_="blanks")
        note = element("p", say(Label.NOT_A_MEDICAL_DEVICE), class_="quiet")
        return self._section(Label.SIGN_OFF, "sign-off", boxes, lines, note)
