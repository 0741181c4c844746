from pathlib import Path

import pytest

from toolkit.core.errors import InputError
from toolkit.core.files import write_whole


def test_a_file_is_written_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "new" / "report.json"
    write_whole(target, b"one")
    write_whole(target, b"two")
    assert target.read_bytes() == b"two"
    assert [p.name for p in target.parent.iterdir()] == ["report.json"]


def test_a_target_that_is_a_folder_is_one_clear_line_and_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    (target / "inner").mkdir(parents=True)
    with pytest.raises(InputError, match="cannot be written"):
        write_whole(target, b"x")
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_a_parent_that_is_a_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="cannot be written"):
        write_whole(tmp_path / "file" / "report.json", b"x")
