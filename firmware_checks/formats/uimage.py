"""U-Boot images of the older kind (uImage): a kernel or a boot loader behind a header with two check sums."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from firmware_checks.format import ImageFormat, Magic, Opened, Part
from firmware_checks.readers.entry_names import visible
from firmware_checks.readers.u_boot_names import ARCHITECTURES, COMPRESSIONS, SYSTEMS, TYPES, kind_of, program_of
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.layout import U8, U32BE, Layout, const, text, wire
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Fact, Integrity, RegionKind

__all__ = ["FORMAT", "UImageHeader", "build_image"]

MAGIC = 0x2705_1956
CRC_AT = 4
MULTI, SCRIPT = "multi", "script"
MOST_PARTS = 256
"""Files of a multi-file image that are read; boot scripts use two or three."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UImageHeader:
    """Legacy image header; sizes in bytes. Source: U-Boot include/image.h."""

    magic: int = wire(const(MAGIC, U32BE))
    header_crc32: int = wire(U32BE)
    """Over the header with this field zero."""
    created: int = wire(U32BE)
    """Seconds since 1970."""
    data_bytes: int = wire(U32BE)
    load_address: int = wire(U32BE)
    entry_address: int = wire(U32BE)
    data_crc32: int = wire(U32BE)
    system: int = wire(U8)
    arch: int = wire(U8)
    kind: int = wire(U8)
    compression: int = wire(U8)
    name: str = wire(text(32))


HEADER = Layout(UImageHeader, size=64)


def _open(span: Span, limits: Limits) -> Opened:  # noqa: ARG001  # the contract of every format
    window = span.window
    header = HEADER.read(window)
    own = _header_verdict(window, header)
    _check(window, header, own)
    data = window.sub(HEADER.size, min(header.data_bytes, window.size - HEADER.size))
    missing = header.data_bytes - data.size
    problems: list[str] = [f"the file is cut short: {missing} bytes are missing"] if missing else []
    return Opened(
        size=HEADER.size + data.size,
        kind=RegionKind.CONTAINER,
        title=f"U-Boot image ({_name(TYPES, header.kind)})",
        facts=_facts(header),
        integrity=(own,) if missing else (own, _data_verdict(header, data)),
        parts=tuple(_parts(header, data, problems)),
        problems=tuple(problems),
    )


def _check(window: Window, header: UImageHeader, own: Integrity) -> None:
    """Refuse the magic where it is a constant in a boot loader's code; a header that was tampered with is read."""
    known = header.kind < len(TYPES) and header.system < len(SYSTEMS) and header.arch < len(ARCHITECTURES)
    fits = 0 < header.data_bytes <= window.size - HEADER.size
    plausible = known and header.kind > 0 and header.compression < len(COMPRESSIONS) and header.name.isprintable()
    if not (own.valid and header.data_bytes > 0) and not (plausible and fits):
        raise FormatError(f"what follows the uImage magic at {window.origin:#x} is no header")


def _name(names: Sequence[str], number: int) -> str:
    return names[number] if number < len(names) else f"number {number}"


def _facts(header: UImageHeader) -> dict[str, Fact]:
    facts: dict[str, Fact] = {
        "image_type": _name(TYPES, header.kind),
        "operating_system": _name(SYSTEMS, header.system),
        "processor": _name(ARCHITECTURES, header.arch),
        "compression": _name(COMPRESSIONS, header.compression),
        "load_address": header.load_address,
        "entry_address": header.entry_address,
    }
    if header.name:
        facts["name"] = visible(header.name)
    if header.created:
        facts["created"] = datetime.fromtimestamp(header.created, UTC).isoformat()
    return facts


def _header_verdict(window: Window, header: UImageHeader) -> Integrity:
    blanked = bytearray(window.take(0, HEADER.size))
    blanked[CRC_AT : CRC_AT + 4] = bytes(4)
    return _verdict("header", header.header_crc32, zlib.crc32(blanked))


def _data_verdict(header: UImageHeader, data: Window) -> Integrity:
    return _verdict("image data", header.data_crc32, zlib.crc32(data.view))


