"""Attacks on ESP32 images with secure boot v2."""

from __future__ import annotations

import struct
import zlib
from typing import Final

from signing.attacks.image_attacks import attack, changed, image_suite
from signing.attacks.image_lab import LAB, GoodImage

__all__ = ["SUITE"]

SECTOR: Final = 4096
BLOCK: Final = 1216


def _block(good: GoodImage, place: int, new: bytes) -> GoodImage:
    """Return the image with its signature block changed and the checksum made right again."""
    image = changed(good.image, len(good.image) - SECTOR + place, new)
    start = len(image) - SECTOR
    checksum = struct.pack("<I", zlib.crc32(image[start : start + 1196]))
    return good.having(image=changed(image, start + 1196, checksum))


SUITE: Final = image_suite(
    "esp-secure-boot-v2",
    "ESP32 images (secure boot v2)",
    LAB.esp_secure_boot,
    attack(1, "no signature sector", "esp.signature-sector", lambda good: good.having(image=good.image[:-SECTOR])),
    attack(
        2,
        "erased signature sector",
        "esp.signature-sector",
        lambda good: good.having(image=good.image[:-SECTOR] + b"\xff" * SECTOR),
    ),
    attack(4, "one bit of the signature, checksum right", "signature.invalid", lambda good: _block(good, 900, b"\x55")),
    attack(7, "declared as ECDSA", "signature.unknown-key", lambda good: _block(good, 1, b"\3")),
    attack(11, "r and s of zero", "signature.malformed", lambda _good: _block(LAB.esp_ecdsa(), 101, bytes(64))),
    attack(
        11,
        "another curve, with the key as it is",
        "signature.unknown-key",
        lambda _good: _block(LAB.esp_ecdsa(), 36, b"\1"),
    ),
    attack(12, "another exponent in the block", "signature.unknown-key", lambda good: _block(good, 420, b"\3\0\0\0")),
    attack(12, "helper numbers for the chip changed", "esp.block", lambda good: _block(good, 424, b"\1")),
    attack(
        47,
        "a second block behind an erased one",
        "esp.block",
        lambda good: good.having(image=changed(good.image, len(good.image) - SECTOR + 2 * BLOCK, b"\xe7")),
    ),
    attack(50, "bytes where none belong", "esp.block", lambda good: _block(good, 2, b"\1")),
    signature_at=-SECTOR + 900,
)
