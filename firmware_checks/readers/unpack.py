"""Decompression that cannot run away: what comes out is counted before more is asked for."""

from __future__ import annotations

import hashlib
import io
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

from firmware_checks.format import Archive, Entry
from firmware_checks.readers.stream_archive import Feed, ForwardReader, feed_of
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits

__all__ = ["Content", "Decoder", "Held", "Inflate", "Unpacked", "unpack"]

FEED_BYTES = 1 << 14
"""Packed bytes given to a decoder at once; also how finely the place of a damage is known."""
PIECE_BYTES = 1 << 18
"""Unpacked bytes taken from a decoder at once."""

HEAD_BYTES = 1024
"""What shows whether a content is an archive."""
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
class _Kept:
    """The first ``most_bytes`` of what comes; nothing when more comes."""

    most_bytes: int
    _size: int = 0
    _bytes: io.BytesIO = field(default_factory=io.BytesIO)

    def add(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self.most_bytes:
            self.clear()
        else:
            self._bytes.write(piece)

    def clear(self) -> None:
        self._bytes = io.BytesIO()

    @property
    def data(self) -> bytes | None:
        return None if self._size > self.most_bytes else self._bytes.getvalue()


@dataclass(slots=True)
class _Sink:
    keep: Callable[[bytes], None]
    stop_bytes: int
    size: int = 0
    crc32: int = 0

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        self.crc32 = zlib.crc32(piece, self.crc32)
        self.keep(piece)

    @property
    def full(self) -> bool:
        return self.size > self.stop_bytes

    def result(self, consumed_bytes: int, *, ended: bool = False, damage: str = "") -> Unpacked:
        return Unpacked(
            data=None,
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
    kept = _Kept(keep_bytes)
    return replace(_unpack(packed, decoder, _Sink(kept.add, stop_bytes)), data=kept.data)


def _unpack(packed: memoryview, decoder: Decoder, sink: _Sink) -> Unpacked:
    for start in range(0, len(packed), FEED_BYTES):
        feed = bytes(packed[start : start + FEED_BYTES])
        try:
            for piece in _pieces(decoder, feed):
                sink.add(piece)
                if sink.full:
                    break
        except ERRORS as error:
            return sink.result(start, damage=str(error))
        if decoder.eof:
            return sink.result(start + len(feed) - len(decoder.unused_data), ended=True)
        if sink.full:
            return sink.result(start + len(feed))
    return sink.result(len(packed))


def _pieces(decoder: Decoder, feed: bytes) -> Iterator[bytes]:
    """Yield what comes out when ``feed`` goes in."""
    while True:
        piece = decoder.decompress(feed, PIECE_BYTES)
        yield piece
        if not piece or decoder.eof or decoder.needs_input:
            return
        feed = b""


def _again(packed: memoryview, decoder: Callable[[], Decoder]) -> Iterator[bytes]:
    """Yield what the stream ``packed`` unpacks to, up to where it is damaged."""
    unpacking = decoder()
    with suppress(*ERRORS):
        for start in range(0, len(packed), FEED_BYTES):
            yield from _pieces(unpacking, bytes(packed[start : start + FEED_BYTES]))
            if unpacking.eof:
                return


@dataclass(slots=True)
class Content:
    """The one file that compressed streams standing one after the other unpack to.

    It is held; not so a long one that is an archive from its start to its end, which is walked while it is unpacked.
    """

    limits: Limits
    size: int = 0
    streams: int = 0
    problems: list[str] = field(default_factory=list)
    _kept: _Kept = field(init=False)
    _parts: list[Callable[[], Iterator[bytes]]] = field(default_factory=list)
    """What unpacks each of the streams again."""
    _came: int = 0
    _feed: Feed | None = None
    _digest: Any = None

    def __post_init__(self) -> None:
        self._kept = _Kept(self.limits.entry_bytes)

    def unpack(self, packed: memoryview, decoder: Callable[[], Decoder]) -> Unpacked:
        """Unpack the next stream; raise ``FormatError`` for a first one that is none, ``LimitExceeded`` for a bomb."""
        result = _unpack(packed, decoder(), _Sink(self._add, self._stop_bytes))
        self._parts.append(partial(_again, packed[: result.consumed_bytes + FEED_BYTES], decoder))
        return self._take(result)

    def unpack_pieces(self, pieces: Callable[[], Iterable[tuple[int, bytes]]]) -> Unpacked:
        """Take the next stream piece by piece, each with the packed bytes used up to its end; raise as ``unpack``.

        The iterable raises ``FormatError`` where the stream is damaged. It may be asked for again.
        """
        self._parts.append(partial(_again_pieces, pieces))
        sink = _Sink(self._add, self._stop_bytes)
        consumed_bytes = 0
        try:
            for consumed_bytes, piece in pieces():
                sink.add(piece)
                if sink.full:
                    return self._take(sink.result(consumed_bytes))
        except FormatError as error:
            return self._take(sink.result(consumed_bytes, damage=str(error)))
        return self._take(sink.result(consumed_bytes, ended=True))

    @property
    def _stop_bytes(self) -> int:
        return self.limits.unpacked_bytes - self.size

    def _add(self, piece: bytes) -> None:
        self._came += len(piece)
        if self._feed is not None:
            self._digest.update(piece)
            self._feed.add(piece)
            return
        self._kept.add(piece)
        if self._came - len(piece) <= self.limits.held_archive_bytes < self._came:
            self._walk_if_archive()

    def _walk_if_archive(self) -> None:
        """Hold no more of a content that is an archive."""
        held = self._kept.data
        if held is None:
            return
        self._feed = feed_of(held[:HEAD_BYTES], self.limits, ForwardReader(self._again).content_at)
        if self._feed is not None:
            self._digest = hashlib.sha256(held)
            self._feed.add(held)
            self._kept.clear()

    def _again(self) -> Iterator[bytes]:
        for part in self._parts:
            yield from (piece for piece in part() if piece)

    def _read_again(self, max_bytes: int) -> bytes:
        """See ``Entry.read``."""
        if self.size > max_bytes:
            return Held(None).read(max_bytes)
        return b"".join(self._again())

    def _take(self, result: Unpacked) -> Unpacked:
        limits, stop_bytes = self.limits, self._stop_bytes
        self.size += result.size
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
        read = Held(self._kept.data).read
        archive = None
        if self._feed is not None:
            read = self._read_again
            opened = self._feed.opened() if self.size <= self.limits.entry_bytes else None
            if opened is not None:
                archive = Archive(format=self._feed.format, opened=opened, sha256=self._digest.hexdigest())
        return Entry(
            name=name, packed_bytes=packed_bytes, unpacked_bytes=self.size, read=read, offset=offset, archive=archive
        )


def _again_pieces(pieces: Callable[[], Iterable[tuple[int, bytes]]]) -> Iterator[bytes]:
    with suppress(FormatError):
        for _, piece in pieces():
            yield piece


@dataclass(frozen=True, slots=True)
class Held:
    """Content that is unpacked already; None when it was more than could be kept."""

    data: bytes | None

    def read(self, max_bytes: int) -> bytes:
        """Return the content; raise ``LimitExceeded`` when it is more than ``max_bytes``."""
        if self.data is None or len(self.data) > max_bytes:
            raise LimitExceeded("entry_bytes", f"unpacks to more than {max_bytes} bytes")
        return self.data
