import lzma
import random
import subprocess
import sys
import zlib
from collections.abc import Callable

import lz4.block
import lzallright
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.readers.block_codecs import (
    Decode,
    LzmaProperties,
    lz4_block,
    lzma_alone,
    lzma_raw,
    lzo1x,
    xz,
    zlib_stream,
    zstd,
)
from toolkit.core.errors import FormatError

Pack = Callable[[bytes], bytes]


def _raw(data: bytes, properties: LzmaProperties = LzmaProperties()) -> bytes:  # noqa: B008  # frozen
    options = {"id": lzma.FILTER_LZMA1, "lc": properties.lc, "lp": properties.lp, "pb": properties.pb}
    return lzma.compress(data, format=lzma.FORMAT_RAW, filters=[options])


def _alone(data: bytes) -> bytes:
    return lzma.compress(data, format=lzma.FORMAT_ALONE)


def _alone_with_size(data: bytes) -> bytes:
    """Pack as the LZMA library of 7-Zip does: the size in the header; the end mark that follows is not needed."""
    packed = _alone(data)
    return packed[:5] + len(data).to_bytes(8, "little") + packed[13:]


def _lz4(data: bytes) -> bytes:
    return bytes(lz4.block.compress(data, store_size=False))


CODECS: dict[str, tuple[Pack, Decode]] = {
    "zlib": (zlib.compress, zlib_stream),
    "xz": (lzma.compress, xz),
    "lzma": (_alone, lzma_alone),
    "lzma with size": (_alone_with_size, lzma_alone),
    "lzo": (lambda data: bytes(lzallright.LZOCompressor().compress(data)), lzo1x),
    "lz4": (_lz4, lz4_block),
    "zstd": (lambda data: zstandard.ZstdCompressor().compress(data), zstd),
    "zstd without size": (
        lambda data: zstandard.ZstdCompressor(write_content_size=False).compress(data),
        zstd,
    ),
}
every_codec = pytest.mark.parametrize(("pack", "decode"), CODECS.values(), ids=CODECS.keys())
blocks = st.one_of(st.binary(min_size=1, max_size=3000), st.integers(1, 9000).map(lambda size: b"5 ml/h\n" * size))


@every_codec
@given(data=blocks, room=st.integers(0, 5000))
def test_what_is_packed_is_unpacked(pack: Pack, decode: Decode, data: bytes, room: int) -> None:
    assert decode(memoryview(pack(data)), len(data) + room) == data


@every_codec
@given(data=blocks, less=st.integers(1, 3000))
def test_a_block_never_unpacks_to_more_than_asked_for(pack: Pack, decode: Decode, data: bytes, less: int) -> None:
    with pytest.raises(FormatError):
        decode(pack(data), max(0, len(data) - less))


@every_codec
def test_a_bomb_is_refused_for_its_size(pack: Pack, decode: Decode) -> None:
    with pytest.raises(FormatError):
        decode(pack(bytes(8 << 20)), 131_072)


@every_codec
@given(data=blocks, cut=st.integers(0, 40))
def test_a_block_cut_short_is_refused(pack: Pack, decode: Decode, data: bytes, cut: int) -> None:
    packed = pack(data)
    try:
        assert decode(packed[: min(cut, len(packed) // 2)], len(data)) != data
    except FormatError:
        return


@every_codec
@given(data=st.data())
def test_damage_is_refused_or_kept_within_bounds(pack: Pack, decode: Decode, data: st.DataObject) -> None:
    packed = bytearray(pack(b"infusion pump " * 40))
    for _ in range(data.draw(st.integers(1, 4))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert len(decode(bytes(packed), 4096)) <= 4096
    except FormatError:
        return


@every_codec
@given(packed=st.binary(max_size=200), most=st.integers(0, 5000))
def test_any_bytes_are_refused_or_kept_within_bounds(pack: Pack, decode: Decode, packed: bytes, most: int) -> None:
    assert pack(b"x")
    try:
        assert len(decode(packed, most)) <= most
    except FormatError:
        return


@given(data=blocks, lc=st.integers(0, 4), lp=st.integers(0, 4), pb=st.integers(0, 4))
def test_lzma_without_header_needs_its_properties_and_its_size(data: bytes, lc: int, lp: int, pb: int) -> None:
    properties = LzmaProperties(lc, min(lp, 4 - lc), pb)
    assert lzma_raw(_raw(data, properties), len(data), properties) == data


@given(data=blocks)
def test_lzma_without_header_may_be_read_with_more_room(data: bytes) -> None:
    assert lzma_raw(_raw(data), len(data) + 8192, LzmaProperties())[: len(data)] == data


def test_lzma_without_end_mark_is_unpacked_to_its_last_byte() -> None:
    data = random.Random(3).randbytes(5000)  # noqa: S311  # filler, not a secret
    packed = _raw(data)
    for cut in range(4):
        assert lzma_raw(packed[: len(packed) - cut], len(data), LzmaProperties())[:4990] == data[:4990]


def test_the_byte_of_lzma_properties_is_taken_apart() -> None:
    assert LzmaProperties.of(0x5D) == LzmaProperties(lc=3, lp=0, pb=2)
    assert LzmaProperties.of(224) == LzmaProperties(lc=8, lp=4, pb=4)
    with pytest.raises(FormatError, match="impossible"):
        LzmaProperties.of(225)


def test_properties_the_decoder_does_not_know_are_refused() -> None:
    with pytest.raises(FormatError):
        lzma_alone(bytes([224]) + _alone(b"pump")[1:], 100)


def test_lzo_data_that_goes_on_is_refused_without_telling_all_of_it() -> None:
    with pytest.raises(FormatError, match="after its end") as refusal:
        lzo1x(bytes(lzallright.LZOCompressor().compress(bytes(5000))) + b"more", 5000)
    assert len(str(refusal.value)) < 100


def test_an_xz_stream_that_asks_for_much_memory_is_refused() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 27}]
    packed = lzma.compress(b"pump", filters=filters, check=lzma.CHECK_CRC32)
    with pytest.raises(FormatError, match="xz"):
        xz(packed, 100)


def test_lzo_data_longer_than_any_packer_makes_it_is_refused_before_it_is_unpacked() -> None:
    with pytest.raises(FormatError, match="more than 100 bytes"):
        lzo1x(bytes(5000), 100)


def test_zlib_data_is_unpacked_without_the_faster_library_too() -> None:
    program = """
import sys, zlib
sys.modules["isal"] = None
from firmware_checks.readers.block_codecs import zlib_stream
from toolkit.core.errors import FormatError
assert zlib_stream(zlib.compress(b"pump" * 999), 3996) == b"pump" * 999
try:
    zlib_stream(b"pump", 10)
except FormatError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.startswith("zlib data is damaged")
