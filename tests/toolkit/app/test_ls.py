"""Looking into an image from the command line."""

import gzip
import io
import json
import tarfile
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from toolkit.app.cli import run


@pytest.fixture
def update(tmp_path: Path) -> Path:
    """A vendor's update: a zip with a note and a root file system."""
    rootfs = io.BytesIO()
    with tarfile.open(fileobj=rootfs, mode="w") as archive:
        for name, kind, target in (
            ("bin", tarfile.DIRTYPE, ""),
            ("bin/busybox", tarfile.REGTYPE, ""),
            ("bin/sh", tarfile.SYMTYPE, "busybox"),
            ("dev/ttyS0", tarfile.CHRTYPE, ""),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mode, info.mtime = kind, target, 0o4755, 1_577_836_800
            info.uid, info.gid, info.devmajor, info.devminor = 0, 100, 4 * (kind == tarfile.CHRTYPE), 64
            info.size = 7 if kind == tarfile.REGTYPE else 0
            archive.addfile(info, io.BytesIO(b"\x7fbusy\0\n"))
    path = tmp_path / "update.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr(zipfile.ZipInfo("read me \u202e.txt"), "A note.\n")
        packed.writestr(zipfile.ZipInfo("rootfs.tar"), rootfs.getvalue())
    return path


def test_every_file_is_listed_as_json_with_rights_and_digests(update: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ls", str(update), "--hash", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["unread"], document["limits_hit"]) == ([], [])
    entries = {entry["path"]: entry for entry in document["entries"]}
    busybox = entries["update.zip!rootfs.tar!bin/busybox"]
    known = {name: busybox[name] for name in ("type", "size", "mode", "uid", "gid", "target", "sha256")}
    assert known == {
        "type": "file",
        "size": 7,
        "mode": 0o4755,
        "uid": 0,
        "gid": 100,
        "target": None,
        "sha256": sha256(b"\x7fbusy\0\n").hexdigest(),
    }
    assert busybox["modified_s"] == 1_577_836_800
    link = entries["update.zip!rootfs.tar!bin/sh"]
    assert (link["type"], link["target"], link["sha256"]) == ("symbolic-link", "busybox", None)
    assert entries["update.zip!rootfs.tar!dev/ttyS0"]["device"] == [4, 64]


def test_the_text_is_what_an_engineer_knows_from_ls(update: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ls", str(update), "--jobs", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("drwsr-xr-x     0   100")
    assert lines[3].startswith("-rwsr-xr-x     0   100           7 2020-01-01 00:00 ")
    assert lines[3].endswith(" update.zip!rootfs.tar!bin/busybox")
    assert lines[4].endswith(" update.zip!rootfs.tar!bin/sh -> busybox")
    assert " 4, 64 " in lines[5]
    assert lines[-1].startswith("1 character-device, 3 files, 1 folder, 1 symbolic-link; ")
    assert "\u202e" not in "".join(lines)
    assert run(["ls", str(update), "--hash"]) == 0
    assert sha256(b"A note.\n").hexdigest() in capsys.readouterr().out.splitlines()[0]


def test_what_is_missing_is_told_and_the_exit_code_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "dump.bin"
    inner, packed = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr(zipfile.ZipInfo("a"), b"text")
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(40 << 20))
        archive.writestr("one.zip", inner.getvalue())
        archive.writestr("two.zip", inner.getvalue())
    path.write_bytes(b"\xff" * 99 + packed.getvalue())
    assert run(["ls", str(path)]) == 1
    out = capsys.readouterr().out
    assert "not read: dump.bin!zip@0x63!bomb: unpacks to more than" in out
    assert "limit reached: unpacks to more than" in out
    assert "two.zip (same content as dump.bin!zip@0x63!one.zip)" in out
    assert out.splitlines()[0].startswith("*")
    assert run(["ls", str(path), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["unread"][0]["path"] == "dump.bin!zip@0x63!bomb"
    assert document["limits_hit"]


def test_long_listings_and_images_without_entries_are_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(900):
            archive.writestr(zipfile.ZipInfo(f"a-folder-with-quite-a-long-name/{number}"), b"")
    assert run(["ls", str(path)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 901
    path.write_bytes(gzip.compress(b"a text", mtime=0))
    assert run(["ls", str(path)]) == 0
    assert "1 file; 6 bytes in files" in capsys.readouterr().out
    path.write_bytes(b"nothing in here")
    assert run(["ls", str(path)]) == 0
    assert capsys.readouterr().out == "no entries; 0 bytes in files\n"
    assert run(["ls", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["entries"] == []


def test_an_image_that_cannot_be_opened_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ls", str(tmp_path / "missing")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1


def test_a_large_image_is_read_in_pieces_that_go_back_to_the_system(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "large.tar"
    with tarfile.open(path, "w") as archive:
        for number in range(3):
            info = tarfile.TarInfo(f"f{number}")
            info.size = 24 << 20
            archive.addfile(info, io.BytesIO(bytes([number]) * info.size))
    assert run(["ls", str(path), "--hash"]) == 0
    assert "3 files; 75497472 bytes" in capsys.readouterr().out
