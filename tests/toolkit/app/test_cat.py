"""Taking one file out of an image."""

import io
import os
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from toolkit.app.cli import run

CONTENT = bytes(range(256))


@pytest.fixture
def update(tmp_path: Path) -> Path:
    rootfs = io.BytesIO()
    with tarfile.open(fileobj=rootfs, mode="w") as archive:
        for name, kind, target in (
            ("etc/passwd", tarfile.REGTYPE, ""),
            ("etc/copy", tarfile.LNKTYPE, "etc/passwd"),
            ("etc/link", tarfile.SYMTYPE, "passwd"),
            ("etc/loop", tarfile.LNKTYPE, "etc/loop"),
            ("etc", tarfile.DIRTYPE, ""),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            info.size = len(CONTENT) if kind == tarfile.REGTYPE else 0
            archive.addfile(info, io.BytesIO(CONTENT))
    path = tmp_path / "update.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("note.txt", "A note.\n\tIn two lines.\r\n")
        packed.writestr("evil.txt", "\x1b[2J")
        packed.writestr("bomb", bytes(40 << 20))
        packed.writestr("rootfs.tar", rootfs.getvalue())
    return path


@pytest.mark.parametrize(
    "path",
    ["rootfs.tar!etc/passwd", "update.zip!rootfs.tar!etc/passwd", "rootfs.tar!etc/copy", "rootfs.tar!etc/passwd/"],
)
def test_the_bytes_of_a_file_come_out_as_they_are(
    update: Path, path: str, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert run(["cat", str(update), path]) == 0
    assert capsysbinary.readouterr().out == CONTENT


def test_a_container_found_in_other_bytes_comes_out_whole(
    update: Path, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    dump = tmp_path / "dump.bin"
    dump.write_bytes(b"\xff" * 256 + update.read_bytes())
    assert run(["cat", str(dump), "zip@0x100"]) == 0
    assert capsysbinary.readouterr().out == update.read_bytes()


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("rootfs.tar!etc/link", "is a symbolic-link to 'passwd' and has no content of its own"),
        ("rootfs.tar!etc/loop", "hard links lead to each other"),
        ("rootfs.tar!etc", "is a folder and has no content of its own"),
        ("bomb", "unpacks to more than"),
        ("passwd", "'update.zip!passwd' is not in the image"),
        ("NOTE.TXT", "is 'update.zip!note.txt' meant?"),
        ("rootfs.tar!etc/pasword", "is 'update.zip!rootfs.tar!etc/passwd'"),
    ],
)
def test_what_has_no_content_is_one_clear_line(
    update: Path, path: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["cat", str(update), path]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert told in captured.err
    assert captured.err.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo terminals in the standard library")
def test_a_terminal_is_shown_plain_text_only(update: Path) -> None:
    assert _on_a_terminal(lambda: run(["cat", str(update), "note.txt"])) == (0, b"A note.\r\n\tIn two lines.\r\r\n")
    for path in ("evil.txt", "rootfs.tar!etc/passwd"):
        assert _on_a_terminal(lambda path=path: run(["cat", str(update), path])) == (2, b"")


def _on_a_terminal(job: Callable[[], int]) -> tuple[int, bytes]:
    """Run ``job`` with a terminal as its standard output and return its code and what was shown."""
    import pty

    ours, theirs = os.openpty()
    assert pty.CHILD == 0
    before = sys.stdout
    try:
        with os.fdopen(theirs, "w", encoding="utf-8") as terminal:
            sys.stdout = terminal
            code = job()
            terminal.flush()
            os.set_blocking(ours, False)
            try:
                shown = os.read(ours, 4096)
            except BlockingIOError:
                shown = b""
    finally:
        sys.stdout = before
        os.close(ours)
    return code, shown
