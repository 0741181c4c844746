from __future__ import annotations

import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.span import Span
from firmware_checks.structure.check_value import CheckValue, find_check_value
from firmware_checks.structure.checksums import ALGORITHMS, Algorithm, crc16_8005, crc32_mpeg2, crc32_stm32
from toolkit.core.window import Window
from toolkit.report.model import Confidence, RegionKind

NINE = b"123456789"
BODY = random.Random(3).randbytes(1000) + b"\x10\xb5" * 500  # noqa: S311  # the same bytes every time


def find(data: bytes) -> CheckValue | None:
    return find_check_value(memoryview(data))


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("crc32", 0xCBF43926),
        ("crc32-mpeg2", 0x0376E6E7),
        ("crc16-ccitt-false", 0x29B1),
        ("crc16-xmodem", 0x31C3),
        ("crc16-modbus", 0x4B37),
        ("crc16-arc", 0xBB3D),
        ("sum16 of bytes", 477),
        ("sum32 of bytes", 477),
    ],
)
def test_an_algorithm_gives_its_published_check_value(name: str, check: int) -> None:
    (algorithm,) = [a for a in ALGORITHMS if a.name == name]
    assert algorithm.compute(NINE) == check


def test_the_hardware_crc_of_stm32_is_that_of_swapped_words() -> None:
    assert crc32_stm32(b"4321" + b"8765") == crc32_mpeg2(b"12345678")
    assert crc32_stm32(b"4321" + b"87") == crc32_mpeg2(b"1234")


def test_words_are_summed_little_endian() -> None:
    (sum16,) = [a for a in ALGORITHMS if a.name == "sum16 of words"]
    (sum32,) = [a for a in ALGORITHMS if a.name == "sum32 of words"]
    assert sum16.compute(b"\x01\x02\x03\x04\x05") == 0x0201 + 0x0403
    assert sum32.compute(b"\x01\x02\x03\x04\x05") == 0x0403_0201


def slow_crc16(data: bytes, start: int) -> int:
    for byte in data:
        start ^= byte
        for _ in range(8):
            start = start >> 1 ^ (0xA001 if start & 1 else 0)
    return start


@given(st.binary(max_size=50), st.sampled_from([0, 0xFFFF]))
def test_the_folded_crc_equals_the_plain_one(data: bytes, start: int) -> None:
    assert crc16_8005(data, start) == slow_crc16(data, start)


@pytest.mark.parametrize("size", [32_766, 32_767, 32_768, 65_534, 65_600])
def test_the_folded_crc_equals_the_plain_one_where_blocks_meet(size: int) -> None:
    data = random.Random(size).randbytes(size)  # noqa: S311
    assert crc16_8005(data, 0xFFFF) == slow_crc16(data, 0xFFFF)


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.name)
@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("padding", [b"", b"\xff" * 40, b"\0" * 40], ids=["none", "erased", "zeros"])
def test_an_appended_check_value_is_found(algorithm: Algorithm, order: str, padding: bytes) -> None:
    for name, value in algorithm.variants(algorithm.compute(BODY)):
        stored = value.to_bytes(algorithm.width, "little" if order == "little" else "big")
        if stored[-1] in (0x00, 0xFF):  # looks like padding, as one value in 128 does
            continue
        found = find(BODY + stored + padding)
        assert found is not None
        assert (found.start, found.end) == (len(BODY), len(BODY) + algorithm.width)
        assert found.algorithm == name or found.value == value


def test_the_region_of_a_check_value_says_that_it_proves_no_origin() -> None:
    data = BODY + zlib.crc32(BODY).to_bytes(4, "little")
    found = find(data)
    assert found is not None
    region = found.region(Span("x", Window.of(data[found.start :])))
    assert region.kind is RegionKind.METADATA
    assert region.integrity[0].valid
    assert region.integrity[0].stored == f"{zlib.crc32(BODY):08x}"
    assert region.facts["confidence"] == Confidence.HIGH.value
    assert "damage only" in region.facts["why"][0]  # type: ignore[index]  # a tuple


@given(st.integers(0, 2**32), st.integers(300, 4000))
def test_random_images_have_no_wide_check_value(seed: int, size: int) -> None:
    found = find(random.Random(seed).randbytes(size))  # noqa: S311
    assert found is None or found.confidence is not Confidence.HIGH


@pytest.mark.parametrize(
    "data",
    [b"", b"\x01" * 100, bytes(5000), b"\xff" * 5000, bytes(1000) + b"\x01\x02\x03\x04", BODY + bytes(4)],
    ids=["none", "short", "zeros", "erased", "zeros before", "zero value"],
)
def test_what_has_nothing_to_protect_has_no_check_value(data: bytes) -> None:
    assert find(data) is None


def test_images_too_large_are_left_alone() -> None:
    assert find(bytes((4 << 20) + 1)) is None


@pytest.mark.parametrize(("invert", "name"), [(0, "sum8"), (1, "sum8, negated"), (2, "sum8, inverted")])
def test_a_sum_of_one_byte_counts_only_behind_padding(invert: int, name: str) -> None:
    body = BODY + b"\xff" * 64
    total = sum(body)
    value = [total, -total, ~total][invert] & 0xFF
    found = find(body + bytes([value]))
    assert found is not None
    assert (found.algorithm, found.confidence) == (name, Confidence.LOW)
    assert find(body + bytes([value ^ 0x55])) is None
    assert find(BODY + bytes([sum(BODY) & 0xFF])) is None
