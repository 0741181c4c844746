"""Ed25519: small and quick, no hash to choose; the key for people who have no reason for another one."""

from __future__ import annotations

from typing import Final

from signing.algorithm import Algorithm, Family, Strength
from signing.refusal import Refusal
from signing.spki import load_spki

__all__ = ["FAMILY"]

FIELD: Final = 2**255 - 19
ORDER: Final = 2**252 + 27742317777372353535851937790883648493
SMALL_ORDER: Final = frozenset(
    {
        0,
        1,
        FIELD - 1,
        int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"),
        int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"),
    }
)
"""y of the points whose order divides 8; a key or commitment among them lets one signature fit many messages."""


def _recognise(encoded: bytes) -> Algorithm | None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key = load_spki(encoded)
    if not isinstance(key, Ed25519PublicKey):
        return None
    if _is_weak_point(key.public_bytes_raw()):
        raise Refusal("key.weak", "an Ed25519 key is a point of small order or not in its canonical form")
    return ALGORITHM


def _is_weak_point(point: bytes) -> bool:
    y = int.from_bytes(point, "little") & ((1 << 255) - 1)
    return y >= FIELD or y in SMALL_ORDER


def _verify(encoded: bytes, message: bytes, signature: bytes) -> None:
    from cryptography.exceptions import InvalidSignature

    if int.from_bytes(signature[32:], "little") >= ORDER:
        raise Refusal("signature.malleable", "the number S of an Ed25519 signature is not reduced")
    if _is_weak_point(signature[:32]):
        raise Refusal("signature.invalid", "the point R of an Ed25519 signature has a small order")
    try:
        load_spki(encoded).verify(signature, message)
    except InvalidSignature:
        raise Refusal("signature.invalid", "the Ed25519 signature does not fit the message and the key") from None


ALGORITHM: Final = Algorithm(
    name="ed25519",
    title="Ed25519",
    strength=Strength.CLASSICAL,
    signature_bytes=(64,),
    verify=_verify,
)

FAMILY = Family(
    name="ed25519",
    algorithms=(ALGORITHM,),
    recognise=_recognise,
    source="RFC 8032, 5.1 (pure Ed25519, no context); FIPS 186-5, 7",
)
