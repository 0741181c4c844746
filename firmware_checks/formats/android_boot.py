"""Android boot images: kernel, RAM disk and device tree, page by page behind one header."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from firmware_checks.format import ImageFormat, Magic, Opened, Part
from firmware_checks.readers.entry_names import visible
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.layout import U32LE, U64LE, Layout, const, raw, wire
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Fact, Integrity, RegionKind

__all__ = ["FORMAT"]

MAGIC = b"ANDROID!"
VERSION_AT = 40
PAGES: Final = tuple(1 << shift for shift in range(9, 18))
NEW_PAGE_BYTES = 4096
"""Page of versions 3 and 4."""
HASH_BYTES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class OldHeader:
    """Versions 0 to 2. Source: Android system/tools/mkbootimg/include/bootimg/bootimg.h."""

    magic: bytes = wire(const(MAGIC))
    kernel_bytes: int = wire(U32LE)
    kernel_address: int = wire(U32LE)
    ramdisk_bytes: int = wire(U32LE)
    ramdisk_address: int = wire(U32LE)
    second_bytes: int = wire(U32LE)
    second_address: int = wire(U32LE)
    tags_address: int = wire(U32LE)
    page_bytes: int = wire(U32LE)
    version: int = wire(U32LE)
    """Some makers keep the size of a device tree here."""
    os_version: int = wire(U32LE)
    name: bytes = wire(raw(16))
    command_line: bytes = wire(raw(512))
    hash: bytes = wire(raw(32))
    more_command_line: bytes = wire(raw(1024))
    recovery_dtbo_bytes: int = wire(U32LE)
    """From version 1 on."""
    recovery_dtbo_at: int = wire(U64LE)
    header_bytes: int = wire(U32LE)
    dtb_bytes: int = wire(U32LE)
    """From version 2 on."""
    dtb_address: int = wire(U64LE)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewHeader:
    """Versions 3 and 4. Source: bootimg.h."""

    magic: bytes = wire(const(MAGIC))
    kernel_bytes: int = wire(U32LE)
    ramdisk_bytes: int = wire(U32LE)
    os_version: int = wire(U32LE)
    header_bytes: int = wire(U32LE)
    reserved: bytes = wire(raw(16))
    version: int = wire(U32LE)
    command_line: bytes = wire(raw(1536))
    signature_bytes: int = wire(U32LE)
    """From version 4 on."""


OLD, NEW = Layout(OldHeader, size=1660), Layout(NewHeader, size=1584)


@dataclass(frozen=True, slots=True)
class _Piece:
    title: str
    size: int
    address: int | None = None
    look_inside: bool = True


def _open(span: Span, limits: Limits) -> Opened:  # noqa: ARG001  # the contract of every format
    window = span.window
    if not window.starts_with(MAGIC):
        raise FormatError(f"no Android boot image at {window.origin:#x}")
    version = int.from_bytes(window.take(VERSION_AT, 4), "little")
    header: OldHeader | NewHeader = NEW.read(window) if version in (3, 4) else OLD.read(window)
    page_bytes = header.page_bytes if isinstance(header, OldHeader) else NEW_PAGE_BYTES
    pieces = _old_pieces(header) if isinstance(header, OldHeader) else _new_pieces(header)
    if page_bytes not in PAGES or not header.kernel_bytes + header.ramdisk_bytes or page_bytes > window.size:
        raise FormatError(f"what follows the Android magic at {window.origin:#x} is no header")
    parts = tuple(_parts(pieces, page_bytes, window.size))
    whole = page_bytes + sum(piece.size + -piece.size % page_bytes for piece in pieces)
    last = pieces[-1].size
    missing = max(0, whole - (-last % page_bytes) - window.size)
    return Opened(
        size=min(whole, window.size),
        kind=RegionKind.CONTAINER,
        title=f"Android boot image, version {version if version <= 4 else 0}",
        facts=_facts(header, page_bytes),
        integrity=tuple(_verdict(window, header, parts)) if isinstance(header, OldHeader) and not missing else (),
        parts=parts,
        problems=(f"the file is cut short: {missing} bytes are missing",) if missing else (),
    )


def _old_pieces(header: OldHeader) -> list[_Piece]:
    """Return what stands behind the header, in this order, each on a page of its own; empty pieces take none."""
    device_tree = header.version if header.version > 4 else 0
    pieces = [
        _Piece("kernel", header.kernel_bytes, header.kernel_address),
        _Piece("ramdisk", header.ramdisk_bytes),
        _Piece("second stage", header.second_bytes, header.second_address),
    ]
    if header.version in (1, 2):
        pieces.append(_Piece("recovery device tree overlay", header.recovery_dtbo_bytes))
    if header.version == 2:
        pieces.append(_Piece("device tree", header.dtb_bytes))
    return [piece for piece in (*pieces, _Piece("device tree", device_tree)) if piece.size]


def _new_pieces(header: NewHeader) -> list[_Piece]:
    signature = header.signature_bytes if header.version == 4 else 0
    pieces = [
        _Piece("kernel", header.kernel_bytes),
        _Piece("ramdisk", header.ramdisk_bytes),
        _Piece("signature", signature, look_inside=False),
    ]
    return [piece for piece in pieces if piece.size]


def _parts(pieces: list[_Piece], page_bytes: int, size: int) -> Iterator[Part]:
    yield Part(start=0, end=page_bytes, title="boot image header", kind=RegionKind.METADATA)
    place = page_bytes
    for piece in pieces:
        if place < size:
            yield Part(
                start=place,
                end=min(place + piece.size, size),
                title=piece.title,
                kind=RegionKind.DATA if piece.look_inside else RegionKind.METADATA,
                address=piece.address,
                look_inside=piece.look_inside,
            )
        place += piece.size + -piece.size % page_bytes


def _verdict(window: Window, header: OldHeader, parts: tuple[Part, ...]) -> Iterator[Integrity]:
    """Compute the identifier, a SHA-1 of all pieces, each followed by its size. Source: mkbootimg.py."""
    if header.version > 2 or not any(header.hash):
        return
    stored = header.hash[:HASH_BYTES]
    by_title = {part.title: window.take(part.start, part.end - part.start) for part in parts}
    titles = ["kernel", "ramdisk", "second stage", "recovery device tree overlay", "device tree"]
    computed = hashlib.sha1(usedforsecurity=False)
    for title in titles[: 3 + header.version]:
        data = by_title.get(title, b"")
        computed.update(data)
        computed.update(struct.pack("<I", len(data)))
    yield Integrity(
        algorithm="sha1",
        covers="kernel, RAM disk and what else is inside",
        stored=stored.hex(),
        computed=computed.hexdigest(),
        valid=stored == computed.digest(),
    )


def _facts(header: OldHeader | NewHeader, page_bytes: int) -> dict[str, Fact]:
    line = header.command_line.partition(b"\0")[0]
    if isinstance(header, OldHeader):
        line += header.more_command_line.partition(b"\0")[0]
    facts: dict[str, Fact] = {"page_bytes": page_bytes}
    if line:
        facts["bootargs"] = visible(line.decode("utf-8", "replace"), most_characters=2048)
    if isinstance(header, OldHeader) and header.name.strip(b"\0"):
        facts["name"] = visible(header.name.rstrip(b"\0").decode("utf-8", "replace"))
    if header.os_version:
        facts |= _android(header.os_version)
    if isinstance(header, NewHeader) and header.version == 4:
        facts["signed"] = header.signature_bytes > 0
    return facts


def _android(number: int) -> dict[str, Fact]:
    """Return version and security patch level: 7 bits each of three numbers, then year since 2000 and month."""
    version, patch = number >> 11, number & 0x7FF
    return {
        "android_version": f"{version >> 14}.{version >> 7 & 0x7F}.{version & 0x7F}",
        "security_patch": f"{2000 + (patch >> 4)}-{patch & 0xF:02d}",
    }


def _example() -> bytes:
    page, kernel, ramdisk = 2048, b"kernel of a pump", b"files of a pump"
    digest = hashlib.sha1(usedforsecurity=False)
    for data in (kernel, ramdisk, b"", b"", b""):
        digest.update(data + struct.pack("<I", len(data)))
    header = OldHeader(
        magic=MAGIC, kernel_bytes=len(kernel), kernel_address=0x8000, ramdisk_bytes=len(ramdisk),
        ramdisk_address=0x100_0000, second_bytes=0, second_address=0, tags_address=0x100, page_bytes=page, version=2,
        os_version=0, name=b"pump".ljust(16, b"\0"), command_line=b"console=ttyS0".ljust(512, b"\0"),
        hash=digest.digest().ljust(32, b"\0"), more_command_line=bytes(1024), recovery_dtbo_bytes=0,
        recovery_dtbo_at=0, header_bytes=OLD.size, dtb_bytes=0, dtb_address=0,
    )  # fmt: skip
    return OLD.build(header).ljust(page, b"\0") + kernel.ljust(page, b"\0") + ramdisk.ljust(page, b"\0")


FORMAT = ImageFormat(
    name="android-boot",
    title="Android boot image",
    source="Android system/tools/mkbootimg/include/bootimg/bootimg.h and mkbootimg.py",
    limits="Boot images of versions 0 to 4; vendor boot images are not recognised. A signature is seen, not verified.",
    open=_open,
    magics=(Magic(rb"ANDROID!"),),
    stands_alone=True,
    example=_example,
)
