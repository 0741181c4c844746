"""Private keys under a passphrase: encrypted PKCS#8 with scrypt, which every OpenSSL can read too."""

from __future__ import annotations

import base64
import secrets
from typing import Final

from toolkit.core.errors import InputError

__all__ = ["LEAST_PASSPHRASE_CHARACTERS", "checked_passphrase", "derived_key", "protected_pkcs8"]

LEAST_PASSPHRASE_CHARACTERS: Final = 12
COST, BLOCK, PARALLEL = 1 << 14, 8, 5
"""16 MiB, within OpenSSL's default memory limit. Source: OWASP Password Storage Cheat Sheet, scrypt."""
SALT_BYTES, IV_BYTES = 16, 16
KEY_BYTES: Final = 32
PBES2, SCRYPT, AES_256_CBC = (
    bytes.fromhex(oid) for oid in ("06092a864886f70d01050d", "06092b06010401da47040b", "060960864801650304012a")
)
"""Object identifiers in DER. Source: RFC 8018, A.4; RFC 7914, 7; RFC 8018, B.2.5."""
SEQUENCE, INTEGER, OCTETS = 0x30, 0x02, 0x04
PEM_LINE = 64


def checked_passphrase(passphrase: str) -> str:
    """Return a new passphrase that is long enough to protect a key on a lost stick."""
    if len(passphrase) < LEAST_PASSPHRASE_CHARACTERS:
        raise InputError(f"a passphrase needs at least {LEAST_PASSPHRASE_CHARACTERS} characters; four words do well")
    return passphrase


def derived_key(passphrase: str, salt: bytes) -> bytes:
    """Return 32 bytes made of the passphrase, slowly."""
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    return Scrypt(salt=salt, length=KEY_BYTES, n=COST, r=BLOCK, p=PARALLEL).derive(passphrase.encode())


def protected_pkcs8(private_info: bytes, passphrase: str) -> bytes:
    """Return a PEM block with the PKCS#8 structure ``private_info`` under ``passphrase``. Source: RFC 5958, 3."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.padding import PKCS7

    salt, iv = secrets.token_bytes(SALT_BYTES), secrets.token_bytes(IV_BYTES)
    padder = PKCS7(algorithms.AES256.block_size).padder()
    encryptor = Cipher(algorithms.AES256(derived_key(passphrase, salt)), modes.CBC(iv)).encryptor()
    sealed = encryptor.update(padder.update(private_info) + padder.finalize()) + encryptor.finalize()
    kdf = _der(
        SEQUENCE, SCRYPT + _der(SEQUENCE, _der(OCTETS, salt) + _integer(COST) + _integer(BLOCK) + _integer(PARALLEL))
    )
    cipher = _der(SEQUENCE, AES_256_CBC + _der(OCTETS, iv))
    scheme = _der(SEQUENCE, PBES2 + _der(SEQUENCE, kdf + cipher))
    text = base64.b64encode(_der(SEQUENCE, scheme + _der(OCTETS, sealed)))
    lines = [text[at : at + PEM_LINE] for at in range(0, len(text), PEM_LINE)]
    return b"\n".join([b"-----BEGIN ENCRYPTED PRIVATE KEY-----", *lines, b"-----END ENCRYPTED PRIVATE KEY-----", b""])


def _integer(value: int) -> bytes:
    return _der(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content
