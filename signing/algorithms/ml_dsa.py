"""ML-DSA: signatures that hold against quantum computers too; some kilobytes each, no state to keep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from signing.algorithm import Algorithm, Family, Hasher, Strength
from signing.refusal import Refusal
from signing.spki import load_spki

__all__ = ["FAMILY"]

SIGNATURE_BYTES: Final = {44: 2420, 65: 3309, 87: 4627}
"""FIPS 204, table 2."""


def _recognise(encoded: bytes) -> Algorithm | None:
    from cryptography.hazmat.primitives.asymmetric import mldsa

    key = load_spki(encoded)
    kinds = {44: mldsa.MLDSA44PublicKey, 65: mldsa.MLDSA65PublicKey, 87: mldsa.MLDSA87PublicKey}
    return next((ALGORITHMS[size] for size, kind in kinds.items() if isinstance(key, kind)), None)


def _verify(encoded: bytes, message: bytes, signature: bytes) -> None:
    _checked(lambda: load_spki(encoded).verify(signature, message))


def _verify_digest(encoded: bytes, digest: bytes, signature: bytes) -> None:
    _checked(lambda: load_spki(encoded).verify_mu(signature, digest))


def _checked(verify: Callable[[], None]) -> None:
    from cryptography.exceptions import InvalidSignature

    try:
        verify()
    except InvalidSignature:
        raise Refusal("signature.invalid", "the ML-DSA signature does not fit the message and the key") from None


class _MuHasher:
    """Computes the message representative mu of pure ML-DSA with an empty context. Source: FIPS 204, 6.2, line 6."""

    def __init__(self, encoded: bytes) -> None:
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSAMuHasher

        self._hasher: Any = MLDSAMuHasher(load_spki(encoded))

    def update(self, data: bytes | memoryview) -> None:
        """Take the next piece."""
        self._hasher.update(data)

    def digest(self) -> bytes:
        """Return mu, 64 bytes."""
        return bytes(self._hasher.copy().finalize())


def _hasher(encoded: bytes) -> Hasher:
    return _MuHasher(encoded)


ALGORITHMS: Final = {
    size: Algorithm(
        name=f"ml-dsa-{size}",
        title=f"ML-DSA-{size}",
        strength=Strength.POST_QUANTUM,
        signature_bytes=(signature_bytes,),
        verify=_verify,
        verify_digest=_verify_digest,
        hasher=_hasher,
    )
    for size, signature_bytes in SIGNATURE_BYTES.items()
}

FAMILY = Family(
    name="ml-dsa",
    algorithms=tuple(ALGORITHMS.values()),
    recognise=_recognise,
    source="FIPS 204, 5.2 and 5.3 (pure, empty context); key encoding of RFC 9881",
)
