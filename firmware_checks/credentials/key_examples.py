"""Small keys and certificates for the twins of checks; made here from fixed numbers."""

from __future__ import annotations

import base64
import datetime as dt
from functools import cache

__all__ = ["PUBLISHED_SEED", "authority_certificate", "certificate", "key_der", "key_pem"]

PUBLISHED_SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
"""The private key of RFC 8032, 7.1, TEST 1."""
_ED25519_HEAD = bytes.fromhex("302e020100300506032b657004220420")
_FROM = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)


def key_der(seed: bytes = b"made up for an example, 32 bytes") -> bytes:
    """Return an Ed25519 private key with these 32 bytes in DER. Source: RFC 8410, 7."""
    return _ED25519_HEAD + seed


def key_pem(seed: bytes = b"made up for an example, 32 bytes") -> bytes:
    """Return the same key in PEM."""
    text = base64.b64encode(key_der(seed))
    return b"-----BEGIN PRIVATE KEY-----\n" + text + b"\n-----END PRIVATE KEY-----\n"


@cache
def certificate(
    *, issuer: str, bits: int = 192, seed: bytes | None = None, name: str = "pump.example", until_year: int = 2034
) -> bytes:
    """Return a server's certificate in PEM: for an EC key of ``bits``, or the Ed25519 key of ``seed``."""
    return _built(issuer, bits, seed, name, is_authority=False, until_year=until_year)


@cache
def authority_certificate(seed: bytes) -> bytes:
    """Return the self-signed certificate in PEM of an authority that has the Ed25519 key of ``seed``."""
    return _built("authority", 256, seed, "authority", is_authority=True, until_year=2034)


def _built(issuer: str, bits: int, seed: bytes | None, name: str, *, is_authority: bool, until_year: int) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)]) for text in (issuer, name)]
    curve = ec.SECP192R1() if bits == 192 else ec.SECP256R1()
    weak = ec.derive_private_key(bits, curve)
    key = weak if seed is None else ed25519.Ed25519PrivateKey.from_private_bytes(seed)
    builder = x509.CertificateBuilder(names[0], names[1], key.public_key(), 7, _FROM, _FROM.replace(year=until_year))
    built = builder.add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    signed = built.sign(key, None if seed is not None else hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)
