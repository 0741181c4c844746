import bz2
import lzma
import random
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.readers.unpack import FEED_BYTES, PIECE_BYTES, Content, Decoder, Held, Inflate, unpack
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits


def _deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


CODECS = pytest.mark.parametrize(
    ("pack", "decoder"),
    [(_deflate, Inflate), (bz2.compress, bz2.BZ2Decompressor), (lzma.compress, lzma.LZMADecompressor)],
    ids=["deflate", "bzip2", "xz"],
)
ZEROS = bytes(PIECE_BYTES * 4)
NOISE = random.Random(1).randbytes(FEED_BYTES * 3)  # noqa: S311  # filler, not a secret


@CODECS
@given(data=st.binary(max_size=3000), after=st.binary(max_size=50))
def test_a_stream_unpacks_to_what_was_packed_and_ends_where_it_ends(
    pack: Callable[[bytes], bytes], decoder: Callable[[], Decoder], data: bytes, after: bytes
) -> None:
    packed = pack(data)
    result = unpack(memoryview(packed + after), decoder(), keep_bytes=1 << 20, stop_bytes=1 << 20)
    assert (result.data, result.size, result.crc32) == (data, len(data), zlib.crc32(data))
    assert (result.consumed_bytes, result.ended, result.damage) == (len(packed), True, "")


@CODECS
@pytest.mark.parametrize("data", [ZEROS, NOISE, ZEROS + NOISE + ZEROS], ids=["zeros", "noise", "both"])
def test_large_streams_go_through_in_pieces(
    pack: Callable[[bytes], bytes], decoder: Callable[[], Decoder], data: bytes
) -> None:
    result = unpack(memoryview(pack(data)), decoder(), keep_bytes=len(data), stop_bytes=len(data))
    assert result.data == data
    assert result.ended


@CODECS
def test_unpacking_stops_one_piece_beyond_the_limit(
    pack: Callable[[bytes], bytes], decoder: Callable[[], Decoder]
) -> None:
    result = unpack(memoryview(pack(ZEROS)), decoder(), keep_bytes=1000, stop_bytes=1000)
    assert result.data is None
    assert 1000 < result.size <= 1000 + PIECE_BYTES
    assert not result.ended


@CODECS
def test_a_cut_stream_is_neither_ended_nor_damaged(
    pack: Callable[[bytes], bytes], decoder: Callable[[], Decoder]
) -> None:
    packed = pack(NOISE)
    result = unpack(memoryview(packed)[:-10], decoder(), keep_bytes=1 << 20, stop_bytes=1 << 20)
    assert not result.ended
    assert result.damage == ""
    assert result.consumed_bytes == len(packed) - 10


@pytest.mark.parametrize("decoder", [Inflate, bz2.BZ2Decompressor, lzma.LZMADecompressor])
def test_damage_is_located_and_named(decoder: Callable[[], Decoder]) -> None:
    result = unpack(memoryview(b"\xff" + NOISE), decoder(), keep_bytes=1 << 20, stop_bytes=1 << 20)
    assert result.damage
    assert result.consumed_bytes == 0


def test_more_may_be_unpacked_than_is_kept() -> None:
    result = unpack(memoryview(_deflate(ZEROS)), Inflate(), keep_bytes=10, stop_bytes=len(ZEROS))
    assert result.ended
    assert result.data is None
    assert result.size == len(ZEROS)


def test_streams_after_each_other_are_one_content() -> None:
    content = Content(Limits())
    for data in (b"pump ", b"1.2"):
        content.unpack(memoryview(_deflate(data)), Inflate)
    entry = content.entry("pump.bin", packed_bytes=20, offset=0)
    assert entry.read(100) == b"pump 1.2"
    assert entry.unpacked_bytes == 8


def test_what_is_more_than_may_be_kept_is_refused_when_it_is_read() -> None:
    content = Content(Limits(entry_bytes=100, unpacked_bytes=1 << 20))
    content.unpack(memoryview(_deflate(bytes(90))), Inflate)
    content.unpack(memoryview(_deflate(bytes(90))), Inflate)
    content.unpack(memoryview(_deflate(bytes(90))), Inflate)
    with pytest.raises(LimitExceeded, match="more than 1000 bytes"):
        content.entry("x", packed_bytes=1, offset=0).read(1000)


def test_a_stream_beyond_all_limits_is_a_bomb() -> None:
    with pytest.raises(LimitExceeded, match="more than 1000 bytes"):
        Content(Limits(entry_bytes=100, unpacked_bytes=1000)).unpack(memoryview(_deflate(ZEROS)), Inflate)


def test_bytes_that_are_no_stream_are_refused() -> None:
    with pytest.raises(FormatError, match="no compressed stream"):
        Content(Limits()).unpack(memoryview(b"\xff" * 100), Inflate)
    with pytest.raises(FormatError, match="it ends early"):
        Content(Limits()).unpack(memoryview(_deflate(NOISE))[:50], Inflate)


def test_a_cut_stream_gives_what_is_there_and_a_problem() -> None:
    content = Content(Limits())
    content.unpack(memoryview(_deflate(NOISE))[:2000], Inflate)
    assert content.entry("x", packed_bytes=1, offset=0).read(1 << 20) == NOISE[: content.size]
    assert content.problems == [f"it is cut short: only {content.size} bytes could be unpacked"]


def test_a_damaged_stream_gives_what_stands_before_the_damage() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(NOISE) + packer.flush(zlib.Z_FULL_FLUSH)
    no_block = b"\x06"  # the one block type that RFC 1951 does not allow
    content = Content(Limits())
    assert content.unpack(memoryview(packed + no_block), Inflate).damage
    assert content.size >= 2 * FEED_BYTES
    assert NOISE.startswith(content.entry("x", packed_bytes=1, offset=0).read(1 << 20))


def test_held_content_is_read_again_up_to_a_limit() -> None:
    assert Held(b"pump").read(4) == b"pump"
    with pytest.raises(LimitExceeded):
        Held(b"pump").read(3)
