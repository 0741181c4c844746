"""Secure boot v2 of ESP32 chips: up to three signatures in the last sector, each with its own public key beside it."""

from __future__ import annotations

import hashlib
import hmac
import zlib
from collections.abc import Iterator
from typing import Final

from signing.algorithms.ecdsa import low_s
from signing.image import ImageTrust, SignedImageFormat, VerifiedImage
from signing.key import PublicKey
from signing.refusal import Refusal
from signing.spki import load_spki

__all__ = ["IMAGE"]

SECTOR_BYTES: Final = 4096
BLOCK_BYTES: Final = 1216
MOST_BLOCKS: Final = 3
MAGIC: Final = 0xE7
RSA_VERSION, ECDSA_VERSION = 2, 3
COVERED_BYTES: Final = 1196
"""Bytes of a block that its checksum covers."""
ESP_IMAGE_MAGIC: Final = 0xE9
RSA_NUMBER_BYTES: Final = 384
CURVES: Final = {2: ("ecdsa-p256-sha256", 32)}
"""Curve number of a block, algorithm, size of a number; P-192 is too short, P-384 signs another hash of the image."""


def _recognise(image: bytes, _signature: bytes) -> bool:
    return (
        len(image) >= 2 * SECTOR_BYTES
        and not len(image) % SECTOR_BYTES
        and image[-SECTOR_BYTES] == MAGIC
        and image[-SECTOR_BYTES + 1] in (RSA_VERSION, ECDSA_VERSION)
    )


def _verify(image: bytes, signature: bytes, trust: ImageTrust) -> VerifiedImage:  # noqa: ARG001  # it is inside
    if not _recognise(image, b""):
        raise Refusal("esp.signature-sector", "the last sector of the image is no signature sector")
    covered, sector = image[:-SECTOR_BYTES], image[-SECTOR_BYTES:]
    digest = hashlib.sha256(covered).digest()
    signers: list[PublicKey] = []
    for block in _blocks(sector):
        if not hmac.compare_digest(block[4:36], digest):
            raise Refusal("esp.digest", "the image is not what was signed")
        key = _signer(block, trust.keys)
        if key is None:
            continue
        trust.policy.check_key(key)
        _check_signature(key, block, digest)
        signers.append(key)
    if not signers:
        raise Refusal("signature.unknown-key", "the image is not signed by a key that is trusted")
    return VerifiedImage(
        format="esp-secure-boot-v2",
        key_ids=tuple(key.key_id for key in signers),
        algorithms=tuple(key.name for key in signers),
        facts={"image_hash": digest.hex()},
    )


def _blocks(sector: bytes) -> Iterator[bytes]:
    """Yield the signature blocks, which stand one after the other; the rest of the sector is erased."""
    versions = set()
    place = 0
    while place < MOST_BLOCKS * BLOCK_BYTES and sector[place] == MAGIC:
        block = sector[place : place + BLOCK_BYTES]
        versions.add(block[1])
        if block[2:4] != bytes(2) or block[-16:] != bytes(16):
            raise Refusal("esp.block", "a signature block holds bytes where none belong")
        if zlib.crc32(block[:COVERED_BYTES]) != int.from_bytes(block[COVERED_BYTES : COVERED_BYTES + 4], "little"):
            raise Refusal("esp.block", "the checksum of a signature block is wrong")
        place += BLOCK_BYTES
        yield block
    if len(versions) != 1 or sector[place:].strip(b"\xff"):
        raise Refusal("esp.block", "the signature blocks are mixed, or something stands behind them")


def _signer(block: bytes, keys: tuple[PublicKey, ...]) -> PublicKey | None:
    """Return the trusted key that stands in the block."""
    return next((key for key in keys if _fields(key, block[1]) == _stated(block)), None)


def _stated(block: bytes) -> bytes:
    if block[1] == RSA_VERSION:
        return block[36 : 36 + RSA_NUMBER_BYTES + 4]
    return block[36 : 36 + 1 + 64]


def _fields(key: PublicKey, version: int) -> bytes | None:
    """Return a key as a block of this version holds it; numbers are little-endian."""
    numbers = load_spki(key.encoded).public_numbers() if key.name.startswith(("rsa", "ecdsa")) else None
    if version == RSA_VERSION and key.name == "rsa-pss-3072-sha256" and numbers is not None:
        return bytes(numbers.n.to_bytes(RSA_NUMBER_BYTES, "little") + numbers.e.to_bytes(4, "little"))
    curve = next((number for number, (name, _size) in CURVES.items() if name == key.name), None)
    if version == ECDSA_VERSION and curve is not None and numbers is not None:
        size = CURVES[curve][1]
        return bytes((curve,)) + bytes(numbers.x.to_bytes(size, "little") + numbers.y.to_bytes(size, "little"))
    return None


def _check_signature(key: PublicKey, block: bytes, digest: bytes) -> None:
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    if block[1] == RSA_VERSION:
        _check_helpers(key, block)
        key.verify_digest(digest, block[812 : 812 + RSA_NUMBER_BYTES][::-1])
        return
    size = CURVES[block[36]][1]
    start = 36 + 1 + 2 * size
    r, s = (int.from_bytes(block[start + at : start + at + size], "little") for at in (0, size))
    key.verify_digest(digest, low_s(key.name, encode_dss_signature(r, s)))


def _check_helpers(key: PublicKey, block: bytes) -> None:
    """Refuse numbers for the chip's multiplier that do not follow from the key: the chip computes with them."""
    modulus = load_spki(key.encoded).public_numbers().n
    radix = (1 << (2 * 8 * RSA_NUMBER_BYTES)) % modulus
    inverse = -pow(modulus, -1, 1 << 32) % (1 << 32)
    stated = block[424 : 424 + RSA_NUMBER_BYTES + 4]
    if stated != radix.to_bytes(RSA_NUMBER_BYTES, "little") + inverse.to_bytes(4, "little"):
        raise Refusal("esp.block", "the helper numbers in a signature block are not those of its key")


IMAGE = SignedImageFormat(
    name="esp-secure-boot-v2",
    title="ESP32 image with secure boot v2",
    source="ESP-IDF programming guide, Secure Boot v2, Signature Block Format (RSA and ECDSA)",
    is_detached=False,
    recognise=_recognise,
    verify=_verify,
    other_cases={
        36: "the format has no version or security counter outside of the program",
        41: "the format names no model",
        46: "there are no further fields",
    },
)
