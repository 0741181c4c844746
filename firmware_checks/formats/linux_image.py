"""Linux kernels for 64-bit ARM and RISC-V, uncompressed, with the header that boot loaders look for (Image)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from firmware_checks.format import ImageFormat, Magic, Opened, Part
from firmware_checks.readers.linux_kernel import efi_stub, kernel_parts
from firmware_checks.region import Program
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.layout import U32LE, U64LE, Layout, raw, wire
from toolkit.core.limits import Limits
from toolkit.report.model import Fact, RegionKind

__all__ = ["FORMAT"]

ARM64, RISCV = b"ARM\x64", b"RSC\x05"
ARCHITECTURES: Final = {ARM64: "aarch64", RISCV: "riscv64"}
NAMES: Final = {ARM64: "64-bit ARM", RISCV: "RISC-V"}
PAGES: Final = (0, 4, 16, 64)
"""KiB, by bits 1 and 2 of the flags of 64-bit ARM."""
MOST_BYTES = 512 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageHeader:
    """Start of the kernel. Source: Linux Documentation/arch/arm64/booting.rst and arch/riscv/boot-image-header.rst."""

    code: bytes = wire(raw(8))
    text_offset: int = wire(U64LE)
    image_bytes: int = wire(U64LE)
    """In memory, with what is zero at the start; 0 before Linux 3.17."""
    flags: int = wire(U64LE)
    version: int = wire(U32LE)
    """RISC-V only."""
    reserved: bytes = wire(raw(12))
    old_magic: bytes = wire(raw(8))
    magic: bytes = wire(raw(4))
    pe_at: int = wire(U32LE)


HEADER = Layout(ImageHeader, size=64)


def _open(span: Span, limits: Limits) -> Opened:  # noqa: ARG001  # the contract of every format
    window = span.window
    header = HEADER.read(window)
    if header.magic not in ARCHITECTURES or header.image_bytes > MOST_BYTES or header.text_offset > MOST_BYTES:
        raise FormatError(f"no Linux kernel header at {window.origin:#x}")
    if not any(header.code[2:]):  # the programs for EFI that U-Boot carries have the header, but no jump
        raise FormatError(f"the Linux kernel header at {window.origin:#x} does not jump to a kernel")
    stub = efi_stub(window)
    size = min(stub.size if stub is not None else header.image_bytes or window.size, window.size)
    if size <= HEADER.size:
        raise FormatError(f"the Linux kernel at {window.origin:#x} is not longer than its header")
    program = Program(arch=ARCHITECTURES[header.magic], why=("the kernel header says so",))
    said, parts = kernel_parts(window.sub(0, size), HEADER.size, program)
    facts: dict[str, Fact] = {**said, "memory_bytes": header.image_bytes, "text_offset": header.text_offset}
    if header.magic == ARM64:
        facts |= {"big_endian": bool(header.flags & 1), "page_kib": PAGES[header.flags >> 1 & 3]}
    if stub is not None:
        facts["signed"] = stub.signed
    name = f"Linux kernel {said['version']}" if said else "Linux kernel"
    return Opened(
        size=size,
        kind=RegionKind.PROGRAM,
        title=f"{name} for {NAMES[header.magic]}",
        facts=facts,
        parts=(Part(start=0, end=HEADER.size, title="kernel header", kind=RegionKind.METADATA), *parts),
        program=program,
    )


def _example() -> bytes:
    code = b"\x00\x00\x00\x14" * 16
    header = ImageHeader(
        code=b"\x0d\x00\x00\x14" + bytes(4), text_offset=0x8_0000, image_bytes=HEADER.size + len(code), flags=0xA,
        version=0, reserved=bytes(12), old_magic=bytes(8), magic=ARM64, pe_at=0,
    )  # fmt: skip
    return HEADER.build(header) + code


FORMAT = ImageFormat(
    name="linux-image",
    title="Linux kernel (Image)",
    source="Linux Documentation/arch/arm64/booting.rst, Documentation/arch/riscv/boot-image-header.rst",
    limits="Where the header does not say how long the file is, what follows up to the size in memory is taken in.",
    open=_open,
    magics=(
        Magic(rb"MZ[\x00-\xff]{54}ARM\x64", anchor=b"ARM\x64"),
        Magic(rb"MZ[\x00-\xff]{54}RSC\x05", anchor=b"RSC\x05"),
        Magic(rb"ARM\x64", offset=56),
        Magic(rb"RSC\x05", offset=56),
    ),
    try_order=-1,
    example=_example,
)
