"""Writing what is in an image to a folder, whatever the image would like to happen."""

import io
import json
import os
import sys
import tarfile
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.format import Entry, EntryKind
from firmware_checks.listing import Row
from toolkit.app.cli import run
from toolkit.app.extraction import MANIFEST, PART, Extraction
from toolkit.app.safe_names import MOST_FOLDERS, SafeNames, parts_of, refusal
from toolkit.core.errors import InputError

Member = tuple[str, bytes, str]
OK: Member = ("ok", tarfile.REGTYPE, "1")


def _tar(path: Path, *members: Member) -> Path:
    """Write a tar of (name, type, content or target)."""
    with tarfile.open(path, "w") as archive:
        for name, kind, content in members:
            info = tarfile.TarInfo(name)
            info.type, info.mode = kind, 0o4777
            data = content.encode() if kind == tarfile.REGTYPE else b""
            info.linkname, info.size = ("" if kind == tarfile.REGTYPE else content), len(data)
            info.devmajor, info.devminor = (8, 1) if kind == tarfile.BLKTYPE else (0, 0)
            archive.addfile(info, io.BytesIO(data))
    return path


def _files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.is_file() and path.name != MANIFEST
    }


def _manifest(folder: Path) -> dict[str, list[dict[str, str]]]:
    loaded: dict[str, list[dict[str, str]]] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    return loaded


def test_a_root_file_system_comes_out_with_links_and_devices_as_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = _tar(
        tmp_path / "rootfs.tar",
        ("./", tarfile.DIRTYPE, ""),
        ("./bin/busybox", tarfile.REGTYPE, "program"),
        ("./bin/sh", tarfile.SYMTYPE, "/etc/../../outside"),
        ("./bin/ash", tarfile.LNKTYPE, "./bin/busybox"),
        ("./bin/lost", tarfile.LNKTYPE, "./nowhere"),
        ("./dev/sda", tarfile.BLKTYPE, ""),
        ("./dev/initctl", tarfile.FIFOTYPE, ""),
        ("./empty", tarfile.DIRTYPE, ""),
    )
    folder = tmp_path / "out"
    assert run(["extract", str(image), "--to", str(folder)]) == 0
    assert _files(folder) == {
        "bin/busybox": "program",
        "bin/sh.link.txt": "symbolic-link to /etc/../../outside\n",
        "bin/ash": "program",
        "bin/lost.link.txt": "hard-link to nowhere\n",
        "dev/sda.device.txt": "block-device 8, 1\n",
        "dev/initctl.pipe.txt": "pipe\n",
    }
    assert (folder / "empty").is_dir()
    assert not any(path.is_symlink() for path in folder.rglob("*"))
    assert "6 files and 1 folders written to" in capsys.readouterr().out
    manifest = _manifest(folder)
    assert manifest["files"][0] == {
        "path": "rootfs.tar!bin/busybox",
        "type": "file",
        "file": "bin/busybox",
        "size": 7,
        "sha256": sha256(b"program").hexdigest(),
    }
    if sys.platform != "win32":
        assert not (folder / "bin/busybox").stat().st_mode & 0o7111


def test_containers_in_containers_get_folders_of_their_own(tmp_path: Path) -> None:
    inner = _tar(tmp_path / "inner.tar", ("a", tarfile.REGTYPE, "1"))
    image = tmp_path / "dump.bin"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("sub/inner.tar", inner.read_bytes())
    image.write_bytes(b"\xff" * 16 + packed.getvalue())
    folder = tmp_path / "all"
    assert run(["extract", str(image), "--to", str(folder)]) == 0
    assert {entry["file"] for entry in _manifest(folder)["files"]} == {
        "zip@0x10!/sub/inner.tar",
        "zip@0x10!/sub/inner.tar!/a",
    }
    folder = tmp_path / "some"
    assert run(["extract", str(image), "zip@0x10!sub/inner.tar!a", "zip@0x10", "--to", str(folder), "--json"]) == 0
    assert {entry["file"] for entry in _manifest(folder)["files"]} == {
        "zip@0x10",
        "zip@0x10!/sub/inner.tar",
        "zip@0x10!/sub/inner.tar!/a",
    }
    assert (folder / "zip@0x10").read_bytes() == packed.getvalue()


def test_only_what_is_asked_for_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = _tar(
        tmp_path / "rootfs.tar",
        ("etc/passwd", tarfile.REGTYPE, "1"),
        ("etcetera", tarfile.REGTYPE, "2"),
        ("etc", tarfile.DIRTYPE, ""),
    )
    folder = tmp_path / "out"
    assert run(["extract", str(image), "etc/", "--to", str(folder), "--json"]) == 0
    assert _files(folder) == {"etc/passwd": "1"}
    assert json.loads(capsys.readouterr().out) == _manifest(folder)
    folder = tmp_path / "other"
    assert run(["extract", str(image), "etc", "nowhere/passwd", "--to", str(folder)]) == 2
    assert "is 'rootfs.tar!etc/passwd' meant?" in capsys.readouterr().err
    assert _files(folder) == {"etc/passwd": "1"}


def test_names_that_lead_out_are_refused_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evil = ["../out", "a/../../out", "/etc/out", "C:out", "c:/out", "..\\out", "\\\\server\\out", "a\\..\\..\\out"]
    image = _tar(
        tmp_path / "evil.tar", *((name, tarfile.REGTYPE, "evil") for name in evil), ("ok", tarfile.REGTYPE, "1")
    )
    folder = tmp_path / "out"
    assert run(["extract", str(image), "--to", str(folder)]) == 1
    assert _files(folder) == {"ok": "1"}
    assert len(_manifest(folder)["refused"]) == len(evil)
    assert f"{len(evil)} refused" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {"evil.tar", "out"}


