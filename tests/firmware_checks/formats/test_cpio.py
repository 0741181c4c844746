import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.format import Entry, EntryKind, Opened
from firmware_checks.formats.cpio import FORMAT, VERDICTS
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.window import Window

CPIO = shutil.which("cpio") or ""
needs_cpio = pytest.mark.skipif(not CPIO, reason="cpio is not installed (Debian package cpio)")
FILE, FOLDER = 0o100644, 0o040755

names = st.text("abcdefgh-_ äß日", min_size=1, max_size=30)
contents = st.binary(max_size=600)


def _open(data: bytes, limits: Limits = Limits()) -> Opened:  # noqa: B008  # frozen
    return FORMAT.open(Span("initrd.img", Window.of(data)), limits)


def _entries(opened: Opened) -> dict[str, Entry]:
    return {entry.name: entry for entry in opened.entries}


def _new(
    name: str | bytes, data: bytes = b"", *, mode: int = FILE, inode: int = 0, links: int = 1, **other: int
) -> bytes:
    raw = name.encode() if isinstance(name, str) else name
    size, name_bytes = other.get("size", len(data)), other.get("name_bytes", len(raw) + 1)
    own = other.get("major", 0), other.get("minor", 0)
    fields = (inode, mode, 7, 8, links, 99, size, 3, 1, *own, name_bytes, other.get("sum", 0))
    head = b"07070" + (b"2" if "sum" in other else b"1") + b"".join(b"%08x" % field for field in fields) + raw + b"\0"
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def _old(name: str, data: bytes = b"", *, mode: int = FILE, inode: int = 0, links: int = 1, own: int = 0) -> bytes:
    raw = name.encode()
    fields = b"%06o%06o%06o%06o%06o%06o%06o%011o%06o%011o" % (
        0o401, inode, mode, 7, 8, links, own, 99, len(raw) + 1, len(data),
    )  # fmt: skip
    return b"070707" + fields + raw + b"\0" + data


NEW_END, OLD_END = _new("TRAILER!!!", mode=0), _old("TRAILER!!!", mode=0)


@pytest.mark.parametrize("form", ["new", "new with sums", "old"])
@given(files=st.dictionaries(names, contents, max_size=4), after=st.binary(max_size=9))
def test_what_is_packed_is_read_back_and_what_follows_is_left_outside(
    form: str, files: dict[str, bytes], after: bytes
) -> None:
    if form == "old":
        data = b"".join(_old(name, content) for name, content in files.items()) + OLD_END
    elif form == "new":
        data = b"".join(_new(name, content) for name, content in files.items()) + NEW_END
    else:
        data = b"".join(_new(name, content, sum=sum(content)) for name, content in files.items())
        data += _new("TRAILER!!!", mode=0, sum=0)
    opened = _open(data + b"\xff" + after)
    assert opened.size == len(data)
    assert {entry.name: entry.read(1000) for entry in opened.entries} == files
    assert all(verdict.valid for verdict in opened.integrity)
    assert opened.problems == ()


@pytest.mark.parametrize("form", [_new, _old])
def test_rights_owner_time_and_kind_are_read(form: object) -> None:
    make = _new if form is _new else _old
    end = NEW_END if form is _new else OLD_END
    data = make("bin", mode=0o041777) + make("bin/su", b"root", mode=0o104755) + make("sh", b"bin/su", mode=0o120777)
    entries = _entries(_open(data + make("pipe", mode=0o010600) + make("log", mode=0o140666) + end))
    assert [entry.kind for entry in entries.values()] == [
        EntryKind.FOLDER,
        EntryKind.FILE,
        EntryKind.SYMBOLIC_LINK,
        EntryKind.PIPE,
        EntryKind.SOCKET,
    ]
    su = entries["bin/su"]
    assert (su.mode, su.uid, su.gid, su.modified_s) == (0o4755, 7, 8, 99)
    assert (entries["bin"].mode, entries["sh"].target, entries["sh"].unpacked_bytes) == (0o1777, "bin/su", 0)
    assert _open(data + end).facts["set_user_or_group_id"] == 1


