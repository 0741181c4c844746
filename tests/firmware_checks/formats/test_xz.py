import lzma
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.format import Opened
from firmware_checks.formats.xz import FORMAT
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.window import Window

NOISE = random.Random(5).randbytes(60_000)  # noqa: S311  # filler, not a secret


def _open(data: bytes, *, limits: Limits = Limits()) -> Opened:  # noqa: B008  # frozen
    return FORMAT.open(Span("pump.bin.xz", Window.of(data)), limits)


def _content(opened: Opened) -> bytes:
    (entry,) = opened.entries
    return entry.read(1 << 28)


@given(
    pieces=st.lists(st.binary(max_size=300), min_size=1, max_size=3),
    padding=st.sampled_from([b"", bytes(4), bytes(16)]),
    after=st.sampled_from([b"", b"after"]),
)
def test_what_is_packed_is_read_back_and_what_follows_is_left_outside(
    pieces: list[bytes], padding: bytes, after: bytes
) -> None:
    data = padding.join(lzma.compress(piece) for piece in pieces)
    opened = _open(data + after)
    assert (opened.size, _content(opened)) == (len(data), b"".join(pieces))
    assert opened.facts["streams"] == len(pieces)
    assert [verdict.valid for verdict in opened.integrity] == [True]


@pytest.mark.parametrize(
    ("check", "name"),
    [
        (lzma.CHECK_NONE, "none"),
        (lzma.CHECK_CRC32, "crc32"),
        (lzma.CHECK_CRC64, "crc64"),
        (lzma.CHECK_SHA256, "sha256"),
    ],
)
def test_the_check_of_the_content_is_told(check: int, name: str) -> None:
    assert _open(lzma.compress(b"x", check=check)).facts["check"] == name


def test_the_content_is_named_after_the_file() -> None:
    assert [entry.name for entry in _open(lzma.compress(b"x")).entries] == ["pump.bin"]


def test_a_cut_file_gives_what_is_there_and_says_so() -> None:
    opened = _open(lzma.compress(NOISE)[:40_000])
    assert NOISE.startswith(_content(opened))
    assert any("is cut short" in problem for problem in opened.problems)


def test_damage_after_a_while_leaves_what_stands_before() -> None:
    data = bytearray(lzma.compress(NOISE))
    data[40_000] ^= 1
    data[-40] ^= 1
    opened = _open(bytes(data))
    assert any("could be unpacked" in problem for problem in opened.problems)


@pytest.mark.parametrize("at", [0, 7, 8, 13, 30])
def test_what_is_no_xz_is_refused(at: int) -> None:
    data = bytearray(lzma.compress(b"pump settings" * 3))
    data[at] ^= 0x40
    with pytest.raises(FormatError):
        _open(bytes(data))


def test_a_bomb_is_stopped() -> None:
    (entry,) = _open(lzma.compress(bytes(4 << 20)), limits=Limits(entry_bytes=1 << 20)).entries
    with pytest.raises(LimitExceeded):
        entry.read(1 << 20)
