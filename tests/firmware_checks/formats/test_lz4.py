import random
import shutil
import subprocess
from pathlib import Path

import lz4.block
import lz4.frame
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.format import Opened
from firmware_checks.formats.lz4 import FORMAT, LEGACY_MAGIC, MAGIC, MOST_BLOCKS, VERDICTS
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.window import Window

NOISE = random.Random(3).randbytes(200_000)  # noqa: S311  # filler, not a secret
TEXT = " ".join(str(number) for number in range(60_000)).encode()
SKIPPABLE = b"\x53\x2a\x4d\x18\x05\0\0\0index"
LZ4 = shutil.which("lz4") or ""


def _open(data: bytes, *, limits: Limits = Limits(), path: str = "pump.bin.lz4") -> Opened:  # noqa: B008  # frozen
    return FORMAT.open(Span(path, Window.of(data)), limits)


def _content(opened: Opened) -> bytes:
    (entry,) = opened.entries
    return entry.read(1 << 28)


def _packed(data: bytes, *, check: bool = True, block_check: bool = False, linked: bool = False) -> bytes:
    packed: bytes = lz4.frame.compress(
        data, block_size=4, block_linked=linked, content_checksum=check, block_checksum=block_check
    )
    return packed


def _legacy(*pieces: bytes) -> bytes:
    blocks = [lz4.block.compress(piece, store_size=False) for piece in pieces]
    return LEGACY_MAGIC + b"".join(len(block).to_bytes(4, "little") + block for block in blocks)


def _frame(flags: int, blocks: bytes, *, extra: bytes = b"", descriptor: int = 0x40) -> bytes:
    head = bytes([flags, descriptor]) + extra
    return MAGIC + head + bytes([xxhash.xxh32_intdigest(head) >> 8 & 0xFF]) + blocks


@given(
    st.lists(st.binary(max_size=500), min_size=1, max_size=4), st.booleans(), st.booleans(), st.booleans(), st.binary()
)
def test_what_is_packed_is_read_back_and_what_follows_is_left_outside(
    pieces: list[bytes], check: bool, block_check: bool, linked: bool, after: bytes
) -> None:
    data = b"".join(_packed(p, check=check, block_check=block_check, linked=linked) for p in pieces)
    opened = _open(data + after)
    if after[1:4] != SKIPPABLE[1:4]:
        assert opened.size == len(data)
    assert _content(opened) == b"".join(pieces)
    assert opened.facts["frames"] == len(pieces)
    assert all(verdict.valid for verdict in opened.integrity)
    assert opened.problems == ()


@pytest.mark.parametrize("linked", [False, True])
def test_content_of_many_blocks_is_read_back(linked: bool) -> None:
    opened = _open(_packed(NOISE + TEXT * 2, linked=linked))
    assert _content(opened) == NOISE + TEXT * 2
    assert opened.facts["block_bytes"] == 64 << 10
    assert [(v.covers, v.valid) for v in opened.integrity] == [("frame header", True), ("unpacked content", True)]
    (entry,) = opened.entries
    assert entry.name == "pump.bin"


def test_the_older_form_is_read_back_and_ends_with_a_block_that_is_not_full() -> None:
    data = _legacy(TEXT)
    opened = _open(data + bytes(100))
    assert (opened.size, _content(opened)) == (len(data), TEXT)
    assert opened.facts["legacy_frames"] == 1
    full = bytes(8 << 20)
    data = _legacy(full, b"the end")
    opened = _open(data + b"\xff" * 100)
    assert (opened.size, _content(opened)) == (len(data), full + b"the end")
    assert _open(_legacy(full) + b"\xff" * 100).size == len(_legacy(full))


def test_skippable_frames_are_passed_over_and_counted() -> None:
    data = SKIPPABLE + _packed(b"one ") + SKIPPABLE + _legacy(b"two") + SKIPPABLE
    opened = _open(data)
    assert _content(opened) == b"one two"
    assert (opened.facts["skippable_frames"], opened.facts["frames"]) == (3, 2)
    assert opened.size == len(data)
    assert _open(_packed(b"x") + SKIPPABLE[:-1]).size == len(_packed(b"x"))
    assert _open(_packed(b"x") + b"\x4f\x2a\x4d\x18" + bytes(4)).size == len(_packed(b"x"))


def test_a_wrong_check_sum_is_a_verdict_and_the_content_is_there() -> None:
    data = bytearray(_packed(TEXT))
    data[-1] ^= 1
    opened = _open(bytes(data))
    assert [v.valid for v in opened.integrity] == [True, False]
    assert _content(opened) == TEXT


def test_wrong_check_sums_of_blocks_are_verdicts_up_to_a_number() -> None:
    block = (1 | 1 << 31).to_bytes(4, "little") + b"x" + bytes(4)
    opened = _open(_frame(0x70, block * 50 + bytes(4)))
    assert opened.integrity[1].covers == "packed block 1"
    assert not opened.integrity[1].valid
    assert len(opened.integrity) == VERDICTS
    assert _content(opened) == b"x" * 50


