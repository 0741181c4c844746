"""A bar for what takes a while."""

import os
import sys
from pathlib import Path

import pytest

from toolkit.app.progress import SHOW_FROM_BYTES, progress


def test_nobody_is_shown_a_bar_who_is_not_looking(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "large.bin"
    path.write_bytes(bytes(SHOW_FROM_BYTES))
    with progress(path) as on_progress:
        on_progress(1, 2)
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo terminals in the standard library")
@pytest.mark.parametrize("size", [10, SHOW_FROM_BYTES])
def test_a_person_sees_how_far_a_large_file_is(tmp_path: Path, size: int) -> None:
    path = tmp_path / "large.bin"
    path.write_bytes(bytes(size))
    ours, theirs = os.openpty()
    before = sys.stderr
    try:
        with os.fdopen(theirs, "w", encoding="utf-8") as terminal:
            sys.stderr = terminal
            with progress(path) as on_progress:
                on_progress(size // 2, size)
            terminal.flush()
            os.set_blocking(ours, False)
            try:
                shown = os.read(ours, 65536).decode()
            except BlockingIOError:
                shown = ""
    finally:
        sys.stderr = before
        os.close(ours)
    assert ("large.bin" in shown) == (size == SHOW_FROM_BYTES)
