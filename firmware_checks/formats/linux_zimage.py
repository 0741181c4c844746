"""Compressed Linux kernels for 32-bit ARM (zImage): a program that unpacks the kernel behind it."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterator
from typing import Final

from firmware_checks.format import ImageFormat, Magic, Opened, Part
from firmware_checks.readers.linux_kernel import compressed_kernel, efi_stub
from firmware_checks.region import Program
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Fact, RegionKind

__all__ = ["FORMAT"]

MAGIC = 0x016F_2818
MAGIC_AT, HEADER_BYTES = 0x24, 0x34
ORDERS: Final = {"little": "<3I", "big": ">3I"}
"""How magic, start and end are written."""
MOST_BYTES = 128 << 20


def _open(span: Span, limits: Limits) -> Opened:  # noqa: ARG001  # the contract of every format
    window = span.window
    order, start, end = _extent(window)
    stub = efi_stub(window)
    whole = max(end - start, stub.size if stub is not None else 0)
    size = min(whole, window.size)
    program = Program(arch="arm", why=("it starts with the header of a compressed kernel",))
    found = compressed_kernel(window.sub(0, size), HEADER_BYTES)
    facts: dict[str, Fact] = {"byte_order": order}
    if found is not None:
        facts["compression"] = found[1]
    if stub is not None:
        facts["signed"] = stub.signed
    return Opened(
        size=size,
        kind=RegionKind.PROGRAM,
        title="Linux kernel for 32-bit ARM (zImage)",
        facts=facts,
        parts=tuple(_parts(size, size if found is None else found[0], program)),
        program=program,
        problems=(f"the file is cut short: {whole - size} bytes are missing",) if size < whole else (),
    )


def _extent(window: Window) -> tuple[str, int, int]:
    """Return byte order, start and end as the header says. Source: Linux arch/arm/boot/compressed/head.S."""
    for order, form in ORDERS.items():
        magic, start, end = struct.unpack(form, window.take(MAGIC_AT, HEADER_BYTES - MAGIC_AT)[:12])
        if magic == MAGIC and HEADER_BYTES < end - start <= MOST_BYTES:
            return order, start, end
    raise FormatError(f"no zImage header at {window.origin:#x}")


def _parts(size: int, kernel_at: int, program: Program) -> Iterator[Part]:
    yield Part(start=0, end=HEADER_BYTES, title="kernel header", kind=RegionKind.METADATA)
    if kernel_at > HEADER_BYTES:
        title, kind = "decompressor", RegionKind.PROGRAM
        yield Part(start=HEADER_BYTES, end=kernel_at, title=title, kind=kind, look_inside=True, program=program)
    if kernel_at < size:
        yield Part(start=kernel_at, end=size, title="compressed kernel", kind=RegionKind.DATA, look_inside=True)


def _example() -> bytes:
    kernel = gzip.compress(b"kernel of a pump " * 20, mtime=0)
    end = HEADER_BYTES + len(kernel)
    nops = b"\x00\x00\xa0\xe1" * 8 + b"\x03\x00\x00\xea"
    return nops + struct.pack("<4I", MAGIC, 0, end, 0x0403_0201) + kernel


FORMAT = ImageFormat(
    name="linux-zimage",
    title="Linux kernel for 32-bit ARM (zImage)",
    source="Linux arch/arm/boot/compressed/head.S; Documentation/arch/arm/booting.rst",
    limits="The version stands in the compressed kernel and is found there.",
    open=_open,
    magics=(
        Magic(rb"MZ[\x00-\xff]{34}\x18\x28\x6f\x01", anchor=b"\x18\x28\x6f\x01"),
        Magic(rb"\x18\x28\x6f\x01", offset=MAGIC_AT),
        Magic(rb"\x01\x6f\x28\x18", offset=MAGIC_AT),
    ),
    try_order=-1,
    stands_alone=True,
    example=_example,
)
