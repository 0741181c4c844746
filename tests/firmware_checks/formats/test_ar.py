import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.format import Opened
from firmware_checks.formats.ar import FORMAT, MAGIC
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.window import Window

AR, DPKG_DEB = shutil.which("ar") or "", shutil.which("dpkg-deb") or ""
CONTROL = "Package: pump\nVersion: 1.2-3\nArchitecture: armhf\nDescription: infusion\n over hours\n"

names = st.text("abcdefghijklmnop.-_", min_size=1, max_size=14).filter(lambda n: n[0] not in ".-_" and ".." not in n)


def _open(data: bytes, *, limits: Limits = Limits()) -> Opened:  # noqa: B008  # frozen
    return FORMAT.open(Span("update.a", Window.of(data)), limits)


def _read(opened: Opened) -> dict[str, bytes]:
    return {entry.name: entry.read(1 << 24) for entry in opened.entries}


def _member(name: str | bytes, data: bytes, *, size: bytes | None = None, mode: bytes = b"100755") -> bytes:
    name = name.encode() if isinstance(name, str) else name
    size = str(len(data)).encode() if size is None else size
    head = b"%-16s%-12s%-6s%-6s%-8s%-10s`\n" % (name, b"1577836800", b"1000", b"50", mode, size)
    return head + data + b"\n" * (len(data) % 2)


def _tar(files: dict[str, bytes], mode: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def _package(control: bytes, *more: bytes) -> bytes:
    members = [_member("debian-binary", b"2.0\n"), _member("control.tar.gz", control), *more]
    return MAGIC + b"".join(members)


@given(st.dictionaries(names, st.binary(max_size=100), min_size=1, max_size=5), st.booleans(), st.binary(max_size=20))
def test_what_is_packed_is_read_back_and_what_follows_is_left_outside(
    files: dict[str, bytes], slashes: bool, after: bytes
) -> None:
    data = MAGIC + b"".join(_member(name + "/" * slashes, content) for name, content in files.items())
    opened = _open(data + after)
    assert opened.size == len(data)
    assert _read(opened) == files
    assert opened.problems == ()
    assert all((e.mode, e.uid, e.gid, e.modified_s) == (0o755, 1000, 50, 1_577_836_800) for e in opened.entries)


def test_long_names_of_both_kinds_are_read() -> None:
    table = b"a-very-long-name-of-an-object.o/\nanother-very-long-name.o/\n"
    gnu = MAGIC + _member("//", table) + _member("/0", b"1") + _member(f"/{table.index(b'another')}", b"22")
    assert _read(_open(gnu)) == {"a-very-long-name-of-an-object.o": b"1", "another-very-long-name.o": b"22"}
    name = b"a-very-long-name-of-an-object.o\0\0\0\0\0"
    bsd = MAGIC + _member(f"#1/{len(name)}", name + b"content") + _member("x", b"")
    assert _read(_open(bsd)) == {"a-very-long-name-of-an-object.o": b"content", "x": b""}


def test_symbol_tables_are_counted() -> None:
    opened = _open(MAGIC + _member("/", b"\0\0\0\0") + _member("__.SYMDEF", b"xx") + _member("pump.o/", b"1"))
    assert opened.facts == {"files": 1, "symbol_tables": 2}
    assert opened.title == "ar archive"
    assert list(_open(MAGIC + _member("/", b"\0\0\0\0")).entries) == []


@pytest.mark.parametrize("compression", ["w:gz", "w:xz", "w:bz2", "w"])
def test_a_debian_package_is_told_with_what_its_control_file_says(compression: str) -> None:
    control = _tar({"./md5sums": b"", "./control": CONTROL.encode()}, compression)
    opened = _open(_package(control, _member("data.tar", b"x")))
    assert opened.title == "Debian package"
    assert opened.facts == {
        "files": 3,
        "package_format": "2.0",
        "package": "pump",
        "version": "1.2-3",
        "architecture": "armhf",
        "signed": False,
    }


def test_a_signed_debian_package_is_told() -> None:
    assert _open(_package(b"", _member("_gpgorigin", b"signature"))).facts["signed"] is True


@pytest.mark.parametrize("control", [b"no archive", _tar({"./control": bytes(9 << 20)}, "w:gz"), bytes(9 << 20)])
def test_a_control_archive_that_cannot_be_read_tells_nothing(control: bytes) -> None:
    assert _open(_package(control)).facts == {"files": 2, "package_format": "2.0", "signed": False}


def test_names_made_to_fool_are_told() -> None:
    opened = _open(MAGIC + _member("../pump\x1b", b"1") + _member("a", b"") + _member("a", b""))
    assert {problem.partition(":")[0] for problem in opened.problems} == {
        "name leads out of the folder it is unpacked to",
        "name has hidden characters",
        "name is there more than once",
    }


def test_a_cut_archive_gives_what_is_there_and_says_so() -> None:
    first = MAGIC + _member("a", b"1234")
    opened = _open(first + _member("b", bytes(100))[:-1])
    assert (opened.size, _read(opened)) == (len(first), {"a": b"1234"})
    assert "the rest was not read" in opened.problems[0]


@pytest.mark.parametrize(
    "member",
    [
        _member("b", b"", size=b"x"),
        _member("b", b"", size=b"9999999999"),
        _member("#1/9", b"123"),
        _member("b", b"", mode=b"9"),
    ],
)
def test_a_member_that_is_impossible_ends_the_reading(member: bytes) -> None:
    opened = _open(MAGIC + _member("a", b"1") + member)
    assert list(_read(opened)) == ["a"]
    assert len(opened.problems) == 1
    with pytest.raises(FormatError):
        _open(MAGIC + member)


@pytest.mark.parametrize("data", [MAGIC, MAGIC + bytes(60), b"!<thin>\n" + _member("a", b""), MAGIC + b"x" * 200])
def test_what_is_no_ar_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)


