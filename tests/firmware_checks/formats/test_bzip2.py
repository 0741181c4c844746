import bz2
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.format import Opened
from firmware_checks.formats.bzip2 import FORMAT
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.window import Window

NOISE = random.Random(4).randbytes(300_000)  # noqa: S311  # filler, not a secret


def _open(data: bytes, *, limits: Limits = Limits()) -> Opened:  # noqa: B008  # frozen
    return FORMAT.open(Span("pump.bin.bz2", Window.of(data)), limits)


def _content(opened: Opened) -> bytes:
    (entry,) = opened.entries
    return entry.read(1 << 28)


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=3), st.sampled_from([b"", b"after"]))
def test_what_is_packed_is_read_back_and_what_follows_is_left_outside(pieces: list[bytes], after: bytes) -> None:
    data = b"".join(bz2.compress(piece) for piece in pieces)
    opened = _open(data + after)
    assert (opened.size, _content(opened)) == (len(data), b"".join(pieces))
    assert opened.facts["streams"] == len(pieces)
    assert [verdict.valid for verdict in opened.integrity] == [True]


def test_the_check_sum_told_is_the_one_in_the_file() -> None:
    """The empty stream ends with a check sum of 0, byte-aligned: bzip2 1.0.8, BZ2_compressBlock."""
    assert _open(bz2.compress(b"")).integrity[0].stored == "00000000"
    one_bit_off = bz2.compress(b"pump")
    assert f"{int.from_bytes(one_bit_off, 'big'):b}".find(f"{0x177245385090:048b}") > 0
    assert int(_open(one_bit_off).integrity[0].stored, 16) > 0


def test_the_content_is_named_after_the_file() -> None:
    assert [entry.name for entry in _open(bz2.compress(b"x")).entries] == ["pump.bin"]


def test_a_cut_file_gives_what_is_there_and_says_so() -> None:
    data = bz2.compress(NOISE, 1)
    opened = _open(data[: len(data) // 2])
    assert NOISE.startswith(_content(opened))
    assert opened.integrity == ()
    assert any("is cut short" in problem for problem in opened.problems)


@pytest.mark.parametrize("data", [b"BZh9" + bytes(100), b"", b"BZh91AY&SY" + b"\xff" * 90, bz2.compress(NOISE)[:100]])
def test_what_is_no_bzip2_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)


def test_a_wrong_check_sum_is_refused() -> None:
    data = bytearray(bz2.compress(b"pump settings"))
    data[12] ^= 1
    with pytest.raises(FormatError):
        _open(bytes(data))


def test_a_bomb_is_stopped() -> None:
    (entry,) = _open(bz2.compress(bytes(4 << 20)), limits=Limits(entry_bytes=1 << 20)).entries
    with pytest.raises(LimitExceeded):
        entry.read(1 << 20)
