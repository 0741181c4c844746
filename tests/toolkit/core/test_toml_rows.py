from __future__ import annotations

from pathlib import Path

import pytest

from firmware_checks.structure.protection import Area
from toolkit.core.errors import RuleError
from toolkit.core.toml_rows import INDEX, index_text, read_files, read_rows

GOOD = 'name = "{}"\ntitle = "x"\nsource = "x"\nstart = 0\nsize = 1\nwords = []\n'


def test_rows_come_in_the_order_of_their_files(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / f"{name}.toml").write_text(GOOD.format(name), encoding="utf-8")
    (tmp_path / "notes.txt").write_text("no row", encoding="utf-8")
    assert [row.name for row in read_rows(tmp_path, Area)] == ["a", "b"]


@pytest.mark.parametrize("wrong", ["start_adress = 1\n", "start = 2\n", "]]\n"], ids=["misspelt", "twice", "no toml"])
def test_a_wrong_row_is_named(tmp_path: Path, wrong: str) -> None:
    (tmp_path / "row.toml").write_text(GOOD.format("row") + wrong, encoding="utf-8")
    with pytest.raises(RuleError, match=r"row\.toml"):
        read_rows(tmp_path, Area)


def test_an_index_says_what_the_files_say_while_they_are_the_same(tmp_path: Path) -> None:
    row = tmp_path / "row.toml"
    row.write_text(GOOD.format("row"), encoding="utf-8")
    plain = read_rows(tmp_path, Area)
    (tmp_path / INDEX).write_bytes(index_text(tmp_path))
    assert read_rows(tmp_path, Area) == plain
    (file,) = read_files(tmp_path)
    assert file.content is not None
    row.write_text(GOOD.format("changed"), encoding="utf-8")
    assert [area.name for area in read_rows(tmp_path, Area)] == ["changed"]


def test_a_row_of_an_index_that_is_wrong_is_named(tmp_path: Path) -> None:
    (tmp_path / "row.toml").write_text("name = 1\n", encoding="utf-8")
    (tmp_path / INDEX).write_bytes(index_text(tmp_path))
    with pytest.raises(RuleError, match=r"row\.toml"):
        read_rows(tmp_path, Area)
