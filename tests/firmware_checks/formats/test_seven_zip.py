import bz2
import lzma
import random
import shutil
import struct
import subprocess
import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_checks.format import EntryKind, Opened
from firmware_checks.formats.seven_zip import FORMAT, HEADER_BYTES, MAGIC
from firmware_checks.readers.seven_zip_header import MOST_THINGS, Coder, Folder, HeaderBytes
from firmware_checks.readers.seven_zip_stream import KEPT_BYTES, STEP_BYTES, FolderStream, lzma_chain
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.window import Window

SEVEN_ZIP = shutil.which("7z") or shutil.which("7zz") or ""
TEXT = " ".join(str(number) for number in range(20_000)).encode()
NOISE = random.Random(3).randbytes(50_000)  # noqa: S311  # filler, not a secret
LZMA1 = {"id": lzma.FILTER_LZMA1, "dict_size": 1 << 16, "lc": 3, "lp": 0, "pb": 2}
LZMA2 = {"id": lzma.FILTER_LZMA2, "dict_size": 1 << 16}
LZMA1_CODER = ("030101", b"\x5d\x00\x00\x01\x00")

Coders = Sequence[tuple[str, bytes]]


def _open(data: bytes, *, limits: Limits = Limits()) -> Opened:  # noqa: B008  # frozen
    return FORMAT.open(Span("update.7z", Window.of(data)), limits)


def _read(opened: Opened) -> dict[str, bytes]:
    return {e.name: e.read(1 << 28) for e in opened.entries if e.kind is EntryKind.FILE}


def _number(value: int) -> bytes:
    return bytes([value]) if value < 0x80 else b"\xff" + value.to_bytes(8, "little")


def _start(header: bytes, offset: int, *, crc: int | None = None) -> bytes:
    tail = struct.pack("<QQI", offset, len(header), zlib.crc32(header) if crc is None else crc)
    return MAGIC + struct.pack("<BBI", 0, 4, zlib.crc32(tail)) + tail


def _folder(coders: Coders) -> bytes:
    """Write the steps as programs do: the first gives the files, and each is fed by the next."""
    data = _number(len(coders))
    for method, properties in coders:
        number = bytes.fromhex(method)
        data += bytes([len(number) | (0x20 if properties else 0)]) + number
        data += _number(len(properties)) + properties if properties else b""
    return data + b"".join(_number(n) + _number(n + 1) for n in range(len(coders) - 1))


def _streams(packed: bytes, coders: Coders, sizes: Sequence[int], *, position: int = 0) -> bytes:
    pack = b"\x06" + _number(position) + b"\x01\x09" + _number(len(packed)) + b"\x00"
    unpack = b"\x07\x0b\x01\x00" + _folder(coders) + b"\x0c" + b"".join(_number(size) for size in sizes) + b"\x00"
    return pack + unpack


def _files(names: Sequence[str], *properties: bytes) -> bytes:
    text = b"".join(name.encode("utf-16-le") + b"\0\0" for name in names)
    return (
        b"\x05" + _number(len(names)) + b"\x11" + _number(len(text) + 1) + b"\0" + text + b"".join(properties) + b"\0"
    )


def _archive(
    content: bytes, packed: bytes, coders: Coders, *, sums: bytes | None = None, sizes: Sequence[int] = ()
) -> bytes:
    crc = struct.pack("<I", zlib.crc32(content)) if sums is None else sums
    sub = b"\x08\x0a\x01" + crc + b"\0\0"
    streams = _streams(packed, coders, sizes or [len(content)] * len(coders))
    header = b"\x01\x04" + streams + sub + _files(["pump.bin"]) + b"\0"
    return _start(header, len(packed)) + packed + header


def _raw(data: bytes, *filters: dict[str, int]) -> bytes:
    return lzma.compress(data, format=lzma.FORMAT_RAW, filters=list(filters))


X86 = b"\xe8\x01\x02\x00\x00\x90" * 300 + TEXT[:5000]


