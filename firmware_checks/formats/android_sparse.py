"""Android sparse images: a partition whose empty stretches are left out."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from firmware_checks.format import Entry, ImageFormat, Magic, Opened
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.layout import U16LE, U32LE, Layout, const, wire
from toolkit.core.limits import Limits
from toolkit.core.problems import Problems
from toolkit.core.window import Window
from toolkit.report.model import Integrity, RegionKind

__all__ = ["FORMAT"]

MAGIC = 0xED26_FF3A
RAW, FILL, NOTHING, CRC32 = 0xCAC1, 0xCAC2, 0xCAC3, 0xCAC4
WORD_BYTES = 4
MOST_CHUNKS = 1 << 17
MOST_BLOCK_BYTES = 1 << 24
PIECE_BYTES = 1 << 20
"""What is filled or left out is made in pieces of about this size."""
VERDICTS = 16
"""Check sums that are reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseHeader:
    """Start of the file. Source: Android system/core/libsparse/sparse_format.h."""

    magic: int = wire(const(MAGIC, U32LE))
    major: int = wire(const(1, U16LE))
    minor: int = wire(U16LE)
    header_bytes: int = wire(U16LE)
    chunk_header_bytes: int = wire(U16LE)
    block_bytes: int = wire(U32LE)
    blocks: int = wire(U32LE)
    chunks: int = wire(U32LE)
    crc32: int = wire(U32LE)
    """Of the partition; 0 where it was not computed."""


