"""One compressed block in, one unpacked block out, never more than asked for.

File systems pack each block of a file by itself. Each function takes the packed bytes of one block and the most bytes
it may unpack to; it returns what it unpacks to, or raises ``FormatError``. All let other threads run while they work.
"""

from __future__ import annotations

import lzma
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from toolkit.core.errors import FormatError

__all__ = ["Decode", "LzmaProperties", "lz4_block", "lzma_alone", "lzma_raw", "lzo1x", "xz", "zlib_stream", "zstd"]

Packed = bytes | memoryview
Decode = Callable[[Packed, int], bytes]
"""From packed bytes and the most bytes they may unpack to, to unpacked bytes."""

DECODER_MEMORY_BYTES = 64 << 20
"""What an xz stream may ask for; blocks of file systems are 1 MiB at most and need no more history than that."""
LZMA_LEAST_DICTIONARY_BYTES = 4096
LZMA_HEADER_BYTES = 13
LZMA_SIZE_UNKNOWN = 0xFFFF_FFFF_FFFF_FFFF
LZMA_FLUSH_BYTES = 6
"""The range coder ends with five bytes that stand for nothing; one more to be sure."""
LZO_GROWTH: Final = (16, 67)
"""LZO packs n bytes into at most n + n/16 + 64 + 3. Source: LZO 2.10, doc/LZO.FAQ."""


@dataclass(frozen=True, slots=True)
class LzmaProperties:
    """How an LZMA stream was packed. Source: LZMA specification (7-zip.org), LZMA file header."""

    lc: int = 3
    lp: int = 0
    pb: int = 2

    @classmethod
    def of(cls, value: int) -> LzmaProperties:
        """Return what the first byte of an LZMA header says."""
        if value >= 9 * 5 * 5:
            raise FormatError(f"LZMA properties {value:#04x} are impossible")
        return cls(lc=value % 9, lp=value // 9 % 5, pb=value // 45)


def zlib_stream(packed: Packed, max_bytes: int) -> bytes:
    """Unpack deflate data with the zlib header and check sum (RFC 1950)."""
    start, errors = _inflate()
    stream = start()
    try:
        data: bytes = stream.decompress(packed, max_bytes + 1)
    except errors as error:
        raise FormatError(f"zlib data is damaged: {error}") from error
    return _whole(data, max_bytes, "zlib", ended=stream.eof)


@cache
def _inflate() -> tuple[Callable[[], Any], tuple[type[Exception], ...]]:
    """Return what starts an inflater, and what it raises: ISA-L where it is installed, which is twice as fast."""
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib.decompressobj, (zlib.error,)
    from isal.igzip_lib import IsalError

    errors: Any = IsalError
    return isal_zlib.decompressobj, (zlib.error, errors)


def xz(packed: Packed, max_bytes: int) -> bytes:
    """Unpack one .xz stream, with whatever filters for machine code it names."""
    stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=DECODER_MEMORY_BYTES)
    try:
        data = stream.decompress(packed, max_bytes + 1)
    except lzma.LZMAError as error:
        raise FormatError(f"xz data is damaged: {error}") from error
    return _whole(data, max_bytes, "xz", ended=stream.eof)


def lzma_alone(packed: Packed, max_bytes: int) -> bytes:
    """Unpack LZMA data with its 13 byte header: properties, size of the history, unpacked size."""
    if len(packed) < LZMA_HEADER_BYTES:
        raise FormatError("LZMA data ends within its header")
    size = int.from_bytes(packed[5:LZMA_HEADER_BYTES], "little")
    properties = LzmaProperties.of(packed[0])
    known = size != LZMA_SIZE_UNKNOWN
    if known and size > max_bytes:
        raise _too_large("LZMA", max_bytes)
    data, ended = _unpack_lzma(packed[LZMA_HEADER_BYTES:], size if known else max_bytes + 1, properties)
    return _whole(data, max_bytes, "LZMA", ended=len(data) == size if known else ended)