@pytest.mark.parametrize(
    ("content", "packed", "coders"),
    [
        (TEXT, TEXT, [("00", b"")]),
        (TEXT, _raw(TEXT, LZMA1), [LZMA1_CODER]),
        (TEXT, _raw(TEXT, LZMA2), [("21", b"\x08")]),
        (TEXT, zlib.compress(TEXT)[2:-4], [("040108", b"")]),
        (TEXT, bz2.compress(TEXT), [("040202", b"")]),
        (TEXT, zstandard.compress(TEXT), [("04f71101", b"\1\5\1\0\0")]),
        (X86, _raw(X86, {"id": lzma.FILTER_X86}, LZMA2), [("03030103", b""), ("21", b"\x08")]),
        (X86, _raw(X86, {"id": lzma.FILTER_ARM}, LZMA2), [("07", b""), ("21", b"\x08")]),
        (NOISE, _raw(NOISE, {"id": lzma.FILTER_POWERPC}, LZMA2), [("03030205", b""), ("21", b"\x08")]),
        (TEXT, _raw(TEXT, {"id": lzma.FILTER_DELTA, "dist": 4}, LZMA2), [("03", b"\3"), ("21", b"\x08")]),
        (TEXT, _raw(TEXT, {"id": lzma.FILTER_DELTA, "dist": 1}, LZMA2), [("03", b""), ("21", b"\x08")]),
        (TEXT, bz2.compress(_raw(TEXT, LZMA2)), [("21", b"\x08"), ("040202", b"")]),
    ],
)
def test_content_packed_with_each_method_is_read_back(content: bytes, packed: bytes, coders: Coders) -> None:
    between = [len(_raw(TEXT, LZMA2))] if coders[-1][0] == "040202" and len(coders) > 1 else [len(content)]
    data = _archive(content, packed, coders, sizes=[len(content), *between][: len(coders)])
    opened = _open(data + b"after")
    assert opened.size == len(data)
    assert _read(opened) == {"pump.bin": content}
    assert [verdict.valid for verdict in opened.integrity] == [True, True]
    assert opened.problems == ()
    assert opened.facts["encrypted"] is False


@pytest.mark.parametrize(
    ("coder", "reason"),
    [
        (("06f10701", b"\0"), "password"),
        (("030401", b"\0"), "PPMd"),
        (("7f", b""), "method 7f"),
        (("030101", b"\x5d"), "properties of 1 bytes"),
        (("030101", b"\xff\0\0\0\0"), "impossible"),
        (("030101", b"\x5d\0\0\1\0"), "damaged"),
        (("21", b"\x08"), "damaged"),
        (("040108", b""), "damaged"),
        (("040202", b""), "damaged"),
        (("04f71101", b""), "damaged"),
    ],
)
def test_content_that_cannot_be_unpacked_says_why(coder: tuple[str, bytes], reason: str) -> None:
    opened = _open(_archive(TEXT, b"\xff" * 300, [coder]))
    (entry,) = opened.entries
    for _ in range(2):
        with pytest.raises(FormatError, match=reason):
            entry.read(1 << 20)
    assert opened.facts["encrypted"] is (reason == "password")


def test_content_that_is_shorter_or_other_than_said_is_damaged() -> None:
    coder = [("21", b"\x08")]
    short = _raw(TEXT[:-1], LZMA2)
    for data in (
        _archive(TEXT, TEXT[:-1], [("00", b"")]),
        _archive(TEXT, TEXT, [("00", b"")], sums=bytes(4)),
        _archive(TEXT, short, coder),
        _archive(TEXT, short[:-9], coder),
        _archive(TEXT, TEXT, [("030101", b"\xe0\0\0\1\0")]),
    ):
        (entry,) = _open(data).entries
        with pytest.raises(FormatError, match="is damaged"):
            entry.read(1 << 20)


@pytest.mark.parametrize(("steps", "bonds"), [(3, b"\x00\x01\x01\x01"), (2, b"\x00\x09")])
def test_steps_that_go_in_a_circle_or_out_of_the_folder_are_refused(steps: int, bonds: bytes) -> None:
    folder = _number(steps) + b"\x01\x00" * steps + bonds
    streams = b"\x06\x00\x01\x09\x01\x00\x07\x0b\x01\x00" + folder + b"\x0c" + b"\x01" * steps + b"\x00"
    header = b"\x01\x04" + streams + b"\0" + _files(["a"]) + b"\0"
    with pytest.raises(FormatError, match="lead nowhere"):
        _read(_open(_start(header, 1) + b"x" + header))


def test_a_step_of_several_streams_is_named_and_not_read() -> None:
    folder = b"\x01\x14\x03\x03\x01\x1b\x04\x01" + b"\x00\x01\x02\x03"
    streams = b"\x06\x00\x04\x09\x01\x01\x01\x01\x00\x07\x0b\x01\x00" + folder + b"\x0c\x04\x00"
    header = b"\x01\x04" + streams + b"\0" + _files(["a"]) + b"\0"
    opened = _open(_start(header, 4) + b"abcd" + header)
    assert opened.facts["methods"] == ("x86 (BCJ2)",)
    with pytest.raises(FormatError, match="BCJ2"):
        _read(opened)


