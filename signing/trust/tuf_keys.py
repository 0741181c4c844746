"""The door between our keys and TUF metadata: every signature there is checked by ``signing.key`` and nothing else.

Keys that the TUF specification or TAP 21 name are written as they say. Hybrid and LMS keys, which they do not name,
have the key type ``medharden`` and the algorithm as scheme. The id of a key is the SHA-256 of its SubjectPublicKeyInfo,
so that one key cannot stand in a role under two ids.

Source: TUF specification 1.0.33, 4.2.1; TAP 21 (ML-DSA).
"""

from __future__ import annotations

import hashlib
from types import MappingProxyType
from typing import Any, Final

from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import KEY_FOR_TYPE_AND_SCHEME, Key, SecretsHandler, Signature, SSlibKey
from securesystemslib.signer import Signer as TufSignerInterface

from signing.algorithm import algorithms
from signing.key import PublicKey, Signer, public_keys_in
from signing.refusal import Refusal, fail_closed

__all__ = ["OwnKey", "TufSigner", "public_of", "tuf_key"]

OWN_TYPE: Final = "medharden"
ED25519_PREFIX: Final = bytes.fromhex("302a300506032b6570032100")
"""SubjectPublicKeyInfo of Ed25519 up to the 32 bytes of the key. Source: RFC 8410, 4."""
ML_DSA_TYPE: Final = "ml-dsa"

SCHEMES: Final = MappingProxyType(
    {
        "ed25519": ("ed25519", "ed25519"),
        "ecdsa-p256-sha256": ("ecdsa", "ecdsa-sha2-nistp256"),
        "ecdsa-p384-sha384": ("ecdsa", "ecdsa-sha2-nistp384"),
        "rsa-pss-2048-sha256": ("rsa", "rsassa-pss-sha256"),
        "rsa-pss-3072-sha256": ("rsa", "rsassa-pss-sha256"),
        "rsa-pss-4096-sha256": ("rsa", "rsassa-pss-sha256"),
        "ml-dsa-44": (ML_DSA_TYPE, "ml-dsa-44/1"),
        "ml-dsa-65": (ML_DSA_TYPE, "ml-dsa-65/1"),
        "ml-dsa-87": (ML_DSA_TYPE, "ml-dsa-87/1"),
    }
)
"""Key type and scheme of TUF metadata for each of our algorithms that has one."""


class OwnKey(Key):
    """A key that TUF has no name for: hybrid or LMS; its scheme is the name of our algorithm."""

    @classmethod
    def from_dict(cls, keyid: str, key_dict: dict[str, Any]) -> OwnKey:
        """Return the key in ``key_dict``."""
        keytype, scheme, keyval = cls._from_dict(key_dict)
        return cls(keyid, keytype, scheme, keyval, key_dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the key as it stands in metadata."""
        return self._to_dict()

    def verify_signature(self, signature: Signature, data: bytes) -> None:
        """Raise ``UnverifiedSignatureError`` unless ``signature`` is this key's over ``data``."""
        try:
            public_of(self).verify(data, bytes.fromhex(signature.signature))
        except (Refusal, ValueError) as error:
            raise UnverifiedSignatureError(str(error)) from error


def register() -> None:
    """Make TUF metadata with hybrid and LMS keys readable; what TUF itself names stays as it is."""
    for name in algorithms():
        if name not in SCHEMES:
            KEY_FOR_TYPE_AND_SCHEME[(OWN_TYPE, name)] = OwnKey


def tuf_key(public: PublicKey) -> Key:
    """Return ``public`` as it stands in TUF metadata."""
    known = SCHEMES.get(public.name)
    if known is None:
        return OwnKey(public.key_id, OWN_TYPE, public.name, {"public": public.pem().decode()})
    value = public.encoded[len(ED25519_PREFIX) :].hex() if public.name == "ed25519" else public.pem().decode()
    return SSlibKey(public.key_id, *known, {"public": value})


def public_of(key: Key) -> PublicKey:
    """Return the key that TUF metadata holds; refuse one that is spelled in any other way than we would."""
    with fail_closed("key.malformed", f"key {key.keyid[:16]}"):
        value = key.keyval["public"]
        encoded = ED25519_PREFIX + bytes.fromhex(value) if key.keytype == "ed25519" else _der(value)
        public = PublicKey.from_encoded(encoded)
        expected = SCHEMES.get(public.name, (OWN_TYPE, public.name))
        if (key.keytype, key.scheme) != expected:
            declared = f"{key.keytype}/{key.scheme}"
            raise Refusal("key.confusion", f"a key of kind {public.name} is declared as {declared}")
        if key.keyid != public.key_id:
            raise Refusal("key.id", f"the id {key.keyid[:16]} is not that of the key it stands for")
        if key.to_dict() != tuf_key(public).to_dict():
            raise Refusal("key.malformed", f"the key {key.keyid[:16]} is not written as it must be")
        return public


def message_for(public: PublicKey, payload: bytes) -> bytes:
    """Return what the key signs for ``payload``: the payload, or for ML-DSA its framed digest (TAP 21, version 1)."""
    keytype, _ = SCHEMES.get(public.name, ("", ""))
    return b"tuf\x01" + hashlib.sha512(payload).digest() if keytype == ML_DSA_TYPE else payload


class TufSigner(TufSignerInterface):
    """Signs TUF metadata with one of our keys, wherever its private half is."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self._key = tuf_key(signer.public)

    @property
    def public_key(self) -> Key:
        """The public half as it stands in metadata."""
        return self._key

    @classmethod
    def from_priv_key_uri(
        cls, priv_key_uri: str, public_key: Key, secrets_handler: SecretsHandler | None = None
    ) -> TufSigner:
        """Refuse: our keys are opened with ``signing.keyring.open_signer``, which also closes them again."""
        raise NotImplementedError("open the key with signing.keyring.open_signer and wrap it in TufSigner")

    def sign(self, payload: bytes) -> Signature:
        """Return the signature over ``payload``."""
        signature = self._signer.sign(message_for(self._signer.public, payload))
        return Signature(self._key.keyid, signature.hex())


def check_signature(key: Key, signature: Signature, payload: bytes) -> None:
    """Return if ``signature`` is that of ``key`` over ``payload``; raise ``Refusal`` if not."""
    public = public_of(key)
    with fail_closed("signature.malformed", f"signature of {key.keyid[:16]}"):
        raw = bytes.fromhex(signature.signature)
    if signature.unrecognized_fields or signature.signature != raw.hex():  # fromhex takes capitals and blanks
        raise Refusal("signature.malformed", f"the signature of {key.keyid[:16]} is not written as it must be")
    public.verify(message_for(public, payload), raw)


def _der(pem: str) -> bytes:
    return b"".join(public_keys_in(pem.encode("ascii")))
