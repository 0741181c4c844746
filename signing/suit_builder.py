"""Builds signed SUIT envelopes for one program of one kind of device."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from signing.image import Expectation, ImageTrust, verify_image
from signing.key import Signer
from signing.policy import Policy
from signing.suit_layout import (
    ALGORITHM_HEADER,
    AUTHENTICATION,
    CLASS_ID,
    COMMON,
    COMPONENTS,
    CONDITION_CLASS,
    CONDITION_IMAGE,
    CONDITION_VENDOR,
    COSE_ALGORITHMS,
    ENVELOPE_TAG,
    IMAGE_DIGEST,
    IMAGE_SIZE,
    MANIFEST,
    MANIFEST_VERSION,
    REPORT_ALL,
    SEQUENCE_NUMBER,
    SET_PARAMETERS,
    SHA_256,
    SHARED_SEQUENCE,
    SIGN1_TAG,
    VALIDATE,
    VENDOR_ID,
    to_be_signed,
)
from toolkit.core.errors import InputError

__all__ = ["ManifestRequest", "signed_envelope"]

HALF_BYTES = {"ecdsa-p256-sha256": 32, "ecdsa-p384-sha384": 48}


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestRequest:
    """What a manifest says; everything here is covered by the signature."""

    sequence_number: int
    vendor_id: bytes
    class_id: bytes
    component: tuple[bytes, ...] = (b"\0",)


def signed_envelope(program: bytes, request: ManifestRequest, signer: Signer, policy: Policy) -> bytes:
    """Return the envelope, after our own verifier has accepted it; the program itself travels beside it."""
    from cbor2 import CBORTag

    algorithm = COSE_ALGORITHMS.get(signer.public.name)
    if algorithm is None:
        raise InputError(f"COSE has no number for {signer.public.name}; use one of: {', '.join(COSE_ALGORITHMS)}")
    policy.check_signing_key(signer.public)
    manifest = _encoded(_manifest(program, request))
    payload = _encoded([SHA_256, hashlib.sha256(_encoded(manifest)).digest()])
    protected = _encoded({ALGORITHM_HEADER: algorithm})
    signature = _cose(signer, to_be_signed(protected, payload))
    block = _encoded(CBORTag(SIGN1_TAG, [protected, {}, None, signature]))
    envelope = _encoded(CBORTag(ENVELOPE_TAG, {AUTHENTICATION: _encoded([payload, block]), MANIFEST: manifest}))
    expectation = Expectation(
        least_security_counter=request.sequence_number, vendor_id=request.vendor_id, class_id=request.class_id
    )
    trust = ImageTrust(policy=policy, keys=(signer.public,), expectation=expectation)
    verify_image(envelope, b"", trust, named="suit")
    return envelope


def _encoded(value: Any) -> bytes:
    from cbor2 import dumps

    return dumps(value, canonical=True)


def _manifest(program: bytes, request: ManifestRequest) -> dict[int, Any]:
    digest = _encoded([SHA_256, hashlib.sha256(program).digest()])
    parameters = {
        VENDOR_ID: request.vendor_id,
        CLASS_ID: request.class_id,
        IMAGE_DIGEST: digest,
        IMAGE_SIZE: len(program),
    }
    checks = [CONDITION_VENDOR, REPORT_ALL, CONDITION_CLASS, REPORT_ALL]
    common = {
        COMPONENTS: [list(request.component)],
        SHARED_SEQUENCE: _encoded([SET_PARAMETERS, parameters, *checks]),
    }
    return {
        MANIFEST_VERSION: 1,
        SEQUENCE_NUMBER: request.sequence_number,
        COMMON: _encoded(common),
        VALIDATE: _encoded([CONDITION_IMAGE, REPORT_ALL]),
    }


def _cose(signer: Signer, message: bytes) -> bytes:
    """Return the signature as COSE spells it: ECDSA as two numbers of fixed size. Source: RFC 9053, 2.1."""
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    signature = signer.sign(message)
    half = HALF_BYTES.get(signer.public.name)
    if half is None:
        return signature
    return b"".join(number.to_bytes(half, "big") for number in decode_dss_signature(signature))
