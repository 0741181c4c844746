"""Firmware images of the demo pump: the layout of MCUboot, signed with ECDSA P-256 over SHA-256.

An image holds header, program, the protected records security counter, vendor and class, and behind them hash, hash of
the key and signature; the signature is over the hash, as in MCUboot. The keys are made from published words: they
protect nothing but a pump that does not exist.
"""

from __future__ import annotations

import functools
import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from signing.device_ids import class_id, vendor_id
from signing.mcuboot_layout import (
    HEADER,
    KEY_HASH,
    MAGIC,
    PROTECTED,
    SECURITY_COUNTER,
    TLV_INFO,
    UNPROTECTED,
    UUID_CID,
    UUID_VID,
    ImageHeader,
)
from signing.strict.tlv import strict_tlvs
from toolkit.core.errors import FormatError
from toolkit.core.window import Window

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

__all__ = [
    "KEY_WORDS",
    "MODEL",
    "Image",
    "Recipe",
    "built",
    "is_of_a_stranger",
    "is_signed",
    "public_key",
    "taken_apart",
]

KEY_WORDS: Final = "medharden demo pump: this key protects nothing"
VENDOR: Final = "medharden.example"
MODEL: Final = "demo-pump"
HASH, SIGNATURE = 0x10, 0x22
PROGRAM: Final = b"demo-pump program ".ljust(64, b".")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What an image is to say."""

    version: tuple[int, int, int]
    counter: int
    program: bytes = PROGRAM
    model: str = MODEL
    key_words: str | None = KEY_WORDS
    """Words from which the key is made; None for no signature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image taken apart; nothing of it is believed yet."""

    version: tuple[int, int, int]
    counter: int
    is_for_us: bool
    digest: bytes
    """Of what is there."""
    records: Mapping[int, bytes]
    """What stands behind the signed part: hash, hash of the key, signature."""
    size_bytes: int


def built(recipe: Recipe) -> bytes:
    """Return the image."""
    protected = _area(
        PROTECTED,
        {
            SECURITY_COUNTER: struct.pack("<I", recipe.counter),
            UUID_VID: vendor_id(VENDOR),
            UUID_CID: class_id(VENDOR, recipe.model),
        },
    )
    major, minor, revision = recipe.version
    header = HEADER.build(
        ImageHeader(
            magic=MAGIC,
            load_address=0,
            header_bytes=HEADER.size,
            protected_tlv_bytes=len(protected),
            image_bytes=len(recipe.program),
            flags=0,
            major=major,
            minor=minor,
            revision=revision,
            build=0,
            padding=0,
        )
    )
    covered = header + recipe.program + protected
    records = {HASH: hashlib.sha256(covered).digest()}
    if recipe.key_words is not None:
        records[KEY_HASH] = _key_hash(recipe.key_words)
        records[SIGNATURE] = _signed(recipe.key_words, records[HASH])
    return covered + _area(UNPROTECTED, records)


def taken_apart(data: bytes) -> Image:
    """Return the image at the start of ``data``; ``MedhardenError`` when there is none."""
    window = Window.of(data)
    header = HEADER.read(window)
    protected, middle = _records(window, header.payload_end, PROTECTED)
    records, end = _records(window, middle, UNPROTECTED)
    if header.header_bytes != HEADER.size or header.protected_tlv_bytes != middle - header.payload_end:
        raise FormatError("the header of the image says lengths that are not true")
    counter = protected.get(SECURITY_COUNTER, b"")
    named = protected.get(UUID_VID), protected.get(UUID_CID)
    return Image(
        version=header.version[:3],
        counter=int.from_bytes(counter, "little"),
        is_for_us=named == (vendor_id(VENDOR), class_id(VENDOR, MODEL)),
        digest=hashlib.sha256(window.take(0, middle)).digest(),
        records=records,
        size_bytes=end,
    )


def is_of_a_stranger(image: Image) -> bool:
    """Tell whether it names a key, and one that is not ours."""
    return image.records.get(KEY_HASH) not in (None, _key_hash(KEY_WORDS))


def is_signed(image: Image, digest: bytes) -> bool:
    """Tell whether the signature over ``digest`` is right and of our key."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

    if image.records.get(KEY_HASH) != _key_hash(KEY_WORDS) or len(digest) != hashes.SHA256.digest_size:
        return False
    try:
        _key(KEY_WORDS).public_key().verify(
            image.records.get(SIGNATURE, b""), digest, ec.ECDSA(Prehashed(hashes.SHA256()))
        )
    except InvalidSignature:
        return False
    return True


def _records(window: Window, place: int, magic: int) -> tuple[dict[int, bytes], int]:
    info = TLV_INFO.read(window, place)
    if info.magic != magic or info.area_bytes < TLV_INFO.size:
        raise FormatError(f"no records of the right kind at {place:#x}")
    area = bytes(window.take(place + TLV_INFO.size, info.area_bytes - TLV_INFO.size))
    return {record.kind: record.value for record in strict_tlvs(area)}, place + info.area_bytes


def _area(magic: int, records: Mapping[int, bytes]) -> bytes:
    body = b"".join(struct.pack("<HH", kind, len(value)) + value for kind, value in records.items())
    return struct.pack("<HH", magic, TLV_INFO.size + len(body)) + body


@functools.cache
def _key(words: str) -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.derive_private_key(int.from_bytes(hashlib.sha256(words.encode()).digest()), ec.SECP256R1())


@functools.cache
def _key_hash(words: str) -> bytes:
    return hashlib.sha256(public_key(words)).digest()


def public_key(words: str = KEY_WORDS) -> bytes:
    """Return the public key made from ``words``, as a boot loader holds it: SubjectPublicKeyInfo in DER."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return _key(words).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@functools.cache
def _signed(words: str, digest: bytes) -> bytes:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

    how = ec.ECDSA(Prehashed(hashes.SHA256()), deterministic_signing=True)
    return _key(words).sign(digest, how)
