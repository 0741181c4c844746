from __future__ import annotations

from pathlib import Path

import pytest

from firmware_checks.structure.protection import Area
from firmware_checks.structure.tables import read_rows
from toolkit.core.errors import RuleError

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
