"""Reports in the reader's language."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import firmware_checks.vulnerabilities
import toolkit.report
from toolkit.core.errors import InputError
from toolkit.hardening.decommission.words import CertificateLabel
from toolkit.hardening.dossier.words import DossierLabel
from toolkit.hardening.legacy.words import LegacyLabel
from toolkit.hardening.playbooks.catalogue import playbooks
from toolkit.hardening.playbooks.page import PlaybookLabel
from toolkit.report.languages import Translator, _catalogue, _sentences, languages, missing_translations
from toolkit.report.lesson_wording import LessonLabel
from toolkit.report.review_wording import ReviewLabel
from toolkit.report.wording import Label

PLAYBOOKS = tuple(sentence for playbook in playbooks() for sentence in playbook.sentences())
SENTENCES = (
    *Label, *ReviewLabel, *LessonLabel, *LegacyLabel, *CertificateLabel, *DossierLabel, *PlaybookLabel, *PLAYBOOKS,
)  # fmt: skip
"""All that pages say by themselves."""
OTHERS = [language for language in languages() if language != "en"]
PLACES = re.compile(r"\{\w+\}")


def test_hospitals_read_english_french_and_spanish() -> None:
    assert languages() == ("en", "es", "fr")


@pytest.mark.parametrize("language", languages())
def test_every_sentence_the_reports_say_is_translated(language: str) -> None:
    assert missing_translations(SENTENCES, language) == ()


@pytest.mark.parametrize("language", OTHERS)
def test_no_translation_is_left_over(language: str) -> None:
    assert set(_catalogue(language).sentences) - set(map(str, SENTENCES)) == set()


@pytest.mark.parametrize("language", OTHERS)
def test_translations_put_the_same_values_in(language: str) -> None:
    for english, said in _sentences(language).items():
        assert sorted(PLACES.findall(said)) == sorted(PLACES.findall(english)), english
        assert said.strip() == said != "", english


def test_no_sentence_is_there_without_a_use() -> None:
    folder = Path(toolkit.report.__file__).parent
    asking = Path(firmware_checks.vulnerabilities.__file__).parent  # its questions stand in the report
    used = "".join(path.read_text(encoding="utf-8") for path in (*folder.glob("*.py"), *asking.glob("*.py")))
    by_table = re.compile(r"(.*_MEANS|CONFIDENCE_.*|CRITICAL|HIGH|MEDIUM|LOW|INFO|[A-Z]+)$")
    unused = [name for name in Label.__members__ if f"Label.{name}" not in used and not by_table.match(name)]
    assert unused == []


def test_what_is_missing_is_named_in_the_order_asked() -> None:
    assert missing_translations(["No such sentence", Label.FINDINGS, "Nor this"], "fr") == (
        "No such sentence",
        "Nor this",
    )
    assert missing_translations(["No such sentence"], "en") == ()


def test_a_language_there_is_none_of_is_told_with_those_there_are() -> None:
    with pytest.raises(InputError, match=r"'tlh'.*en, es, fr"):
        Translator("tlh")


def test_an_unknown_sentence_is_said_in_english() -> None:
    assert Translator("fr")("Valve stuck {open}") == "Valve stuck {open}"


def test_values_are_put_in_and_never_read_as_places_themselves() -> None:
    assert Translator("fr")(Label.PAIR, name="{value}", value="{0}") == "{value}\u00a0: {0}"


@pytest.mark.parametrize(
    ("language", "number", "size", "percent"),
    [
        ("en", "1,234,567.5", "1.2 MiB", "12.5 %"),
        ("fr", "1\u00a0234\u00a0567,5", "1,2\u00a0Mio", "12,5\u00a0%"),
        ("es", "1\u00a0234\u00a0567,5", "1,2\u00a0MiB", "12,5\u00a0%"),
    ],
)
def test_numbers_look_as_the_language_writes_them(language: str, number: str, size: str, percent: str) -> None:
    say = Translator(language)
    assert say.number(1_234_567.5, decimals=1) == number
    assert say.size(1_234_567) == size
    assert say.percent(0.125) == percent


def test_sizes_are_exact_while_they_are_small() -> None:
    say = Translator()
    assert [say.size(n) for n in (0, 1, 10_239, 10_240, 5 << 30)] == [
        "0 bytes",
        "1 byte",
        "10,239 bytes",
        "10.0 KiB",
        "5.0 GiB",
    ]


@given(st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_a_part_is_never_shown_as_nothing_or_as_all(ratio: float) -> None:
    assert Translator().percent(ratio) not in ("0 %", "100 %", "0.0 %", "100.0 %")


def test_nothing_and_all_are_shown_without_decimals() -> None:
    assert [Translator().percent(ratio) for ratio in (0, 1)] == ["0 %", "100 %"]


@pytest.mark.parametrize(
    ("language", "day", "first", "month"),
    [
        ("en", "24 November 2026", "1 March 2027", "July 2019"),
        ("fr", "24\u00a0novembre 2026", "1er\u00a0mars 2027", "juillet 2019"),
        ("es", "24 de noviembre de 2026", "1 de marzo de 2027", "julio de 2019"),
    ],
)
def test_dates_look_as_the_language_writes_them(language: str, day: str, first: str, month: str) -> None:
    say = Translator(language)
    assert [say.date(text) for text in ("2026-11-24", "2027-03-01", "2019-07")] == [day, first, month]
    assert [say.date(text) for text in ("2019", "2019-13", "soon", "")] == ["2019", "2019-13", "soon", ""]
