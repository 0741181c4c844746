"""Resources of a Windows image (WIM): pieces of content, stored or compressed in chunks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from firmware_checks.readers.lzx import unpack_wim_chunk
from firmware_checks.readers.xpress import unpack_xpress
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import MIB
from toolkit.core.window import Window

__all__ = ["LZMS", "LZX", "STORED", "XPRESS", "Resource", "ResourceReader"]

RESOURCE_BYTES: Final = 24
COMPRESSED, SPANNED, SOLID = 0x04, 0x08, 0x10
STORED, XPRESS, LZX, LZMS = "stored", "XPRESS", "LZX", "LZMS"
UNPACKERS: Final[Mapping[str, Callable[[bytes, int], bytes]]] = {XPRESS: unpack_xpress, LZX: unpack_wim_chunk}
LZX_CHUNK_BYTES = 32_768
"""LZX with larger chunks is another coding; only this one is read."""
COMPRESSED_BYTES = 64 * MIB
"""Largest resource that is decompressed: it takes up to half a minute."""
LONG_OFFSETS_FROM = 1 << 32
"""Resources of this size and more have chunk offsets of 8 bytes."""


@dataclass(frozen=True, slots=True)
class Resource:
    """Where a piece of content stands. Source: Microsoft, Windows Imaging File Format, RESHDR_DISK_SHORT."""

    packed_bytes: int
    flags: int
    start: int
    unpacked_bytes: int

    @classmethod
    def of(cls, data: bytes | memoryview) -> Resource:
        """Return the resource that the first 24 bytes of ``data`` describe."""
        size_and_flags, start, unpacked = (int.from_bytes(data[at : at + 8], "little") for at in (0, 8, 16))
        return cls(size_and_flags & (1 << 56) - 1, size_and_flags >> 56, start, unpacked)

    def build(self) -> bytes:
        """Return the 24 bytes that describe this resource."""
        numbers = (self.packed_bytes | self.flags << 56, self.start, self.unpacked_bytes)
        return b"".join(number.to_bytes(8, "little") for number in numbers)

    @property
    def end(self) -> int:
        """Where its packed bytes end."""
        return self.start + self.packed_bytes


@dataclass(frozen=True, slots=True)
class ResourceReader:
    """Reads the resources of one file whose header names ``compression`` and ``chunk_bytes``."""

    window: Window
    compression: str
    chunk_bytes: int

    def read(self, resource: Resource, max_bytes: int) -> bytes:
        """Return the content of ``resource``; raise ``LimitExceeded`` when it is larger than ``max_bytes``."""
        if resource.unpacked_bytes > max_bytes:
            raise LimitExceeded("entry_bytes", f"unpacks to more than {max_bytes} bytes")
        if resource.flags & (SPANNED | SOLID):
            raise FormatError("is packed together with others (solid) or split over files, which is not read")
        packed = self.window.take(resource.start, resource.packed_bytes)
        if not resource.flags & COMPRESSED:
            if resource.packed_bytes != resource.unpacked_bytes:
                raise FormatError("a stored resource has two sizes")
            return bytes(packed)
        if not self._understood():
            raise FormatError(f"is compressed with {self.compression}, chunks of {self.chunk_bytes} bytes: not read")
        if resource.unpacked_bytes > COMPRESSED_BYTES:
            raise LimitExceeded("entry_bytes", f"unpacks to more than {COMPRESSED_BYTES} bytes")
        return self._unpacked(packed, resource.unpacked_bytes)

    def _understood(self) -> bool:
        if self.compression == LZX:
            return self.chunk_bytes == LZX_CHUNK_BYTES
        return self.compression in UNPACKERS and self.chunk_bytes > 0

    def _unpacked(self, packed: memoryview, size: int) -> bytes:
        """Return the chunks one after the other; before them stands where the second and all later ones start."""
        unpack = UNPACKERS[self.compression]
        chunks = -(-size // self.chunk_bytes)
        width = 8 if size >= LONG_OFFSETS_FROM else 4
        table = (chunks - 1) * width if chunks else 0
        if table > len(packed):
            raise FormatError("the table of chunks is longer than the resource")
        starts = [0, *(int.from_bytes(packed[at : at + width], "little") for at in range(0, table, width))]
        ends = [*starts[1:], len(packed) - table]
        out: list[bytes] = []
        for number in range(chunks):
            start, end = starts[number] + table, ends[number] + table
            wanted = min(self.chunk_bytes, size - number * self.chunk_bytes)
            if not start <= end <= len(packed):
                raise FormatError("the table of chunks runs backwards or out of the resource")
            chunk = bytes(packed[start:end])
            out.append(chunk if len(chunk) == wanted else unpack(chunk, wanted))
        return b"".join(out)
