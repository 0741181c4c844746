import random
import shutil
import struct
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.format import Opened
from firmware_checks.formats.cab import FORMAT, LZX_BYTES, MSZIP, STORED, VERDICTS, build_cabinet, check_sum
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.window import Window

GCAB, CABEXTRACT = shutil.which("gcab") or "", shutil.which("cabextract") or ""
NOISE = random.Random(1).randbytes(70_000)  # noqa: S311  # filler, not a secret
FILES = {"a.txt": b"rate=5\n" * 9000, "b/empty": b"", "b/noise.bin": NOISE}
FOLDER_AT, HEADER_BYTES = 36, 36


def _open(data: bytes, *, limits: Limits = Limits()) -> Opened:  # noqa: B008  # frozen
    return FORMAT.open(Span("update.cab", Window.of(data)), limits)


def _contents(opened: Opened) -> dict[str, bytes]:
    return {entry.name: entry.read(1 << 28) for entry in opened.entries}


def _changed(data: bytes, at: int, field: bytes) -> bytes:
    return data[:at] + field + data[at + len(field) :]


def _data_at(data: bytes) -> int:
    return int.from_bytes(data[FOLDER_AT : FOLDER_AT + 4], "little")


@given(
    st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.binary(max_size=3000), max_size=4),
    st.sampled_from((STORED, MSZIP)),
    st.integers(1, 30),
)
def test_what_is_packed_is_read_back(files: dict[str, bytes], compression: int, repeats: int) -> None:
    files = {"first": b"x", **{name: content * repeats for name, content in files.items()}}
    data = build_cabinet(files, compression=compression)
    opened = _open(data + b"after")
    assert opened.size == len(data)
    assert _contents(opened) == files
    assert [verdict.valid for verdict in opened.integrity] == [True]
    assert opened.problems == ()


def test_files_in_several_blocks_are_read_in_any_order() -> None:
    opened = _open(build_cabinet(FILES, compression=MSZIP))
    entries = list(opened.entries)
    for entry in [*reversed(entries), *entries]:
        assert entry.read(1 << 20) == FILES[entry.name]
    assert opened.facts["methods"] == ("MSZIP",)
    assert opened.facts["checked_blocks"] == 5


def test_time_and_attributes_are_told() -> None:
    entry = next(iter(_open(build_cabinet({"a": b"1"})).entries))
    assert entry.modified_s == datetime(2020, 1, 1, 12, tzinfo=UTC).timestamp()
    assert entry.extended == {"dos.attributes": b"a"}


def test_the_check_sum_takes_left_over_bytes_big_endian() -> None:
    assert check_sum(struct.pack("<3I", 1, 2, 4) + b"\x01\x02\x03", 0x1000_0000) == 0x1001_0204


def test_a_wrong_check_sum_is_a_verdict_and_the_content_is_there() -> None:
    data = build_cabinet(FILES)
    opened = _open(_changed(data, _data_at(data) + 8, b"X"))
    assert [verdict.valid for verdict in opened.integrity] == [False]
    assert _contents(opened)["a.txt"] == b"X" + FILES["a.txt"][1:]


def test_blocks_without_a_check_sum_have_no_verdict_and_not_all_wrong_ones_are_told() -> None:
    data = build_cabinet({"a": bytes(1)}, blocks=[(b"\0", 1)])
    assert _open(_changed(data, _data_at(data), bytes(4))).integrity == ()
    many = bytearray(build_cabinet({"a": bytes(40)}, blocks=[(b"\0", 1)] * 40))
    for block in range(40):
        many[_data_at(many) + 9 * block] ^= 1
    assert len(_open(bytes(many)).integrity) == VERDICTS


def test_a_damaged_block_is_refused_every_time_and_the_files_before_it_are_read() -> None:
    numbers = " ".join(str(number) for number in range(9000)).encode()
    data = bytearray(build_cabinet({"a": bytes(40_000), "b": numbers}, compression=MSZIP))
    data[-4000:-3000] = b"\xff" * 1000
    first, second = _open(bytes(data)).entries
    assert first.read(1 << 20) == bytes(40_000)
    for _ in range(2):
        with pytest.raises(FormatError, match=r"MSZIP block is damaged|instead of"):
            second.read(1 << 20)


