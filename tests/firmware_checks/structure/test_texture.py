from __future__ import annotations

import random
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.texture import MAXIMUM_RUNS, Texture, chi_square, is_noise, is_text, padding_runs, survey

noise = st.integers(0, 1000).map(lambda seed: random.Random(seed).randbytes(9000))  # noqa: S311  # repeatable bytes
plain = st.integers(1, 300).map(lambda n: b"\x10\xb5\x04\x46" * n)
padding = st.builds(lambda value, n: bytes([value]) * n, st.sampled_from([0x00, 0xFF]), st.integers(32, 9000))


@given(st.lists(st.one_of(noise, plain, padding), max_size=8), st.integers(32, 5000))
def test_stretches_tile_all_bytes(pieces: list[bytes], inner: int) -> None:
    data = b"".join(pieces)
    stretches = survey(memoryview(data), inner_padding_bytes=inner)
    position = 0
    for stretch in stretches:
        assert stretch.start == position
        assert stretch.size > 0
        position = stretch.end
    assert position == len(data)


@given(plain, st.integers(32, 5000), st.sampled_from([0x00, 0xFF]), plain)
def test_padding_is_found_to_the_byte(before: bytes, size: int, value: int, after: bytes) -> None:
    runs = padding_runs(memoryview(before + bytes([value]) * size + after))
    assert [(run.start, run.end, run.value) for run in runs] == [(len(before), len(before) + size, value)]


def test_padding_across_chunks_is_one_run() -> None:
    size = (2 << 20) + 77
    data = b"\x01" * ((1 << 20) - 5) + b"\xff" * size + b"\x02"
    assert [(run.start, run.size) for run in padding_runs(memoryview(data))] == [((1 << 20) - 5, size)]


def test_short_runs_are_no_padding() -> None:
    assert padding_runs(memoryview(b"a" + b"\0" * 31 + b"a")) == []


def test_short_padding_between_others_belongs_to_them_but_not_at_the_ends() -> None:
    data = b"\xff" * 40 + b"\x11\x22" * 100 + b"\0" * 100 + b"\x33\x44" * 100 + b"\xff" * 40
    looks = [stretch.texture for stretch in survey(memoryview(data), inner_padding_bytes=256)]
    assert looks == [Texture.PADDING, Texture.PLAIN, Texture.PADDING]


def test_bytes_made_of_very_many_runs_are_searched_for_long_ones() -> None:
    data = (b"\0" * 32 + b"a") * (MAXIMUM_RUNS + 1) + b"\xff" * 300
    assert [(run.value, run.size) for run in padding_runs(memoryview(data))] == [(0xFF, 300)]


@given(plain, noise, plain)
def test_noise_between_plain_bytes_is_found_about_where_it_is(before: bytes, middle: bytes, after: bytes) -> None:
    data = before * 20 + middle + after * 20
    found = [s for s in survey(memoryview(data)) if s.texture is Texture.NOISE]
    assert found
    assert abs(found[0].start - len(before) * 20) <= 4096
    assert abs(found[-1].end - len(before) * 20 - len(middle)) <= 4096


def test_compressed_bytes_are_noise_and_their_source_is_not() -> None:
    source = b"".join(b"alarm %d: %x\n" % (n, n * n * 7919) for n in range(40_000))
    packed = zlib.compress(source, 9)
    assert is_noise(packed[4096:8192])
    assert not is_noise(source[:4096])


def test_a_whole_encrypted_image_is_one_stretch_of_noise() -> None:
    data = random.Random(1).randbytes(100_000)  # noqa: S311
    assert [s.texture for s in survey(memoryview(data))] == [Texture.NOISE]


@pytest.mark.parametrize("data", [b"", bytes(100), random.Random(2).randbytes(1000)], ids=["none", "zeros", "short"])  # noqa: S311
def test_few_bytes_are_no_noise(data: bytes) -> None:
    assert not is_noise(data)


def test_the_distribution_of_nothing_is_even() -> None:
    assert chi_square(b"") == 0
    assert chi_square(bytes(range(256))) == 0
    assert chi_square(bytes(256)) == 256 * 256 - 256


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"The quick brown fox\n", True),
        ("Überdruck: 40 cmH₂O\n".encode(), True),
        (b"Ends with NULs........\0\0\0", True),
        (b"too short", False),
        (b"\n" * 40, False),
        (b"a control \x01 character inside", False),
        (b"\xff\xfebroken utf-8 ..............", False),
        (b"\0starts with a NUL ...........", False),
    ],
)
def test_text_is_told_from_other_bytes(data: bytes, expected: bool) -> None:
    assert is_text(memoryview(data)) is expected


@pytest.mark.parametrize("data", [b"\xff" * (4 << 20), b"\x01\x02\x03\x04" * (1 << 20)], ids=["erased", "pattern"])
def test_four_mib_are_surveyed_in_time(data: bytes) -> None:
    start = time.process_time()
    survey(memoryview(data))
    assert time.process_time() - start < 0.5
