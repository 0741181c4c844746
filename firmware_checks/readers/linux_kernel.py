"""What all Linux kernel images share: the sentence that says which kernel it is, and the compressed kernel inside.

Sources: Linux init/version-timestamp.c (banner); lib/decompress*.c and scripts/Makefile.lib (compressions).
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from firmware_checks.format import Part
from firmware_checks.readers.byte_search import positions
from firmware_checks.readers.entry_names import visible
from firmware_checks.region import Program
from toolkit.core.window import Window
from toolkit.report.model import Fact, RegionKind

__all__ = ["Banner", "EfiStub", "compressed_kernel", "efi_stub", "find_banner", "kernel_parts", "version_facts"]

BANNER_START: Final = b"Linux version "
BANNER_BYTES = 1024
BANNERS_TRIED = 100
_BANNER = re.compile(
    rb"Linux version (?P<version>\d+\.\d+[^\s\x00]{0,80}) \((?P<builder>[^\n\x00]{1,200}?)\) "
    rb"\((?P<compiler>[^\n\x00]{1,500})\) (?P<build>#\d[^\n\x00]{0,200})\n"
)
_COMPRESSED = re.compile(
    rb"(?P<gzip>\x1f\x8b\x08[\x00\x08].{4}[\x00\x02\x04]\x03)"
    rb"|(?P<xz>\xfd7zXZ\x00\x00[\x00\x01\x04\x0a].{4})"
    rb"|(?P<lzma>[\x2c\x5d\x5e\x6d\x75]\x00\x00[\x00-\x80][\x00-\x08]\xff{8})"
    rb"|(?P<lz4>\x02\x21\x4c\x18..[\x00-\x80]\x00)"
    rb"|(?P<lzo>\x89LZO\x00\r\n\x1a\n\x10)"
    rb"|(?P<zstd>\x28\xb5\x2f\xfd[\x00-\xff])"
    rb"|(?P<bzip2>BZh[1-9]1AY&SY)",
    re.DOTALL,
)
"""Starts of compressed streams as the kernel's makefiles write them; decompressors hold shorter constants."""

PE_AT, COFF_BYTES, SECTION_BYTES = 0x3C, 24, 40
MOST_SECTIONS = 96
CERTIFICATES_AT: Final = {0x10B: 96 + 4 * 8, 0x20B: 112 + 4 * 8}
"""Where the optional header (32 and 64 bits) keeps place and size of the signature. Source: Microsoft PE Format."""


@dataclass(frozen=True, slots=True)
class Banner:
    """The sentence a kernel says first, at ``[start, end)``."""

    start: int
    end: int
    facts: dict[str, Fact]


def find_banner(window: Window) -> Banner | None:
    """Return the first banner in ``window``."""
    for tried, place in enumerate(positions(window, BANNER_START, 0, window.size)):
        match = _BANNER.match(bytes(window.view[place : place + BANNER_BYTES]))
        if match is not None:
            texts = {name: visible(text.decode("utf-8", "replace")) for name, text in match.groupdict().items()}
            return Banner(place, place + match.end(), {**texts})
        if tried >= BANNERS_TRIED:
            return None
    return None


def version_facts(text: str) -> dict[str, Fact]:
    """Return what a header says of the kernel: ``version (builder) #1 SMP ...``."""
    version, _, rest = text.partition(" ")
    facts: dict[str, Fact] = {"version": visible(version)} if version else {}
    return {**facts, "build": visible(rest)} if rest else facts


def kernel_parts(window: Window, start: int, program: Program | None) -> tuple[dict[str, Fact], tuple[Part, ...]]:
    """Return what an uncompressed kernel from ``start`` on says of itself, and its parts around the banner."""
    banner = find_banner(window)
    cuts = [start, window.size] if banner is None else [start, banner.start, banner.end, window.size]
    parts: list[Part] = []
    for number, (first, last) in enumerate(pairwise(cuts)):
        if first < last:
            title, kind = ("banner", RegionKind.METADATA) if number == 1 else ("kernel", RegionKind.PROGRAM)
            code = program if kind is RegionKind.PROGRAM else None
            parts.append(Part(start=first, end=last, title=title, kind=kind, look_inside=True, program=code))
    return ({} if banner is None else banner.facts), tuple(parts)


def compressed_kernel(window: Window, start: int) -> tuple[int, str] | None:
    """Return where the compressed kernel behind a decompressor starts, and how it is compressed."""
    for match in _COMPRESSED.finditer(window.view, start):
        if match.lastgroup != "xz" or _is_xz_header(match.group()):
            return match.start(), str(match.lastgroup)
    return None


def _is_xz_header(head: bytes) -> bool:
    """Tell a stream from the decompressor's own constant. Source: The .xz file format 1.2.0, 2.1.1."""
    return zlib.crc32(head[6:8]) == int.from_bytes(head[8:12], "little")


@dataclass(frozen=True, slots=True)
class EfiStub:
    """A kernel that is a program for EFI, too: how long its file is, and whether it carries a signature."""

    size: int
    signed: bool


def efi_stub(window: Window) -> EfiStub | None:
    """Return what the PE header of a kernel says, None when there is none. Source: Microsoft PE Format."""
    start = int.from_bytes(window.view[PE_AT : PE_AT + 4], "little")
    head = bytes(window.view[start : start + COFF_BYTES])
    if not window.starts_with(b"MZ") or len(head) < COFF_BYTES or not head.startswith(b"PE\0\0"):
        return None
    sections, optional_bytes = struct.unpack("<H12xH", head[6:22])
    table = start + COFF_BYTES + optional_bytes
    end = max((at + size for at, size in _sections(window, table, sections)), default=0)
    at, size = _certificates(window, start + COFF_BYTES)
    if size and at >= end:
        return EfiStub(at + size, True)
    return EfiStub(end, bool(size)) if end else None


def _sections(window: Window, table: int, count: int) -> Iterator[tuple[int, int]]:
    for place in range(table, table + min(count, MOST_SECTIONS) * SECTION_BYTES, SECTION_BYTES):
        row = bytes(window.view[place : place + SECTION_BYTES])
        if len(row) == SECTION_BYTES:
            size, at = struct.unpack_from("<2I", row, 16)
            yield at, size


def _certificates(window: Window, optional: int) -> tuple[int, int]:
    where = CERTIFICATES_AT.get(int.from_bytes(window.view[optional : optional + 2], "little"))
    row = b"" if where is None else bytes(window.view[optional + where : optional + where + 8])
    at, size = struct.unpack("<2I", row) if len(row) == 8 else (0, 0)
    return at, size