def test_a_block_of_another_size_than_announced_or_without_its_signature_is_refused() -> None:
    for blocks, match in ([(b"CK\x03\x00", 9)], "unpacks to 0 bytes instead of 9"), ([(b"PK\x03\x00", 9)], "signature"):
        (entry,) = _open(build_cabinet({"a": bytes(9)}, compression=MSZIP, blocks=blocks)).entries
        with pytest.raises(FormatError, match=match):
            entry.read(100)


@pytest.mark.parametrize(("compression", "name"), [(2, "Quantum"), (7, "method 7")])
def test_what_is_packed_in_another_way_is_listed_and_not_read(compression: int, name: str) -> None:
    opened = _open(build_cabinet({"a": bytes(9)}, compression=compression))
    assert opened.facts["methods"] == (name,)
    (entry,) = opened.entries
    with pytest.raises(FormatError, match=f"compressed with {name}, which is not read"):
        entry.read(100)


def test_an_lzx_folder_with_a_short_block_in_the_middle_is_refused() -> None:
    (entry,) = _open(build_cabinet({"a": bytes(9)}, compression=0x0F03, blocks=[(b"ab", 5), (b"cd", 4)])).entries
    with pytest.raises(FormatError, match="short block"):
        entry.read(100)


def test_an_uncompressed_lzx_folder_is_read() -> None:
    block = b"\x00\x30\x40\x00" + struct.pack("<3I", 1, 1, 1) + b"abcd"
    (entry,) = _open(build_cabinet({"a": b"abcd"}, compression=0x0F03, blocks=[(block, 4)])).entries
    assert entry.read(100) == b"abcd"


def test_a_file_beyond_what_may_be_unpacked_is_refused() -> None:
    data = build_cabinet(FILES)
    with pytest.raises(LimitExceeded, match="more than 10 bytes"):
        next(iter(_open(data).entries)).read(10)
    *_, last = _open(data, limits=Limits(entry_bytes=80_000)).entries
    with pytest.raises(LimitExceeded, match="beyond the first 80000 bytes of its folder"):
        last.read(1 << 20)
    lzx = build_cabinet({"a": bytes(9)}, compression=0x0F03)
    (entry,) = _open(_changed(lzx, 44, struct.pack("<2I", 9, LZX_BYTES))).entries
    with pytest.raises(LimitExceeded, match="of its folder"):
        entry.read(100)


def test_files_that_begin_elsewhere_or_end_in_the_next_cabinet_say_so() -> None:
    data = build_cabinet({"a": b"12345678"})
    for folder, match in ((0xFFFD, "previous cabinet"), (0xFFFF, "previous cabinet"), (7, "lies in folder 7")):
        (entry,) = _open(_changed(data, 52, struct.pack("<H", folder))).entries
        with pytest.raises(FormatError, match=match):
            entry.read(100)
    cut = _changed(_changed(data, 52, struct.pack("<H", 0xFFFE)), _data_at(data) + 6, bytes(2))
    (entry,) = _open(cut).entries
    with pytest.raises(FormatError, match="goes on in another cabinet"):
        entry.read(100)


def _with_head(data: bytes, flags: int, head: bytes) -> bytes:
    """Return the cabinet with optional fields after its fixed header and everything moved by their length."""
    moved = bytearray(data[:HEADER_BYTES] + head + data[HEADER_BYTES:])
    for at in (8, 16, HEADER_BYTES + len(head)):
        struct.pack_into("<I", moved, at, int.from_bytes(moved[at : at + 4], "little") + len(head))
    struct.pack_into("<H", moved, 30, flags)
    return bytes(moved)


def test_the_other_cabinets_of_a_set_are_named() -> None:
    data = _with_head(build_cabinet({"a": b"1"}), 3, b"one.cab\0Disk 1\0three.cab\0Disk 3\0")
    opened = _open(data)
    assert (opened.facts["previous_cabinet"], opened.facts["next_cabinet"]) == ("one.cab", "three.cab")
    assert len(opened.problems) == 2
    assert _contents(opened) == {"a": b"1"}


def test_a_signature_behind_the_cabinet_belongs_to_it() -> None:
    plain = build_cabinet({"a": b"1"})
    size = len(plain) + 24
    head = struct.pack("<H2B5I", 20, 0, 0, 0x0010_0000, size, 500, 0, 0)
    signed = _with_head(plain, 4, head) + b"\x30" * 500
    opened = _open(signed + b"after")
    assert opened.size == len(signed)
    assert opened.facts["signed"] is True
    assert [(p.start, p.end, p.title) for p in opened.parts] == [(size, size + 500, "Authenticode signature")]
    assert _contents(opened) == {"a": b"1"}
    cut = _open(signed[:-1])
    assert (cut.size, cut.parts) == (size, ())


