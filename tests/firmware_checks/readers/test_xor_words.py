import struct
from functools import reduce
from operator import xor

from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.readers.xor_words import xor_words


@given(st.lists(st.integers(0, 0xFFFF_FFFF), max_size=70), st.binary(max_size=3))
def test_all_whole_words_count_once(words: list[int], rest: bytes) -> None:
    assert xor_words(struct.pack(f"<{len(words)}I", *words) + rest) == reduce(xor, words, 0)
