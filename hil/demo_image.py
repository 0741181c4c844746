"""Firmware images of the demo pump: the layout of MCUboot, signed with ECDSA P-256 over SHA-256, or with LMS.

An image holds header, program, the protected records security counter, vendor and class, and behind them hash, hash of
the key and signature; the signature is over the hash, as in MCUboot. Its boot loader takes it into RAM, header and all
(MCUboot's RAM loading), and starts it with the first instruction of the program. MCUboot has no record for LMS: it is
one of those that are free for vendors.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from hil.demo_keys import KEY_WORDS, key_hash, lms_public_key, p256_public_key, signed, signed_with_lms
from signing.device_ids import class_id, vendor_id
from signing.key import PublicKey
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
from signing.refusal import Refusal
from signing.strict.tlv import strict_tlvs
from toolkit.core.errors import FormatError
from toolkit.core.window import Window

__all__ = [
    "KEY_WORDS",
    "LOAD_ADDRESS",
    "MODEL",
    "MOST_COUNTER",
    "VENDOR",
    "Image",
    "Recipe",
    "Scheme",
    "built",
    "is_of_a_stranger",
    "is_signed",
    "taken_apart",
]

VENDOR: Final = "medharden.example"
MODEL: Final = "demo-pump"
HASH, SIGNATURE, LMS_SIGNATURE = 0x10, 0x22, 0x00A1
RUNS_IN_RAM: Final = 0x20
"""Flag of the header. Source: MCUboot, image.h, IMAGE_F_RAM_LOAD."""
LOAD_ADDRESS: Final = 0x2000_0FE0
"""The program behind the header of 32 bytes then starts at 0x20001000."""
MOST_COUNTER: Final = 2048
"""The boot loader keeps one bit for each step."""
COUNTER_BYTES: Final = 4
PROGRAM: Final = b"demo-pump program ".ljust(64, b".")


class Scheme(StrEnum):
    """How an image is signed."""

    P256 = "p256"
    LMS = "lms"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What an image is to say."""

    version: tuple[int, int, int]
    counter: int
    program: bytes = PROGRAM
    model: str = MODEL
    key_words: str | None = KEY_WORDS
    """Words from which the key is made; None for no signature."""
    scheme: Scheme = Scheme.P256


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
            load_address=LOAD_ADDRESS,
            header_bytes=HEADER.size,
            protected_tlv_bytes=len(protected),
            image_bytes=len(recipe.program),
            flags=RUNS_IN_RAM,
            major=major,
            minor=minor,
            revision=revision,
            build=0,
            padding=0,
        )
    )
    covered = header + recipe.program + protected
    digest = hashlib.sha256(covered).digest()
    return covered + _area(UNPROTECTED, {HASH: digest, **_signature_records(recipe, digest)})


def _signature_records(recipe: Recipe, digest: bytes) -> dict[int, bytes]:
    words = recipe.key_words
    if words is None:
        return {}
    if recipe.scheme is Scheme.LMS:
        return {KEY_HASH: key_hash(lms_public_key(words)), LMS_SIGNATURE: signed_with_lms(digest, words)}
    return {KEY_HASH: key_hash(p256_public_key(words)), SIGNATURE: signed(digest, words)}


def taken_apart(data: bytes) -> Image:
    """Return the image at the start of ``data``; ``MedhardenError`` when there is none."""
    window = Window.of(data)
    header = HEADER.read(window)
    protected, middle = _records(window, header.payload_end, PROTECTED)
    records, end = _records(window, middle, UNPROTECTED)
    if header.header_bytes != HEADER.size or header.protected_tlv_bytes != middle - header.payload_end:
        raise FormatError("the header of the image says lengths that are not true")
    if (header.load_address, header.flags) != (LOAD_ADDRESS, RUNS_IN_RAM):
        raise FormatError("the image is not made to run in RAM, or not there")
    counter = protected.get(SECURITY_COUNTER, b"")
    if len(counter) != COUNTER_BYTES or int.from_bytes(counter, "little") > MOST_COUNTER:
        raise FormatError("the image has no security counter, or one that is too high")
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
    return image.records.get(KEY_HASH) not in (None, key_hash(p256_public_key()))


def is_signed(image: Image, digest: bytes) -> bool:
    """Tell whether the signature over ``digest`` is right and of one of our two keys."""
    for public_key, kind in ((p256_public_key(), SIGNATURE), (lms_public_key(), LMS_SIGNATURE)):
        if image.records.get(KEY_HASH) == key_hash(public_key) and len(digest) == hashlib.sha256().digest_size:
            return _fits(public_key, kind, image.records.get(kind, b""), digest)
    return False


def _fits(public_key: bytes, kind: int, signature: bytes, digest: bytes) -> bool:
    if kind == SIGNATURE:
        return _fits_p256(public_key, signature, digest)
    try:
        PublicKey.from_encoded(public_key).verify(digest, signature)
    except Refusal:
        return False
    return True


def _fits_p256(public_key: bytes, signature: bytes, digest: bytes) -> bool:
    """Either half of the curve is right, as for MCUboot; our own verifier for real images asks for the lower one."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    key = load_der_public_key(public_key)
    assert isinstance(key, ec.EllipticCurvePublicKey)  # noqa: S101  # it is our own; for the type checker
    try:
        key.verify(signature, digest, ec.ECDSA(Prehashed(hashes.SHA256())))
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