def test_a_size_in_the_header_that_is_wrong_is_told() -> None:
    block = (4 | 1 << 31).to_bytes(4, "little") + b"pump" + bytes(4)
    assert _open(_frame(0x68, block, extra=(4).to_bytes(8, "little"))).problems == ()
    opened = _open(_frame(0x68, block, extra=(5).to_bytes(8, "little")))
    assert opened.problems == ("frame 1 unpacks to 4 bytes, its header says 5",)


def test_a_cut_file_gives_what_is_there_and_says_so() -> None:
    opened = _open(_packed(NOISE)[:150_000])
    assert _content(opened) == NOISE[: 128 << 10]
    assert any("could be unpacked" in problem for problem in opened.problems)
    cut_in_check = _open(_packed(TEXT)[:-2])
    assert _content(cut_in_check) == TEXT
    assert any("could be unpacked" in problem for problem in cut_in_check.problems)


def test_a_damaged_block_gives_what_stands_before_it() -> None:
    data = bytearray(_packed(NOISE))
    second = len(MAGIC) + 3 + 8 + 4 + (64 << 10)
    data[second : second + 4] = b"\xff" * 4
    opened = _open(bytes(data))
    assert _content(opened) == NOISE[: 64 << 10]
    assert opened.size == second


def test_what_needs_a_dictionary_is_measured_and_stays_closed() -> None:
    block = (4 | 1 << 31).to_bytes(4, "little") + b"pump" + bytes(4)
    data = _frame(0x65, block + bytes(4), extra=b"\x07\0\0\0")
    opened = _open(data + b"after")
    assert opened.size == len(data)
    (entry,) = opened.entries
    with pytest.raises(FormatError, match="dictionary 7"):
        entry.read(1000)


def test_frames_beyond_the_limit_are_left() -> None:
    assert _content(_open(_packed(b"x") * 20, limits=Limits(entries=5))) == b"x" * 5


@pytest.mark.parametrize(
    "data",
    [
        MAGIC,
        MAGIC + b"\x60\x40\x00" + bytes(50),
        _frame(0xE0, bytes(50)),
        _frame(0x62, bytes(50)),
        _frame(0x60, bytes(50), descriptor=0x30),
        _frame(0x60, b"\0\0\0\x80" + bytes(50)),
        _frame(0x60, b"\x04\0\0\0\xff\xff\xff\xff" + bytes(4)),
        _frame(0x60, ((1 | 1 << 31).to_bytes(4, "little") + b"x") * (MOST_BLOCKS + 1))[:600],
        LEGACY_MAGIC,
        LEGACY_MAGIC + b"\x01\0\0\0\0",
        LEGACY_MAGIC + b"\xff\xff\xff\x0f" + bytes(50),
        LEGACY_MAGIC + b"\x08\0\0\0" + b"\xff" * 50,
        SKIPPABLE,
        SKIPPABLE[:-1],
        b"PK" + bytes(30),
    ],
)
def test_what_is_no_lz4_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)


def test_countless_tiny_blocks_end_soon() -> None:
    opened = _open(_frame(0x60, ((1 | 1 << 31).to_bytes(4, "little") + b"x") * (MOST_BLOCKS + 1)))
    assert "more than" in opened.problems[0]


def test_a_bomb_is_stopped() -> None:
    data = _packed(bytes(10 << 20))
    opened = _open(data, limits=Limits(entry_bytes=1 << 20))
    (entry,) = opened.entries
    assert opened.size == len(data)
    with pytest.raises(LimitExceeded):
        entry.read(1 << 20)
    with pytest.raises(LimitExceeded, match="more than 2097152 bytes"):
        _open(data, limits=Limits(entry_bytes=1 << 20, unpacked_bytes=2 << 20))


@pytest.mark.skipif(not LZ4, reason="lz4 is not installed (Debian package lz4)")
@pytest.mark.parametrize(
    "options", [["-1"], ["-9", "-BD"], ["-B4", "-BX"], ["--content-size"], ["--no-frame-crc"], ["-l"]]
)
def test_what_the_lz4_program_packs_is_read_back(options: list[str], tmp_path: Path) -> None:
    (tmp_path / "pump.bin").write_bytes(NOISE + TEXT * 2 + bytes(9 << 20))
    subprocess.run([LZ4, "-q", *options, "pump.bin", "out.lz4"], cwd=tmp_path, check=True)
    data = (tmp_path / "out.lz4").read_bytes()
    opened = _open(data)
    assert (opened.size, _content(opened)) == (len(data), NOISE + TEXT * 2 + bytes(9 << 20))
    assert all(verdict.valid for verdict in opened.integrity)
    assert opened.problems == ()
