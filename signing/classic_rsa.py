"""RSA as devices' formats use it and we never make it: PKCS#1 v1.5 padding, and PSS with any salt."""

from __future__ import annotations

from typing import Any

from signing.key import PublicKey
from signing.refusal import Refusal
from signing.spki import load_spki

__all__ = ["verify_any_salt", "verify_pkcs1"]


def verify_pkcs1(key: PublicKey, hash_name: str, message: bytes, signature: bytes) -> None:
    """Return if ``signature`` is the RSA key's over ``message``; ``Refusal`` if not. Source: RFC 8017, 8.2.2."""
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

    _verify(key, PKCS1v15(), _hash(hash_name), message, signature)


def verify_any_salt(key: PublicKey, hash_name: str, message: bytes, signature: bytes) -> None:
    """Like ``verify_pkcs1`` for PSS, whatever the length of the salt, as U-Boot makes it. Source: RFC 8017, 8.1.2."""
    from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS

    kind = _hash(hash_name)
    _verify(key, PSS(mgf=MGF1(kind), salt_length=PSS.AUTO), kind, message, signature)


def _hash(name: str) -> Any:
    from cryptography.hazmat.primitives import hashes

    kinds: dict[str, Any] = {"sha256": hashes.SHA256, "sha384": hashes.SHA384, "sha512": hashes.SHA512}
    if name not in kinds:
        raise Refusal("signature.algorithm", f"RSA signatures with {name[:20]!r} are not offered")
    return kinds[name]()


def _verify(key: PublicKey, padding: Any, kind: Any, message: bytes, signature: bytes) -> None:
    from cryptography.exceptions import InvalidSignature

    if not key.name.startswith("rsa"):
        raise Refusal("signature.algorithm", f"an RSA signature does not fit a {key.name} key")
    try:
        load_spki(key.encoded).verify(signature, message, padding, kind)
    except InvalidSignature:
        raise Refusal("signature.invalid", "the RSA signature does not fit the message and the key") from None
