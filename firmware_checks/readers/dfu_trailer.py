"""The sixteen bytes that end every USB DFU file, plain or DfuSe: for which device it is, and a checksum over it all."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from toolkit.core.errors import FormatError
from toolkit.core.layout import U8, U16LE, U32LE, Layout, const, wire
from toolkit.core.window import Window
from toolkit.report.model import Fact, Integrity

__all__ = ["ANY_ID", "SUFFIX", "DfuSuffix", "crc_verdict", "read_suffix", "suffix_facts", "with_suffix"]

ANY_ID = 0xFFFF
"""Vendor, product or device number that stands for every one (USB DFU 1.1, appendix B)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DfuSuffix:
    """DFU file suffix, last bytes of the file. Source: USB DFU 1.1, appendix B, table B.1."""

    device_release: int = wire(U16LE)
    product_id: int = wire(U16LE)
    vendor_id: int = wire(U16LE)
    dfu_version: int = wire(U16LE)
    """Binary-coded decimal: 0x0100 plain, 0x011A DfuSe."""
    signature: bytes = wire(const(b"UFD"))
    suffix_bytes: int = wire(U8)
    crc32: int = wire(U32LE)


SUFFIX = Layout(DfuSuffix, size=16)


def read_suffix(window: Window, end: int) -> DfuSuffix:
    """Return the suffix whose last byte stands just before ``end``; raise ``FormatError`` when there is none."""
    if not window.starts_with(b"UFD", end - 8):
        raise FormatError("no DFU suffix: its signature is not there")
    suffix = SUFFIX.read(window, end - SUFFIX.size)
    if not SUFFIX.size <= suffix.suffix_bytes <= end:
        raise FormatError(f"DFU suffix claims a length of {suffix.suffix_bytes} bytes")
    if suffix.dfu_version >> 8 != 1:
        raise FormatError(f"DFU suffix has version {suffix.dfu_version:#06x}, 0x01xx is known")
    return suffix


def suffix_facts(suffix: DfuSuffix) -> dict[str, Fact]:
    """Return for which USB device the file is meant; numbers that stand for any device are left out."""
    facts: dict[str, Fact] = {"dfu_version": f"{suffix.dfu_version >> 8}.{suffix.dfu_version & 0xFF:02x}"}
    ids = {
        "usb_vendor_id": suffix.vendor_id,
        "usb_product_id": suffix.product_id,
        "device_release": suffix.device_release,
    }
    facts.update({name: f"{value:#06x}" for name, value in ids.items() if value != ANY_ID})
    return facts


def crc_verdict(window: Window, end: int, suffix: DfuSuffix) -> Integrity:
    """Return whether the CRC-32 in ``suffix`` fits the file, its last four bytes left out (appendix B, ``dwCRC``)."""
    computed = _crc(window.take(0, end - 4))
    return Integrity(
        algorithm="crc32",
        covers="the whole DFU file except these four bytes",
        stored=f"{suffix.crc32:#010x}",
        computed=f"{computed:#010x}",
        valid=computed == suffix.crc32,
    )


def with_suffix(content: bytes, *, vendor_id: int, product_id: int, dfu_version: int) -> bytes:
    """Return ``content`` followed by a valid suffix."""
    suffix = DfuSuffix(
        device_release=ANY_ID,
        product_id=product_id,
        vendor_id=vendor_id,
        dfu_version=dfu_version,
        signature=b"UFD",
        suffix_bytes=SUFFIX.size,
        crc32=0,
    )
    body = content + SUFFIX.build(suffix)[:-4]
    return body + _crc(body).to_bytes(4, "little")


def _crc(data: bytes | memoryview) -> int:
    """Return the CRC-32 as DFU stores it: without the usual inversion at the end."""
    return zlib.crc32(data) ^ 0xFFFFFFFF
