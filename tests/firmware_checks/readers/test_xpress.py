import random
import struct
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_checks.readers.lzx import copy_match
from firmware_checks.readers.xpress import unpack_xpress
from toolkit.core.errors import FormatError


class _Packer:
    """Writes 9-bit codes for all 512 symbols, words and bytes interleaved as MS-XCA 2.1.4.3 describes."""

    def __init__(self) -> None:
        self.out = bytearray(b"\x99" * 256) + bytes(4)
        self._places = [256, 258]
        self._word, self._free = 0, 16

    def bits(self, value: int, count: int) -> None:
        if self._free >= count:
            self._free -= count
            self._word = self._word << count | value
            return
        rest = count - self._free
        self._put(self._word << self._free | value >> rest)
        self._places = [self._places[1], len(self.out)]
        self.out += bytes(2)
        self._word, self._free = value & ((1 << rest) - 1), 16 - rest

    def _put(self, word: int) -> None:
        struct.pack_into("<H", self.out, self._places[0], word)

    def literal(self, value: int) -> None:
        self.bits(value, 9)

    def match(self, distance: int, length: int) -> None:
        offset_bits = distance.bit_length() - 1
        rest = length - 3
        self.bits(256 + (offset_bits << 4) + min(rest, 15), 9)
        if rest >= 15 + 255:
            self.out += b"\xff" + struct.pack("<H", rest)
        elif rest >= 15:
            self.out.append(rest - 15)
        self.bits(distance - (1 << offset_bits), offset_bits)

    def finish(self) -> bytes:
        self._put(self._word << self._free)
        return bytes(self.out)


def _packed(seed: int, tokens: int) -> tuple[bytes, bytes]:
    choice = random.Random(seed)  # noqa: S311  # choices, not secrets
    packer, data = _Packer(), bytearray()
    for _ in range(tokens):
        if not data or choice.random() < 0.5:
            data.append(choice.randrange(256))
            packer.literal(data[-1])
        else:
            distance = choice.randrange(1, min(len(data), 32_767) + 1)
            length = choice.choice((3, 7, 17, 18, 40, 272, 273, 900))
            copy_match(data, distance, length)
            packer.match(distance, length)
    return packer.finish(), bytes(data)


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 200))
def test_what_is_packed_is_read_back(seed: int, tokens: int) -> None:
    packed, data = _packed(seed, tokens)
    assert unpack_xpress(packed, len(data)) == data


def test_a_match_over_the_end_is_refused() -> None:
    packer = _Packer()
    packer.literal(1)
    packer.match(1, 10)
    with pytest.raises(FormatError, match="over the end"):
        unpack_xpress(packer.finish(), 5)


def test_a_match_before_the_start_is_refused() -> None:
    packer = _Packer()
    packer.match(1, 10)
    with pytest.raises(FormatError, match="before its start"):
        unpack_xpress(packer.finish(), 10)


@pytest.mark.parametrize("packed", [b"", bytes(255), bytes(300), b"\x11" * 300])
def test_what_has_no_table_of_codes_is_refused(packed: bytes) -> None:
    with pytest.raises(FormatError):
        unpack_xpress(packed, 10)


@settings(deadline=None)
@given(st.data())
def test_damaged_data_is_read_or_refused(data: st.DataObject) -> None:
    packed, content = _packed(5, 150)
    damaged = bytearray(packed)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    with suppress(FormatError):
        assert len(unpack_xpress(bytes(damaged[: data.draw(st.integers(0, len(packed)))]), len(content))) == len(
            content
        )