def test_devices_have_their_numbers() -> None:
    data = _new("dev/console", mode=0o020600, major=5, minor=1) + _new("dev/sda", mode=0o060600, major=8) + NEW_END
    assert [(e.kind, e.device) for e in _open(data).entries] == [
        (EntryKind.CHARACTER_DEVICE, (5, 1)),
        (EntryKind.BLOCK_DEVICE, (8, 0)),
    ]
    (old,) = _open(_old("console", mode=0o020600, own=0x501) + OLD_END).entries
    assert old.device == (5, 1)


def test_of_names_that_share_an_inode_the_one_with_the_content_is_the_file() -> None:
    data = _new("a", inode=5, links=3) + _new("b", inode=5, links=3) + _new("c", b"pump", inode=5, links=3) + NEW_END
    entries = _entries(_open(data))
    assert [(e.kind, e.target, e.read(10)) for e in entries.values()] == [
        (EntryKind.FILE, "", b"pump"),
        (EntryKind.HARD_LINK, "c", b""),
        (EntryKind.HARD_LINK, "c", b""),
    ]


def test_of_names_that_share_an_inode_and_have_content_each_only_equal_ones_are_links() -> None:
    data = _old("a", b"pump", inode=5, links=3) + _old("b", b"pump", inode=5, links=3)
    entries = _entries(_open(data + _old("c", b"evil", inode=5, links=3) + OLD_END))
    assert [(e.kind, e.target) for e in entries.values()] == [
        (EntryKind.FILE, ""),
        (EntryKind.FILE, ""),
        (EntryKind.HARD_LINK, "a"),
    ]
    assert entries["c"].read(10) == b"evil"


def test_empty_files_that_share_an_inode_are_one_file() -> None:
    data = _new("a", inode=5, links=2) + _new("b", inode=5, links=2) + NEW_END
    assert [(e.kind, e.target) for e in _open(data).entries] == [(EntryKind.FILE, ""), (EntryKind.HARD_LINK, "a")]


def test_a_wrong_sum_of_bytes_is_a_verdict_and_the_content_is_there() -> None:
    data = b"".join(_new(f"{n}", b"pump", sum=(0 if n else 4 * 110)) for n in range(50))
    data = data.replace(b"%08x" % 440, b"%08x" % sum(b"pump"))
    opened = _open(data + _new("TRAILER!!!", mode=0, sum=0))
    assert [v.valid for v in opened.integrity] == [True] + [False] * (VERDICTS - 1)
    assert opened.integrity[1].computed == f"{sum(b'pump'):08x}"
    assert _entries(opened)["3"].read(4) == b"pump"


def test_the_folder_itself_is_not_listed_and_its_name_is_left_out() -> None:
    data = _new(".", mode=FOLDER) + _new("./etc", mode=FOLDER) + _new("./etc/pump.ini", b"x") + NEW_END
    assert list(_entries(_open(data))) == ["etc", "etc/pump.ini"]


def test_names_made_to_fool_are_told_and_shown_as_they_are() -> None:
    data = _new("../pump\x1b", b"1") + _new("/etc/passwd", b"2") + _new(b"\xff", b"3") + _new(b"\xff", b"4") + NEW_END
    opened = _open(data)
    assert [entry.name for entry in opened.entries] == ["../pump\\x1b", "/etc/passwd", "\\udcff", "\\udcff"]
    assert {problem.partition(":")[0] for problem in opened.problems} == {
        "name leads out of the folder it is unpacked to",
        "name has hidden characters",
        "name is an absolute path",
        "name is there more than once",
    }


def test_zeros_up_to_a_block_belong_to_the_archive() -> None:
    data = _new("a", b"x") + NEW_END
    assert _open(data + bytes(2000)).size == 512
    assert _open(data + bytes(20)).size == len(data) + 20
    assert _open(data + bytes(20) + b"x" * 600).size == len(data)


def test_an_archive_without_an_end_mark_is_read_up_to_what_is_no_file() -> None:
    first = _new("a", b"x")
    opened = _open(first + b"\xff" * 200)
    assert (opened.size, list(_entries(opened))) == (len(first), ["a"])
    assert opened.problems == ("the end mark is missing, and what stands there is no file: no cpio header at 0x74",)