def test_a_packed_header_is_unpacked_first() -> None:
    inner = b"\x01\x04" + _streams(TEXT, [("00", b"")], [len(TEXT)]) + b"\0" + _files(["pump.bin"]) + b"\0"
    packed = _raw(inner, LZMA1)
    outer = b"\x17" + _streams(packed, [LZMA1_CODER], [len(inner)], position=len(TEXT)) + b"\0"
    data = _start(outer, len(TEXT) + len(packed)) + TEXT + packed + outer
    assert _read(_open(data)) == {"pump.bin": TEXT}


def test_folders_empty_files_and_removals_are_told_apart() -> None:
    properties = b"\x0e\x01\xe0" + b"\x0f\x01\x40" + b"\x10\x01\x20"
    streams = _streams(b"x", [("00", b"")], [1]) + b"\0"
    header = b"\x01\x04" + streams + _files(["etc", "etc/empty", "gone", "full"], properties) + b"\0"
    opened = _open(_start(header, 1) + b"x" + header)
    assert [(entry.name, entry.kind) for entry in opened.entries] == [
        ("etc", EntryKind.FOLDER),
        ("etc/empty", EntryKind.FILE),
        ("full", EntryKind.FILE),
    ]
    assert opened.facts["files"] == 2


def test_times_and_unix_rights_are_told() -> None:
    times = b"\x14\x0b\x00\x80\x00" + struct.pack("<Q", (1_577_836_800 + 11_644_473_600) * 10**7)
    rights = b"\x15\x0a\x01\x00" + struct.pack("<2I", 0o104755 << 16 | 0x8000, 0x20)
    stream = b"\x06\x00\x01\x09\x02\x00\x07\x0b\x01\x00\x01\x01\x00\x0c\x02\x00\x08\x0d\x02\x09\x01\x00\x00"
    header = b"\x01\x02\x07\x01x\x00\x04" + stream + _files(["a", "b"], times, rights, b"\x19\x02\0\0") + b"\0"
    first, second = _open(_start(header, 2) + b"xy" + header).entries
    assert (first.mode, first.modified_s, first.read(1)) == (0o4755, 1_577_836_800, b"x")
    assert (second.mode, second.modified_s, second.read(1)) == (None, None, b"y")


def test_an_archive_of_nothing_is_read() -> None:
    opened = _open(_start(b"", 0))
    assert (opened.size, list(opened.entries), opened.problems) == (32, [], ())
    for header in (b"\x01\x00", b"\x01\x03\x00\x00"):
        assert _open(_start(header, 0) + header).problems == ()


def test_names_made_to_fool_are_told() -> None:
    streams = b"\x04" + _streams(b"xyz", [("00", b"")], [3]) + b"\x08\x0d\x03\x09\x01\x01\x00\x00"
    header = b"\x01" + streams + _files(["../a", "b\x1b", "b\x1b", "d"]) + b"\0"
    opened = _open(_start(header, 3) + b"xyz" + header)
    assert {problem.partition(":")[0] for problem in opened.problems} == {
        "name leads out of the folder it is unpacked to",
        "name has hidden characters",
        "name is there more than once",
        "a file is named that has no content",
    }


def test_a_cut_archive_is_told() -> None:
    data = _archive(TEXT, TEXT, [("00", b"")])
    opened = _open(data[:-1])
    assert opened.size == len(data) - 1
    assert "cannot be read" in opened.problems[0]
    assert list(opened.entries) == []


def test_a_changed_header_is_a_verdict() -> None:
    data = bytearray(_archive(TEXT, TEXT, [("00", b"")]))
    data[-3] ^= 1
    assert [verdict.valid for verdict in _open(bytes(data)).integrity] == [True, False]


HUGE = b"\xff" + b"\xff" * 8


@pytest.mark.parametrize(
    "header",
    [
        b"\x02",
        b"\x17\x00",
        b"\x01\x02\x05" + HUGE,
        b"\x01\x05" + HUGE,
        b"\x01\x05\x01\x11\x03\x01a\0",
        b"\x01\x05\x01\x11" + _number(70_001) + b"\0" + b"a" * 70_000,
        b"\x01\x04\x06\x00" + HUGE,
        b"\x01\x04\x06\x00\x01\x0a\x01\0\0\0\0\x09",
        b"\x01\x04\x07\x0c",
        b"\x01\x04\x07\x0b\x01\x00\x00",
        b"\x01\x04\x07\x0b\x01\x00\x21",
        b"\x01\x04\x07\x0b\x01\x00\x01\x81",
        b"\x01\x04\x07\x0b\x01\x00\x01\x11\x00\x01\x02",
        b"\x01\x04\x07\x0b\x01\x00\x01\x11\x00\x00\x01",
        b"\x01\x04\x07\x0b\x01\x00\x01\x11\x00" + HUGE + b"\x01",
        b"\x01\x04\x07\x0b\x01\x00\x01\x01\x00\x0c\x05\x00\x08\x0d\x02\x09\x06\x00\x00",
        b"\x01\x04\x07\x0b\x01\x00\x01\x01\x00\x0c\x05\x00\x08\x0d\x02\x00",
        b"\x17\x07\x0b\x01\x00\x01\x01\x00\x0c\x05\x00\x00",
        b"\x17\x06\x00\x01\x09\x01\x00\x07\x0b\x01\x00\x01\x01\x00\x0c" + HUGE + b"\x00\x00",
        b"\x01" + bytes(HEADER_BYTES),
    ],
)
def test_a_header_that_is_impossible_is_told(header: bytes) -> None:
    opened = _open(_start(header, 1) + b"x" + header)
    assert list(opened.entries) == []
    assert "cannot be read" in opened.problems[0]