def test_members_beyond_the_limit_are_left_and_large_ones_refused() -> None:
    opened = _open(MAGIC + _member("a", b"1234") * 20, limits=Limits(entries=5))
    assert len(list(opened.entries)) == 5
    assert opened.limits_hit == ("more than 5 files, the rest was not listed",)
    with pytest.raises(LimitExceeded):
        next(iter(opened.entries)).read(3)


@pytest.mark.skipif(not AR, reason="ar is not installed (Debian package binutils)")
@pytest.mark.parametrize("options", ["rcD", "rcS", "rcU"])
def test_what_the_ar_program_packs_is_read_back(options: str, tmp_path: Path) -> None:
    files = {"pump.bin": b"pump", "a-long-name-for-a-member.txt": b"text\n", "x": b"", "fifteen-letters": b"123"}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    subprocess.run([AR, options, "out.a", *files], cwd=tmp_path, check=True)
    data = (tmp_path / "out.a").read_bytes()
    opened = _open(data)
    assert (opened.size, _read(opened)) == (len(data), files)


@pytest.mark.skipif(not DPKG_DEB, reason="dpkg-deb is not installed (Debian package dpkg)")
@pytest.mark.parametrize("compression", ["gzip", "xz", "zstd", "none"])
def test_what_dpkg_deb_packs_is_read(compression: str, tmp_path: Path) -> None:
    (tmp_path / "p" / "DEBIAN").mkdir(parents=True)
    (tmp_path / "p" / "pump.bin").write_bytes(b"pump")
    control = CONTROL + "Maintainer: Nobody <nobody@example.org>\n"
    (tmp_path / "p" / "DEBIAN" / "control").write_text(control, encoding="utf-8")
    subprocess.run(
        [DPKG_DEB, f"-Z{compression}", "--uniform-compression", "-b", "p", "out.deb"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    data = (tmp_path / "out.deb").read_bytes()
    opened = _open(data)
    assert (opened.size, opened.title, opened.facts["version"]) == (len(data), "Debian package", "1.2-3")