def lzma_raw(packed: Packed, max_bytes: int, properties: LzmaProperties) -> bytes:
    """Unpack LZMA data without a header; it does not say where it ends, so ``max_bytes`` may come from its last bytes.

    A caller that knows the unpacked size gives just that.
    """
    return _unpack_lzma(packed, max_bytes, properties)[0]


def _unpack_lzma(packed: Packed, most_bytes: int, properties: LzmaProperties) -> tuple[bytes, bool]:
    """Return what ``packed`` unpacks to, at most ``most_bytes``, and whether its end mark was met.

    Without an end mark the last bytes may decode to anything: damage there is taken for the end. The history is made
    as large as the result and not as large as a header asks for: a block cannot reach back before its own start.
    """
    history = {"dict_size": max(LZMA_LEAST_DICTIONARY_BYTES, most_bytes)}
    options = {"id": lzma.FILTER_LZMA1, "lc": properties.lc, "lp": properties.lp, "pb": properties.pb, **history}
    body = max(0, len(packed) - LZMA_FLUSH_BYTES)
    try:
        stream = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[options])
        data = stream.decompress(packed[:body], most_bytes)
    except (lzma.LZMAError, ValueError) as error:
        raise FormatError(f"LZMA data is damaged: {error}") from error
    for place in range(body, len(packed)):
        if stream.eof or len(data) >= most_bytes:
            break
        try:
            data += stream.decompress(packed[place : place + 1], most_bytes - len(data))
        except lzma.LZMAError:
            break
    return data, stream.eof


def lzo1x(packed: Packed, max_bytes: int) -> bytes:
    """Unpack one LZO1X block.

    The decoder cannot be stopped half-way: up to 255 times the packed bytes are in memory for a moment, so a block that
    is longer than packing ``max_bytes`` can make it is refused.
    """
    share, extra = LZO_GROWTH
    if len(packed) > max_bytes + max_bytes // share + extra:
        raise _too_large("LZO", max_bytes)
    import lzallright

    try:
        data = lzallright.LZOCompressor.decompress(packed, max_bytes)
    except lzallright.InputNotConsumed as error:  # its text is the whole unpacked block
        raise FormatError("LZO data goes on after its end") from error
    except lzallright.LZOError as error:
        raise FormatError(f"LZO data is damaged: {error}") from error
    return _whole(bytes(data), max_bytes, "LZO", ended=True)


def lz4_block(packed: Packed, max_bytes: int) -> bytes:
    """Unpack one LZ4 block, which has no header."""
    import lz4.block  # type: ignore[import-untyped]  # has no type stubs

    try:
        return bytes(lz4.block.decompress(packed, uncompressed_size=max_bytes))
    except (lz4.block.LZ4BlockError, ValueError, OverflowError) as error:
        raise FormatError(f"LZ4 data is damaged, or is more than {max_bytes} bytes: {error}") from error


def zstd(packed: Packed, max_bytes: int) -> bytes:
    """Unpack one Zstandard frame."""
    import zstandard

    try:
        if zstandard.frame_content_size(packed) > max_bytes:
            raise _too_large("Zstandard", max_bytes)
        data = _zstd_decoder().decompress(packed, max_output_size=max(1, max_bytes))  # 0 is no limit
    except zstandard.ZstdError as error:
        raise FormatError(f"Zstandard data is damaged, or is more than {max_bytes} bytes: {error}") from error
    return _whole(data, max_bytes, "Zstandard", ended=True)


_OF_THREAD = threading.local()


def _zstd_decoder() -> Any:
    """Return the decoder of this thread; to set up one for every block would take a tenth of the time."""
    decoder = getattr(_OF_THREAD, "zstd", None)
    if decoder is None:
        import zstandard

        decoder = _OF_THREAD.zstd = zstandard.ZstdDecompressor()
    return decoder


def _whole(data: bytes, max_bytes: int, codec: str, *, ended: bool) -> bytes:
    if len(data) > max_bytes:
        raise _too_large(codec, max_bytes)
    if not ended:
        raise FormatError(f"{codec} data ends early, after {len(data)} unpacked bytes")
    return data


def _too_large(codec: str, max_bytes: int) -> FormatError:
    return FormatError(f"{codec} data unpacks to more than {max_bytes} bytes")