def test_an_empty_place_for_a_signature_is_told_and_other_reserves_are_not() -> None:
    plain = build_cabinet({"a": b"1"})
    empty = _with_head(plain, 4, struct.pack("<H2B5I", 20, 0, 0, 0x0010_0000, 0, 0, 0, 0))
    assert _open(empty).facts["signed"] is False
    for head in (struct.pack("<H2B5I", 20, 0, 0, 7, 0, 0, 0, 0), struct.pack("<H2B", 4, 0, 0) + b"abcd"):
        assert "signed" not in _open(_with_head(plain, 4, head)).facts


def test_a_cut_cabinet_gives_the_files_that_are_there() -> None:
    data = build_cabinet(FILES)
    opened = _open(data[:-20_000])
    assert opened.problems[0] == "the file is cut short: 20000 bytes are missing"
    assert "data of folder 0 is not complete" in opened.problems[1]
    first, _, last = opened.entries
    assert first.read(1 << 20) == FILES["a.txt"]
    with pytest.raises(FormatError, match="only"):
        last.read(1 << 20)


def test_names_are_taken_as_folders_and_judged() -> None:
    opened = _open(build_cabinet({"..\\system32\\evil.dll": b"1", "ok": b"2"}))
    assert next(iter(opened.entries)).name == "../system32/evil.dll"
    assert "name leads out of the folder it is unpacked to" in opened.problems[0]


def test_a_list_of_files_that_ends_early_is_told() -> None:
    data = build_cabinet({"a": b"1", "b" * 300: b"2"})
    opened = _open(data)
    assert [entry.name for entry in opened.entries] == ["a"]
    assert "the list of files ends early: a name in the cabinet" in opened.problems[0]
    cut = _open(_changed(data, 28, b"\xff\xff"))
    assert "ends early" in cut.problems[0]


def test_folders_that_all_claim_the_same_blocks_end_quickly() -> None:
    blocks = b"".join(struct.pack("<I2H", 0, 0, 1) for _ in range(20_000))
    folders = 2000
    data_at = HEADER_BYTES + 8 * folders + 18
    header = struct.pack("<4s5I2B5H", b"MSCF", 0, data_at + len(blocks), 0, data_at - 18, 0, 3, 1, folders, 1, 0, 0, 0)
    file = struct.pack("<2I4H", 1, 0, 0, 0, 0, 0) + b"a\0"
    opened = _open(header + struct.pack("<I2H", data_at, 20_000, 0) * folders + file + blocks)
    assert any("lie on those of another folder" in problem for problem in opened.problems)


@pytest.mark.parametrize(
    "data",
    [
        b"MSCF" + bytes(60),
        build_cabinet({"a": b"1"})[:30],
        _changed(build_cabinet({"a": b"1"}), 25, b"\2"),
        _changed(build_cabinet({"a": b"1"}), 16, bytes(4)),
        _changed(build_cabinet({"a": b"1"}), 26, b"\xff\xff"),
        bytes(100),
    ],
)
def test_what_is_no_cabinet_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)


@pytest.mark.skipif(not GCAB, reason="gcab is not installed")
@pytest.mark.parametrize("options", [["-c"], ["-cz"]])
def test_a_cabinet_of_gcab_is_read(options: list[str], tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name, content in {"a.txt": b"rate=5\n" * 9000, "deep/noise.bin": NOISE, "empty": b""}.items():
        (tmp_path / name).write_bytes(content)
    subprocess.run([GCAB, *options, "x.cab", "a.txt", "deep/noise.bin", "empty"], cwd=tmp_path, check=True)
    opened = _open((tmp_path / "x.cab").read_bytes())
    assert opened.problems == ()
    assert all(verdict.valid for verdict in opened.integrity)
    contents = _contents(opened)
    assert set(contents.values()) == {b"rate=5\n" * 9000, NOISE, b""}


@pytest.mark.skipif(not CABEXTRACT, reason="cabextract is not installed")
def test_cabextract_reads_our_cabinet(tmp_path: Path) -> None:
    (tmp_path / "x.cab").write_bytes(build_cabinet(FILES, compression=MSZIP))
    subprocess.run([CABEXTRACT, "-q", "-d", tmp_path / "out", tmp_path / "x.cab"], check=True, capture_output=True)
    for name, content in FILES.items():
        assert (tmp_path / "out" / name).read_bytes() == content
