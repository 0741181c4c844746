"""How an MCUboot image is laid out; sizes in bytes, all numbers little-endian."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from toolkit.core.layout import U8, U16LE, U32LE, Layout, const, raw, wire

__all__ = [
    "COMPRESSED_FLAGS",
    "DEPENDENCY",
    "DEPENDENCY_LAYOUT",
    "ENCRYPTED_FLAGS",
    "HASHES",
    "HEADER",
    "KEY_HASH",
    "KNOWN_FLAGS",
    "LOAD_ADDRESS_FLAGS",
    "MAGIC",
    "PROTECTED",
    "PUBLIC_KEY",
    "SECURITY_COUNTER",
    "SIGNATURES",
    "TLV_INFO",
    "UNPROTECTED",
    "UUID_CID",
    "UUID_VID",
    "Dependency",
    "ImageHeader",
    "TlvInfo",
    "shown_version",
]

MAGIC: Final = 0x96F3_B83D
PROTECTED, UNPROTECTED = 0x6908, 0x6907
KEY_HASH, PUBLIC_KEY = 0x01, 0x02
DEPENDENCY, SECURITY_COUNTER, BOOT_RECORD, UUID_VID, UUID_CID = 0x40, 0x50, 0x60, 0x74, 0x75
HASHES: Final = {0x10: "sha256", 0x11: "sha384", 0x12: "sha512"}
SIGNATURES: Final = {
    "rsa-pss-2048-sha256": 0x20,
    "ecdsa-p256-sha256": 0x22,
    "ecdsa-p384-sha384": 0x22,
    "rsa-pss-3072-sha256": 0x23,
    "ed25519": 0x24,
}
"""TLV that holds a signature, by algorithm."""
ENCRYPTED_FLAGS: Final = 0x000C
COMPRESSED_FLAGS: Final = 0x0E00
LOAD_ADDRESS_FLAGS: Final = 0x0120
KNOWN_FLAGS: Final = 0x0F3D


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageHeader:
    """Header of an image. Source: MCUboot boot/bootutil/include/bootutil/image.h (v2.2.0)."""

    magic: int = wire(const(MAGIC, U32LE))
    load_address: int = wire(U32LE)
    header_bytes: int = wire(U16LE)
    protected_tlv_bytes: int = wire(U16LE)
    image_bytes: int = wire(U32LE)
    """Without the header."""
    flags: int = wire(U32LE)
    major: int = wire(U8)
    minor: int = wire(U8)
    revision: int = wire(U16LE)
    build: int = wire(U32LE)
    padding: int = wire(U32LE)

    @property
    def version(self) -> tuple[int, int, int, int]:
        """Major, minor, revision, build."""
        return self.major, self.minor, self.revision, self.build

    @property
    def payload_end(self) -> int:
        """Where the program ends and the TLV areas start."""
        return self.header_bytes + self.image_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TlvInfo:
    """Start of a TLV area. Source: image.h, struct image_tlv_info."""

    magic: int = wire(U16LE)
    area_bytes: int = wire(U16LE)
    """With this header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """Another image that must be there, at this version or a later one. Source: image.h, struct image_dependency."""

    image: int = wire(U8)
    padding: bytes = wire(raw(3))
    major: int = wire(U8)
    minor: int = wire(U8)
    revision: int = wire(U16LE)
    build: int = wire(U32LE)

    @property
    def version(self) -> tuple[int, int, int, int]:
        """Major, minor, revision, build."""
        return self.major, self.minor, self.revision, self.build


HEADER = Layout(ImageHeader, size=32)
TLV_INFO = Layout(TlvInfo, size=4)
DEPENDENCY_LAYOUT = Layout(Dependency, size=12)


def shown_version(version: tuple[int, int, int, int]) -> str:
    """Return a version as MCUboot writes it: 1.2.3+4."""
    major, minor, revision, build = version
    return f"{major}.{minor}.{revision}+{build}"
