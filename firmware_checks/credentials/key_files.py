"""Private keys and certificates in bytes: what kind they are, whether they are protected, and their public half."""

from __future__ import annotations

import hashlib
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolkit.core.errors import FormatError

if TYPE_CHECKING:
    from cryptography import x509

__all__ = ["CertificateFacts", "KeyFacts", "certificate_facts", "private_key_facts", "public_key_id"]

MOST_KEY_BYTES = 16_384
_PROTECTED = (b"ENCRYPTED", b"Proc-Type: 4,ENCRYPTED")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFacts:
    """A private key that could be read, or one that asks for a password."""

    kind: str
    """Algorithm and size, such as ``RSA 2048``."""
    key_id: str
    """SHA-256 of the SubjectPublicKeyInfo in hexadecimal; empty when the key is protected."""
    is_protected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """What a certificate says."""

    subject: str
    key_id: str
    kind: str
    bits: int
    hash_name: str
    is_self_signed: bool
    is_authority: bool
    is_for_servers: bool
    valid_until: str
    """Last day, ISO 8601."""
    valid_days: int
    """From the first day to the last."""


def private_key_facts(data: bytes) -> KeyFacts:
    """Return what ``data``, PEM or DER, is; raise ``FormatError`` when it is no private key."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    is_pem = data.lstrip()[:5] == b"-----"
    load = serialization.load_der_private_key
    if is_pem:
        is_openssh = b"OPENSSH PRIVATE" in data[:64]
        load = serialization.load_ssh_private_key if is_openssh else serialization.load_pem_private_key
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as keys of obsolete kinds, which are what is looked for
            key = load(
                data, None, unsafe_skip_rsa_key_validation=True
            )  # it costs a second a key, and proves nothing here
    except TypeError:
        return KeyFacts(kind="protected by a password", key_id="", is_protected=True)
    except (ValueError, UnsupportedAlgorithm) as error:
        if is_pem and any(mark in data[:200] for mark in _PROTECTED):
            return KeyFacts(kind="protected by a password", key_id="", is_protected=True)
        raise FormatError(f"no private key: {error}") from error
    public = key.public_key()
    return KeyFacts(kind=_kind(public), key_id=public_key_id(public), is_protected=False)


def public_key_id(public: object) -> str:
    """Return the SHA-256 of the SubjectPublicKeyInfo of a public key, in hexadecimal."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return hashlib.sha256(der).hexdigest()


def _kind(public: object) -> str:
    name = re.sub(r"PublicKey$", "", type(public).__name__.lstrip("_")).replace("EllipticCurve", "EC")
    bits = getattr(public, "key_size", None)
    return f"{name} {bits}" if bits is not None else name


def certificate_facts(data: bytes) -> CertificateFacts:
    """Return what the certificate in ``data``, PEM or DER, says; raise ``FormatError`` when it is none."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    is_pem = data.lstrip()[:5] == b"-----"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as serial numbers that are out of order
            found = x509.load_pem_x509_certificate(data) if is_pem else x509.load_der_x509_certificate(data)
            return _facts_of(found)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise FormatError(f"no certificate: {error}") from error


def _facts_of(found: x509.Certificate) -> CertificateFacts:
    from cryptography import x509

    public = found.public_key()
    hash_algorithm = found.signature_hash_algorithm
    is_authority, names = False, False
    for extension in found.extensions:
        if isinstance(extension.value, x509.BasicConstraints):
            is_authority = extension.value.ca
        names = names or isinstance(extension.value, x509.SubjectAlternativeName | x509.ExtendedKeyUsage)
    return CertificateFacts(
        subject=found.subject.rfc4514_string()[:80],
        key_id=public_key_id(public),
        kind=_kind(public),
        bits=int(getattr(public, "key_size", 0)),
        hash_name=hash_algorithm.name if hash_algorithm is not None else "",
        is_self_signed=found.issuer == found.subject,
        is_authority=is_authority,
        is_for_servers=names,
        valid_until=found.not_valid_after_utc.date().isoformat(),
        valid_days=(found.not_valid_after_utc - found.not_valid_before_utc).days,
    )
