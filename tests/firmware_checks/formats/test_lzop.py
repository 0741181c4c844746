import random
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lzallright import LZOCompressor

from firmware_checks.format import Opened
from firmware_checks.formats.lzop import FORMAT, MAGIC, VERDICTS
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.window import Window

NOISE = random.Random(3).randbytes(300_000)  # noqa: S311  # filler, not a secret
TEXT = " ".join(str(number) for number in range(60_000)).encode()
LZOP = shutil.which("lzop") or ""
ALL_CHECKS = 0x303


def _open(data: bytes, *, limits: Limits = Limits(), path: str = "pump.bin.lzo") -> Opened:  # noqa: B008  # frozen
    return FORMAT.open(Span(path, Window.of(data)), limits)


def _content(opened: Opened) -> bytes:
    (entry,) = opened.entries
    return entry.read(1 << 28)


def _header(flags: int = 1, *, name: bytes = b"", method: int = 1, extra: bytes = b"", version: int = 0x1040) -> bytes:
    filters = struct.pack(">I", 9) if flags & 0x800 else b""
    fields = struct.pack(">3H2BI", version, 0x20A0, 0x940, method, 5, flags) + filters
    fields += struct.pack(">3IB", 0o100755, 1_577_836_800, 0, len(name)) + name
    check = zlib.crc32 if flags & 0x1000 else zlib.adler32
    head = MAGIC + fields + struct.pack(">I", check(fields))
    if flags & 0x40:
        field = struct.pack(">I", len(extra)) + extra
        head += field + struct.pack(">I", check(field))
    return head


def _block(data: bytes, flags: int = 1, *, wrong: int = 0, zlib_packed: bool = False) -> bytes:
    packed = zlib.compress(data) if zlib_packed else LZOCompressor().compress(data)
    packed = packed if len(packed) < len(data) else data
    sums = [zlib.adler32(data)] * bool(flags & 1) + [zlib.crc32(data)] * bool(flags & 0x100)
    if len(packed) < len(data):
        sums += [zlib.adler32(packed)] * bool(flags & 2) + [zlib.crc32(packed)] * bool(flags & 0x200)
    return struct.pack(f">2I{len(sums)}I", len(data), len(packed), *(s ^ wrong for s in sums)) + packed


@given(
    st.lists(st.binary(min_size=1, max_size=500), max_size=4),
    st.sampled_from([0, 1, 2, 0x100, 0x200, ALL_CHECKS, 0x1000 | ALL_CHECKS]),
    st.binary(max_size=20),
)
def test_what_is_packed_is_read_back_and_what_follows_is_left_outside(
    pieces: list[bytes], flags: int, after: bytes
) -> None:
    data = _header(flags) + b"".join(_block(piece, flags) for piece in pieces) + bytes(4)
    opened = _open(data + after)
    assert opened.size == len(data)
    assert _content(opened) == b"".join(pieces)
    assert all(verdict.valid for verdict in opened.integrity)
    assert opened.problems == ()


def test_name_time_rights_and_system_are_told() -> None:
    opened = _open(_header(3 << 24 | 1, name=b"settings.ini") + _block(b"pump") + bytes(4))
    assert opened.facts["name"] == "settings.ini"
    assert opened.facts["modified"] == "2020-01-01T00:00:00+00:00"
    assert opened.facts["packed_on"] == "Unix"
    (entry,) = opened.entries
    assert (entry.name, entry.mode, entry.modified_s) == ("settings.ini", 0o755, 1_577_836_800)


def test_a_file_without_a_name_is_named_after_the_file_it_is_in() -> None:
    opened = _open(_header(99 << 24) + bytes(4), path="update.zip!image.tzo")
    (entry,) = opened.entries
    assert entry.name == "image.tar"
    assert "packed_on" not in opened.facts


def test_the_extra_field_is_passed_over_and_judged() -> None:
    opened = _open(_header(0x41, extra=b"more") + _block(b"pump") + bytes(4))
    assert [(v.covers, v.valid) for v in opened.integrity] == [
        ("header", True),
        ("extra field", True),
        ("unpacked blocks", True),
    ]