def test_an_archive_cut_in_a_file_ends_before_it() -> None:
    data = _new("a", b"x") + _new("b", b"y" * 99)
    opened = _open(data[:-20])
    assert (opened.size, list(_entries(opened))) == (len(_new("a", b"x")), ["a"])
    assert "bytes wanted at" in opened.problems[0]


@pytest.mark.parametrize(
    "data",
    [
        b"070701" + b"0" * 104,
        b"070701" + b"0 " * 52 + b"\0\0",
        b"070701" + b"zz" * 52,
        b"070701" + b"\xff" * 104,
        b"070707" + b"8" * 70,
        b"070707" + b"x" * 70,
        b"070703" + b"0" * 104,
        _new("a", mode=0o000644),
        _new("a", name_bytes=5000) + bytes(6000),
        _new("a", name_bytes=1),
        _new("a\0b", b"x"),
        _new("a", size=1 << 31),
        b"07070",
    ],
)
def test_what_is_no_archive_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)


def test_files_and_folders_beyond_the_limit_are_not_listed_and_that_is_told() -> None:
    data = b"".join(_new(f"{n}", mode=FOLDER) for n in range(20))
    opened = _open(data + NEW_END, Limits(entries=5))
    assert (len(list(opened.entries)), opened.facts["folders"]) == (5, 5)
    assert opened.limits_hit == ("more than 5 files and folders, the rest was not listed",)
    assert _open(data + NEW_END, Limits(entries=20)).limits_hit == ()


def test_a_file_larger_than_allowed_is_refused() -> None:
    (entry,) = _open(_new("a", bytes(100)) + NEW_END).entries
    with pytest.raises(LimitExceeded):
        entry.read(99)


def _small_tree(folder: Path) -> dict[str, tuple[str, int, bytes]]:
    (folder / "etc" / "deep" / "deeper").mkdir(parents=True)
    (folder / "etc" / "empty").write_bytes(b"")
    (folder / "etc" / "deep" / "deeper" / "Größe 日.bin").write_bytes(bytes(range(256)) * 300)
    (folder / "su").write_bytes(b"su")
    (folder / "su").chmod(0o4755)
    (folder / "link").symlink_to("../etc/passwd")
    os.link(folder / "su", folder / "zu")
    os.mkfifo(folder / "pipe")
    return {str(path.relative_to(folder)): _told(path) for path in sorted(folder.rglob("*"))}


def _told(path: Path) -> tuple[str, int, bytes]:
    info = path.lstat()
    mode = stat.S_IMODE(info.st_mode)
    if path.is_symlink():
        return str(path.readlink()), mode, b""
    return "", mode, path.read_bytes() if path.is_file() else b""


def _packed(folder: Path, form: str) -> bytes:
    listed = "".join(f"{path.relative_to(folder)}\n" for path in sorted(folder.rglob("*"))).encode()
    return subprocess.run([CPIO, "-o", "-H", form], cwd=folder, input=listed, check=True, capture_output=True).stdout


@needs_cpio
@pytest.mark.parametrize("form", ["newc", "crc", "odc"])
def test_a_tree_packed_by_cpio_is_read_back(form: str, tmp_path: Path) -> None:
    tree = _small_tree(tmp_path)
    data = _packed(tmp_path, form)
    opened = _open(data)
    entries = _entries(opened)
    contents_of = {name: entry.read(1 << 20) for name, entry in entries.items()}
    for name, entry in entries.items():
        if entry.kind is EntryKind.HARD_LINK:
            contents_of[name] = contents_of[entry.target]
    links = {name for name, entry in entries.items() if entry.kind is EntryKind.SYMBOLIC_LINK}
    read = {
        name: (entry.target if name in links else "", entry.mode, contents_of[name])
        for name, entry in sorted(entries.items())
    }
    assert read == tree
    assert opened.problems == ()
    assert opened.size == len(data)
    assert opened.facts["hard_links"] == 1
    assert [v.valid for v in opened.integrity] == [True] * (form == "crc")
