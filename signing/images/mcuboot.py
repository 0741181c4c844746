"""MCUboot images: what the boot loader accepts is accepted, and less: nothing is left unsigned, doubled or unknown."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from signing.algorithms.ecdsa import low_s
from signing.image import Expectation, ImageTrust, SignedImageFormat, VerifiedImage
from signing.key import PublicKey
from signing.mcuboot_layout import (
    BOOT_RECORD,
    COMPRESSED_FLAGS,
    DEPENDENCY,
    DEPENDENCY_LAYOUT,
    ENCRYPTED_FLAGS,
    HASHES,
    HEADER,
    KEY_HASH,
    KNOWN_FLAGS,
    LOAD_ADDRESS_FLAGS,
    MAGIC,
    PROTECTED,
    PUBLIC_KEY,
    SECURITY_COUNTER,
    SIGNATURES,
    TLV_INFO,
    UNPROTECTED,
    UUID_CID,
    UUID_VID,
    Dependency,
    ImageHeader,
    shown_version,
)
from signing.refusal import Refusal
from signing.strict.tlv import Tlv, strict_tlvs
from toolkit.core.window import Window

__all__ = ["IMAGE", "native_key"]

HASH_FOR: Final = {
    "rsa-pss-2048-sha256": ("sha256",),
    "rsa-pss-3072-sha256": ("sha256",),
    "ecdsa-p256-sha256": ("sha256",),
    "ecdsa-p384-sha384": ("sha384",),
    "ed25519": ("sha256", "sha512"),
}
"""Hash of the image that MCUboot is built with for each kind of key."""
PROTECTED_SIZES: Final = {SECURITY_COUNTER: 4, DEPENDENCY: 12, UUID_VID: 16, UUID_CID: 16}
VENDOR_KINDS: Final = range(0x00A0, 0xFFFF)
MOST_SIGNATURES: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """An image taken apart, nothing of it believed yet."""

    header: ImageHeader
    covered: memoryview
    """What the hash covers: header, program, protected TLVs."""
    protected: list[Tlv]
    unprotected: list[Tlv]


def native_key(key: PublicKey) -> bytes:
    """Return a public key as MCUboot stores and hashes it: PKCS#1 for RSA, SubjectPublicKeyInfo for the others."""
    if not key.name.startswith("rsa"):
        return key.encoded
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

    return load_der_public_key(key.encoded).public_bytes(Encoding.DER, PublicFormat.PKCS1)


def _verify(image: bytes, signature: bytes, trust: ImageTrust) -> VerifiedImage:  # noqa: ARG001  # it is inside
    read = _take_apart(Window.of(image))
    hash_name, digest = _checked_hash(read)
    signers = _checked_signatures(read, hash_name, digest, trust)
    facts = _facts(read)
    _check_expectation(read, trust.expectation, len(image))
    return VerifiedImage(
        format="mcuboot",
        key_ids=tuple(key.key_id for key in signers),
        algorithms=tuple(key.name for key in signers),
        facts={**facts, "image_hash": digest.hex()},
    )


def _take_apart(window: Window) -> _Read:
    header = HEADER.read(window)
    _check_header(header)
    place = header.payload_end
    protected: list[Tlv] = []
    if header.protected_tlv_bytes:
        protected = _area(window, place, PROTECTED)
        if TLV_INFO.read(window, place).area_bytes != header.protected_tlv_bytes:
            raise Refusal("mcuboot.protected-size", "the protected TLV area is not as long as the header says")
        place += header.protected_tlv_bytes
    covered = window.take(0, place)
    unprotected = _area(window, place, UNPROTECTED)
    end = place + TLV_INFO.read(window, place).area_bytes
    if end != window.size:
        raise Refusal(
            "mcuboot.trailing",
            f"{window.size - end} bytes follow the signed image, and nothing vouches for them; sign it without padding",
        )
    _check_protected(protected)
    return _Read(header=header, covered=covered, protected=protected, unprotected=unprotected)


def _check_header(header: ImageHeader) -> None:
    if header.header_bytes < HEADER.size or header.image_bytes == 0 or header.padding != 0:
        raise Refusal("mcuboot.header", "the header of the image has impossible sizes")
    if header.flags & ~KNOWN_FLAGS:
        raise Refusal("mcuboot.flags", f"the header of the image has unknown flags {header.flags:#x}")
    if header.flags & (ENCRYPTED_FLAGS | COMPRESSED_FLAGS):
        raise Refusal("mcuboot.transformed", "an encrypted or compressed image can only be verified by its device")


