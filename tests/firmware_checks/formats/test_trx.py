import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.format import Opened
from firmware_checks.formats.trx import FORMAT, build_image
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window


def _open(data: bytes) -> Opened:
    return FORMAT.open(Span("pump.trx", Window.of(data)), Limits())


def _contents(data: bytes) -> list[bytes]:
    return [data[part.start : part.end] for part in _open(data).parts[1:]]


@given(st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=4), st.binary(max_size=20))
def test_what_is_built_is_read_back_and_what_follows_is_left_outside(partitions: list[bytes], after: bytes) -> None:
    data = build_image(*partitions, version=2)
    opened = _open(data + after)
    assert opened.size == len(data)
    assert [verdict.valid for verdict in opened.integrity] == [True]
    padded = [partition + bytes(-len(partition) % 4) for partition in partitions]
    assert _contents(data) == padded
    assert opened.facts["partitions"] == len(partitions)
    assert all(part.look_inside for part in opened.parts[1:])


def test_a_known_image_has_the_known_check_sum() -> None:
    """CRC-32/JAMCRC, of the 16 bytes in the header and "123456789000"; computed by hand from its parameters."""
    covered = struct.pack("<2H3I", 0, 1, 28, 0, 0) + b"123456789\0\0\0"
    register = 0xFFFF_FFFF
    for byte in covered:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0xEDB8_8320 if register & 1 else 0)
    data = bytearray(build_image(b"123456789"))
    assert struct.unpack_from("<I", data, 8) == (register,)
    data[-1] ^= 1
    assert [verdict.valid for verdict in _open(bytes(data)).integrity] == [False]


def test_an_image_without_partitions_is_one_stretch() -> None:
    data = bytearray(build_image(b"pump"))
    data[16:20] = bytes(4)
    opened = _open(bytes(data))
    assert opened.facts["partitions"] == 0
    assert _contents(bytes(data)) == [b"pump"]


def test_partitions_in_any_order_and_twice_are_told_apart() -> None:
    data = bytearray(build_image(b"1234", b"5678", b"9abc"))
    struct.pack_into("<3I", data, 16, 36, 28, 36)
    assert _contents(bytes(data)) == [b"12345678", b"9abc"]


def test_a_file_cut_short_is_told() -> None:
    data = build_image(b"1234", b"5678")
    opened = _open(data[:-5])
    assert opened.problems == ("the file is cut short: 5 bytes are missing",)
    assert (opened.size, opened.integrity, _contents(data[:-5])) == (len(data) - 5, (), [b"123"])


@pytest.mark.parametrize(
    "fields",
    [(0, 0, 0, 1, 0), (28, 0, 0, 1, 0), (100, 0, 0, 3, 0), (100, 0, 0, 1, 27), (100, 0, 0, 1, 100), (32, 0, 0, 2, 0)],
)
def test_the_magic_in_a_text_is_no_image(fields: tuple[int, ...]) -> None:
    with pytest.raises(FormatError):
        _open(b"HDR0" + struct.pack("<2I2HI", *fields) + bytes(100))
