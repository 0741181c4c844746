import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.readers.entry_names import name_problems, unpacked_name, visible


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "is empty"),
        ("../pump.bin", "leads out of the folder"),
        ("a/../../b", "leads out of the folder"),
        ("a\\..\\b", "leads out of the folder"),
        ("/etc/passwd", "absolute path"),
        ("\\\\server\\share", "absolute path"),
        ("C:/Windows/x.dll", "absolute path"),
        ("a\\b", "backslashes"),
        ("pump.bin\0.txt", "hidden characters"),
        ("\u202egpj.exe", "hidden characters"),
        ("pump\nalarm", "hidden characters"),
        ("a\u200bb", "hidden characters"),
        ("a\udc80", "hidden characters"),
    ],
)
def test_a_name_that_could_fool_a_program_or_a_reader_is_told(name: str, problem: str) -> None:
    assert any(problem in told for told in name_problems(name))


@pytest.mark.parametrize("name", ["pump.bin", "folder/pump 2.1.bin", "Gerät/für.txt", "a..b", "...", "日本.txt"])
def test_ordinary_names_are_no_problem(name: str) -> None:
    assert name_problems(name) == []


@given(st.text(max_size=40))
def test_a_shown_name_has_nothing_hidden_and_says_which_name_it_was(name: str) -> None:
    shown = visible(name)
    assert not any("hidden" in problem for problem in name_problems(shown))
    if not name_problems(name):
        assert shown == name


def test_hidden_characters_are_spelled_out() -> None:
    assert visible("\u202egpj.exe") == "\\u202egpj.exe"
    assert visible("a\0b\x85") == "a\\x00b\\x85"
    assert visible("\U000e0041") == "\\U000e0041"


def test_a_long_name_is_cut_where_it_is_shown() -> None:
    assert visible("x" * 300, most_characters=10) == "x" * 9 + "…"
    assert visible("x" * 10, most_characters=10) == "x" * 10


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("fw.tar.gz", "fw.tar"),
        ("fw.TGZ", "fw.tar"),
        ("vendor.zip!folder/fw.bin.xz", "fw.bin"),
        ("a\\fw.bz2", "fw"),
        ("dump.bin", "content"),
        (".gz", "content"),
        ("", "content"),
    ],
)
def test_what_a_compressed_file_holds_is_named_after_the_file(path: str, name: str) -> None:
    assert unpacked_name(path) == name
