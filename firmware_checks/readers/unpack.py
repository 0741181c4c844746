"""Decompression that cannot run away: what comes out is counted before more is asked for."""

from __future__ import annotations

import io
import lzma
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from firmware_checks.format import Entry
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits

__all__ = ["Content", "Decoder", "Held", "Inflate", "Unpacked", "unpack"]

FEED_BYTES = 1 << 14
"""Packed bytes given to a decoder at once; also how finely the place of a damage is known."""
PIECE_BYTES = 1 << 18
"""Unpacked bytes taken from a decoder at once."""

BELIEVED_BYTES = 256
"""Unpacked bytes that make a stream believable which is cut or damaged; other bytes are no stream after a few."""

ERRORS = (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError)
"""What the decompressors of the standard library raise on damaged data."""


class Decoder(Protocol):
    """An incremental decompressor, in the manner of ``bz2.BZ2Decompressor``."""

    @property
    def eof(self) -> bool:
        """Whether the end mark of the compressed stream was met."""

    @property
    def needs_input(self) -> bool:
        """Whether more comes out only when more goes in."""

    @property
    def unused_data(self) -> bytes:
        """What was given after the end mark."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Return at most ``max_length`` more unpacked bytes."""


class Inflate:
    """Deflate data (RFC 1951) without a header, as zip and gzip hold it."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        """Whether the last block was met."""
        return self._stream.eof

    @property
    def unused_data(self) -> bytes:
        """What was given after the last block."""
        return self._stream.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Return at most ``max_length`` more unpacked bytes."""
        piece = self._stream.decompress(self._stream.unconsumed_tail + data, max_length)
        self.needs_input = len(piece) < max_length
        return piece


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    """What came out of one compressed stream."""

    data: bytes | None
    """None when it was more than should be kept."""
    size: int
    consumed_bytes: int
    """Packed bytes that belong to the stream; those before the damage when it is damaged."""
    crc32: int
    ended: bool
    """Whether the stream came to its proper end."""
    damage: str
    """What the decompressor complained about; empty when it did not."""


@dataclass(slots=True)
class _Sink:
    keep_bytes: int
    stop_bytes: int
    size: int = 0
    crc32: int = 0
    _kept: io.BytesIO = field(default_factory=io.BytesIO)

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        self.crc32 = zlib.crc32(piece, self.crc32)
        if self.size > self.keep_bytes:
            self._kept = io.BytesIO()
        else:
            self._kept.write(piece)

    @property
    def full(self) -> bool:
        return self.size > self.stop_bytes

    def result(self, consumed_bytes: int, *, ended: bool = False, damage: str = "") -> Unpacked:
        return Unpacked(
            data=None if self.size > self.keep_bytes else self._kept.getvalue(),
            size=self.size,
            consumed_bytes=consumed_bytes,
            crc32=self.crc32,
            ended=ended,
            damage=damage,
        )


def unpack(packed: memoryview, decoder: Decoder, *, keep_bytes: int, stop_bytes: int) -> Unpacked:
    """Unpack the stream at the start of ``packed``.

    Up to ``keep_bytes`` are kept; beyond ``stop_bytes`` unpacking stops at the next piece, neither ended nor damaged.
    """
    sink = _Sink(keep_bytes, stop_bytes)
    for start in range(0, len(packed), FEED_BYTES):
        feed = bytes(packed[start : start + FEED_BYTES])
        try:
            _feed(decoder, feed, sink)
        except ERRORS as error:
            return sink.result(start, damage=str(error))
        if decoder.eof:
            return sink.result(start + len(feed) - len(decoder.unused_data), ended=True)
        if sink.full:
            return sink.result(start + len(feed))
    return sink.result(len(packed))


def _feed(decoder: Decoder, feed: bytes, sink: _Sink) -> None:
    while True:
        piece = decoder.decompress(feed, PIECE_BYTES)
        sink.add(piece)
        if not piece or decoder.eof or decoder.needs_input or sink.full:
            return
        feed = b""


@dataclass(slots=True)
class Content:
    """The one file that compressed streams standing one after the other unpack to."""

    limits: Limits
    size: int = 0
    streams: int = 0
    problems: list[str] = field(default_factory=list)
    _pieces: list[bytes] = field(default_factory=list)

    def unpack(self, packed: memoryview, decoder: Decoder) -> Unpacked:
        """Unpack the next stream; raise ``FormatError`` for a first one that is none, ``LimitExceeded`` for a bomb."""
        return self._take(unpack(packed, decoder, keep_bytes=self._keep_bytes, stop_bytes=self._stop_bytes))

    def unpack_pieces(self, pieces: Iterable[tuple[int, bytes]]) -> Unpacked:
        """Take the next stream piece by piece, each with the packed bytes used up to its end; raise as ``unpack``.

        The iterable raises ``FormatError`` where the stream is damaged.
        """
        sink = _Sink(self._keep_bytes, self._stop_bytes)
        consumed_bytes = 0
        try:
            for consumed_bytes, piece in pieces:
                sink.add(piece)
                if sink.full:
                    return self._take(sink.result(consumed_bytes))
        except FormatError as error:
            return self._take(sink.result(consumed_bytes, damage=str(error)))
        return self._take(sink.result(consumed_bytes, ended=True))

    @property
    def _keep_bytes(self) -> int:
        return self.limits.entry_bytes - self.size

    @property
    def _stop_bytes(self) -> int:
        return self.limits.unpacked_bytes - self.size

    def _take(self, result: Unpacked) -> Unpacked:
        limits, stop_bytes = self.limits, self._stop_bytes
        self.size += result.size
        if result.data is None:
            self._pieces.clear()
        else:
            self._pieces.append(result.data)
        if result.size > stop_bytes:
            raise LimitExceeded("unpacked_bytes", f"unpacks to more than {limits.unpacked_bytes} bytes")
        if not result.ended:
            if not self.streams and result.size < BELIEVED_BYTES:
                raise FormatError(f"no compressed stream: {result.damage or 'it ends early'}")
            self.problems.append(f"{result.damage or 'it is cut short'}: only {self.size} bytes could be unpacked")
        self.streams += 1
        return result

    def entry(self, name: str, *, packed_bytes: int, offset: int) -> Entry:
        """Return what was unpacked as the entry ``name``."""
        data = None if self.size > self.limits.entry_bytes else b"".join(self._pieces)
        return Entry(
            name=name, packed_bytes=packed_bytes, unpacked_bytes=self.size, read=Held(data).read, offset=offset
        )


@dataclass(frozen=True, slots=True)
class Held:
    """Content that is unpacked already; None when it was more than could be kept."""

    data: bytes | None

    def read(self, max_bytes: int) -> bytes:
        """Return the content; raise ``LimitExceeded`` when it is more than ``max_bytes``."""
        if self.data is None or len(self.data) > max_bytes:
            raise LimitExceeded("entry_bytes", f"unpacks to more than {max_bytes} bytes")
        return self.data
