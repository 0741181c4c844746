"""Compressed Linux kernels that start as EFI programs (64-bit ARM, RISC-V, LoongArch)."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass

from firmware_checks.format import ImageFormat, Magic, Opened, Part
from firmware_checks.readers.entry_names import visible
from firmware_checks.readers.linux_kernel import efi_stub
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.layout import U32LE, Layout, const, raw, text, wire
from toolkit.core.limits import Limits
from toolkit.report.model import Fact, RegionKind

__all__ = ["FORMAT"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ZbootHeader:
    """Start of the file. Source: Linux drivers/firmware/efi/libstub/zboot-header.S."""

    dos_magic: bytes = wire(const(b"MZ\0\0"))
    magic: bytes = wire(const(b"zimg"))
    payload_at: int = wire(U32LE)
    payload_bytes: int = wire(U32LE)
    reserved: bytes = wire(raw(8))
    compression: str = wire(text(32))
    linux_magic: bytes = wire(raw(4))
    pe_at: int = wire(U32LE)


HEADER = Layout(ZbootHeader, size=64)


def _open(span: Span, limits: Limits) -> Opened:  # noqa: ARG001  # the contract of every format
    window = span.window
    header = HEADER.read(window)
    end = header.payload_at + header.payload_bytes
    if not header.compression.isprintable() or not HEADER.size <= header.payload_at < end <= window.size:
        raise FormatError(f"no header of a compressed EFI kernel at {window.origin:#x}")
    stub = efi_stub(window)
    size = min(max(end, stub.size if stub is not None else 0), window.size)
    facts: dict[str, Fact] = {"compression": visible(header.compression)}
    if stub is not None:
        facts["signed"] = stub.signed
    return Opened(
        size=size,
        kind=RegionKind.PROGRAM,
        title="Linux kernel, compressed EFI program",
        facts=facts,
        parts=tuple(_parts(header.payload_at, end, size)),
    )


def _parts(start: int, end: int, size: int) -> Iterator[Part]:
    yield Part(start=0, end=HEADER.size, title="kernel header", kind=RegionKind.METADATA)
    yield Part(start=start, end=end, title="compressed kernel", kind=RegionKind.DATA, look_inside=True)
    for first, last in ((HEADER.size, start), (end, size)):
        if first < last:
            yield Part(start=first, end=last, title="decompressor", kind=RegionKind.PROGRAM, look_inside=True)


def _example() -> bytes:
    kernel = gzip.compress(b"kernel of a pump " * 20, mtime=0)
    header = ZbootHeader(
        dos_magic=b"MZ\0\0", magic=b"zimg", payload_at=HEADER.size + 16, payload_bytes=len(kernel), reserved=bytes(8),
        compression="gzip", linux_magic=b"\xcd\x23\x82\x81", pe_at=0,
    )  # fmt: skip
    return HEADER.build(header) + b"\x1f\x20\x03\xd5" * 4 + kernel


FORMAT = ImageFormat(
    name="linux-efi-zboot",
    title="Linux kernel, compressed EFI program",
    source="Linux drivers/firmware/efi/libstub/zboot-header.S and Makefile.zboot",
    limits="A signature is seen but not verified.",
    open=_open,
    magics=(Magic(rb"MZ\x00\x00zimg"),),
    try_order=-2,
    example=_example,
)