def test_names_that_some_systems_take_for_the_same_do_not_overwrite_each_other(tmp_path: Path) -> None:
    image = _tar(
        tmp_path / "clash.tar",
        ("Read.me", tarfile.REGTYPE, "1"),
        ("read.me", tarfile.REGTYPE, "2"),
        ("READ.ME", tarfile.REGTYPE, "3"),
        ("Read.me", tarfile.REGTYPE, "4"),
        ("Etc/a", tarfile.REGTYPE, "5"),
        ("etc/a", tarfile.REGTYPE, "6"),
        ("etc/b", tarfile.REGTYPE, "7"),
        ("x", tarfile.REGTYPE, "8"),
        ("x/y", tarfile.REGTYPE, "9"),
        (MANIFEST.upper(), tarfile.REGTYPE, "10"),
        ("caf\u00e9", tarfile.REGTYPE, "11"),
        ("cafe\u0301", tarfile.REGTYPE, "12"),
    )
    folder = tmp_path / "out"
    assert run(["extract", str(image), "--to", str(folder)]) == 0
    written = _files(folder)
    assert sorted(written.values(), key=int) == [str(number) for number in range(1, 13)]
    assert written["Read.me"], written["read~2.me"] == ("1", "2")
    assert written["etc~2/a"], written["etc~2/b"] == ("6", "7")
    assert written["x~2/y"] == "9"


def test_bombs_and_damage_leave_the_rest_and_a_line(tmp_path: Path) -> None:
    image = tmp_path / "bomb.zip"
    with zipfile.ZipFile(image, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(40 << 20))
        archive.writestr("ok", "1")
    folder = tmp_path / "out"
    assert run(["extract", str(image), "--to", str(folder)]) == 1
    assert _files(folder) == {"ok": "1"}
    manifest = _manifest(folder)
    assert [unread["path"] for unread in manifest["unread"]] == ["bomb.zip!bomb"]
    assert manifest["limits_hit"]


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = _tar(tmp_path / "a.tar", ("a", tarfile.REGTYPE, "1"))
    assert run(["extract", str(image), "--to", str(tmp_path)]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert run(["extract", str(image), "--to", str(image)]) == 2
    assert "cannot be used" in capsys.readouterr().err
    assert run(["extract", str(tmp_path / "missing"), "--to", str(tmp_path / "out")]) == 2
    assert not (tmp_path / "out").exists()


def _row(name: str, kind: EntryKind = EntryKind.FILE) -> Row:
    entry = Entry(name=name, packed_bytes=1, unpacked_bytes=1, kind=kind)
    content = b"1" if kind is EntryKind.FILE else None
    return Row(image="a", inside=(), name=name, entry=entry, size=1, content=content)


def test_what_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    extraction = Extraction(tmp_path / "out")
    (tmp_path / "out" / "a").write_text("mine", encoding="utf-8")
    extraction.write(_row("a"))
    assert (tmp_path / "out" / "a").read_text(encoding="utf-8") == "mine"
    assert "is there already" in extraction.refused[0].reason
    assert not (tmp_path / "out" / PART).exists()
    extraction.write(_row("a/b"))
    assert len(extraction.extracted) + len(extraction.refused) == 2


def test_a_file_that_was_not_read_is_not_written_and_a_root_called_dot_is_the_folder(tmp_path: Path) -> None:
    extraction = Extraction(tmp_path / "out")
    entry = Entry(name="a", packed_bytes=1, unpacked_bytes=1)
    extraction.write(Row(image="a", inside=(), name="a", entry=entry, size=1))
    extraction.write(_row("."))
    extraction.write(_row("./", EntryKind.SYMBOLIC_LINK))
    extraction.write(_row(".", EntryKind.FOLDER))
    assert {extracted.file for extracted in extraction.extracted} == {"_", "_.link.txt"}


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="needs a file system that is full")
def test_a_folder_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    extraction = Extraction(tmp_path / "out")
    extraction.folder = Path("/proc/self")
    extraction.write(_row("a"))
    assert "cannot be written" in extraction.refused[0].reason


@given(
    st.lists(
        st.text(max_size=20) | st.sampled_from(["..", "con.txt", "a\\b", "C:", "x" * 300, "trailing. "]), max_size=6
    )
)
def test_no_name_whatever_leads_out_or_is_one_that_a_system_cannot_hold(pieces: list[str]) -> None:
    name = "/".join(pieces)
    for part in parts_of(name):
        assert part not in ("", ".", "..")
        assert not set(part) & set('<>:"|?*\\/\0')
        assert part.isprintable()
        assert not part.endswith((".", " "))
        assert len(part.encode()) <= 180
        assert part.partition(".")[0].rstrip().upper() not in ("CON", "NUL", "AUX")


@pytest.mark.parametrize("name", ["", "a\0b", "a\\x00b", "a/" * (MOST_FOLDERS + 2)])
def test_some_names_are_refused(name: str) -> None:
    assert refusal(name)


@pytest.mark.parametrize("name", ["a", "./a", "a..b/..c", "\\u202egpj.exe", "dir/"])
def test_ordinary_names_are_taken(name: str) -> None:
    assert refusal(name) == ""


@given(st.lists(st.sampled_from(["a", "A", "b/a", "B/a", "a/b", "a~2", "A~2"]), max_size=20))
def test_every_file_gets_a_place_of_its_own(names: list[str]) -> None:
    safe = SafeNames()
    places = [safe.file(parts_of(name)) for name in names]
    assert len({tuple(part.casefold() for part in place) for place in places}) == len(names)
    folders = {place[:index] for place in places for index in range(1, len(place))}
    assert not folders & set(places)


def test_a_folder_that_is_a_file_is_no_folder_to_extract_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="cannot be used"):
        Extraction(tmp_path / "file")
