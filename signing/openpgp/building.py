"""Makes small OpenPGP keys and signatures of version 4 with Ed25519, for examples and tests."""

from __future__ import annotations

import base64
import hashlib
from typing import Final

from signing.openpgp.keys import ED25519_OID, EDDSA_LEGACY, PgpKey
from signing.openpgp.packets import PUBLIC_KEY, SIGNATURE, USER_ID
from signing.openpgp.signature import ISSUER, ISSUER_FINGERPRINT, MADE_AT

__all__ = ["armoured", "built_certificate", "built_key", "built_signature"]

MADE_S: Final = 1_767_225_600
"""1 January 2026."""
SHA256, SHA1 = 8, 2
LINE: Final = 64


def built_key(seed: bytes) -> PgpKey:
    """Return the public half of the Ed25519 key of ``seed``, 32 bytes."""
    point = b"\x40" + _private(seed).public_key().public_bytes_raw()
    material = bytes((len(ED25519_OID),)) + ED25519_OID + _number(point)
    return PgpKey(b"\x04" + MADE_S.to_bytes(4) + bytes((EDDSA_LEGACY,)) + material, is_primary=True)


def built_certificate(seed: bytes, name: str) -> bytes:
    """Return the key of ``seed`` with the name of its owner, without armour."""
    return _packet(PUBLIC_KEY, built_key(seed).body) + _packet(USER_ID, name.encode())


def built_signature(seed: bytes, content: bytes, *, hash_number: int = SHA256) -> bytes:
    """Return the signature of the key of ``seed`` over ``content``, without armour."""
    key = built_key(seed)
    subpackets = _subpacket(MADE_AT, MADE_S.to_bytes(4))
    subpackets += _subpacket(ISSUER_FINGERPRINT, b"\x04" + bytes.fromhex(key.fingerprint))
    hashed = bytes((4, 0, EDDSA_LEGACY, hash_number)) + len(subpackets).to_bytes(2) + subpackets
    hints = _subpacket(ISSUER, bytes.fromhex(key.key_id))
    name = {SHA256: "sha256", SHA1: "sha1"}[hash_number]
    trailer = hashed + b"\x04\xff" + len(hashed).to_bytes(4)
    digest = hashlib.new(name, content + trailer, usedforsecurity=False).digest()
    signed = _private(seed).sign(digest)
    values = _number(signed[:32]) + _number(signed[32:])
    return _packet(SIGNATURE, hashed + len(hints).to_bytes(2) + hints + digest[:2] + values)


def armoured(kind: str, data: bytes) -> bytes:
    """Return ``data`` as text; ``kind`` is ``SIGNATURE`` or ``PUBLIC KEY BLOCK``."""
    text = base64.b64encode(data).decode()
    lines = [text[at : at + LINE] for at in range(0, len(text), LINE)]
    return "\n".join([f"-----BEGIN PGP {kind}-----", "", *lines, f"-----END PGP {kind}-----", ""]).encode()


def _private(seed: bytes):  # type: ignore[no-untyped-def]  # a type of cryptography, which is slow to load
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed)


def _packet(kind: int, body: bytes) -> bytes:
    return bytes((0xC0 | kind, 0xFF)) + len(body).to_bytes(4) + body


def _subpacket(kind: int, data: bytes) -> bytes:
    return bytes((1 + len(data), kind)) + data


def _number(value: bytes) -> bytes:
    return int.from_bytes(value).bit_length().to_bytes(2) + value.lstrip(b"\0")
