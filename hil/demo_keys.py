"""Keys of the demo pump's images, made from published words: they protect nothing but a pump that does not exist."""

from __future__ import annotations

import functools
import hashlib
from typing import TYPE_CHECKING, Any, Final

from signing.lms.parameters import Parameters, spki_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

__all__ = ["KEY_WORDS", "key_hash", "lms_public_key", "p256_public_key", "signed", "signed_with_lms"]

KEY_WORDS: Final = "medharden demo pump: this key protects nothing"
LMS: Final = Parameters(hash_bytes=24, height=5, width=4)
"""The smallest tree, which is made in a moment."""
HSS_LEVELS: Final = (1).to_bytes(4)
NO_SIGNED_KEYS: Final = bytes(4)


def p256_public_key(words: str = KEY_WORDS) -> bytes:
    """Return the P-256 key made from ``words``, as a boot loader hashes it: SubjectPublicKeyInfo in DER."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return _p256(words).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def lms_public_key(words: str = KEY_WORDS) -> bytes:
    """Return the LMS key made from ``words``: SubjectPublicKeyInfo in DER, which ends with the HSS key of one level."""
    public: bytes = _lms(words).publicKey().serialize()
    return spki_of(HSS_LEVELS + public)


@functools.cache
def key_hash(public_key: bytes) -> bytes:
    """Return by what an image names its key. Source: MCUboot, docs/design.md."""
    return hashlib.sha256(public_key).digest()


@functools.cache
def signed(digest: bytes, words: str = KEY_WORDS) -> bytes:
    """Return the P-256 signature over ``digest``; always the same (RFC 6979)."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

    how = ec.ECDSA(Prehashed(hashes.SHA256()), deterministic_signing=True)
    return _p256(words).sign(digest, how)


def signed_with_lms(digest: bytes, words: str = KEY_WORDS) -> bytes:
    """Return the LMS signature over ``digest``.

    Always by the first of the one-time keys, which for a key that is to protect anything would give it away.
    """
    key = _lms(words)
    key.q, key.ots_priv[0]._signatures_remaining = 0, 1  # noqa: SLF001  # the library counts, and this key need not
    return NO_SIGNED_KEYS + bytes(key.sign(digest))


@functools.cache
def _p256(words: str) -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.derive_private_key(int.from_bytes(hashlib.sha256(words.encode()).digest()), ec.SECP256R1())


@functools.cache
def _lms(words: str) -> Any:
    """Return the private key of the library; it has no types."""
    from pyhsslms import LmsPrivateKey  # type: ignore[import-untyped]

    seed, identifier = (hashlib.sha256(f"{part} {words}".encode()).digest() for part in ("seed", "identifier"))
    return LmsPrivateKey(
        LMS.tree_type.to_bytes(4), LMS.one_time_type.to_bytes(4), SEED=seed[: LMS.hash_bytes], I=identifier[:16]
    )