def _area(window: Window, place: int, magic: int) -> list[Tlv]:
    info = TLV_INFO.read(window, place)
    if info.magic != magic or info.area_bytes < TLV_INFO.size:
        raise Refusal("mcuboot.tlv-area", f"no TLV area of the right kind at {place:#x}")
    return strict_tlvs(bytes(window.take(place + TLV_INFO.size, info.area_bytes - TLV_INFO.size)))


def _check_protected(tlvs: list[Tlv]) -> None:
    kinds = [tlv.kind for tlv in tlvs]
    for tlv in tlvs:
        if tlv.kind not in (*PROTECTED_SIZES, BOOT_RECORD) and tlv.kind not in VENDOR_KINDS:
            raise Refusal("mcuboot.tlv-unknown", f"a protected TLV {tlv.kind:#06x} is unknown or does not belong there")
        if tlv.kind in PROTECTED_SIZES and len(tlv.value) != PROTECTED_SIZES[tlv.kind]:
            raise Refusal("mcuboot.tlv-size", f"a protected TLV {tlv.kind:#06x} has {len(tlv.value)} bytes")
        if tlv.kind != DEPENDENCY and kinds.count(tlv.kind) > 1:
            raise Refusal("mcuboot.tlv-duplicate", f"the protected TLV {tlv.kind:#06x} stands there twice")
    dependencies = _dependencies(tlvs)
    if len({dependency.image for dependency in dependencies}) != len(dependencies):
        raise Refusal("mcuboot.tlv-duplicate", "two dependencies on the same image")
    if any(dependency.padding != bytes(3) for dependency in dependencies):
        raise Refusal("mcuboot.tlv-size", "a dependency holds bytes where none belong")


def _dependencies(tlvs: list[Tlv]) -> list[Dependency]:
    return [DEPENDENCY_LAYOUT.read(Window.of(tlv.value)) for tlv in tlvs if tlv.kind == DEPENDENCY]


def _checked_hash(read: _Read) -> tuple[str, bytes]:
    """Return name and value of the image's hash, which is the first unprotected TLV and stands there once."""
    kinds = [tlv.kind for tlv in read.unprotected]
    allowed = {*HASHES, KEY_HASH, PUBLIC_KEY, *SIGNATURES.values()}
    for kind in kinds:
        if kind not in allowed:
            raise Refusal("mcuboot.tlv-unprotected", f"the TLV {kind:#06x} is not covered by the signature")
    if not kinds or kinds[0] not in HASHES or sum(kind in HASHES for kind in kinds) != 1:
        raise Refusal("mcuboot.tlv-order", "the hash of the image does not stand first, or not once")
    hash_name = HASHES[kinds[0]]
    digest = hashlib.new(hash_name, read.covered).digest()
    if not hmac.compare_digest(digest, read.unprotected[0].value):
        raise Refusal("mcuboot.hash", "the image is not what its hash was made of")
    return hash_name, digest


def _checked_signatures(read: _Read, hash_name: str, digest: bytes, trust: ImageTrust) -> list[PublicKey]:
    """Return the trusted keys that signed; a signature that claims to be of a trusted key must be."""
    signers = []
    for named, signature in _signatures(read.unprotected[1:]):
        key = _named_key(named, hash_name, trust.keys)
        if key is None:
            continue
        trust.policy.check_key(key)
        if SIGNATURES.get(key.name) != signature.kind or hash_name not in HASH_FOR[key.name]:
            raise Refusal("signature.algorithm", f"a signature or hash of another kind than the key's, {key.name}")
        _check_signature(key, digest, signature.value)
        if key in signers:
            raise Refusal("mcuboot.tlv-duplicate", "two signatures of the same key")
        signers.append(key)
    if not signers:
        raise Refusal("signature.unknown-key", "the image is not signed by a key that is trusted")
    return signers


