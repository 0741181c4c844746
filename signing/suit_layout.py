"""SUIT envelopes: numbers of their fields, and the COSE algorithms that sign them."""

from __future__ import annotations

from typing import Any, Final

from signing.lms.parameters import ALL

__all__ = ["COSE_ALGORITHMS", "to_be_signed"]

ENVELOPE_TAG, SIGN1_TAG = 107, 18
AUTHENTICATION, MANIFEST = 2, 3
"""Keys of the envelope."""
MANIFEST_VERSION, SEQUENCE_NUMBER, COMMON = 1, 2, 3
COMPONENTS, SHARED_SEQUENCE = 2, 4
SET_PARAMETERS, CONDITION_VENDOR, CONDITION_CLASS, CONDITION_IMAGE = 20, 1, 2, 3
VENDOR_ID, CLASS_ID, IMAGE_DIGEST, IMAGE_SIZE = 1, 2, 3, 14
VALIDATE, REPORT_ALL = 7, 15
SHA_256: Final = -16
ALGORITHM_HEADER: Final = 1
COSE_ALGORITHMS: Final = {
    "ecdsa-p256-sha256": -7,
    "ed25519": -8,
    "ecdsa-p384-sha384": -35,
    "rsa-pss-3072-sha256": -37,
    "ml-dsa-44": -48,
    "ml-dsa-65": -49,
    "ml-dsa-87": -50,
    **{f"lms-sha256-{parameters.name}": -46 for parameters in ALL},
}
"""Source: IANA COSE Algorithms; RFC 8778 for LMS."""


def to_be_signed(protected: bytes, payload: bytes) -> bytes:
    """Return the Sig_structure that a COSE_Sign1 signs. Source: RFC 9052, 4.4."""
    from cbor2 import dumps

    structure: list[Any] = ["Signature1", protected, b"", payload]
    return dumps(structure, canonical=True)
