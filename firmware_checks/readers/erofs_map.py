"""How EROFS packs files: which stretch of a file is in which compressed piece of the image.

A file is cut into logical clusters, mostly of 4 KiB. An index says of each cluster whether a new piece starts in it
(it is a *head*) and where that piece is. Source: Linux, fs/erofs/erofs_fs.h and Documentation/filesystems/erofs.rst.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from firmware_checks.readers.block_codecs import LzmaProperties, lz4_block, lzma_raw
from toolkit.core.errors import FormatError
from toolkit.core.layout import U8, U16LE, Layout, wire
from toolkit.core.window import Window

__all__ = ["ALGORITHMS", "Extent", "PackedMap", "read_map", "unpack_extent"]

PLAIN, HEAD_1, NOT_HEAD, HEAD_2 = range(4)
COMPACT_2B, BIG_1, BIG_2, INLINE_TAIL, INTERLACED, FRAGMENT_TAIL = (1 << bit for bit in range(6))
WHOLE_FRAGMENT: Final = 0x80
BLOCK_COUNT: Final = 1 << 11
"""Set in the first cluster that is no head: the rest is how many blocks the piece takes."""
PARTIAL: Final = 0x8000
"""Only the start of what the piece unpacks to belongs here."""
FULL_INDEX_GAP, FULL_INDEX_BYTES = 8, 8
SMALL_PACK, LARGE_PACK = (2, 8), (16, 32)
"""Clusters in one pack of a compact index, and its bytes: 4 and 2 for each cluster."""
MOST_UNPACKED: Final = 12 << 20
"""Largest piece when unpacked (Z_EROFS_PCLUSTER_MAX_DSIZE)."""
ALGORITHMS: Final = ("lz4", "lzma", "deflate", "zstd")


@dataclass(frozen=True, slots=True, kw_only=True)
class MapHeader:
    """What stands before the index."""

    reserved_or_fragment: int = wire(U16LE)
    inline_bytes_or_fragment: int = wire(U16LE)
    advice: int = wire(U16LE)
    algorithms: int = wire(U8)
    cluster_bits: int = wire(U8)

    @property
    def fragment_offset(self) -> int:
        """Where in the packed inode the last piece is."""
        return self.inline_bytes_or_fragment << 16 | self.reserved_or_fragment


HEADER = Layout(MapHeader, size=8)


@dataclass(frozen=True, slots=True)
class Extent:
    """Bytes ``[start, end)`` of a file and the piece ``[place, place + packed_bytes)`` of the image they are in."""

    start: int
    end: int
    kind: int
    place: int
    packed_bytes: int
    partial: bool = False
    in_fragments: bool = False
    """In the packed inode instead, at ``place``."""


@dataclass(frozen=True, slots=True)
class PackedMap:
    """All pieces of one file, in order and without gaps."""

    extents: tuple[Extent, ...]
    header: MapHeader
    block_bytes: int
    zero_padded: bool
    """Packed data stands at the end of its blocks, behind zeros."""

    def algorithm(self, extent: Extent) -> int:
        """Return the number of the algorithm that packed ``extent``."""
        return self.header.algorithms >> 4 if extent.kind == HEAD_2 else self.header.algorithms & 0x0F


@dataclass(frozen=True, slots=True)
class _Cluster:
    """What the index says of one logical cluster."""

    kind: int
    offset: int
    """Where in the cluster the piece starts."""
    block: int
    blocks: int
    """Blocks of the piece, on the first cluster after its head; 0 when that is not said."""
    partial: bool = False


def read_map(window: Window, place: int, size: int, *, block_bits: int, compact: bool, zero_padded: bool) -> PackedMap:
    """Return the map of a file of ``size`` bytes whose inode ends at ``place``; raise ``FormatError`` when damaged."""
    start = -(-place // 8) * 8
    header = HEADER.read(window, start)
    block_bytes = 1 << block_bits
    if header.cluster_bits & WHOLE_FRAGMENT:
        offset = int.from_bytes(window.take(start, 8), "little") & ~(1 << 63)
        whole = Extent(0, size, HEAD_1, offset, 0, in_fragments=True)
        return PackedMap((whole,), header, block_bytes, zero_padded)
    cluster_bits = block_bits + (header.cluster_bits & 7)
    count = -(-size // (1 << cluster_bits))
    if compact:
        clusters, end = _compact_index(window, start + HEADER.size, count, cluster_bits, header)
    else:
        clusters, end = _full_index(window, start + HEADER.size + FULL_INDEX_GAP, count)
    blocks = 1 << cluster_bits - block_bits
    extents = _extents(clusters, size, cluster_bits, block_bytes, header, blocks)
    return PackedMap(_with_tail(extents, clusters, header, end, compact=compact), header, block_bytes, zero_padded)


def _full_index(window: Window, start: int, count: int) -> tuple[list[_Cluster], int]:
    """Read an index of eight bytes for each cluster; return it and where it ends."""
    end = start + count * FULL_INDEX_BYTES
    clusters: list[_Cluster] = []
    for advice, offset, number in struct.iter_unpack("<HHI", window.take(start, end - start)):
        kind = advice & 3
        if kind == NOT_HEAD:
            distance = number & 0xFFFF
            clusters.append(_Cluster(kind, 0, 0, distance & ~BLOCK_COUNT if distance & BLOCK_COUNT else 0))
        else:
            clusters.append(_Cluster(kind, offset, number, 0, partial=bool(advice & PARTIAL)))
    return clusters, end


def _compact_index(
    window: Window, start: int, count: int, cluster_bits: int, header: MapHeader
) -> tuple[list[_Cluster], int]:
    """Read an index of two or four bytes for each cluster, in packs that share a block number; return it and its end.

    Packs of two clusters come first, until packs of sixteen stand aligned; what is left over is in packs of two again.
    """
    if cluster_bits > 14:
        raise FormatError(f"a compact index of clusters of {1 << cluster_bits} bytes is not known")
    first = min(-start % 32 // 4, count)
    large = 0
    if header.advice & COMPACT_2B and cluster_bits == 12:
        large = (count - first) // 16 * 16
    clusters: list[_Cluster] = []
    place = start
    for wanted, (in_pack, pack_bytes) in (
        (first, SMALL_PACK),
        (large, LARGE_PACK),
        (count - first - large, SMALL_PACK),
    ):
        packs = -(-wanted // in_pack)
        data = bytes(window.take(place, packs * pack_bytes))
        for at in range(0, len(data), pack_bytes):
            clusters += _pack(data[at : at + pack_bytes], in_pack, max(cluster_bits, 12), header)
        place += len(data)
    return clusters[:count], place


def _pack(data: bytes, count: int, low_bits: int, header: MapHeader) -> Iterator[_Cluster]:
    """Yield the clusters of one pack; the block of its first head is written, the others follow from it."""
    width = (len(data) - 4) * 8 // count
    bits = int.from_bytes(data[:-4], "little")
    big = bool(header.advice & BIG_1)
    block = int.from_bytes(data[-4:], "little") + (0 if big else 1)
    after_head = False
    for index in range(count):
        value = bits >> width * index
        low, kind = value & (1 << low_bits) - 1, value >> low_bits & 3
        if kind == NOT_HEAD:
            blocks = low & ~BLOCK_COUNT if big and low & BLOCK_COUNT else 0
            block += blocks - after_head if blocks else 0
            yield _Cluster(kind, 0, 0, blocks)
        else:
            yield _Cluster(kind, low, block & 0xFFFF_FFFF, 0)
            block += 1
        after_head = kind != NOT_HEAD


def _extents(
    clusters: list[_Cluster], size: int, cluster_bits: int, block_bytes: int, header: MapHeader, blocks: int
) -> list[Extent]:
    """Return the pieces that the index names, each up to the start of the next."""
    heads: list[Extent] = []
    for number, (cluster, following) in enumerate(pairwise([*clusters, _Cluster(PLAIN, 0, 0, 0)])):
        start = (number << cluster_bits) + cluster.offset
        if cluster.kind == NOT_HEAD or start >= size:  # writers mark the file's end with a head as well
            continue
        if cluster.offset >> cluster_bits or (not heads and start):
            raise FormatError("the index of a compressed file is damaged")
        big = header.advice & (BIG_2 if cluster.kind == HEAD_2 else BIG_1)
        count = following.blocks if big and following.kind == NOT_HEAD and following.blocks else blocks
        place = cluster.block * block_bytes
        heads.append(Extent(start, size, cluster.kind, place, count * block_bytes, partial=cluster.partial))
    if not heads:
        raise FormatError("the index of a compressed file names no piece")
    return [*(replace(head, end=following.start) for head, following in pairwise(heads)), heads[-1]]


def _with_tail(
    extents: list[Extent], clusters: list[_Cluster], header: MapHeader, end: int, *, compact: bool
) -> tuple[Extent, ...]:
    """Return ``extents`` with the last one where tails may be: behind the index, or in the packed inode."""
    if header.advice & FRAGMENT_TAIL:
        high = 0 if compact else next(c.block for c in reversed(clusters) if c.kind != NOT_HEAD)
        offset = header.fragment_offset | high << 32
        return (*extents[:-1], replace(extents[-1], place=offset, in_fragments=True))
    if header.advice & INLINE_TAIL and header.inline_bytes_or_fragment:
        return (*extents[:-1], replace(extents[-1], place=end, packed_bytes=header.inline_bytes_or_fragment))
    return tuple(extents)


def unpack_extent(window: Window, packed_map: PackedMap, extent: Extent) -> bytes:
    """Return the bytes of ``extent``; raise ``FormatError`` when it is damaged or packed in an unknown way."""
    size = extent.end - extent.start
    packed = window.take(extent.place, extent.packed_bytes)
    if extent.kind == PLAIN:
        return _plain(packed, size, extent.start, packed_map)
    if size > MOST_UNPACKED:
        raise FormatError(f"a compressed piece claims to hold {size} bytes")
    algorithm = packed_map.algorithm(extent)
    if algorithm >= len(ALGORITHMS):
        raise FormatError(f"compression {algorithm} is not known")
    partial = extent.partial
    if packed_map.zero_padded or algorithm:
        first_block = bytes(packed[: packed_map.block_bytes - extent.place % packed_map.block_bytes])
        packed = packed[len(first_block) - len(first_block.lstrip(b"\0")) :]
    else:
        partial = True  # the blocks end in bytes that do not count
    data = _decoded(algorithm, packed, size, partial=partial)
    if len(data) != size:
        raise FormatError(f"a compressed piece holds {len(data)} bytes and not {size}")
    return data


def _decoded(algorithm: int, packed: memoryview, size: int, *, partial: bool) -> bytes:
    if algorithm == 0:
        return lz4_start(bytes(packed), size) if partial else lz4_block(packed, size)
    if algorithm == 1:
        return _micro_lzma(packed, size)
    if algorithm == 2:
        return _deflate(packed, size)
    return _zstd(packed, size)


def _plain(packed: memoryview, size: int, start: int, packed_map: PackedMap) -> bytes:
    """Return bytes that are not compressed: from the start of their blocks, or each where it is within a block."""
    if size > len(packed):
        raise FormatError("a piece that is not compressed is longer than its blocks")
    if not packed_map.header.advice & INTERLACED:
        return bytes(packed[:size])
    block_bytes = packed_map.block_bytes
    head = block_bytes - start % block_bytes
    turned = bytes(packed[max(0, len(packed) - head) :]) + bytes(packed[: max(0, len(packed) - head)])
    return turned[:size]


def lz4_start(packed: bytes, size: int) -> bytes:
    """Return the first ``size`` bytes that an LZ4 block unpacks to, whatever follows; a few MB per second.

    Source: LZ4 Block Format Description.
    """
    out = bytearray()
    at = 0
    try:
        while len(out) < size:
            token = packed[at]
            at, literals = _lz4_length(packed, at + 1, token >> 4)
            out += packed[at : at + min(literals, size - len(out))]
            at += literals
            if len(out) >= size or at >= len(packed):
                break
            distance = packed[at] | packed[at + 1] << 8
            at, matched = _lz4_length(packed, at + 2, token & 15)
            _copy(out, distance, min(matched + 4, size - len(out)))
    except IndexError:
        raise FormatError("LZ4 data ends early") from None
    return bytes(out)


def _lz4_length(packed: bytes, at: int, length: int) -> tuple[int, int]:
    """Return where reading goes on and a length that may be continued in more bytes."""
    more = 255 if length == 15 else 0
    while more == 255:
        more = packed[at]
        length += more
        at += 1
    return at, length


def _copy(out: bytearray, distance: int, length: int) -> None:
    start = len(out) - distance
    if distance == 0 or start < 0:
        raise FormatError("LZ4 data refers to bytes before its start")
    piece = bytes(out[start : start + length])
    while len(piece) < length:
        piece += piece[: length - len(piece)]
    out += piece


def _micro_lzma(packed: memoryview, size: int) -> bytes:
    """Unpack LZMA whose first byte, always 0, is replaced by its properties with all bits turned.

    Source: XZ Utils, liblzma/api/lzma/container.h, lzma_microlzma_encoder.
    """
    if not packed:
        raise FormatError("LZMA data is missing")
    return lzma_raw(b"\0" + bytes(packed[1:]), size, LzmaProperties.of(~packed[0] & 0xFF))


def _deflate(packed: memoryview, size: int) -> bytes:
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, size)
    except zlib.error as error:
        raise FormatError(f"deflate data is damaged: {error}") from error


def _zstd(packed: memoryview, size: int) -> bytes:
    import zstandard

    try:
        with zstandard.ZstdDecompressor(max_window_size=MOST_UNPACKED).stream_reader(io.BytesIO(packed)) as reader:
            return reader.read(size)
    except zstandard.ZstdError as error:
        raise FormatError(f"Zstandard data is damaged: {error}") from error
