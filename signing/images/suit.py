"""SUIT envelopes: a manifest that says what to install where, signed with COSE."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from typing import Any, Final

from signing.algorithms.ecdsa import low_s
from signing.image import Expectation, Fact, ImageTrust, SignedImageFormat, VerifiedImage
from signing.key import PublicKey
from signing.refusal import Refusal
from signing.strict.cbor import strict_cbor
from signing.suit_layout import (
    ALGORITHM_HEADER,
    AUTHENTICATION,
    CLASS_ID,
    COMMON,
    COMPONENTS,
    COSE_ALGORITHMS,
    ENVELOPE_TAG,
    IMAGE_DIGEST,
    IMAGE_SIZE,
    MANIFEST,
    MANIFEST_VERSION,
    SEQUENCE_NUMBER,
    SET_PARAMETERS,
    SHA_256,
    SHARED_SEQUENCE,
    SIGN1_TAG,
    VENDOR_ID,
    to_be_signed,
)

__all__ = ["IMAGE"]

MOST_SIGNATURES: Final = 8
HALF_BYTES: Final = {"ecdsa-p256-sha256": 32, "ecdsa-p384-sha384": 48}


def _verify(image: bytes, signature: bytes, trust: ImageTrust) -> VerifiedImage:  # noqa: ARG001  # it is inside
    envelope = strict_cbor(image, tags=(ENVELOPE_TAG,)).value
    if not isinstance(envelope, dict) or set(envelope) != {AUTHENTICATION, MANIFEST}:
        raise Refusal("suit.envelope", "the envelope holds more than a signed manifest, or less")
    manifest = _bytes(envelope[MANIFEST])
    payload, blocks = _authentication(_bytes(envelope[AUTHENTICATION]))
    _check_digest(payload, image[-_wrapped_bytes(manifest) :])
    signers = list(_signers(payload, blocks, trust))
    if not signers:
        raise Refusal("signature.unknown-key", "the manifest is not signed by a key that is trusted")
    return VerifiedImage(
        format="suit",
        key_ids=tuple(key.key_id for key in signers),
        algorithms=tuple(key.name for key in signers),
        facts=_facts(strict_cbor(manifest), trust.expectation),
    )


def _bytes(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise Refusal("suit.structure", "a byte string is missing in the envelope")
    return value


def _wrapped_bytes(content: bytes) -> int:
    """Return how many bytes a byte string takes with its head."""
    size = len(content)
    return size + 1 + sum(size >= least for least in (24, 1 << 8)) + (2 if size >= 1 << 16 else 0)


def _authentication(wrapper: bytes) -> tuple[bytes, list[bytes]]:
    """Return the encoded digest and the signature blocks."""
    parts = strict_cbor(wrapper)
    if not isinstance(parts, list) or not 1 <= len(parts) <= 1 + MOST_SIGNATURES:
        raise Refusal("suit.structure", "the authentication of the envelope is no list")
    blocks = [_bytes(part) for part in parts]
    if len(blocks) == 1:
        raise Refusal("signature.missing", "the envelope carries no signature")
    if len(set(blocks)) != len(blocks):
        raise Refusal("suit.duplicate", "a signature stands twice in the envelope")
    return blocks[0], blocks[1:]


def _check_digest(payload: bytes, wrapped_manifest: bytes) -> None:
    digest = strict_cbor(payload)
    is_digest = isinstance(digest, list) and len(digest) == 2 and isinstance(digest[1], bytes)
    if not is_digest or digest[0] != SHA_256:
        raise Refusal("suit.digest", "the digest of the manifest is not SHA-256")
    if not hmac.compare_digest(digest[1], hashlib.sha256(wrapped_manifest).digest()):
        raise Refusal("suit.digest", "the manifest is not what its digest was made of")


def _signers(payload: bytes, blocks: list[bytes], trust: ImageTrust) -> Iterator[PublicKey]:
    """Yield the trusted keys that signed; a signature without a key id is tried with each key of its algorithm."""
    for block in blocks:
        protected, signature = _sign1(block)
        algorithm = strict_cbor(protected)[ALGORITHM_HEADER]
        candidates = [key for key in trust.keys if COSE_ALGORITHMS.get(key.name) == algorithm]
        for key in candidates:
            trust.policy.check_key(key)
            if _is_signed(key, to_be_signed(protected, payload), signature):
                yield key
                break
        else:
            if candidates:
                raise Refusal("signature.invalid", "a signature of the envelope fits no trusted key of its algorithm")


def _sign1(block: bytes) -> tuple[bytes, bytes]:
    """Return protected header and signature of a COSE_Sign1 that leaves its payload out. Source: RFC 9052, 4.2."""
    parts = getattr(strict_cbor(block, tags=(SIGN1_TAG,)), "value", None)
    if not isinstance(parts, list) or len(parts) != 4 or parts[1] != {} or parts[2] is not None:
        raise Refusal("suit.structure", "a signature of the envelope is no COSE_Sign1 without payload")
    protected, signature = _bytes(parts[0]), _bytes(parts[3])
    header = strict_cbor(protected)
    if not isinstance(header, dict) or set(header) != {ALGORITHM_HEADER}:
        raise Refusal("suit.structure", "the header of a signature names more than its algorithm, or less")
    return protected, signature


def _is_signed(key: PublicKey, message: bytes, signature: bytes) -> bool:
    try:
        key.verify(message, _native(key, signature))
    except Refusal:
        return False
    return True


def _native(key: PublicKey, signature: bytes) -> bytes:
    """Return a COSE signature as the key takes it: ECDSA as a sequence, with the smaller s. Source: RFC 9053, 2.1."""
    half = HALF_BYTES.get(key.name)
    if half is None:
        return signature
    if len(signature) != 2 * half:
        raise Refusal("signature.size", f"{len(signature)} bytes are no {key.name} signature")
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
    return low_s(key.name, encode_dss_signature(r, s))


def _facts(manifest: Any, expected: Expectation) -> dict[str, Fact]:
    """Return what a verified manifest says; ``Refusal`` when it is not meant for the device."""
    if not isinstance(manifest, dict) or manifest.get(MANIFEST_VERSION) != 1:
        raise Refusal("suit.version", "the manifest is of a version that is not known")
    sequence = manifest.get(SEQUENCE_NUMBER)
    if not isinstance(sequence, int) or sequence < 0:
        raise Refusal("suit.structure", "the manifest has no sequence number")
    if expected.least_security_counter is not None and sequence < expected.least_security_counter:
        raise Refusal("version.rollback", f"the manifest is number {sequence}, older than what is installed")
    common = strict_cbor(_bytes(manifest.get(COMMON)))
    parameters = _parameters(common)
    _check_target(parameters, expected)
    facts: dict[str, Fact] = {"sequence_number": sequence, "components": len(common.get(COMPONENTS, ()))}
    for number, name in ((VENDOR_ID, "vendor_id"), (CLASS_ID, "class_id")):
        if isinstance(parameters.get(number), bytes):
            facts[name] = parameters[number].hex()
    if isinstance(parameters.get(IMAGE_DIGEST), bytes):
        facts["image_digest"] = _image_digest(parameters[IMAGE_DIGEST])
    if isinstance(parameters.get(IMAGE_SIZE), int):
        facts["image_bytes"] = parameters[IMAGE_SIZE]
    return facts


def _image_digest(encoded: bytes) -> str:
    digest = strict_cbor(encoded)
    if not isinstance(digest, list) or len(digest) != 2 or digest[0] != SHA_256:
        raise Refusal("suit.digest", "the digest of the program is not SHA-256")
    return _bytes(digest[1]).hex()


def _parameters(common: Any) -> dict[int, Any]:
    """Return the parameters that the first directive of the shared sequence sets."""
    if not isinstance(common, dict):
        raise Refusal("suit.structure", "the manifest has no common part")
    sequence = strict_cbor(_bytes(common.get(SHARED_SEQUENCE)))
    if not isinstance(sequence, list) or len(sequence) < 2 or sequence[0] != SET_PARAMETERS:
        raise Refusal("suit.structure", "the manifest does not start by setting its parameters")
    if SET_PARAMETERS in sequence[2::2] or not isinstance(sequence[1], dict):
        raise Refusal("suit.structure", "the manifest sets its parameters more than once")
    return dict(sequence[1])


def _check_target(parameters: dict[int, Any], expected: Expectation) -> None:
    for number, name, wanted in ((VENDOR_ID, "vendor", expected.vendor_id), (CLASS_ID, "device", expected.class_id)):
        if wanted is not None and parameters.get(number) != wanted:
            raise Refusal(f"target.{name}", f"the manifest is made for another {name}, or does not say for which")
    size = parameters.get(IMAGE_SIZE)
    if expected.most_bytes is not None and (not isinstance(size, int) or size > expected.most_bytes):
        raise Refusal("target.size", f"the program does not fit in {expected.most_bytes} bytes, or its size is unknown")


IMAGE = SignedImageFormat(
    name="suit",
    title="SUIT envelope",
    source="draft-ietf-suit-manifest-34, 5 to 8; RFC 9052, 4; RFC 9124",
    is_detached=False,
    recognise=lambda image, _signature: image[:2] == bytes((0xD8, ENVELOPE_TAG)),
    verify=_verify,
    other_cases={
        55: "there are no certificates",
    },
)
