"""Texts from an image, made harmless."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from toolkit.report.printable import MOST_CHARACTERS, printable


@given(st.text(st.characters(), max_size=200))
def test_nothing_that_moves_a_cursor_or_turns_a_line_is_left(words: str) -> None:
    assert printable(words).replace("\u00a0", " ").isprintable()


@given(st.text(st.characters(categories=["L", "N", "P"]), max_size=200))
def test_what_a_person_can_read_is_left_as_it_is(words: str) -> None:
    assert printable(words) == words


def test_invisible_characters_are_written_out() -> None:
    assert printable("a\x1b[31m\x00\u202eb\udcff\U000e0041") == "a\\x1b[31m\\x00\\u202eb\\udcff\\U000e0041"


def test_a_long_text_is_cut_and_says_how_much_is_missing() -> None:
    assert printable("x" * (MOST_CHARACTERS + 5)) == "x" * MOST_CHARACTERS + " [+5]"
    assert printable("abcdef", most=4) == "abcd [+2]"
    assert printable("abcd", most=4) == "abcd"
