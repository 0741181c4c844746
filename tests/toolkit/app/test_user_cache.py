"""Where the cache is: what the environment says comes first, then the custom of the system."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from toolkit.app.cli import run
from toolkit.app.user_cache import cache_folder, user_cache

ROOT = str(Path("/").resolve())


@pytest.mark.parametrize(
    ("environment", "platform", "folder"),
    [
        ({"MEDHARDEN_CACHE": "here", "HOME": "/h", "XDG_CACHE_HOME": ROOT}, "linux", Path("here")),
        ({"MEDHARDEN_CACHE": "", "HOME": "/h"}, "linux", None),
        ({"HOME": "/h"}, "linux", Path("/h/.cache/medharden")),
        ({"HOME": "/h", "XDG_CACHE_HOME": ROOT}, "linux", Path(ROOT, "medharden")),
        ({"HOME": "/h", "XDG_CACHE_HOME": "relative"}, "linux", Path("/h/.cache/medharden")),
        ({}, "linux", None),
        ({"HOME": "/h", "XDG_CACHE_HOME": ROOT}, "darwin", Path("/h/Library/Caches/medharden")),
        ({}, "darwin", None),
        ({"LOCALAPPDATA": "local", "HOME": "/h"}, "win32", Path("local/medharden/cache")),
        ({"HOME": "/h"}, "win32", None),
    ],
)
def test_the_folder_follows_the_environment(environment: Mapping[str, str], platform: str, folder: Path | None) -> None:
    assert cache_folder(environment, platform) == folder


def test_the_users_cache_is_the_one_that_the_environment_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MEDHARDEN_CACHE", str(tmp_path / "cache"))
    assert user_cache().folder == tmp_path / "cache"


def test_a_scan_gives_the_same_report_whether_a_cache_can_be_used_or_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    image = tmp_path / "image.bin"
    image.write_bytes(os.urandom(1000) + b"\0mbed TLS 2.28.3\0" + bytes(100))
    (tmp_path / "file").touch()
    reports = set()
    for cache in ("", str(tmp_path / "new"), str(tmp_path / "file")):
        monkeypatch.setenv("MEDHARDEN_CACHE", cache)
        assert run(["scan", str(image), "--json"]) in (0, 1)
        reports.add(capfd.readouterr().out)
    (report,) = reports
    assert "2.28.3" in report
