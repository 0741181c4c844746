import io
import shutil
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.format import EntryKind, Opened
from firmware_checks.formats.tar import FORMAT
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.window import Window

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
PUMP = {"pump.bin": b"pump 1.2", "settings/rate.ini": b"rate = 5\n" * 100}

names = st.text("abcdefghijklmnop.-_/äß日", min_size=1, max_size=300).filter(
    lambda name: not name.endswith("/") and ".." not in name and not name.startswith("/") and len(name.encode()) < 600
)


def _open(data: bytes, *, limits: Limits = Limits()) -> Opened:  # noqa: B008  # frozen
    return FORMAT.open(Span("update.tar", Window.of(data)), limits)


def _read(opened: Opened) -> dict[str, bytes]:
    return {entry.name: entry.read(1 << 20) for entry in opened.entries}


def _info(name: str, size: int = 0, **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    for key, value in fields.items():
        setattr(info, key, value)
    return info


def _tar(*infos: tarfile.TarInfo, data: bytes = b"", form: int = tarfile.GNU_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        for info in infos:
            archive.addfile(info, io.BytesIO(data) if info.size else None)
    return file.getvalue()


def _of(files: dict[str, bytes], form: int = tarfile.GNU_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        for name, data in files.items():
            archive.addfile(_info(name, len(data)), io.BytesIO(data))
    return file.getvalue()


def _fixed(data: bytes, at: int, field: bytes, *, header: int = 0) -> bytes:
    """Put ``field`` into a header and make its check sum right again."""
    changed = bytearray(data)
    changed[header + at : header + at + len(field)] = field
    changed[header + 148 : header + 156] = b" " * 8
    total = sum(changed[header : header + 512])
    changed[header + 148 : header + 156] = b"%06o\0 " % total
    return bytes(changed)


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@given(files=st.dictionaries(names, st.binary(max_size=1100), min_size=1, max_size=4), after=st.binary(max_size=30))
def test_what_is_packed_is_read_back_and_what_follows_is_left_outside(
    form: int, files: dict[str, bytes], after: bytes
) -> None:
    data = _of(files, form)
    opened = _open(data + after)
    assert opened.size == len(data)
    assert [entry.read(1 << 20) for entry in opened.entries] == list(files.values())
    assert [v.valid for v in opened.integrity] == [True]
    assert not any("cut" in problem for problem in opened.problems)


def test_a_name_in_two_halves_is_put_together() -> None:
    name = "folder/" * 20 + "pump.bin"
    assert list(_read(_open(_of({name: b"x"}, tarfile.USTAR_FORMAT)))) == [name]


@pytest.mark.parametrize("form", FORMATS)
def test_links_are_told_and_never_followed(form: int) -> None:
    data = _tar(
        _info("a", type=tarfile.SYMTYPE, linkname="pump.bin"),
        _info("b", type=tarfile.SYMTYPE, linkname="../../etc/passwd"),
        _info("c", type=tarfile.LNKTYPE, linkname="/etc/passwd"),
        form=form,
    )
    opened = _open(data)
    assert [(e.name, e.kind, e.target, e.read(9)) for e in opened.entries] == [
        ("a", EntryKind.SYMBOLIC_LINK, "pump.bin", b""),
        ("b", EntryKind.SYMBOLIC_LINK, "../../etc/passwd", b""),
        ("c", EntryKind.HARD_LINK, "/etc/passwd", b""),
    ]
    assert opened.facts["links"] == ("a -> pump.bin", "b -> ../../etc/passwd", "c -> /etc/passwd")
    assert opened.facts["symbolic_links"] == 2
    assert opened.facts["hard_links"] == 1
    assert opened.problems == (
        "link points out of the folder it is unpacked to: 'b -> ../../etc/passwd', 'c -> /etc/passwd'",
    )


def test_many_links_are_counted_and_the_first_told() -> None:
    data = _tar(*[_info(f"{n}", type=tarfile.SYMTYPE, linkname="x" * 150) for n in range(30)])
    opened = _open(data)
    assert opened.facts["symbolic_links"] == 30
    links = opened.facts["links"]
    assert isinstance(links, tuple)
    assert len(links) == 20


def test_folders_devices_pipes_and_privileges_are_counted() -> None:
    data = _tar(
        _info("folder", type=tarfile.DIRTYPE),
        _info("dev/mem", type=tarfile.CHRTYPE, devmajor=1, devminor=1),
        _info("pipe", type=tarfile.FIFOTYPE),
        _info("bin/su", 4, mode=0o4755),
        data=b"root",
    )
    opened = _open(data)
    assert opened.facts == {"files": 1, "devices": 1, "folders": 1, "pipes": 1, "set_user_or_group_id": 1}


def test_names_made_to_fool_are_told_and_shown_as_they_are() -> None:
    opened = _open(_of({"../pump\x1b.bin": b"1", "/etc/passwd": b"2"}))
    assert {problem.partition(":")[0] for problem in opened.problems} == {
        "name leads out of the folder it is unpacked to",
        "name has hidden characters",
        "name is an absolute path",
    }
    assert [entry.name for entry in opened.entries] == ["../pump\\x1b.bin", "/etc/passwd"]


def test_two_files_with_one_name_are_told() -> None:
    opened = _open(_tar(_info("a", 1), _info("a", 1), data=b"x"))
    assert opened.problems == ("name is there more than once: 'a'",)


def test_a_later_header_with_a_wrong_check_sum_ends_the_reading_with_a_verdict() -> None:
    data = bytearray(_of(PUMP))
    data[1024 + 3] ^= 1
    opened = _open(bytes(data))
    assert _read(opened) == {"pump.bin": b"pump 1.2"}
    assert [v.valid for v in opened.integrity] == [True, False]
    assert opened.problems == ("the rest was not read: tar header check sum is wrong at 0x400",)
    assert opened.size == 1024


def test_a_first_header_with_a_wrong_check_sum_is_no_tar() -> None:
    data = bytearray(_of(PUMP))
    data[3] ^= 1
    with pytest.raises(FormatError, match="check sum is wrong at 0x0"):
        _open(bytes(data))


def test_a_check_sum_of_signed_bytes_is_right_too() -> None:
    data = bytearray(_of({"Ger\xe4t": b"x"}))
    computed = sum(data[:148]) + 8 * 32 + sum(data[156:512])
    high = sum(byte >= 128 for byte in data[:512])
    data[148:156] = b"%06o\0 " % (computed - 256 * high)
    assert _open(bytes(data)).integrity[0].valid


def test_an_archive_cut_in_a_file_says_so_when_the_file_is_read() -> None:
    data = _of(PUMP)[:1800]
    opened = _open(data)
    assert opened.size == 1800
    assert opened.problems == ("the end mark is missing: the archive may be cut short",)
    first, second = opened.entries
    assert first.read(10) == b"pump 1.2"
    with pytest.raises(FormatError):
        second.read(1000)


def test_a_file_larger_than_allowed_is_refused() -> None:
    (entry,) = _open(_of({"a": bytes(100)})).entries
    with pytest.raises(LimitExceeded):
        entry.read(99)


def test_zeros_at_the_end_belong_to_the_archive_up_to_a_record() -> None:
    data = _of(PUMP)
    assert len(data) == 10_240
    assert _open(data + bytes(5000)).size == 10_240
    assert _open(data[:3072] + b"\xff" * 9000).size == 3072
    assert _open(data[:3000]).size == 3000 // 512 * 512


def test_a_size_in_binary_is_read_and_an_impossible_one_leads_nowhere() -> None:
    data = _of({"a": bytes(100)})
    assert _read(_open(_fixed(data, 124, b"\x80" + (100).to_bytes(11, "big")))) == {"a": bytes(100)}
    huge = _open(_fixed(data, 124, b"\x80" + b"\xff" * 11))
    assert huge.size == len(data)
    with pytest.raises(LimitExceeded):
        next(iter(huge.entries)).read(1 << 20)


@pytest.mark.parametrize("size", [b"\xff" * 12, b"00000000009\0", b"x" * 12])
def test_a_size_that_is_no_number_is_refused(size: bytes) -> None:
    with pytest.raises(FormatError):
        _open(_fixed(_of({"a": b"x"}), 124, size))


def test_an_empty_size_is_zero() -> None:
    assert _read(_open(_fixed(_of({"a": b""}), 124, bytes(12)))) == {"a": b""}


def test_a_link_that_claims_to_have_content_is_told() -> None:
    data = _fixed(_tar(_info("a", type=tarfile.SYMTYPE, linkname="b"), _info("c", 1), data=b"x"), 124, b"00000000777\0")
    opened = _open(data)
    assert any("claims to have content" in problem for problem in opened.problems)
    assert _read(opened) == {"a": b"", "c": b"x"}


def test_sparse_files_are_refused_and_what_follows_is_read() -> None:
    sparse = _fixed(_of({"sparse": bytes(100), "after": b"x"}), 156, b"S")
    opened = _open(sparse)
    assert opened.problems == ("is stored with holes (sparse), which is not read: 'sparse'",)
    first, second = opened.entries
    with pytest.raises(FormatError, match="sparse"):
        first.read(1000)
    assert second.read(10) == b"x"


def test_a_sparse_map_in_further_blocks_is_skipped() -> None:
    data = _of({"sparse": b"", "after": b"x"})
    with_map = _fixed(_fixed(data, 156, b"S"), 482, b"\1")
    more = bytearray(512)
    more[504] = 1
    opened = _open(with_map[:512] + bytes(more) + bytes(512) + with_map[512:])
    assert [entry.name for entry in opened.entries] == ["sparse", "after"]


def test_a_sparse_file_in_pax_records_is_refused() -> None:
    info = _info("sparse", 4, pax_headers={"GNU.sparse.major": "1"})
    opened = _open(_tar(info, data=b"1234", form=tarfile.PAX_FORMAT))
    assert any("sparse" in problem for problem in opened.problems)


def test_a_size_in_pax_records_counts() -> None:
    data = _tar(_info("a", 4, pax_headers={"size": "3"}), data=b"1234", form=tarfile.PAX_FORMAT)
    assert _read(_open(data)) == {"a": b"123"}


def test_global_pax_records_hold_for_all() -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"path": "b"}) as archive:
        archive.addfile(_info("a", 1), io.BytesIO(b"x"))
    assert _read(_open(file.getvalue())) == {"b": b"x"}


@pytest.mark.parametrize(
    "records",
    [b"9 path=b", b"x path=b\n", b"0 path=b\n", b"7 path\n", b"999 path=b\n", b"14 size=three\n", b"11 path=b\n"],
)
def test_malformed_pax_records_are_told_and_left_out(records: bytes) -> None:
    opened = _open(_fixed(_of({"x": records, "a": b"x"}), 156, b"x"))
    assert list(_read(opened)) == ["a"]
    assert any("pax record" in problem for problem in opened.problems)


def test_an_extension_header_cut_short_ends_the_reading() -> None:
    data = _of({"first": b"1"})[:1024] + _fixed(_of({"x": bytes(900)}), 156, b"x")[:700]
    opened = _open(data)
    assert list(_read(opened)) == ["first"]
    assert any("the rest was not read" in problem for problem in opened.problems)


def test_an_extension_header_without_measure_is_skipped_and_told() -> None:
    data = _fixed(_of({"x": bytes(70_000), "a": b"x"}), 156, b"x")
    opened = _open(data)
    assert _read(opened) == {"a": b"x"}
    assert opened.problems == ("extension header is too long and was not read: '70000 bytes'",)


def test_files_and_folders_beyond_the_limit_are_not_listed_and_that_is_told() -> None:
    data = _tar(*[_info(f"{n}", type=tarfile.DIRTYPE) for n in range(20)])
    opened = _open(data, limits=Limits(entries=5))
    assert (len(list(opened.entries)), opened.facts["folders"]) == (5, 5)
    assert opened.limits_hit == ("more than 5 files and folders, the rest was not listed",)
    assert _open(data, limits=Limits(entries=20)).limits_hit == ()


def test_headers_without_end_are_left() -> None:
    extension = _fixed(_of({"x": b""}), 156, b"x")[:512]
    assert "the rest was not read" in _open(extension * 20, limits=Limits(entries=5)).problems[0]


@pytest.mark.parametrize("data", [b"", bytes(600), b"x" * 600])
def test_other_bytes_are_no_tar(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)


def test_a_folder_of_an_old_writer_is_told_by_its_name() -> None:
    opened = _open(_fixed(_of({"folderx": b"", "a": b"x"}), 6, b"/"))
    assert [(e.name, e.kind) for e in opened.entries] == [("folder", EntryKind.FOLDER), ("a", EntryKind.FILE)]


@pytest.mark.parametrize("form", FORMATS)
def test_rights_owner_time_and_kind_are_read(form: int) -> None:
    data = _tar(
        _info("./", type=tarfile.DIRTYPE),
        _info("./bin", type=tarfile.DIRTYPE, mode=0o1777),
        _info("./bin/su", 4, mode=0o4755, uid=7, gid=8, mtime=99),
        _info("./bin/sh", type=tarfile.LNKTYPE, linkname="./bin/su"),
        _info("dev/mem", type=tarfile.CHRTYPE, devmajor=1, devminor=2),
        _info("dev/sda", type=tarfile.BLKTYPE, devmajor=8, devminor=0),
        _info("pipe", type=tarfile.FIFOTYPE),
        data=b"root",
        form=form,
    )
    entries = {entry.name: entry for entry in _open(data).entries}
    assert [(e.name, e.kind, e.device, e.target) for e in entries.values()] == [
        ("bin", EntryKind.FOLDER, None, ""),
        ("bin/su", EntryKind.FILE, None, ""),
        ("bin/sh", EntryKind.HARD_LINK, None, "bin/su"),
        ("dev/mem", EntryKind.CHARACTER_DEVICE, (1, 2), ""),
        ("dev/sda", EntryKind.BLOCK_DEVICE, (8, 0), ""),
        ("pipe", EntryKind.PIPE, None, ""),
    ]
    su = entries["bin/su"]
    assert (su.mode, su.uid, su.gid, su.modified_s) == (0o4755, 7, 8, 99)
    assert entries["bin"].mode == 0o1777


def test_owner_and_time_of_an_extension_header_come_first_and_may_have_decimals() -> None:
    headers = {"uid": "4000000000", "gid": "x", "mtime": "1577836800.25", "SCHILY.xattr.security.capability": "\1\2"}
    (entry,) = _open(_tar(_info("a", gid=9, pax_headers=headers), form=tarfile.PAX_FORMAT)).entries
    assert (entry.uid, entry.gid, entry.modified_s) == (4_000_000_000, 9, 1_577_836_800)
    assert entry.extended == {"security.capability": b"\1\2"}


def test_an_owner_that_is_no_number_is_not_known() -> None:
    (entry,) = _open(_fixed(_of({"a": b""}), 108, b"nobody!\0")).entries
    assert (entry.uid, entry.gid) == (None, 0)


TAR = shutil.which("tar") or ""


@pytest.mark.skipif(not TAR, reason="tar is not installed (Debian package tar)")
@pytest.mark.parametrize("form", ["ustar", "gnu", "pax"])
def test_a_tree_packed_by_tar_is_read_back(form: str, tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    (folder / "etc" / "deep").mkdir(parents=True)
    (folder / "etc" / "empty").write_bytes(b"")
    (folder / "etc" / "deep" / ("name " * 18)).write_bytes(bytes(range(256)) * 300)
    (folder / "su").write_bytes(b"su")
    (folder / "su").chmod(0o4755)
    (folder / "zlink").symlink_to("../etc/passwd")
    subprocess.run([TAR, f"--format={form}", "-cf", tmp_path / "out", "-C", folder, "."], check=True)
    opened = _open((tmp_path / "out").read_bytes())
    entries = {entry.name: entry for entry in opened.entries}
    paths = {str(path.relative_to(folder)): path for path in folder.rglob("*")}
    assert entries.keys() == paths.keys()
    for name, path in paths.items():
        entry, info = entries[name], path.lstat()
        assert entry.read(1 << 20) == (path.read_bytes() if entry.kind is EntryKind.FILE else b"")
        assert entry.mode == stat.S_IMODE(info.st_mode)
        assert entry.modified_s == int(info.st_mtime)
        assert (entry.uid, entry.gid) == (info.st_uid, info.st_gid)
    assert entries["zlink"].target == "../etc/passwd"
