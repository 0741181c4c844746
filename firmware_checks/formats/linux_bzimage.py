"""Compressed Linux kernels for PCs (bzImage): a program that unpacks the kernel behind it."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass

from firmware_checks.format import ImageFormat, Magic, Opened, Part
from firmware_checks.readers.linux_kernel import compressed_kernel, efi_stub, version_facts
from firmware_checks.region import Program
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.layout import U8, U16LE, U32LE, U64LE, Layout, const, raw, wire
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Fact, RegionKind

__all__ = ["FORMAT"]

HEADER_AT, MAGIC_AT = 0x1F1, 0x202
SECTOR_BYTES, PARAGRAPH_BYTES = 512, 16
DEFAULT_SETUP_SECTORS = 4
OLDEST = 0x200
LONG_SIZE_SINCE, PAYLOAD_SINCE, FLAGS_64_SINCE = 0x204, 0x208, 0x20C
"""Versions of the boot protocol that brought a size of 32 bits, the place of the kernel, and the 64-bit flag."""
VERSION_BYTES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupHeader:
    """What a boot loader reads, from 0x1F1 on. Source: Linux Documentation/arch/x86/boot.rst."""

    setup_sectors: int = wire(U8)
    root_flags: int = wire(U16LE)
    paragraphs: int = wire(U32LE)
    """Size of the protected-mode code in units of 16 bytes."""
    ram_size: int = wire(U16LE)
    video_mode: int = wire(U16LE)
    root_device: int = wire(U16LE)
    boot_flag: int = wire(const(0xAA55, U16LE))
    jump: int = wire(U16LE)
    magic: bytes = wire(const(b"HdrS"))
    protocol: int = wire(U16LE)
    realmode_switch: int = wire(U32LE)
    start_segment: int = wire(U16LE)
    version_at: int = wire(U16LE)
    """Where the version stands, from 0x200 on; 0 for nowhere."""
    loader: int = wire(U8)
    load_flags: int = wire(U8)
    setup_move_bytes: int = wire(U16LE)
    code32_start: int = wire(U32LE)
    reserved: bytes = wire(raw(24))
    alignment: int = wire(U32LE)
    relocatable: int = wire(U8)
    least_alignment: int = wire(U8)
    flags_64: int = wire(U16LE)
    command_line_bytes: int = wire(U32LE)
    subarch: bytes = wire(raw(12))
    payload_at: int = wire(U32LE)
    """From the start of the protected-mode code on."""
    payload_bytes: int = wire(U32LE)
    setup_data: int = wire(U64LE)
    preferred_address: int = wire(U64LE)


HEADER = Layout(SetupHeader, size=0x6F)


def _open(span: Span, limits: Limits) -> Opened:  # noqa: ARG001  # the contract of every format
    window = span.window
    header = HEADER.read(window, HEADER_AT)
    code_at = SECTOR_BYTES * ((header.setup_sectors or DEFAULT_SETUP_SECTORS) + 1)
    paragraphs = header.paragraphs if header.protocol >= LONG_SIZE_SINCE else header.paragraphs & 0xFFFF
    if header.protocol < OLDEST or not paragraphs or code_at >= window.size:
        raise FormatError(f"no Linux setup header at {window.origin + HEADER_AT:#x}")
    stub = efi_stub(window)
    whole = max(code_at + paragraphs * PARAGRAPH_BYTES, stub.size if stub is not None else 0)
    size = min(whole, window.size)
    wide = header.protocol >= FLAGS_64_SINCE and header.flags_64 & 1
    program = Program(arch="x86_64" if wide else "x86", why=("the kernel header says so",))
    facts = {"boot_protocol": f"{header.protocol >> 8}.{header.protocol & 0xFF:02d}", **_version(window, header)}
    payload = _payload(window, header, code_at, size)
    if payload is not None:
        facts["compression"] = payload[2]
    if stub is not None:
        facts["signed"] = stub.signed
    return Opened(
        size=size,
        kind=RegionKind.PROGRAM,
        title=f"Linux kernel {facts.get('version', '')}".rstrip() + " for PCs (bzImage)",
        facts=facts,
        parts=tuple(_parts(code_at, payload[:2] if payload is not None else (size, size), size, program)),
        program=program,
        problems=(f"the file is cut short: {whole - size} bytes are missing",) if size < whole else (),
    )


def _version(window: Window, header: SetupHeader) -> dict[str, Fact]:
    if not header.version_at:
        return {}
    start = SECTOR_BYTES + header.version_at
    text, end, _ = bytes(window.view[start : start + VERSION_BYTES]).partition(b"\0")
    return version_facts(text.decode("utf-8", "replace")) if end else {}


def _payload(window: Window, header: SetupHeader, code_at: int, size: int) -> tuple[int, int, str] | None:
    """Return start and end of the compressed kernel and how it is compressed; older headers do not say where it is."""
    start, end = code_at, size
    if header.protocol >= PAYLOAD_SINCE and header.payload_bytes:
        start, end = code_at + header.payload_at, code_at + header.payload_at + header.payload_bytes
    found = compressed_kernel(window.sub(0, min(end, size)), start) if start < size else None
    return None if found is None else (found[0], min(end, size), found[1])


def _parts(code_at: int, payload: tuple[int, int], size: int, program: Program) -> Iterator[Part]:
    """Yield setup code, the code that unpacks the kernel, the kernel, and what is behind it."""
    yield Part(start=0, end=code_at, title="kernel header and setup", kind=RegionKind.METADATA)
    stretches = (("decompressor", code_at, payload[0]), ("compressed kernel", *payload), ("rest", payload[1], size))
    for title, start, end in stretches:
        if start < end:
            is_kernel = title == "compressed kernel"
            yield Part(
                start=start,
                end=end,
                title=title,
                kind=RegionKind.DATA if is_kernel else RegionKind.PROGRAM,
                look_inside=True,
                program=None if is_kernel else program,
            )


def _example() -> bytes:
    kernel = gzip.compress(b"kernel of a pump " * 20, mtime=0)
    code = b"\xf4".ljust(32, b"\x90") + kernel
    code += bytes(-len(code) % PARAGRAPH_BYTES)
    header = SetupHeader(
        setup_sectors=1, root_flags=0, paragraphs=len(code) // PARAGRAPH_BYTES, ram_size=0, video_mode=0,
        root_device=0, boot_flag=0xAA55, jump=0x6AEB, magic=b"HdrS", protocol=0x20F, realmode_switch=0,
        start_segment=0x1000, version_at=0x100, loader=0, load_flags=1, setup_move_bytes=0, code32_start=0x10_0000,
        reserved=bytes(24), alignment=0x20_0000, relocatable=1, least_alignment=21, flags_64=1,
        command_line_bytes=2047, subarch=bytes(12), payload_at=32, payload_bytes=len(kernel), setup_data=0,
        preferred_address=0x100_0000,
    )  # fmt: skip
    setup = (bytes(HEADER_AT) + HEADER.build(header)).ljust(SECTOR_BYTES + header.version_at, b"\0")
    return (setup + b"5.10.1 (builder@host) #1 SMP 2021-01-01\0").ljust(2 * SECTOR_BYTES, b"\0") + code


FORMAT = ImageFormat(
    name="linux-bzimage",
    title="Linux kernel for PCs (bzImage)",
    source="Linux Documentation/arch/x86/boot.rst",
    limits="Kernels from before 1996 (zImage of protocol 1) are not recognised. A signature is seen but not verified.",
    open=_open,
    magics=(Magic(rb"\x55\xaa[\x00-\xff]{2}HdrS", offset=0x1FE, anchor=b"HdrS"),),
    try_order=-1,
    example=_example,
)
