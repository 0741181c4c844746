from __future__ import annotations

import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.architecture import Code
from firmware_checks.structure.load_base import MAXIMUM_PAIRS, count_votes, text_base, vote_by_text, words_of

TEXTS = [b"alarm %02d: occlusion, line %d" % (n, n * 7) for n in range(40)]


def image(base: int, width: int, order: str, *, texts: int = 40) -> bytes:
    """Texts, and pointers to them behind."""
    data = bytearray(b"\0")
    places: list[int] = []
    for text in TEXTS[:texts]:
        data += b"\0" * (-len(data) % 4)
        places.append(len(data))
        data += text + b"\0"
    data += b"\0" * (-len(data) % 8)
    letter = "I" if width == 4 else "Q"
    data += struct.pack(f"{'<' if order == 'little' else '>'}{len(places)}{letter}", *[base + p for p in places])
    return bytes(data)


@given(
    st.integers(0, 0xF_FFFF).map(lambda page: page << 12),
    st.sampled_from([4, 8]),
    st.sampled_from(["little", "big"]),
)
def test_pointers_to_texts_tell_where_the_image_runs(base: int, width: int, order: str) -> None:
    base &= 0xFFFF_0000
    vote = vote_by_text(image(base, width, order), width=width, byte_order=order)
    assert vote is not None
    assert vote.base == base
    assert vote.votes >= 2 * vote.second


def test_a_64_bit_base_is_found() -> None:
    base = 0xFFFF_FFFF_BE00_0000
    vote = vote_by_text(image(base, 8, "little"), width=8, byte_order="little")
    assert vote is not None
    assert vote.base == base


def test_addresses_a_processor_does_not_have_are_not_proposed() -> None:
    data = image(0x8000_0000, 4, "little")
    assert vote_by_text(data, width=4, byte_order="little", plausible=lambda base: base < 0x1000) is None


@pytest.mark.parametrize(
    "data", [b"", bytes(100), image(0x1000, 4, "little", texts=2)], ids=["none", "zeros", "two texts"]
)
def test_too_little_says_nothing(data: bytes) -> None:
    assert vote_by_text(data, width=4, byte_order="little") is None


def test_two_bases_with_equal_support_are_not_chosen_between() -> None:
    first, second = image(0x10_0000, 4, "little"), image(0x90_0000, 4, "little")
    pointers = second[-160:]
    assert vote_by_text(first + pointers, width=4, byte_order="little") is None


def test_the_address_in_the_file_is_believed() -> None:
    code = Code(memoryview(image(0x10_0000, 4, "little")), 0x2000)
    assert text_base(code, width=4, byte_order="little") == (0x2000, ("placed at 0x2000 by the file",))


def test_the_vote_is_told_in_words() -> None:
    base, why = text_base(Code(memoryview(image(0x10_0000, 4, "little"))), width=4, byte_order="little")
    assert base == 0x10_0000
    assert "pointers to texts fit when the first byte is at 0x100000" in why[0]


def test_without_a_vote_nothing_is_said() -> None:
    assert text_base(Code(memoryview(bytes(64))), width=4, byte_order="little") == (None, ())


def test_words_are_read_in_their_byte_order() -> None:
    assert list(words_of(b"\x01\x02\x03\x04\x05", 4, "little")) == [0x0403_0201]
    assert list(words_of(b"\x01\x02\x03\x04\x05", 4, "big")) == [0x0102_0304]


def test_votes_are_counted_for_bases_of_the_wanted_residue_only() -> None:
    votes = count_votes([0x1010, 0x1024], [0x10, 0x20], low=0, high=0x2000, residue=0, step=0x10)
    assert votes == {0x1000: 1, 0xFF0: 1}
    assert count_votes([0x1010], [0x10], low=0, high=0xFFF, residue=0, step=0x10) == {}


def test_bytes_made_to_be_slow_are_thinned() -> None:
    pointers, targets = range(0, 1 << 20, 128), range(0, 1 << 20, 128)
    assert len(pointers) * len(targets) > MAXIMUM_PAIRS
    start = time.process_time()
    votes = count_votes(pointers, targets, low=0, high=1 << 20, residue=0, step=128)
    assert time.process_time() - start < 1
    assert sum(votes.values()) <= 4 * MAXIMUM_PAIRS
