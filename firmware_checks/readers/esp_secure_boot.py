"""Signatures that Espressif's secure boot expects behind an image: whether they are there and fit these bytes.

Whether the signature was made by a trusted key is for the device's fuses to say and is not decided here.
Sources: ESP-IDF documentation "Secure Boot v2", signature block format; "Secure Boot" (v1), image signing.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass

from firmware_checks.format import Part
from toolkit.core.errors import FormatError
from toolkit.core.layout import U8, U32LE, Layout, const, raw, wire
from toolkit.core.window import Window
from toolkit.report.model import Fact, Integrity, RegionKind

__all__ = ["BLOCK", "SECTOR_BYTES", "SignatureBlock", "signature_v1", "signatures_v2"]

SECTOR_BYTES = 4096
"""The signature blocks start at the next multiple of this, counted from the start of the image."""
MAX_BLOCKS = 3
RSA_3072 = 2
ECDSA = 3
SHA384_DIGEST = 1
CURVES = {1: "P-192", 2: "P-256", 3: "P-384"}
CRC_COVERS_BYTES = 1196
V1_BYTES = 68


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureBlock:
    """One secure boot v2 signature; ``body`` starts with the image digest, the public key and the signature follow."""

    magic: int = wire(const(0xE7, U8))
    scheme: int = wire(U8)
    digest_kind: int = wire(U8)
    reserved: bytes = wire(raw(1))
    body: bytes = wire(raw(1192))
    crc32: int = wire(U32LE)
    padding: bytes = wire(raw(16))


BLOCK = Layout(SignatureBlock, size=1216)


def signatures_v2(window: Window, image_end: int) -> list[Part]:
    """Return the filler and the signature blocks behind an image of ``image_end`` bytes; empty when it has none."""
    sector = -(-image_end // SECTOR_BYTES) * SECTOR_BYTES
    blocks = []
    for index in range(MAX_BLOCKS):
        start = sector + index * BLOCK.size
        try:
            block = BLOCK.read(window, start)
        except FormatError:
            break
        if block.scheme not in {RSA_3072, ECDSA}:
            break
        blocks.append(_block_part(window, block, start, sector))
    if not blocks or not _is_filler(window, image_end, sector):
        return []
    end = blocks[-1].end
    sector_end = min(window.size, sector + SECTOR_BYTES)
    fillers = [(image_end, sector), (end, sector_end if _is_filler(window, end, sector_end) else end)]
    return blocks + [_filler(a, b) for a, b in fillers if b > a]


def signature_v1(window: Window, image_end: int) -> list[Part]:
    """Return the 68 bytes of a secure boot v1 signature behind the image; without a magic, its form must convince."""
    end = image_end + V1_BYTES
    if window.size < end or bytes(window.take(image_end, 4)) != bytes(4):
        return []
    signature = bytes(window.take(image_end + 4, V1_BYTES - 4))
    after = bytes(window.view[end : end + 4])
    if len(set(signature)) < 32 or after.strip(b"\xff") != b"":
        return []
    facts: dict[str, Fact] = {"scheme": "ECDSA P-256", "signature": "present, not verified"}
    return [Part(start=image_end, end=end, title="Secure boot v1 signature", kind=RegionKind.METADATA, facts=facts)]


def _block_part(window: Window, block: SignatureBlock, start: int, sector: int) -> Part:
    wide = block.scheme == ECDSA and block.digest_kind == SHA384_DIGEST
    digest_bytes = 48 if wide else 32
    facts, key_bytes = _scheme(block, digest_bytes)
    key = block.body[digest_bytes : digest_bytes + key_bytes]
    facts["public_key_sha256"] = hashlib.sha256(key).hexdigest()
    facts["signature"] = "present, not verified"
    crc32 = zlib.crc32(window.take(start, CRC_COVERS_BYTES))
    image = window.take(0, sector)
    digest = (hashlib.sha384(image) if wide else hashlib.sha256(image)).hexdigest()
    stored = block.body[:digest_bytes].hex()
    return Part(
        start=start,
        end=start + BLOCK.size,
        title="Secure boot v2 signature",
        kind=RegionKind.METADATA,
        facts=facts,
        integrity=(
            Integrity(
                algorithm="crc32",
                covers="the signature block",
                stored=f"{block.crc32:#010x}",
                computed=f"{crc32:#010x}",
                valid=block.crc32 == crc32,
            ),
            Integrity(
                algorithm="sha384" if wide else "sha256",
                covers="the image up to the signature sector",
                stored=stored,
                computed=digest,
                valid=stored == digest,
            ),
        ),
    )


def _scheme(block: SignatureBlock, digest_bytes: int) -> tuple[dict[str, Fact], int]:
    """Return the facts of the scheme and how many bytes the public key takes as the fuses count it."""
    if block.scheme == RSA_3072:
        return {"scheme": "RSA-3072 PSS"}, 384 + 4 + 384 + 4
    curve = block.body[digest_bytes]
    name = CURVES.get(curve, f"curve {curve}")
    return {"scheme": f"ECDSA {name}"}, 1 + (96 if block.digest_kind == SHA384_DIGEST else 64)


def _is_filler(window: Window, start: int, end: int) -> bool:
    return bytes(window.take(start, end - start)).strip(b"\xff") == b""


def _filler(start: int, end: int) -> Part:
    return Part(start=start, end=end, title="filler", kind=RegionKind.PADDING)