def _signatures(tlvs: list[Tlv]) -> Iterator[tuple[Tlv, Tlv]]:
    """Yield each signature with the TLV before it that names its key."""
    if not tlvs:
        raise Refusal("signature.missing", "the image carries no signature")
    if len(tlvs) % 2 or len(tlvs) > 2 * MOST_SIGNATURES:
        raise Refusal("mcuboot.tlv-order", "keys and signatures do not stand in pairs")
    if len({tlv.kind for tlv in tlvs}) != 2:  # a boot loader is built for one way to name keys and one to sign
        raise Refusal("mcuboot.tlv-order", "signatures of several kinds, which no boot loader takes together")
    for named, signature in zip(tlvs[::2], tlvs[1::2], strict=True):
        if named.kind not in (KEY_HASH, PUBLIC_KEY) or signature.kind not in SIGNATURES.values():
            raise Refusal("mcuboot.tlv-order", "a signature does not follow the name of its key")
        yield named, signature


def _named_key(named: Tlv, hash_name: str, keys: tuple[PublicKey, ...]) -> PublicKey | None:
    for key in keys:
        encoded = native_key(key)
        expected = encoded if named.kind == PUBLIC_KEY else hashlib.new(hash_name, encoded).digest()
        if hmac.compare_digest(expected, named.value):
            return key
    return None


def _check_signature(key: PublicKey, digest: bytes, signature: bytes) -> None:
    if key.name == "ed25519":
        key.verify(digest, signature)
    elif key.name.startswith("ecdsa"):
        key.verify_digest(digest, low_s(key.name, signature))  # MCUboot and its signer know no smaller s
    else:
        key.verify_digest(digest, signature)


def _value(read: _Read, kind: int) -> bytes | None:
    return next((tlv.value for tlv in read.protected if tlv.kind == kind), None)


def _facts(read: _Read) -> dict[str, str | int | tuple[str, ...]]:
    facts: dict[str, str | int | tuple[str, ...]] = {"version": shown_version(read.header.version)}
    counter = _value(read, SECURITY_COUNTER)
    if counter is not None:
        facts["security_counter"] = int.from_bytes(counter, "little")
    for kind, name in ((UUID_VID, "vendor_id"), (UUID_CID, "class_id")):
        value = _value(read, kind)
        if value is not None:
            facts[name] = value.hex()
    if read.header.flags & LOAD_ADDRESS_FLAGS:
        facts["load_address"] = read.header.load_address
    dependencies = _dependencies(read.protected)
    if dependencies:
        facts["depends_on"] = tuple(f"image {d.image} at {shown_version(d.version)} or later" for d in dependencies)
    return facts


def _check_expectation(read: _Read, expected: Expectation, image_bytes: int) -> None:
    header = read.header
    if expected.least_version is not None and header.version < expected.least_version:
        raise Refusal(
            "version.rollback",
            f"the image is version {shown_version(header.version)}, older than {shown_version(expected.least_version)}",
        )
    if expected.most_bytes is not None and image_bytes > expected.most_bytes:
        raise Refusal("target.size", f"the image has {image_bytes} bytes, its place only {expected.most_bytes}")
    if expected.load_address is not None and (
        not header.flags & LOAD_ADDRESS_FLAGS or header.load_address != expected.load_address
    ):
        raise Refusal("target.address", f"the image is made for address {header.load_address:#x}")
    _check_counter(read, expected.least_security_counter)
    for kind, name, wanted in ((UUID_VID, "vendor", expected.vendor_id), (UUID_CID, "device", expected.class_id)):
        if wanted is not None and _value(read, kind) != wanted:
            raise Refusal(f"target.{name}", f"the image is made for another {name}, or does not say for which")
    _check_dependencies(read, expected)


def _check_counter(read: _Read, least: int | None) -> None:
    value = _value(read, SECURITY_COUNTER)
    if least is None:
        return
    if value is None or int.from_bytes(value, "little") < least:
        raise Refusal("version.security-counter", f"the image has no security counter of {least} or more")


def _check_dependencies(read: _Read, expected: Expectation) -> None:
    if expected.installed is None:
        return
    for dependency in _dependencies(read.protected):
        there = expected.installed.get(dependency.image)
        if there is None or there < dependency.version:
            wanted = shown_version(dependency.version)
            raise Refusal("target.dependency", f"image {dependency.image} must be at {wanted} or later first")


IMAGE = SignedImageFormat(
    name="mcuboot",
    title="MCUboot image",
    source="MCUboot boot/bootutil: image.h, src/image_validate.c, src/tlv.c (v2.2.0)",
    is_detached=False,
    recognise=lambda image, _signature: image[:4] == MAGIC.to_bytes(4, "little"),
    verify=_verify,
    other_cases={
        18: "`tests/signing/test_algorithms.py`",
        43: "the number of an image is not part of it; its kind of device is",
    },
)
