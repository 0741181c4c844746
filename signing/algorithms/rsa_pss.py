"""RSA with PSS padding: for devices and tokens that know nothing newer; 2048 bits only to verify what is old."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from signing.algorithm import Algorithm, Family, Hasher, Strength
from signing.refusal import Refusal
from signing.spki import load_spki

__all__ = ["FAMILY"]

LEAST_EXPONENT, MOST_EXPONENT = 65537, 1 << 256
"""FIPS 186-5, 5.1: 2^16 < e < 2^256, odd."""
HASH = "sha256"


def _recognise(encoded: bytes) -> Algorithm | None:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    key = load_spki(encoded)
    if not isinstance(key, RSAPublicKey):
        return None
    found = ALGORITHMS.get(key.key_size)
    if found is None:
        raise Refusal("key.weak", f"RSA keys of {key.key_size} bits are not offered, only 2048, 3072 and 4096")
    numbers = key.public_numbers()
    if not LEAST_EXPONENT <= numbers.e < MOST_EXPONENT or not numbers.e & 1 or not numbers.n & 1:
        raise Refusal("key.weak", f"an RSA key has the public exponent {numbers.e}; 65537 is right")
    return found


def _verify(encoded: bytes, message: bytes, signature: bytes) -> None:
    _verify_digest(encoded, hashlib.new(HASH, message).digest(), signature)


def _verify_digest(encoded: bytes, digest: bytes, signature: bytes) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

    sha256 = hashes.SHA256()
    padding = PSS(mgf=MGF1(sha256), salt_length=sha256.digest_size)
    try:
        load_spki(encoded).verify(signature, digest, padding, Prehashed(sha256))
    except InvalidSignature:
        raise Refusal("signature.invalid", "the RSA signature does not fit the message and the key") from None


def _hasher(_encoded: bytes) -> Hasher:
    made: Any = hashlib.new(HASH)
    return made  # type: ignore[no-any-return]  # a hashlib object has both methods


ALGORITHMS: Final = {
    bits: Algorithm(
        name=f"rsa-pss-{bits}-sha256",
        title=f"RSA-PSS, {bits} bits, SHA-256",
        strength=Strength.CLASSICAL,
        signature_bytes=(bits // 8,),
        verify=_verify,
        verify_digest=_verify_digest,
        hasher=_hasher,
        hash_name=HASH,
    )
    for bits in (2048, 3072, 4096)
}

FAMILY = Family(
    name="rsa-pss",
    algorithms=tuple(ALGORITHMS.values()),
    recognise=_recognise,
    source="RFC 8017, 8.1, MGF1 with the same hash, a salt as long as the hash; FIPS 186-5, 5",
)
