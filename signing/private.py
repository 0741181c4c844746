"""Signing with a private key that is in this computer's memory, for as short a time as possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from signing.algorithms.ecdsa import low_s
from signing.key import PublicKey
from signing.refusal import Refusal
from toolkit.core.errors import InputError

__all__ = ["CheckedSigner", "MemorySigner", "can_be_made", "made_key", "public_of"]


class CheckedSigner:
    """Checks each signature before it is handed out: a fault while signing can give the key away or cost a trip."""

    def __init__(self, public: PublicKey) -> None:
        self.public: Final = public

    def sign(self, message: bytes) -> bytes:
        """Return the signature over ``message``."""
        signature = self.made(message)
        self.public.verify(message, signature)
        return signature

    def sign_digest(self, digest: bytes) -> bytes:
        """Return the signature over the message of which ``public.hasher()`` made ``digest``."""
        if self.public.algorithm.verify_digest is None:
            raise InputError(f"{self.public.name} needs the message whole, it cannot sign a digest")
        signature = self.made_of_digest(digest)
        self.public.verify_digest(digest, signature)
        return signature

    def made(self, message: bytes) -> bytes:
        """Return a signature over ``message``, not checked yet."""
        hasher = self.public.hasher()
        if hasher is None:
            raise InputError(f"{self.public.name} cannot be used here")
        hasher.update(message)
        return self.made_of_digest(hasher.digest())

    def made_of_digest(self, digest: bytes) -> bytes:
        """Return a signature over the message of ``digest``, not checked yet."""
        raise NotImplementedError


class MemorySigner(CheckedSigner):
    """Signs with a private key of ``cryptography``."""

    def __init__(self, key: Any) -> None:
        super().__init__(public_of(key))
        self._key = key
        if self.public.name == "rsa-pss-2048-sha256":
            raise Refusal("key.weak", "an RSA key of 2048 bits verifies what is old; to sign it takes 3072 or more")

    def made(self, message: bytes) -> bytes:
        """Return a signature over ``message``, not checked yet."""
        if self.public.algorithm.hasher is None:
            return bytes(self._key.sign(message))
        return super().made(message)

    def made_of_digest(self, digest: bytes) -> bytes:
        """Return a signature over the message of ``digest``, not checked yet."""
        return SIGN_DIGEST[self.public.name.partition("-")[0]](self, digest)

    def ecdsa(self, digest: bytes) -> bytes:
        """Return an ECDSA signature with the smaller s; the same message gives the same bytes. Source: RFC 6979."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

        kind = hashes.SHA256() if self.public.algorithm.hash_name == "sha256" else hashes.SHA384()
        how = ECDSA(Prehashed(kind), deterministic_signing=True)
        return low_s(self.public.name, self._key.sign(digest, how))

    def rsa(self, digest: bytes) -> bytes:
        """Return an RSA-PSS signature with a salt as long as the hash."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
        from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

        sha256 = hashes.SHA256()
        padding = PSS(mgf=MGF1(sha256), salt_length=sha256.digest_size)
        return bytes(self._key.sign(digest, padding, Prehashed(sha256)))

    def ml_dsa(self, digest: bytes) -> bytes:
        """Return an ML-DSA signature over the representative mu."""
        return bytes(self._key.sign_mu(digest))


SIGN_DIGEST: Final = {"ecdsa": MemorySigner.ecdsa, "rsa": MemorySigner.rsa, "ml": MemorySigner.ml_dsa}


def public_of(key: Any) -> PublicKey:
    """Return the public half of a private key of ``cryptography``."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return PublicKey.from_encoded(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _makers() -> dict[str, Callable[[], Any]]:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa

    return {
        "ed25519": ed25519.Ed25519PrivateKey.generate,
        "ecdsa-p256-sha256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "ecdsa-p384-sha384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "rsa-pss-3072-sha256": lambda: rsa.generate_private_key(65537, 3072),
        "rsa-pss-4096-sha256": lambda: rsa.generate_private_key(65537, 4096),
        "ml-dsa-44": mldsa.MLDSA44PrivateKey.generate,
        "ml-dsa-65": mldsa.MLDSA65PrivateKey.generate,
        "ml-dsa-87": mldsa.MLDSA87PrivateKey.generate,
    }


def can_be_made() -> tuple[str, ...]:
    """Return the names of the algorithms for which ``made_key`` makes keys."""
    return tuple(_makers())


def made_key(algorithm: str) -> Any:
    """Return a new private key of ``cryptography``."""
    return _makers()[algorithm]()
