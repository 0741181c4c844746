"""One file in a ZIP archive: what is said about it, and its content unpacked and checked.

Source: PKWARE APPNOTE.TXT 6.3.10 (sections in the docstrings below).
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from firmware_checks.readers.unpack import Decoder, Inflate, unpack
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.window import Window

__all__ = ["ENCRYPTED", "METHODS", "Member", "read_member"]

ENCRYPTED = 1 << 0
LZMA_END_MARK = 1 << 1
"""4.4.4: bits of the flags."""
LZMA_HEAD_BYTES, LZMA_PROPERTIES_BYTES = 4, 5
DECODER_MEMORY_BYTES = 256 << 20

METHODS: Final = {
    0: "stored", 1: "shrunk", 2: "reduced", 3: "reduced", 4: "reduced", 5: "reduced", 6: "imploded", 8: "deflate",
    9: "deflate64", 10: "PKWARE DCL imploded", 12: "bzip2", 14: "lzma", 16: "IBM CMPSC", 18: "IBM TERSE",
    19: "IBM LZ77", 20: "zstd (old number)", 93: "zstd", 94: "mp3", 95: "xz", 96: "jpeg variant", 97: "WavPack",
    98: "PPMd", 99: "AES encrypted",
}  # fmt: skip
"""4.4.5: compression methods by number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One entry, as the directory describes it; sizes in bytes, places counted from the start of the window."""

    name: str
    raw_name: bytes
    flags: int
    method: int
    crc32: int
    packed_bytes: int
    unpacked_bytes: int
    start: int
    """Where its local header should stand."""
    data: int | None
    """Where its packed data starts; None when there is no local header."""
    unix_mode: int | None = None
    """Type and permissions, where a Unix system packed it."""
    modified_s: int | None = None
    """Seconds since 1970; without time zone in old archives, taken as UTC."""
    owner: tuple[int, int] | None = None
    """User and group number."""

    @property
    def encrypted(self) -> bool:
        """Whether a password is needed."""
        return bool(self.flags & ENCRYPTED) or self.method == 99

    @property
    def is_folder(self) -> bool:
        """Whether it stands for a folder, which has no content."""
        return self.name.endswith("/") and self.unpacked_bytes == 0


def read_member(window: Window, member: Member, max_bytes: int) -> bytes:
    """Return the content of ``member``, at most ``max_bytes``; raise ``LimitExceeded`` beyond, else ``FormatError``."""
    if member.encrypted:
        raise FormatError("is password protected")
    if member.data is None:
        raise FormatError("has no header where the directory points to")
    packed = window.take(member.data, member.packed_bytes)
    data = _unpacked(packed, member, max_bytes)
    if len(data) != member.unpacked_bytes:
        raise FormatError(f"unpacks to {len(data)} bytes, the directory says {member.unpacked_bytes}")
    computed = zlib.crc32(data)
    if computed != member.crc32:
        raise FormatError(f"is damaged: its crc32 is {computed:08x}, the directory says {member.crc32:08x}")
    return data


def _unpacked(packed: memoryview, member: Member, max_bytes: int) -> bytes:
    too_large = LimitExceeded("entry_bytes", f"unpacks to more than {max_bytes} bytes")
    if member.unpacked_bytes > max_bytes:
        raise too_large
    if member.method == 0:
        if len(packed) > max_bytes:
            raise too_large
        return bytes(packed)
    decoder, skip = _decoder(packed, member)
    result = unpack(packed[skip:], decoder, keep_bytes=max_bytes, stop_bytes=max_bytes)
    if result.data is None:
        raise too_large
    if not result.ended:
        raise FormatError(f"is damaged after {result.size} unpacked bytes: {result.damage or 'its data ends early'}")
    return result.data


def _decoder(packed: memoryview, member: Member) -> tuple[Decoder, int]:
    """Return the decoder for the member's method and how many bytes stand before the compressed data."""
    makers: dict[int, Callable[[], Decoder]] = {
        8: Inflate,
        12: bz2.BZ2Decompressor,
        95: lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=DECODER_MEMORY_BYTES),
    }
    if member.method in makers:
        return makers[member.method](), 0
    if member.method == 14:
        return _Lzma(packed, member), LZMA_HEAD_BYTES + LZMA_PROPERTIES_BYTES
    name = METHODS.get(member.method, "unknown")
    raise FormatError(f"is compressed with method {member.method} ({name}), which is not supported")


class _Lzma:
    """5.8.8: a version, the size of the properties, the properties, then a stream without a header."""

    def __init__(self, packed: memoryview, member: Member) -> None:
        head = Window.of(packed)
        properties_bytes = int.from_bytes(head.take(2, 2), "little")
        if properties_bytes != LZMA_PROPERTIES_BYTES:
            raise FormatError(f"has LZMA properties of {properties_bytes} bytes, {LZMA_PROPERTIES_BYTES} are known")
        size = 0xFFFF_FFFF_FFFF_FFFF if member.flags & LZMA_END_MARK else member.unpacked_bytes
        self._header = bytes(head.take(LZMA_HEAD_BYTES, LZMA_PROPERTIES_BYTES)) + size.to_bytes(8, "little")
        self._stream = lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=DECODER_MEMORY_BYTES)

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def needs_input(self) -> bool:
        return self._stream.needs_input

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        header, self._header = self._header, b""
        return self._stream.decompress(header + data, max_length)