HEADER = Layout(SparseHeader, size=28)
CHUNK = struct.Struct("<2H2I")
"""Start of a chunk: kind, reserved, blocks, bytes with this header. Source: sparse_format.h."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Bytes of the partition: those in ``data``, or ``size`` bytes of a repeated word."""

    size: int
    data: memoryview

    def pieces(self) -> Iterator[memoryview]:
        """Yield the bytes, in pieces where they are made up."""
        if len(self.data) == self.size:
            yield self.data
            return
        piece = memoryview(bytes(self.data) * (min(self.size, PIECE_BYTES) // WORD_BYTES))
        for start in range(0, self.size, len(piece)):
            yield piece[: min(len(piece), self.size - start)]


@dataclass(slots=True)
class _Reader:
    window: Window
    header: SparseHeader
    position: int
    size: int = 0
    packed_bytes: int = 0
    stretches: list[_Stretch] = field(default_factory=list)
    sums: list[tuple[str, int, int]] = field(default_factory=list)
    """Check sums: what is covered, how many stretches that are, and the value."""
    problems: Problems = field(default_factory=Problems)

    def read_all(self) -> None:
        """Read chunk after chunk; raise ``FormatError`` when the first is none."""
        for number in range(min(self.header.chunks, MOST_CHUNKS)):
            try:
                self._read_chunk()
            except FormatError as error:
                if number == 0:
                    raise
                self.problems.add(f"the rest was not read: {error}")
                return
        if self.header.chunks > MOST_CHUNKS:
            self.problems.add(f"only the first {MOST_CHUNKS} of {self.header.chunks} chunks were read")
        elif self.size != self.header.blocks * self.header.block_bytes:
            said = self.header.blocks * self.header.block_bytes
            self.problems.add(f"the chunks make a partition of {self.size} bytes, the header says {said}")
        if self.header.crc32:
            self.sums.append(("partition", len(self.stretches), self.header.crc32))

    def _read_chunk(self) -> None:
        kind, _, blocks, total_bytes = CHUNK.unpack(self.window.take(self.position, CHUNK.size))
        start = self.position + self.header.chunk_header_bytes
        size = blocks * self.header.block_bytes
        stored = {RAW: size, FILL: WORD_BYTES, NOTHING: 0, CRC32: WORD_BYTES}.get(kind)
        if stored is None or total_bytes != self.header.chunk_header_bytes + stored:
            raise FormatError(f"the chunk at {self.window.origin + self.position:#x} is none")
        data = self.window.take(start, stored)
        if kind == CRC32:
            value = int.from_bytes(data, "little")
            self.sums.append((f"first {self.size} bytes of the partition", len(self.stretches), value))
        elif size:
            self.stretches.append(_Stretch(size, data if stored else memoryview(bytes(WORD_BYTES))))
            self.size += size
        self.packed_bytes += stored
        self.position = start + stored

    def verdicts(self, most_bytes: int) -> Iterator[Integrity]:
        """Compute the check sums again, unless the partition is larger than ``most_bytes``."""
        if self.size > most_bytes:
            return
        computed, done = 0, 0
        for covers, count, stored in self.sums[:VERDICTS]:
            for stretch in self.stretches[done:count]:
                for piece in stretch.pieces():
                    computed = zlib.crc32(piece, computed)
            done = count
            valid = stored == computed
            yield Integrity(
                algorithm="crc32", covers=covers, stored=f"{stored:08x}", computed=f"{computed:08x}", valid=valid
            )


def _open(span: Span, limits: Limits) -> Opened:
    window = span.window
    header = HEADER.read(window)
    sizes_fit = header.header_bytes >= HEADER.size and header.chunk_header_bytes >= CHUNK.size and header.chunks
    if not sizes_fit or header.block_bytes % WORD_BYTES or not 0 < header.block_bytes <= MOST_BLOCK_BYTES:
        raise FormatError(f"what follows the sparse image magic at {window.origin:#x} is no header")
    reader = _Reader(window, header, header.header_bytes)
    reader.read_all()
    entry = Entry(
        name="partition.img",
        packed_bytes=reader.position,
        unpacked_bytes=reader.size,
        read=partial(_read, tuple(reader.stretches), reader.size),
        offset=0,
    )
    return Opened(
        size=reader.position,
        kind=RegionKind.CONTAINER,
        title="Android sparse image",
        facts={
            "partition_bytes": reader.size,
            "stored_bytes": reader.packed_bytes,
            "block_bytes": header.block_bytes,
            "chunks": header.chunks,
        },
        integrity=tuple(reader.verdicts(limits.entry_bytes)),
        entries=(entry,) if reader.size else (),
        problems=reader.problems.sentences(),
    )


def _read(stretches: tuple[_Stretch, ...], size: int, max_bytes: int) -> bytes:
    if size > max_bytes:
        raise LimitExceeded("entry_bytes", f"unpacks to {size} bytes, {max_bytes} are allowed")
    return b"".join(piece for stretch in stretches for piece in stretch.pieces())


def _chunk(kind: int, blocks: int, data: bytes) -> bytes:
    return CHUNK.pack(kind, 0, blocks, CHUNK.size + len(data)) + data


def _example() -> bytes:
    block = 512
    text = b"settings of a pump\n".ljust(block, b"\0")
    crc32 = zlib.crc32(text + b"pump" * block + bytes(block))
    chunks = [
        _chunk(RAW, 1, text),
        _chunk(FILL, 4, b"pump"),
        _chunk(NOTHING, 1, b""),
        _chunk(CRC32, 0, crc32.to_bytes(4, "little")),
    ]
    header = SparseHeader(
        magic=MAGIC, major=1, minor=0, header_bytes=HEADER.size, chunk_header_bytes=CHUNK.size, block_bytes=block,
        blocks=6, chunks=len(chunks), crc32=crc32,
    )  # fmt: skip
    return HEADER.build(header) + b"".join(chunks)


FORMAT = ImageFormat(
    name="android-sparse",
    title="Android sparse image",
    source="Android system/core/libsparse/sparse_format.h",
    limits=(
        "Stretches that the image leaves open read as zeros. Check sums of partitions above the limit for one file are "
        "not computed. Images split over several files are not joined."
    ),
    open=_open,
    magics=(Magic(rb"\x3a\xff\x26\xed\x01\x00"),),
    example=_example,
)
