import random
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.format import Opened
from firmware_checks.formats.android_sparse import FORMAT, MOST_CHUNKS, PIECE_BYTES, VERDICTS
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.window import Window

IMG2SIMG = shutil.which("img2simg") or ""
needs_img2simg = pytest.mark.skipif(
    not IMG2SIMG, reason="img2simg is not installed (Debian package android-sdk-libsparse-utils)"
)
RAW, FILL, NOTHING, CRC32 = 0xCAC1, 0xCAC2, 0xCAC3, 0xCAC4
BLOCK = 64

chunks = st.one_of(
    st.binary(min_size=BLOCK, max_size=BLOCK).map(lambda data: (RAW, 1, data)),
    st.tuples(st.just(FILL), st.integers(1, 9), st.binary(min_size=4, max_size=4)),
    st.tuples(st.just(NOTHING), st.integers(1, 9), st.just(b"")),
)
Chunk = tuple[int, int, bytes]


def _open(data: bytes, limits: Limits = Limits()) -> Opened:  # noqa: B008  # frozen
    return FORMAT.open(Span("system.img", Window.of(data)), limits)


def _read(opened: Opened, most: int = 1 << 26) -> bytes:
    (entry,) = opened.entries
    return entry.read(most)


def _sparse(*parts: Chunk, blocks: int | None = None, count: int | None = None, crc: int = 0) -> bytes:
    total = sum(part[1] for part in parts) if blocks is None else blocks
    head = struct.pack("<I4H4I", 0xED26FF3A, 1, 0, 28, 12, BLOCK, total, len(parts) if count is None else count, crc)
    return head + b"".join(struct.pack("<2H2I", kind, 0, n, 12 + len(data)) + data for kind, n, data in parts)


def _meant(part: Chunk) -> bytes:
    kind, blocks, data = part
    return {RAW: data, FILL: data * (blocks * BLOCK // 4), NOTHING: bytes(blocks * BLOCK)}[kind]


@given(st.lists(chunks, min_size=1, max_size=6), st.binary(max_size=20), st.booleans())
def test_a_partition_is_read_back_and_what_follows_is_left_outside(
    parts: list[Chunk], after: bytes, with_sum: bool
) -> None:
    whole = b"".join(map(_meant, parts))
    data = _sparse(*parts, crc=zlib.crc32(whole) if with_sum else 0)
    opened = _open(data + after)
    assert opened.size == len(data)
    assert _read(opened) == whole
    assert [v.valid for v in opened.integrity] == [True] * with_sum
    assert opened.problems == ()


def test_a_long_empty_stretch_is_made_in_pieces() -> None:
    blocks = 3 * PIECE_BYTES // BLOCK + 1
    assert _read(_open(_sparse((FILL, blocks, b"pump")))) == b"pump" * (blocks * BLOCK // 4)


def test_wrong_check_sums_are_verdicts_of_what_they_cover() -> None:
    opened = _open(_sparse((RAW, 1, bytes(BLOCK)), (CRC32, 0, b"1234"), (NOTHING, 1, b""), crc=5))
    assert [(v.covers, v.valid) for v in opened.integrity] == [
        ("first 64 bytes of the partition", False),
        ("partition", False),
    ]
    assert opened.integrity[1].computed == f"{zlib.crc32(bytes(2 * BLOCK)):08x}"


def test_only_so_many_check_sums_are_computed_and_none_of_what_is_too_large() -> None:
    data = _sparse((RAW, 1, bytes(BLOCK)), *[(CRC32, 0, b"1234")] * 100)
    assert len(_open(data).integrity) == VERDICTS
    assert _open(data, Limits(entry_bytes=BLOCK - 1)).integrity == ()


def test_a_partition_without_measure_costs_nothing_and_is_not_made() -> None:
    opened = _open(_sparse((NOTHING, 0xFFFF_FFFF, b""), (FILL, 0xFFFF_FFFF, b"1234"), blocks=0xFFFF_FFFF, crc=1))
    assert opened.facts["partition_bytes"] == 2 * 0xFFFF_FFFF * BLOCK
    assert opened.integrity == ()
    with pytest.raises(LimitExceeded):
        _read(opened)


def test_chunks_without_measure_are_read_as_far_as_they_are_there() -> None:
    opened = _open(_sparse((NOTHING, 1, b""), count=0xFFFF_FFFF))
    assert "the rest was not read" in opened.problems[0]
    many = _sparse((NOTHING, 0, b"")) + struct.pack("<2H2I", NOTHING, 0, 0, 12) * MOST_CHUNKS
    counted = many[:20] + struct.pack("<I", MOST_CHUNKS + 1) + many[24:]
    opened = _open(counted)
    assert opened.problems == (f"only the first {MOST_CHUNKS} of {MOST_CHUNKS + 1} chunks were read",)
    assert list(opened.entries) == []


def test_another_size_than_the_header_says_is_told() -> None:
    opened = _open(_sparse((NOTHING, 2, b""), blocks=3))
    assert opened.problems == ("the chunks make a partition of 128 bytes, the header says 192",)


def test_a_cut_image_is_read_up_to_the_cut() -> None:
    data = _sparse((RAW, 1, b"x" * BLOCK), (RAW, 1, b"y" * BLOCK))
    opened = _open(data[:-1])
    assert _read(opened) == b"x" * BLOCK
    assert opened.size == 28 + 12 + BLOCK


@pytest.mark.parametrize("chunk", [(0xCAC5, 1, b""), (RAW, 2, bytes(BLOCK)), (FILL, 1, b"123"), (NOTHING, 1, b"1")])
def test_a_first_chunk_that_is_none_is_refused(chunk: Chunk) -> None:
    with pytest.raises(FormatError):
        _open(_sparse(chunk))


@pytest.mark.parametrize(("at", "value"), [(8, 27), (10, 11), (12, 0), (12, 65), (14, 0x7FFF), (20, 0), (4, 2)])
def test_a_header_that_cannot_be_is_refused(at: int, value: int) -> None:
    data = bytearray(_sparse((NOTHING, 1, b"")))
    struct.pack_into("<H", data, at, value)
    with pytest.raises(FormatError):
        _open(bytes(data))


@needs_img2simg
def test_what_img2simg_made_smaller_is_read_back(tmp_path: Path) -> None:
    noise = random.Random(5).randbytes(40_960)  # noqa: S311  # filler, not a secret
    whole = noise + bytes(1 << 20) + b"pump" * 8192 + bytes(8192) + noise[:4096]
    (tmp_path / "in").write_bytes(whole)
    subprocess.run([IMG2SIMG, tmp_path / "in", tmp_path / "out"], check=True, capture_output=True)
    data = (tmp_path / "out").read_bytes()
    opened = _open(data)
    assert len(data) < 60_000
    assert opened.size == len(data)
    assert _read(opened) == whole
    assert opened.problems == ()
