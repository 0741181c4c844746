"""Reports in the reader's language: English sentences are the keys, ``languages/<code>.toml`` holds the others.

Adding a language is adding one file; what belongs to one topic may stand in ``languages/<code>/<topic>.toml``.
A sentence that a catalogue does not know is shown in English.
"""

from __future__ import annotations

import functools
import importlib.resources
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from toolkit.core.errors import InputError
from toolkit.report.wording import Label

__all__ = ["ENGLISH", "Translator", "languages", "missing_translations"]

ENGLISH = "en"

_SIZES = ((1 << 30, Label.SIZE_GIB), (1 << 20, Label.SIZE_MIB), (1 << 10, Label.SIZE_KIB))
_DATE = re.compile(r"(?P<year>[0-9]{4})(-(?P<month>0[1-9]|1[0-2])(-(?P<day>0[1-9]|[12][0-9]|3[01]))?)?")
EXACT_BELOW_BYTES = 10_240
"""Sizes below this are shown to the byte."""


class _Catalogue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One language: how it writes numbers, and its sentences by their English ones."""

    decimal_mark: str = "."
    thousands_mark: str = ","
    months: tuple[str, ...] = (
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    )  # fmt: skip
    day_form: str = "{day} {month} {year}"
    month_form: str = "{month} {year}"
    first_day: str = "1"
    """How the first day of a month is written."""
    sentences: dict[str, str] = {}
    """What the reports say by themselves: ``wording.Label``."""
    checks: dict[str, str] = {}
    """Titles and remedies of checks."""
    lessons: dict[str, str] = {}
    """What the training mode says of its cases."""
    not_examined: dict[str, str] = {}
    """What a scan says it did not look at."""

    @property
    def all(self) -> dict[str, str]:
        """Every sentence by its English one."""
        return self.checks | self.lessons | self.not_examined | self.sentences


@dataclass(frozen=True, slots=True)
class Translator:
    """Says a report's sentences and numbers in one language; raises ``InputError`` for a language there is none of."""

    language: str = ENGLISH

    def __post_init__(self) -> None:
        if self.language not in languages():
            raise InputError(f"no reports in language {self.language!r}; there are: {', '.join(languages())}")

    def __call__(self, sentence: str, /, **values: object) -> str:
        """Return ``sentence`` in this language, ``values`` put in; the English one when it is not translated."""
        said = _sentences(self.language).get(sentence, str(sentence))
        return said.format_map(values) if values else said

    def number(self, value: float, *, decimals: int = 0) -> str:
        """Return ``value`` as this language writes numbers."""
        catalogue = _catalogue(self.language)
        marks = {",": catalogue.thousands_mark, ".": catalogue.decimal_mark}
        return "".join(marks.get(c, c) for c in f"{value:,.{decimals}f}")

    def date(self, text: str) -> str:
        """Return an ISO date, its month or its year as this language writes it; any other text as it is."""
        found = _DATE.fullmatch(text)
        if found is None or found["month"] is None:
            return text
        catalogue = _catalogue(self.language)
        month = catalogue.months[int(found["month"]) - 1]
        if found["day"] is None:
            return catalogue.month_form.format(month=month, year=found["year"])
        day = int(found["day"])
        return catalogue.day_form.format(day=catalogue.first_day if day == 1 else day, month=month, year=found["year"])

    def percent(self, ratio: float) -> str:
        """Return ``ratio`` (0 to 1) in percent; anything short of all is never rounded up to 100 %."""
        percent = ratio * 100
        shown = percent if percent in (0, 100) else min(99.9, max(0.1, round(percent, 1)))
        return self(Label.PERCENT, number=self.number(shown, decimals=0 if shown in (0, 100) else 1))

    def bytes(self, size: int) -> str:
        """Return a size to the byte."""
        return self(Label.SIZE_BYTE if size == 1 else Label.SIZE_BYTES, number=self.number(size))

    def size(self, size: int) -> str:
        """Return a size as a person reads it: to the byte while it is small, then in KiB, MiB or GiB."""
        for unit, label in _SIZES:
            if size >= max(unit, EXACT_BELOW_BYTES):
                return self(label, number=self.number(size / unit, decimals=1))
        return self.bytes(size)


def missing_translations(sentences: Iterable[str], language: str) -> tuple[str, ...]:
    """Return the ``sentences`` that the catalogue of ``language`` does not hold, in the order given."""
    known = _sentences(language)
    return () if language == ENGLISH else tuple(str(s) for s in sentences if s not in known)


@functools.cache
def languages() -> tuple[str, ...]:
    """Return the codes of all languages there are, English first."""
    names = sorted(entry.name for entry in _folder().iterdir())
    return (ENGLISH, *(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


def _folder() -> importlib.resources.abc.Traversable:
    return importlib.resources.files("toolkit.report") / "languages"


@functools.cache
def _sentences(language: str) -> Mapping[str, str]:
    return _catalogue(language).all


@functools.cache
def _catalogue(language: str) -> _Catalogue:
    if language == ENGLISH:
        return _Catalogue()
    whole = _read(_folder() / f"{language}.toml")
    topics = _folder() / language
    for topic in sorted(topics.iterdir(), key=lambda file: file.name) if topics.is_dir() else ():
        part = _read(topic)
        whole.sentences.update(part.sentences)
        whole.checks.update(part.checks)
        whole.lessons.update(part.lessons)
        whole.not_examined.update(part.not_examined)
    return whole


def _read(file: importlib.resources.abc.Traversable) -> _Catalogue:
    return msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), _Catalogue)
