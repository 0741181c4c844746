import random
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.format import Opened
from firmware_checks.formats.zstd import FORMAT, MOST_BLOCKS, VERDICTS
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.window import Window

NOISE = random.Random(3).randbytes(300_000)  # noqa: S311  # filler, not a secret
TEXT = " ".join(str(number) for number in range(60_000)).encode()
SKIPPABLE = struct.pack("<2I", 0x184D2A5A, 5) + b"index"
ZSTD = shutil.which("zstd") or ""


def _open(data: bytes, *, limits: Limits = Limits(), path: str = "pump.tar.zst") -> Opened:  # noqa: B008  # frozen
    return FORMAT.open(Span(path, Window.of(data)), limits)


def _content(opened: Opened) -> bytes:
    (entry,) = opened.entries
    return entry.read(1 << 28)


def _packed(data: bytes, *, checksum: bool = True, size: bool = True, level: int = 3) -> bytes:
    return zstandard.ZstdCompressor(level=level, write_checksum=checksum, write_content_size=size).compress(data)


@given(st.lists(st.binary(max_size=500), min_size=1, max_size=4), st.booleans(), st.booleans(), st.binary(max_size=20))
def test_what_is_packed_is_read_back_and_what_follows_is_left_outside(
    pieces: list[bytes], checksum: bool, size: bool, after: bytes
) -> None:
    data = b"".join(_packed(piece, checksum=checksum, size=size) for piece in pieces)
    opened = _open(data + after)
    if after[1:4] != b"\x2a\x4d\x18" and not after.startswith(b"\x28\xb5\x2f\xfd"):
        assert opened.size == len(data)
    assert _content(opened) == b"".join(pieces)
    assert opened.facts["frames"] == len(pieces)
    assert [verdict.valid for verdict in opened.integrity] == [True] * checksum
    assert opened.problems == ()


def test_content_of_many_blocks_is_read_back() -> None:
    opened = _open(_packed(NOISE + TEXT))
    assert _content(opened) == NOISE + TEXT
    assert opened.facts["unpacked_bytes"] == len(NOISE + TEXT)
    (entry,) = opened.entries
    assert entry.name == "pump.tar"


def test_skippable_frames_before_between_and_after_are_passed_over_and_counted() -> None:
    data = SKIPPABLE + _packed(b"one ") + SKIPPABLE + _packed(b"two") + SKIPPABLE
    opened = _open(data)
    assert _content(opened) == b"one two"
    assert opened.facts["skippable_frames"] == 3
    assert opened.size == len(data)


def test_skippable_frames_that_are_cut_or_none_are_left_outside() -> None:
    data = _packed(b"pump")
    assert _open(data + SKIPPABLE[:-1]).size == len(data)
    assert _open(data + b"\x4f\x2a\x4d\x18" + bytes(4)).size == len(data)


def test_a_wrong_check_sum_is_a_verdict_and_the_content_is_there() -> None:
    data = bytearray(_packed(TEXT))
    data[-1] ^= 1
    opened = _open(bytes(data))
    (verdict,) = opened.integrity
    assert not verdict.valid
    assert verdict.stored != verdict.computed
    assert _content(opened) == TEXT
    assert opened.problems == ()


def test_only_wrong_check_sums_of_later_frames_are_told_and_not_all() -> None:
    wrong = _packed(b"y")[:-4] + b"\0\0\0\0"
    opened = _open(_packed(b"x") + wrong)
    assert [v.covers for v in opened.integrity if not v.valid] == ["unpacked content of frame 2"]
    assert len(_open(wrong * 50).integrity) == VERDICTS


def test_a_cut_file_gives_what_is_there_and_says_so() -> None:
    data = _packed(NOISE)[:200_000]
    opened = _open(data)
    assert opened.size == 200_000
    assert len(_content(opened)) >= 128 << 10
    assert NOISE.startswith(_content(opened))
    assert any("is cut short" in problem for problem in opened.problems)


def test_a_file_cut_in_its_check_sum_says_so() -> None:
    opened = _open(_packed(TEXT)[:-2])
    assert _content(opened) == TEXT
    assert opened.problems == ("the check sum at the end is missing: the file is cut short",)


def test_a_damaged_block_gives_what_stands_before_it() -> None:
    data = bytearray(_packed(NOISE, level=1))
    second = 4 + 1 + 4 + 3 + (128 << 10)
    assert data[second : second + 3] == bytes([0, 0, 16])
    data[second] |= 6
    opened = _open(bytes(data))
    assert opened.size == second
    assert _content(opened) == NOISE[: 128 << 10]
    assert opened.problems == (f"no zstd block at {second:#x}: only {128 << 10} bytes could be unpacked",)