def _verdict(covers: str, stored: int, computed: int) -> Integrity:
    return Integrity(
        algorithm="crc32", covers=covers, stored=f"{stored:08x}", computed=f"{computed:08x}", valid=stored == computed
    )


def _parts(header: UImageHeader, data: Window, problems: list[str]) -> Iterator[Part]:
    """Yield the header and what it describes: one file, or the files of a multi-file image or script."""
    yield Part(start=0, end=HEADER.size, title="uImage header", kind=RegionKind.METADATA)
    type_name, compression = _name(TYPES, header.kind), _name(COMPRESSIONS, header.compression)
    if type_name in (MULTI, SCRIPT):
        yield from _files(header, data, problems)
        return
    program = program_of(
        type_name=type_name,
        arch=_name(ARCHITECTURES, header.arch),
        system=_name(SYSTEMS, header.system),
        compression=compression,
        load=header.load_address,
        entry=header.entry_address,
    )
    yield Part(
        start=HEADER.size,
        end=HEADER.size + data.size,
        title=type_name,
        kind=kind_of(type_name, compression),
        address=header.load_address if compression == "none" else None,
        look_inside=True,
        program=program,
    )


def _files(header: UImageHeader, data: Window, problems: list[str]) -> Iterator[Part]:
    """Yield the files of a multi-file image: a list of sizes that ends with 0, then the files, each from a word on."""
    sizes, place = _sizes(data)
    if place == 0:
        problems.append("the list of the files inside has no end: they were not told apart")
        yield Part(
            start=HEADER.size, end=HEADER.size + data.size, title="files", kind=RegionKind.DATA, look_inside=True
        )
        return
    yield Part(start=HEADER.size, end=HEADER.size + place, title="list of files", kind=RegionKind.METADATA)
    for number, size in enumerate(sizes):
        end = min(place + size, data.size)
        if place + size > data.size:
            problems.append(f"file {number} is said to have {size} bytes, {max(0, data.size - place)} are there")
        if end > place:
            title = SCRIPT if header.kind == TYPES.index(SCRIPT) else f"file {number}"
            yield Part(
                start=HEADER.size + place,
                end=HEADER.size + end,
                title=title,
                kind=RegionKind.DATA,
                look_inside=True,
            )
        place = min(place + size + -size % 4, data.size)


def _sizes(data: Window) -> tuple[list[int], int]:
    """Return the sizes of the files and where the list ends; 0 when it has no end."""
    words = bytes(data.view[: 4 * (MOST_PARTS + 1)])
    sizes: list[int] = []
    for (size,) in struct.iter_unpack(">I", words[: len(words) & ~3]):
        if size == 0:
            return sizes, 4 * (len(sizes) + 1)
        sizes.append(size)
    return [], 0


def build_image(
    data: bytes,
    *,
    kind: str = "kernel",
    arch: str = "arm",
    system: str = "linux",
    compression: str = "none",
    load_address: int = 0x8000,
    name: str = "pump",
) -> bytes:
    """Return a uImage around ``data`` with both check sums right."""

    def header(crc32: int) -> bytes:
        fields = UImageHeader(
            magic=MAGIC, header_crc32=crc32, created=1_577_836_800, data_bytes=len(data), load_address=load_address,
            entry_address=load_address, data_crc32=zlib.crc32(data), system=SYSTEMS.index(system),
            arch=ARCHITECTURES.index(arch), kind=TYPES.index(kind), compression=COMPRESSIONS.index(compression),
            name=name,
        )  # fmt: skip
        return HEADER.build(fields)

    return header(zlib.crc32(header(0))) + data


def _example() -> bytes:
    return build_image(b"echo pump ready\n", kind="standalone")


FORMAT = ImageFormat(
    name="uimage",
    title="U-Boot image",
    source="U-Boot include/image.h (legacy image format), boot/image.c and tools/default_image.c",
    limits="Vendors' own variants with another magic number are not recognised.",
    open=_open,
    magics=(Magic(rb"\x27\x05\x19\x56"),),
    stands_alone=True,
    example=_example,
)
