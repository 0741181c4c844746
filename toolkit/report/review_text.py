"""The review and the difference as plain text, 100 columns wide at most."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from toolkit.report.languages import ENGLISH, Translator
from toolkit.report.printable import printable
from toolkit.report.review import Difference, Review
from toolkit.report.review_wording import HEADLINES, QUESTION_NAMES, VERDICT_NAMES, WEIGHT_NAMES, ReviewLabel
from toolkit.report.review_words import accepted_risks, by_question, decisions, not_looked_at, said, tables
from toolkit.report.wording import Label

__all__ = ["difference_to_text", "review_to_text"]

WIDTH = 100
ROWS_IN_REVIEW = 6
ROWS_IN_DIFFERENCE = 1_000
MARK = 14
"""Columns for the word in front of a row."""


def review_to_text(review: Review, *, language: str = ENGLISH) -> str:
    """Return the review for a terminal: the verdict first, then why."""
    say = Translator(language)
    return "".join(f"{line}\n" for line in _review(review, say))


def difference_to_text(difference: Difference, *, language: str = ENGLISH) -> str:
    """Return the difference for a terminal."""
    say = Translator(language)
    lines = [say(ReviewLabel.DIFFERENCE), ""]
    lines += _marked(say(ReviewLabel.BEFORE), f"{difference.old.name}  SHA-256 {difference.old.sha256}")
    lines += _marked(say(ReviewLabel.NOW), f"{difference.new.name}  SHA-256 {difference.new.sha256}")
    lines += _tables(difference, say, ROWS_IN_DIFFERENCE)
    if difference.acceptances:
        lines += ["", say(Label.ACCEPTED)]
        for text in accepted_risks((), difference.acceptances, say):
            lines += _wrapped(text, "  - ")
    lines += [line for what in difference.not_compared for line in ["", *_wrapped(say(what))]]
    return "".join(f"{line}\n" for line in lines)


def _review(review: Review, say: Translator) -> Iterator[str]:
    yield say(VERDICT_NAMES[review.verdict]).upper()
    yield from _wrapped(say(HEADLINES[review.verdict]))
    yield ""
    yield from _marked(say(ReviewLabel.UPDATE), f"{review.new.name}  SHA-256 {review.new.sha256}")
    now = review.current
    current = say(ReviewLabel.CURRENT_NOT_GIVEN) if now is None else f"{now.name}  SHA-256 {now.sha256}"
    yield from _marked(say(ReviewLabel.CURRENT), current)
    for question, reasons in by_question(review):
        yield ""
        yield say(QUESTION_NAMES[question])
        for reason in reasons:
            yield from _marked(say(WEIGHT_NAMES[reason.weight]), said(reason, say))
    if review.difference is not None:
        yield from _tables(review.difference, say, ROWS_IN_REVIEW)
    for heading, lines in (
        (ReviewLabel.YOUR_DECISIONS, decisions(review, say)),
        (Label.ACCEPTED, accepted_risks(review.accepted, review.acceptances, say)),
        (ReviewLabel.NOT_LOOKED_AT, not_looked_at(review, say)),
    ):
        if lines:
            yield from ("", say(heading))
            for line in lines:
                yield from _wrapped(line, "  - ")


def _tables(difference: Difference, say: Translator, most: int) -> list[str]:
    if difference.is_empty:
        return ["", say(ReviewLabel.NOTHING_CHANGES)]
    lines: list[str] = []
    for label, count, rows in tables(difference, say, most):
        lines += ["", f"{say(label)} ({say.number(count)})"]
        lines += [line for what, text in rows for line in _marked(what, text)]
        if count > len(rows):
            lines += _wrapped(say(ReviewLabel.AND_MORE, count=say.number(count - len(rows))), "  ")
    return lines


def _marked(mark: str, text: str) -> list[str]:
    return _wrapped(text, f"  {mark:{MARK}} ", " " * (MARK + 3))


def _wrapped(text: str, first: str = "", rest: str | None = None) -> list[str]:
    following = " " * len(first) if rest is None else rest
    return textwrap.wrap(printable(text), WIDTH, initial_indent=first, subsequent_indent=following)