def test_damaged_content_within_a_block_is_told_and_the_frame_is_measured() -> None:
    data = bytearray(_packed(TEXT * 4))
    second = 4 + 1 + 4 + 3 + (int.from_bytes(data[9:12], "little") >> 3)
    data[second + 3 : second + 60] = b"\xff" * 57
    opened = _open(bytes(data) + bytes(100))
    assert opened.size == len(data)
    assert any("could be unpacked" in problem for problem in opened.problems)


def test_what_needs_a_dictionary_is_measured_and_stays_closed() -> None:
    dictionary = zstandard.ZstdCompressionDict(TEXT[:5000])
    trained = zstandard.train_dictionary(1024, [str(n).encode() * 40 for n in range(100)])
    data = zstandard.ZstdCompressor(dict_data=trained).compress(b"pump settings" * 20)
    assert dictionary.dict_id() == 0
    opened = _open(data + b"after")
    assert opened.size == len(data)
    (entry,) = opened.entries
    assert entry.unpacked_bytes == 260
    with pytest.raises(FormatError, match="dictionary"):
        entry.read(1000)


def test_what_needs_too_much_memory_is_measured_and_stays_closed() -> None:
    data = b"\x28\xb5\x2f\xfd" + bytes([0x00, 19 << 3]) + b"\x01\0\0"
    opened = _open(data)
    (entry,) = opened.entries
    assert entry.unpacked_bytes is None
    with pytest.raises(FormatError, match="536870912 bytes of memory"):
        entry.read(1000)


def test_frames_beyond_the_limit_are_left() -> None:
    assert _content(_open(_packed(b"x") * 20, limits=Limits(entries=5))) == b"x" * 5


@pytest.mark.parametrize(
    "data",
    [
        b"\x28\xb5\x2f\xfd",
        b"\x28\xb5\x2f\xfd\x08" + bytes(50),
        b"\x28\xb5\x2f\xfd\x20\x05" + b"\x07\0\0" + bytes(50),
        b"\x28\xb5\x2f\xfd\x20\x05" + b"\xf1\xff\xff" + bytes(50),
        b"\x28\xb5\x2f\xfd\x00" + bytes(60),
        SKIPPABLE,
        SKIPPABLE[:-1],
        SKIPPABLE + b"x" * 50,
        b"PK" + bytes(30),
    ],
)
def test_what_is_no_zstd_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)


def test_what_looks_like_a_further_frame_and_is_none_is_left_outside() -> None:
    data = _packed(b"pump")
    assert _open(data + b"\x28\xb5\x2f\xfd\x08" + bytes(100)).size == len(data)


def test_a_bomb_is_stopped() -> None:
    data = _packed(bytes(10 << 20))
    assert len(data) < 1000
    opened = _open(data, limits=Limits(entry_bytes=1 << 20))
    (entry,) = opened.entries
    with pytest.raises(LimitExceeded):
        entry.read(1 << 20)
    with pytest.raises(LimitExceeded, match="more than 2097152 bytes"):
        _open(data, limits=Limits(entry_bytes=1 << 20, unpacked_bytes=2 << 20))


def test_countless_empty_blocks_end_soon() -> None:
    data = b"\x28\xb5\x2f\xfd\x20\x00" + bytes(3 * (MOST_BLOCKS + 1))
    with pytest.raises(FormatError, match="no compressed stream"):
        _open(data)


@pytest.mark.skipif(not ZSTD, reason="zstd is not installed (Debian package zstd)")
@pytest.mark.parametrize("options", [["-1"], ["-19"], ["--no-check"], ["--long=24"], ["-T2", "-3"]])
def test_what_the_zstd_program_packs_is_read_back(options: list[str], tmp_path: Path) -> None:
    (tmp_path / "pump.bin").write_bytes(NOISE + TEXT + bytes(100_000))
    subprocess.run([ZSTD, "-q", *options, "pump.bin"], cwd=tmp_path, check=True)
    data = (tmp_path / "pump.bin.zst").read_bytes()
    opened = _open(data)
    assert (opened.size, _content(opened)) == (len(data), NOISE + TEXT + bytes(100_000))
    assert all(verdict.valid for verdict in opened.integrity)
