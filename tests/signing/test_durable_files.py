"""Small files that survive a pulled plug, on the file system of this computer."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from signing.durable import SystemDisk, create, locked, replace
from toolkit.core.errors import InputError


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "state"
    for content in (b"old", b"new and longer", b""):
        replace(SystemDisk(), path, content)
        assert SystemDisk().read(path) == content
    assert list(tmp_path.iterdir()) == [path]
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_new_file_never_takes_the_place_of_another(tmp_path: Path) -> None:
    create(SystemDisk(), tmp_path / "key", b"first")
    with pytest.raises(InputError, match="exists already"):
        create(SystemDisk(), tmp_path / "key", b"second")
    assert (tmp_path / "key").read_bytes() == b"first"


def test_a_link_that_waits_where_the_new_file_is_written_is_not_followed(tmp_path: Path) -> None:
    if os.name != "posix":
        pytest.skip("links are not followed on POSIX systems")
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / ".state.new").symlink_to(tmp_path / "precious")
    with pytest.raises(InputError, match="cannot be written"):
        replace(SystemDisk(), tmp_path / "state", b"new")
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_a_folder_that_is_not_there_is_explained(tmp_path: Path) -> None:
    missing = tmp_path / "missing" / "state"
    assert SystemDisk().read(missing) is None
    with pytest.raises(InputError, match="cannot be written"):
        replace(SystemDisk(), missing, b"x")
    with pytest.raises(InputError, match="cannot be opened"), locked(missing):
        raise AssertionError
    with pytest.raises(InputError, match="cannot be read"):
        SystemDisk().read(tmp_path)


def test_a_lock_is_held_by_one_and_free_afterwards(tmp_path: Path) -> None:
    with locked(tmp_path / "lock"), pytest.raises(InputError, match="in use"), locked(tmp_path / "lock"):
        raise AssertionError
    with locked(tmp_path / "lock"):
        pass