def test_a_folder_with_its_own_check_value_and_none_of_files_is_read() -> None:
    crc = b"\x0a\x01" + struct.pack("<I", zlib.crc32(b"pump"))
    unpack = b"\x07\x0b\x01\x00\x01\x01\x00\x0c\x04" + crc + b"\x00"
    pack = b"\x06\x00\x01\x09\x04\x0a\x01" + bytes(4) + b"\x00"
    for substreams in (b"", b"\x08\x00"):
        header = b"\x01\x04" + pack + unpack + substreams + b"\0" + _files(["a"]) + b"\0"
        assert _read(_open(_start(header, 4) + b"pump" + header)) == {"a": b"pump"}
        with pytest.raises(FormatError, match="is damaged"):
            _read(_open(_start(header, 4) + b"pomp" + header))


def test_countless_files_without_bytes_of_their_own_are_refused() -> None:
    counts = b"\x0d" + _number(MOST_THINGS) + b"\x09" + b"\0" * (MOST_THINGS - 1)
    header = b"\x01\x04" + _streams(b"", [("00", b"")], [0]) + b"\x08" + counts + b"\0\0\0"
    opened = _open(_start(header, 0) + header, limits=Limits(entries=10))
    assert list(opened.entries) == []
    two = b"\x07\x0b\x02\x00\x01\x01\x00\x01\x01\x00\x0c\x00\x00\x00\x08\x0d" + _number(MOST_THINGS) * 2 + b"\x09"
    header = b"\x01\x04" + two + b"\0" * (2 * MOST_THINGS - 2) + b"\0\0\0"
    assert "more than" in _open(_start(header, 0) + header).problems[0]


def test_files_beyond_the_limit_are_left() -> None:
    sizes = b"\x08\x0d\x05\x09\x01\x01\x01\x01\x00\x00"
    header = b"\x01\x04" + _streams(b"abcde", [("00", b"")], [5]) + sizes + _files(list("abcde")) + b"\0"
    opened = _open(_start(header, 5) + b"abcde" + header, limits=Limits(entries=3))
    assert [entry.name for entry in opened.entries] == ["a", "b", "c"]
    assert opened.limits_hit == ("more than 3 files, the rest was not listed",)


def test_a_bomb_is_stopped() -> None:
    data = _archive(bytes(1 << 20), _raw(bytes(1 << 20), LZMA2), [("21", b"\x08")])
    (entry,) = _open(data).entries
    with pytest.raises(LimitExceeded):
        entry.read((1 << 20) - 1)
    packed = bz2.compress(bytes(1 << 20))
    (entry,) = _open(_archive(bytes(1 << 20), packed, [("040202", b"")]), limits=Limits(entry_bytes=1 << 19)).entries
    with pytest.raises(LimitExceeded, match="in one piece"):
        entry.read(1 << 20)
    far_back = _archive(bytes(1 << 20), _raw(bytes(1 << 20), LZMA2), [("21", b"\x28")])
    (entry,) = _open(far_back, limits=Limits(entry_bytes=1 << 19)).entries
    with pytest.raises(LimitExceeded, match="history of 1048576 bytes"):
        entry.read(1 << 20)


