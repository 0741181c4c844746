import gzip
import io
import random
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.format import Opened
from firmware_checks.formats.gzip import FORMAT, VERDICTS
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.window import Window

NOISE = random.Random(3).randbytes(60_000)  # noqa: S311  # filler, not a secret


def _open(data: bytes, *, limits: Limits = Limits(), path: str = "pump.bin.gz") -> Opened:  # noqa: B008  # frozen
    return FORMAT.open(Span(path, Window.of(data)), limits)


def _content(opened: Opened) -> bytes:
    (entry,) = opened.entries
    return entry.read(1 << 28)


def _member(
    data: bytes, *, flags: int = 0, texts: bytes = b"", crc: int | None = None, header_crc: bytes = b""
) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(data) + packer.flush()
    head = struct.pack("<3sBIBB", b"\x1f\x8b\x08", flags, 0, 0, 11) + texts + header_crc
    return head + packed + struct.pack("<2I", zlib.crc32(data) if crc is None else crc, len(data))


@given(st.lists(st.binary(max_size=500), min_size=1, max_size=4), st.binary(max_size=20))
def test_what_is_packed_is_read_back_and_what_follows_is_left_outside(pieces: list[bytes], after: bytes) -> None:
    data = b"".join(gzip.compress(piece, mtime=0) for piece in pieces)
    opened = _open(data + after)
    if not after.startswith(b"\x1f\x8b\x08"):
        assert opened.size == len(data)
    assert _content(opened) == b"".join(pieces)
    assert opened.facts["members"] == len(pieces)
    assert [verdict.valid for verdict in opened.integrity] == [True, True]
    assert opened.problems == ()


def test_name_time_and_system_are_told() -> None:
    file = io.BytesIO()
    with gzip.GzipFile("settings.ini", "wb", fileobj=file, mtime=1_577_836_800) as packed:
        packed.write(b"rate = 5")
    opened = _open(file.getvalue())
    assert opened.facts["name"] == "settings.ini"
    assert opened.facts["modified"] == "2020-01-01T00:00:00+00:00"
    (entry,) = opened.entries
    assert (entry.name, entry.unpacked_bytes) == ("settings.ini", 8)


def test_a_file_without_a_name_is_named_after_the_file_it_is_in() -> None:
    (entry,) = _open(gzip.compress(b"x"), path="update.zip!image.tgz").entries
    assert entry.name == "image.tar"


def test_all_optional_fields_are_read() -> None:
    texts = struct.pack("<H", 3) + b"abc" + b"pump.bin\0" + b"for \x1bthe pump\0"
    head = struct.pack("<3sBIBB", b"\x1f\x8b\x08", 0x1E, 0, 0, 11) + texts
    header_crc = struct.pack("<H", zlib.crc32(head) & 0xFFFF)
    opened = _open(_member(b"pump", flags=0x1E, texts=texts, header_crc=header_crc))
    assert opened.facts["comment"] == "for \\x1bthe pump"
    assert opened.facts["packed_on"] == "NTFS"
    assert [(v.algorithm, v.valid) for v in opened.integrity] == [
        ("crc16", True),
        ("crc32", True),
        ("size modulo 2^32", True),
    ]


def test_a_name_that_leads_out_of_the_folder_is_told() -> None:
    opened = _open(_member(b"x", flags=8, texts=b"../../pump.bin\0"))
    assert opened.problems == ("name leads out of the folder it is unpacked to",)


def test_a_wrong_check_sum_is_a_verdict_and_the_content_is_there() -> None:
    opened = _open(_member(b"pump", crc=1))
    assert [(v.algorithm, v.valid) for v in opened.integrity] == [("crc32", False), ("size modulo 2^32", True)]
    assert _content(opened) == b"pump"


def test_a_wrong_size_is_a_verdict() -> None:
    data = bytearray(_member(b"pump"))
    data[-4] ^= 1
    assert [v.valid for v in _open(bytes(data)).integrity] == [True, False]


def test_only_wrong_check_sums_of_later_members_are_told_and_not_all() -> None:
    opened = _open(_member(b"x") + _member(b"y", crc=7))
    assert [v.covers for v in opened.integrity if not v.valid] == ["unpacked content of member 2"]
    assert len(_open(_member(b"y", crc=7) * 50).integrity) == VERDICTS


def test_a_wrong_header_check_sum_is_a_verdict() -> None:
    assert not _open(_member(b"x", flags=2, header_crc=b"\0\0")).integrity[0].valid


def test_members_beyond_the_limit_are_left() -> None:
    opened = _open(_member(b"x") * 20, limits=Limits(entries=5))
    assert _content(opened) == b"x" * 5


def test_a_cut_file_gives_what_is_there_and_says_so() -> None:
    data = gzip.compress(NOISE)
    opened = _open(data[:40_000])
    assert opened.size == 40_000
    assert NOISE.startswith(_content(opened))
    assert any("is cut short" in problem for problem in opened.problems)
    assert opened.integrity == ()


def test_a_file_cut_in_its_check_sum_says_so() -> None:
    opened = _open(gzip.compress(NOISE)[:-3])
    assert _content(opened) == NOISE
    assert opened.problems == ("the check sum at the end is missing: the file is cut short",)
    assert opened.size == len(gzip.compress(NOISE)) - 3


def test_a_damaged_file_gives_what_stands_before_the_damage() -> None:
    text = " ".join(str(number) for number in range(30_000)).encode()
    data = bytearray(gzip.compress(text))
    data[50_000:50_100] = b"\xff" * 100
    opened = _open(bytes(data))
    assert text.startswith(_content(opened)[:1000])
    assert any("could be unpacked" in problem for problem in opened.problems)
    assert opened.size < len(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\x1f\x8b\x08\x00" + bytes(6) + b"\xff" * 300,
        b"\x1f\x8b\x08\xe0" + bytes(300),
        b"\x1f\x8b\x08\x08" + bytes(6) + b"x" * 70_000,
        b"\x1f\x8b\x08\x04\0\0\0\0\0\0\xff\xff",
        b"\x1f\x8b\x08",
        b"PK" + bytes(30),
    ],
)
def test_what_is_no_gzip_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)


def test_what_looks_like_a_further_member_and_is_none_is_left_outside() -> None:
    data = gzip.compress(b"pump")
    opened = _open(data + b"\x1f\x8b\x08\xff" + bytes(100))
    assert (opened.size, _content(opened)) == (len(data), b"pump")


def test_a_bomb_is_stopped() -> None:
    data = gzip.compress(bytes(10 << 20))
    opened = _open(data, limits=Limits(entry_bytes=1 << 20))
    (entry,) = opened.entries
    assert opened.size == len(data)
    with pytest.raises(LimitExceeded):
        entry.read(1 << 20)
    with pytest.raises(LimitExceeded, match="more than 2097152 bytes"):
        _open(data, limits=Limits(entry_bytes=1 << 20, unpacked_bytes=2 << 20))
