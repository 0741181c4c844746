import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.format import Opened
from firmware_checks.formats.png import CHUNKS, FORMAT, MAGIC
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window

PICTURE = FORMAT.example()


def _open(data: bytes) -> Opened:
    return FORMAT.open(Span("logo.png", Window.of(data)), Limits())


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I4s", len(data), kind) + data + struct.pack(">I", zlib.crc32(kind + data))


@given(st.lists(st.binary(max_size=60), max_size=5), st.binary(max_size=60))
def test_a_picture_ends_at_its_end_chunk(chunks: list[bytes], after: bytes) -> None:
    data = PICTURE[:33] + b"".join(_chunk(b"IDAT", chunk) for chunk in chunks) + _chunk(b"IEND", b"")
    opened = _open(data + after)
    assert opened.size == len(data)
    assert opened.facts == {"width": 1, "height": 1}
    assert [verdict.valid for verdict in opened.integrity] == [True]
    assert opened.problems == ()


def test_a_chunk_with_a_wrong_check_sum_is_a_verdict() -> None:
    data = bytearray(PICTURE)
    data[45] ^= 1
    (verdict,) = _open(bytes(data)).integrity
    assert (verdict.valid, verdict.stored, verdict.computed) == (False, "3 chunks", "2 agree")


def test_a_cut_picture_is_measured_as_far_as_it_is_whole() -> None:
    opened = _open(PICTURE[:-5])
    assert opened.size == len(PICTURE) - 12
    assert opened.problems[0].startswith("the picture is cut short")


def test_a_damaged_picture_ends_at_the_damage() -> None:
    opened = _open(PICTURE[:33] + bytes(40))
    assert opened.size == 33
    assert opened.problems == ("the picture is damaged: no PNG chunk at 0x21",)


def test_chunks_without_end_are_left() -> None:
    opened = _open(PICTURE[:33] + _chunk(b"tEXt", b"") * (CHUNKS + 5))
    assert opened.size == 33 + 12 * (CHUNKS - 1)


@pytest.mark.parametrize("data", [b"", MAGIC, MAGIC + bytes(30), MAGIC + _chunk(b"IEND", b""), PICTURE[:20] + PICTURE])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)


@pytest.mark.parametrize("data", [PICTURE[:-1], PICTURE + b"\0", PICTURE[:20], MAGIC, PICTURE[:33]])
def test_only_a_whole_picture_is_closed(data: bytes) -> None:
    assert FORMAT.closed is not None
    assert FORMAT.closed(Window.of(PICTURE))
    assert not FORMAT.closed(Window.of(data))


def test_chunks_without_end_are_not_followed_for_ever() -> None:
    assert FORMAT.closed is not None
    assert not FORMAT.closed(Window.of(PICTURE[:33] + _chunk(b"IDAT", b"") * (CHUNKS + 1)))