def test_wrong_check_sums_are_verdicts_and_the_content_is_there() -> None:
    data = _header(ALL_CHECKS) + _block(TEXT[:1000], ALL_CHECKS) + _block(TEXT[:1000], ALL_CHECKS, wrong=1) + bytes(4)
    opened = _open(data)
    assert [(v.algorithm, v.covers) for v in opened.integrity if not v.valid] == [
        ("adler32", "packed blocks"),
        ("crc32", "packed blocks"),
        ("adler32", "unpacked blocks"),
        ("crc32", "unpacked blocks"),
    ]
    assert _content(opened) == TEXT[:1000] * 2
    many = _open(_header() + _block(b"x", wrong=1) * 50 + bytes(4))
    assert len(many.integrity) == VERDICTS


def test_a_wrong_header_check_sum_is_a_verdict() -> None:
    data = bytearray(_header(name=b"pump.bin") + bytes(4))
    data[40] ^= 1
    assert [v.valid for v in _open(bytes(data) + bytes(4)).integrity] == [False]


def test_a_name_that_leads_out_of_the_folder_is_told() -> None:
    opened = _open(_header(name=b"../../pump.bin") + bytes(4))
    assert opened.problems == ("name leads out of the folder it is unpacked to",)


def test_blocks_packed_by_zlib_are_read() -> None:
    data = _header(1, method=128) + _block(TEXT[:5000], zlib_packed=True) + bytes(4)
    assert _content(_open(data)) == TEXT[:5000]


def test_a_cut_file_gives_what_is_there_and_says_so() -> None:
    data = _header() + _block(NOISE[:5000]) + _block(NOISE[5000:]) + bytes(4)
    opened = _open(data[:8000])
    assert _content(opened) == NOISE[:5000]
    assert any("could be unpacked" in problem for problem in opened.problems)


@pytest.mark.parametrize(
    "block",
    [
        struct.pack(">3I", 2000, 100, 1) + b"\xff" * 100,
        struct.pack(">3I", 1001, len(LZOCompressor().compress(TEXT[:1000])), 1) + LZOCompressor().compress(TEXT[:1000]),
        struct.pack(">3I", 2 << 20, 100, 1) + bytes(100),
        struct.pack(">3I", 100, 101, 1) + bytes(101),
    ],
)
def test_a_damaged_block_gives_what_stands_before_it(block: bytes) -> None:
    first = _header() + _block(TEXT[:1000])
    opened = _open(first + block + bytes(4))
    assert (opened.size, _content(opened)) == (len(first), TEXT[:1000])
    assert any("could be unpacked" in problem for problem in opened.problems)


def test_a_damaged_zlib_block_is_told() -> None:
    block = struct.pack(">3I", 2000, 100, 1) + b"\xff" * 100
    opened = _open(_header(method=128) + _block(TEXT[:1000], zlib_packed=True) + block)
    assert "damaged block" in opened.problems[0]


@pytest.mark.parametrize(
    "data",
    [
        MAGIC,
        _header(),
        _header(version=0x0910) + bytes(4),
        _header(method=9) + bytes(4),
        _header(0x800) + bytes(4),
        b"PK" + bytes(30),
    ],
)
def test_what_is_no_lzop_or_cannot_be_read_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)


def test_a_bomb_is_stopped() -> None:
    data = _header() + _block(bytes(1 << 20)) * 10 + bytes(4)
    opened = _open(data, limits=Limits(entry_bytes=1 << 20))
    (entry,) = opened.entries
    assert opened.size == len(data)
    with pytest.raises(LimitExceeded):
        entry.read(1 << 20)
    with pytest.raises(LimitExceeded, match="more than 2097152 bytes"):
        _open(data, limits=Limits(entry_bytes=1 << 20, unpacked_bytes=2 << 20))


@pytest.mark.skipif(not LZOP, reason="lzop is not installed (Debian package lzop)")
@pytest.mark.parametrize("options", [["-1"], ["-9"], ["--crc32"], ["-F"], ["-n"], ["-CC"], ["-P"]])
def test_what_the_lzop_program_packs_is_read_back(options: list[str], tmp_path: Path) -> None:
    (tmp_path / "pump.bin").write_bytes(NOISE + TEXT)
    subprocess.run([LZOP, "-q", *options, "pump.bin"], cwd=tmp_path, check=True)
    data = (tmp_path / "pump.bin.lzo").read_bytes()
    opened = _open(data)
    assert (opened.size, _content(opened)) == (len(data), NOISE + TEXT)
    assert all(verdict.valid for verdict in opened.integrity)
    assert opened.problems == ()
