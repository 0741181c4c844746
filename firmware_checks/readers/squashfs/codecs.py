"""How the blocks of a squashfs are packed: as its super block says, or as its maker did it nevertheless."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from firmware_checks.readers.block_codecs import (
    Decode,
    LzmaProperties,
    Packed,
    lz4_block,
    lzma_alone,
    lzma_raw,
    lzo1x,
    xz,
    zlib_stream,
    zstd,
)
from firmware_checks.readers.squashfs.super_block import SuperBlock

__all__ = ["Codec", "candidates"]

LZMA_PROPERTIES_BYTES: Final = 5
RAW_LZMA_STARTS: Final = (0, 4, 9, 5)
"""Bytes before the LZMA data in images of router makers, the most frequent first.

Source: sasquatch (onekey-sec) lzma_wrapper.c, which tried them on many images.
"""


@dataclass(frozen=True, slots=True)
class Codec:
    """A way to unpack blocks, with the name people know it by."""

    name: str
    decode: Decode


DECLARED: Final = {
    1: Codec("gzip", zlib_stream),
    2: Codec("lzma", lzma_alone),
    3: Codec("lzo", lzo1x),
    4: Codec("xz", xz),
    5: Codec("lz4", lz4_block),
    6: Codec("zstd", zstd),
}
"""By number in the super block. Source: Linux fs/squashfs/squashfs_fs.h."""
SELF_EVIDENT: Final = (DECLARED[1], DECLARED[2], DECLARED[4], DECLARED[6])
"""Those that tell by themselves whether data was packed with them; LZO and LZ4 make something of almost anything."""


def candidates(super_block: SuperBlock) -> Iterator[Codec]:
    """Yield the ways the blocks may be packed, the likely first.

    Version 4 says how; versions 2 and 3 know zlib only. Router makers have put LZMA in the place of either.
    """
    declared = DECLARED.get(super_block.compression, DECLARED[1])
    yield declared
    yield from (codec for codec in SELF_EVIDENT if codec is not declared)
    yield Codec("lzma without size", _lzma_without_size)
    for start in RAW_LZMA_STARTS:
        for properties in _lzma_properties():
            name = f"raw lzma (lc {properties.lc}, lp {properties.lp}, pb {properties.pb}, from byte {start})"
            yield Codec(name, partial(_lzma_from, start, properties))


def _lzma_properties() -> Iterator[LzmaProperties]:
    """Yield the usual properties, then all that the decoder knows."""
    usual = LzmaProperties()
    yield usual
    for lc in range(5):
        for lp in range(5 - lc):
            yield from (p for pb in range(5) if (p := LzmaProperties(lc, lp, pb)) != usual)


def _lzma_without_size(packed: Packed, max_bytes: int) -> bytes:
    """Unpack LZMA data whose header has the properties and the history size, and no unpacked size."""
    return lzma_raw(packed[LZMA_PROPERTIES_BYTES:], max_bytes, LzmaProperties.of(packed[0]))


def _lzma_from(start: int, properties: LzmaProperties, packed: Packed, max_bytes: int) -> bytes:
    return lzma_raw(packed[start:], max_bytes, properties)