@given(st.lists(st.integers(0, 70_000), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_files_of_a_stream_are_the_same_in_any_order(sizes: list[int], chance: random.Random) -> None:
    content = chance.randbytes(1 << 10) * (sum(sizes) >> 10) + bytes(sum(sizes) & 0x3FF)
    folder = Folder(coders=(Coder(b"\x21", b"\x0c", 1, 1),), bonds={}, packed=(0,), sizes=(len(content),))
    chain = lzma_chain(folder)
    assert chain is not None
    stream = FolderStream(chain, memoryview(_raw(content, LZMA2)), len(content), 1 << 28)
    places = [(sum(sizes[:n]), size) for n, size in enumerate(sizes)]
    chance.shuffle(places)
    for start, size in places:
        assert stream.read(start, size) == content[start : start + size]


def test_a_stream_keeps_only_the_last_of_what_was_passed() -> None:
    content = b"".join(n.to_bytes(4, "little") for n in range(6 << 20))
    folder = Folder(coders=(Coder(b"\x21", b"\x0c", 1, 1),), bonds={}, packed=(0,), sizes=(len(content),))
    stream = FolderStream(lzma_chain(folder) or (), memoryview(_raw(content, LZMA2)), len(content), 1 << 28)
    last = len(content) - 4
    assert stream.read(last, 4) == content[last:]
    assert len(stream._kept) <= KEPT_BYTES + STEP_BYTES
    assert stream.read(0, 4) == content[:4]


@pytest.mark.parametrize("data", [MAGIC, MAGIC + bytes(100), b"PK" + bytes(100)])
def test_what_is_no_7z_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)


@given(st.integers(0, (1 << 64) - 1))
def test_numbers_of_every_length_are_read(value: int) -> None:
    count = next((n for n in range(8) if value < 1 << 7 * n + 7), 8)
    first = (0xFF00 >> count & 0xFF) | (value >> 8 * count if count < 8 else 0)
    low = (value & (1 << 8 * count) - 1).to_bytes(count, "little")
    assert HeaderBytes(bytes([first]) + low).number() == value


HEADER = (
    b"\x01\x04" + _streams(b"pump settings", [("03", b"\0"), ("00", b"")], [13, 13])
    + b"\x08\x0d\x02\x09\x04\x0a\x01" + bytes(10) + _files(["pump.bin", "é", "x"], b"\x0e\x01\x20") + b"\0"
)  # fmt: skip


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, len(HEADER) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_changed_header_with_the_right_check_value_is_read_or_told(changes: list[tuple[int, int]]) -> None:
    header = bytearray(HEADER)
    for place, value in changes:
        header[place] = value
    opened = _open(_start(bytes(header), 13) + b"pump settings" + header, limits=Limits(entry_bytes=1 << 20))
    for entry in opened.entries:
        try:
            entry.read(1 << 20)
        except (FormatError, LimitExceeded):
            continue


@pytest.mark.skipif(not SEVEN_ZIP, reason="7z is not installed (Debian package p7zip-full or 7zip)")
@pytest.mark.parametrize(
    "options",
    [
        ["-m0=lzma2"], ["-m0=lzma"], ["-m0=copy"], ["-m0=deflate"], ["-m0=bzip2"], ["-ms=off"], ["-mhc=off"],
        ["-m0=bcj", "-m1=lzma"], ["-m0=delta:4", "-m1=lzma2"], ["-m0=arm", "-m1=lzma2"], ["-mx=9"],
    ],
)  # fmt: skip
def test_what_the_7z_program_packs_is_read_back(options: list[str], tmp_path: Path) -> None:
    files = {"pump.bin": NOISE, "folder/text.txt": TEXT, "folder/Gerät.ini": b"rate = 5\n", "empty": b"", "code": X86}
    (tmp_path / "in" / "folder").mkdir(parents=True)
    for name, data in files.items():
        (tmp_path / "in" / name).write_bytes(data)
    command = [SEVEN_ZIP, "a", *options, "../out.7z", *files]
    subprocess.run(command, cwd=tmp_path / "in", check=True, capture_output=True)
    data = (tmp_path / "out.7z").read_bytes()
    opened = _open(data)
    assert opened.size == len(data)
    assert _read(opened) == files
    assert opened.problems == ()


@pytest.mark.skipif(not SEVEN_ZIP, reason="7z is not installed (Debian package p7zip-full or 7zip)")
def test_an_archive_with_a_password_is_listed_and_one_with_packed_names_is_not(tmp_path: Path) -> None:
    (tmp_path / "pump.bin").write_bytes(TEXT)
    for number, options in enumerate((["-ppump"], ["-ppump", "-mhe=on"])):
        command = [SEVEN_ZIP, "a", *options, f"{number}.7z", "pump.bin"]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    listed = _open((tmp_path / "0.7z").read_bytes())
    assert listed.facts["encrypted"] is True
    (entry,) = listed.entries
    with pytest.raises(FormatError, match="is password protected"):
        entry.read(1 << 20)
    closed = _open((tmp_path / "1.7z").read_bytes())
    assert closed.problems == ("its list of files cannot be read: is password protected",)
