"""Chains of certificates from one that the user trusts down to the one that signed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from signing.key import PublicKey
from signing.policy import Policy
from signing.refusal import Refusal

__all__ = ["checked_signer_key"]

MOST_LENGTH: Final = 4
HASHES: Final = ("sha256", "sha384", "sha512")
SIGNING_PURPOSES: Final = ("1.3.6.1.5.5.7.3.3", "1.3.6.1.5.5.7.3.4")
"""Code signing and e-mail protection, which OpenSSL asks for of a CMS signer. Source: RFC 5280, 4.2.1.12."""
KNOWN_EXTENSIONS: Final = ("2.5.29.19", "2.5.29.15", "2.5.29.37", "2.5.29.17", "2.5.29.14", "2.5.29.35")
"""Basic constraints, key usage, extended key usage, alternative names, key identifiers."""


def checked_signer_key(
    signer: bytes, others: Iterable[bytes], roots: tuple[bytes, ...], now: datetime | None, policy: Policy
) -> PublicKey:
    """Return the key of the certificate ``signer`` if a chain of valid certificates leads from a root to it.

    All certificates are in DER; ``others`` came with the signature and are believed only as links of the chain.
    """
    from cryptography.x509 import load_der_x509_certificate

    if now is None:
        raise Refusal("certificate.time", "certificates cannot be verified without knowing what day it is")
    known = {der: load_der_x509_certificate(der) for der in (signer, *others, *roots)}
    certificate = known[signer]
    _check_leaf(certificate, is_pinned=signer in roots)
    key = _checked_key(certificate, policy, now)
    current = signer
    for below in range(MOST_LENGTH):
        if current in roots:
            return key
        issuer = _issuer(current, known, below)
        _checked_key(known[issuer], policy, now)
        current = issuer
    raise Refusal("certificate.chain", f"the chain of certificates is longer than {MOST_LENGTH}")


def _checked_key(certificate: Any, policy: Policy, now: datetime) -> PublicKey:
    """Check what must hold for every certificate of a chain, and return its key."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise Refusal("certificate.expired", "a certificate of the signer is not valid yet, or no more")
    hash_algorithm = certificate.signature_hash_algorithm
    if hash_algorithm is not None and hash_algorithm.name not in HASHES:
        raise Refusal("certificate.weak", f"a certificate is signed with {hash_algorithm.name}")
    for extension in certificate.extensions:
        if extension.critical and extension.oid.dotted_string not in KNOWN_EXTENSIONS:
            raise Refusal("certificate.extension", "a certificate has a critical extension that is not known")
    encoded = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    key = PublicKey.from_encoded(encoded)
    policy.check_key(key)
    return key


def _extension(certificate: Any, kind: Any) -> Any:
    from cryptography.x509 import ExtensionNotFound

    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except ExtensionNotFound:
        return None


def _check_leaf(certificate: Any, *, is_pinned: bool) -> None:
    from cryptography.x509 import BasicConstraints, ExtendedKeyUsage, KeyUsage

    usage, purposes = _extension(certificate, KeyUsage), _extension(certificate, ExtendedKeyUsage)
    if usage is not None and not (usage.digital_signature or usage.content_commitment):
        raise Refusal("certificate.usage", "the signer's certificate is not made for signatures")
    if purposes is not None and not any(purpose.dotted_string in SIGNING_PURPOSES for purpose in purposes):
        raise Refusal("certificate.usage", "the signer's certificate is made for another purpose")
    constraints = _extension(certificate, BasicConstraints)
    if constraints is not None and constraints.ca and not is_pinned:
        raise Refusal("certificate.usage", "a certification authority signed the image itself")


def _issuer(current: bytes, known: dict[bytes, Any], below: int) -> bytes:
    """Return the certificate that issued ``current`` and may; it has ``below`` other authorities below it."""
    for der, certificate in known.items():
        if der != current and certificate.subject == known[current].issuer and _may_issue(certificate, below):
            with contextlib.suppress(Exception):  # whatever is wrong, this one did not issue it
                known[current].verify_directly_issued_by(certificate)
                return der
    raise Refusal("certificate.chain", "no chain of certificates leads to one that is trusted")


def _may_issue(certificate: Any, below: int) -> bool:
    from cryptography.x509 import BasicConstraints, KeyUsage

    constraints, usage = _extension(certificate, BasicConstraints), _extension(certificate, KeyUsage)
    if constraints is None or not constraints.ca or (usage is not None and not usage.key_cert_sign):
        return False
    return constraints.path_length is None or below <= constraints.path_length
