"""ECDSA over P-256 and P-384, each with its one hash; what most hardware tokens and boot loaders can do."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Any, Final

from signing.algorithm import Algorithm, Family, Hasher, Strength
from signing.refusal import Refusal
from signing.spki import load_spki

__all__ = ["FAMILY", "ORDERS", "low_s", "read_signature"]

ORDERS: Final = {
    "ecdsa-p256-sha256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "ecdsa-p384-sha384": int(
        "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973", 16
    ),
}
"""Number of points of each curve. Source: SEC 2 v2.0, 2.4.2 and 2.5.1."""


def read_signature(name: str, signature: bytes) -> tuple[int, int]:
    """Return r and s of a signature in strict DER, both within the range of the curve; ``Refusal`` otherwise."""
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

    try:
        r, s = decode_dss_signature(signature)
    except ValueError as error:
        raise Refusal("signature.malformed", "an ECDSA signature is not a DER sequence of two numbers") from error
    if not (0 < r < ORDERS[name] and 0 < s < ORDERS[name]):
        raise Refusal("signature.malformed", "a number of an ECDSA signature is zero or not below the curve's order")
    if encode_dss_signature(r, s) != signature:
        raise Refusal("signature.malformed", "an ECDSA signature is not in the one form that DER allows")
    return r, s


def low_s(name: str, signature: bytes) -> bytes:
    """Return the same signature with the smaller of the two numbers s that fit it."""
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    r, s = read_signature(name, signature)
    return encode_dss_signature(r, min(s, ORDERS[name] - s))


def _recognise(encoded: bytes) -> Algorithm | None:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

    key = load_spki(encoded)
    if not isinstance(key, EllipticCurvePublicKey):
        return None
    found = ALGORITHMS.get(key.curve.name)
    if found is None:
        raise Refusal("key.weak", f"keys on the curve {key.curve.name} are not offered, only P-256 and P-384")
    return found


def _verify(name: str, hash_name: str, encoded: bytes, message: bytes, signature: bytes) -> None:
    _verify_digest(name, hash_name, encoded, hashlib.new(hash_name, message).digest(), signature)


def _verify_digest(name: str, hash_name: str, encoded: bytes, digest: bytes, signature: bytes) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

    _r, s = read_signature(name, signature)
    if s > ORDERS[name] // 2:
        raise Refusal("signature.malleable", "an ECDSA signature has the larger of two numbers s that fit")
    kinds: dict[str, hashes.HashAlgorithm] = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384()}
    try:
        load_spki(encoded).verify(signature, digest, ECDSA(Prehashed(kinds[hash_name])))
    except InvalidSignature:
        raise Refusal("signature.invalid", "the ECDSA signature does not fit the message and the key") from None


def _hasher(hash_name: str, _encoded: bytes) -> Hasher:
    made: Any = hashlib.new(hash_name)
    return made  # type: ignore[no-any-return]  # a hashlib object has both methods


def _algorithm(curve_bits: int, hash_name: str) -> Algorithm:
    name = f"ecdsa-p{curve_bits}-{hash_name}"
    number_bytes = curve_bits // 8 + 1
    return Algorithm(
        name=name,
        title=f"ECDSA P-{curve_bits} with {hash_name.upper()}",
        strength=Strength.CLASSICAL,
        signature_bytes=range(8, 2 * (2 + number_bytes) + 3),
        verify=partial(_verify, name, hash_name),
        verify_digest=partial(_verify_digest, name, hash_name),
        hasher=partial(_hasher, hash_name),
        hash_name=hash_name,
    )


ALGORITHMS: Final = {"secp256r1": _algorithm(256, "sha256"), "secp384r1": _algorithm(384, "sha384")}

FAMILY = Family(
    name="ecdsa",
    algorithms=tuple(ALGORITHMS.values()),
    recognise=_recognise,
    source="FIPS 186-5, 6; signature encoding of RFC 3279, 2.2.3, with the smaller s",
)
