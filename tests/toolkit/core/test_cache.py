"""A cache gives back what was put in or nothing, and nothing that happens to it stops anybody."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.core.cache import KEPT, NO_CACHE, Cache


@given(st.binary(max_size=200), st.text(max_size=20), st.text(max_size=20))
def test_what_is_stored_is_loaded_under_its_own_key_alone(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, key: str, other: str
) -> None:
    cache = Cache(tmp_path_factory.mktemp("cache"))
    cache.store("thing", key, content)
    assert cache.load("thing", key) == content
    assert cache.load("other", key) is None
    assert (cache.load("thing", other) is None) == (key != other)


def test_the_folder_is_made_when_something_is_stored(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "one" / "two")
    assert cache.load("thing", "a") is None
    cache.store("thing", "a", b"content")
    assert cache.load("thing", "a") == b"content"


def test_without_a_folder_nothing_is_kept() -> None:
    NO_CACHE.store("thing", "a", b"content")
    assert NO_CACHE.load("thing", "a") is None


def test_every_damage_is_noticed(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.store("thing", "a", b"content")
    (entry,) = tmp_path.iterdir()
    good = entry.read_bytes()
    for size in range(len(good)):
        entry.write_bytes(good[:size])
        assert cache.load("thing", "a") is None
    for index in range(len(good)):
        entry.write_bytes(good[:index] + bytes([good[index] ^ 1]) + good[index + 1 :])
        assert cache.load("thing", "a") is None
    cache.store("thing", "a", b"content")
    assert entry.read_bytes() == good


def test_a_folder_that_is_a_file_keeps_nothing_and_stays(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"mine")
    for folder in (file, file / "below"):
        cache = Cache(folder)
        cache.store("thing", "a", b"content")
        assert cache.load("thing", "a") is None
    assert file.read_bytes() == b"mine"


def test_an_entry_that_is_a_folder_counts_as_none(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.store("thing", "a", b"content")
    (entry,) = tmp_path.iterdir()
    entry.unlink()
    entry.mkdir()
    cache.store("thing", "a", b"content")
    assert cache.load("thing", "a") is None


def test_old_entries_of_a_kind_go(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.store("other", "a", b"stays")
    for n in range(KEPT + 3):
        cache.store("thing", str(n), b"%d" % n)
        for entry in tmp_path.glob("thing-*"):
            os.utime(entry, ns=(0, entry.stat().st_mtime_ns - 10**9))  # older than the next, whatever the clock does
    kept = [n for n in range(KEPT + 3) if cache.load("thing", str(n)) is not None]
    assert kept == list(range(3, KEPT + 3))
    assert cache.load("other", "a") == b"stays"


if sys.platform != "win32":  # there the folders of a user are closed to others

    @pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
    def test_a_folder_that_others_may_write_to_is_not_believed(tmp_path: Path, mode: int) -> None:
        cache = Cache(tmp_path)
        cache.store("thing", "a", b"content")
        tmp_path.chmod(mode)
        assert cache.load("thing", "a") is None
        cache.store("thing", "b", b"content")
        tmp_path.chmod(0o700)
        assert cache.load("thing", "a") == b"content"
        assert cache.load("thing", "b") is None
