"""What a key is to the rest of medharden: a public half that verifies, and something that signs for it.

A private key is named by a URI and never leaves where it lives (``signing/keys`` has one file for each kind of place);
what goes through this module is messages, signatures and public keys.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from signing.algorithm import Algorithm, Hasher, algorithm_of
from signing.published_keys import publisher_of
from signing.refusal import Refusal, fail_closed
from toolkit.core.errors import InputError

__all__ = ["KeyScheme", "PublicKey", "Secrets", "Signer", "public_keys_in", "read_public_key", "share_a_half"]

MOST_PEM_BYTES: Final = 64 << 10
PEM_BEGIN, PEM_END = b"-----BEGIN PUBLIC KEY-----", b"-----END PUBLIC KEY-----"
PEM_LINE = 64


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The public half of a key; equal when algorithm and bytes are equal.

    ``encoded`` is the SubjectPublicKeyInfo in DER; a hybrid key is the SubjectPublicKeyInfo of its classical half
    directly followed by that of its post-quantum half.
    """

    algorithm: Algorithm
    encoded: bytes

    @classmethod
    def from_encoded(cls, encoded: bytes) -> PublicKey:
        """Return the key in ``encoded``; ``Refusal`` when it is none we know, not canonical, or weak."""
        with fail_closed("key.malformed", "public key"):
            key = cls(algorithm_of(encoded), bytes(encoded))
            for part in key.algorithm.parts(key.encoded):
                publisher = publisher_of(hashlib.sha256(part).hexdigest())
                if publisher is not None:
                    raise Refusal("key.published", f"everybody has the private half of this key: {publisher}")
            return key

    @property
    def key_id(self) -> str:
        """SHA-256 of ``encoded`` in hexadecimal: two names of one key always have one id."""
        return hashlib.sha256(self.encoded).hexdigest()

    @property
    def halves(self) -> frozenset[str]:
        """Ids of the keys it is made of: two for a hybrid key, else its own one."""
        return frozenset(hashlib.sha256(part).hexdigest() for part in self.algorithm.parts(self.encoded))

    @property
    def name(self) -> str:
        """Name of the algorithm, for example ``ecdsa-p256-sha256``."""
        return self.algorithm.name

    def verify(self, message: bytes, signature: bytes) -> None:
        """Return if ``signature`` is this key's over ``message``; raise ``Refusal`` if not, for whatever reason."""
        with fail_closed("signature.invalid", f"{self.name} signature"):
            self._check_size(signature)
            self.algorithm.verify(self.encoded, message, signature)

    def verify_digest(self, digest: bytes, signature: bytes) -> None:
        """Like ``verify`` for a message of which only what ``hasher`` made of it is at hand."""
        with fail_closed("signature.invalid", f"{self.name} signature"):
            self._check_size(signature)
            if self.algorithm.verify_digest is None:
                raise Refusal("signature.prehash", f"{self.name} does not sign digests")
            self.algorithm.verify_digest(self.encoded, digest, signature)

    def hasher(self) -> Hasher | None:
        """Return what takes a long message piece by piece; None where the algorithm needs the message whole."""
        return None if self.algorithm.hasher is None else self.algorithm.hasher(self.encoded)

    def pem(self) -> bytes:
        """Return the key as a text file: one PEM block, two for a hybrid key."""
        return b"".join(_pem_block(part) for part in self.algorithm.parts(self.encoded))

    def _check_size(self, signature: bytes) -> None:
        if not signature:
            raise Refusal("signature.missing", f"there is no {self.name} signature")
        if len(signature) not in self.algorithm.signature_bytes:
            raise Refusal("signature.size", f"{len(signature)} bytes are no {self.name} signature")


class Signer(Protocol):
    """Signs with one private key, wherever that is."""

    @property
    def public(self) -> PublicKey:
        """The public half."""

    def sign(self, message: bytes) -> bytes:
        """Return the signature over ``message``; raises ``InputError`` when the key cannot be used (any more)."""

    def sign_digest(self, digest: bytes) -> bytes:
        """Return the signature over the message of which ``public.hasher()`` made ``digest``.

        ``InputError`` where the algorithm needs the message whole.
        """


class Secrets(Protocol):
    """Asks for passphrases and PINs; the command line has one that prompts, tests have one that knows."""

    def existing(self, purpose: str) -> str:
        """Return the secret that opens ``purpose``, for example ``file:root-1.pem``."""

    def new(self, purpose: str) -> str:
        """Return a secret to protect ``purpose`` with from now on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyScheme:
    """One kind of place where private keys live; ``rest`` is the URI behind the colon."""

    name: str
    """What stands before the colon of a URI."""
    title: str
    example: str
    """A URI, for help texts."""
    open: Callable[[str, Secrets], AbstractContextManager[Signer]]
    public: Callable[[str, Secrets], PublicKey]
    """Return the public half, without the private key's passphrase where that is possible."""
    facts: Callable[[str], dict[str, int | str]]
    """What else there is to tell about a key without opening it, for example how many signatures are left."""
    algorithms: Callable[[], tuple[str, ...]] = tuple
    """Names of the algorithms for which ``create`` makes keys; none where keys are made elsewhere."""
    create: Callable[[str, str, Secrets], PublicKey] | None = None
    """(rest, algorithm name, secrets): makes a key, never over an existing one."""
    warnings: Callable[[str], tuple[str, ...]] = lambda _rest: ()
    """What whoever has made a key must be told."""
    find: Callable[[str | None], Iterator[str]] | None = None
    """(driver, None for the usual one): URIs of the keys in whatever is plugged in; None where nothing can be."""


def public_keys_in(text: bytes) -> Iterator[bytes]:
    """Yield the DER content of the PEM blocks of ``text``, which holds nothing else but blank lines."""
    if len(text) > MOST_PEM_BYTES:
        raise Refusal("key.malformed", "a public key file is not this long")
    rest = text.strip()
    while rest:
        body, end, after = rest.removeprefix(PEM_BEGIN).partition(PEM_END)
        if not rest.startswith(PEM_BEGIN) or not end:
            raise Refusal("key.malformed", "this is no PEM file with public keys only")
        try:
            yield base64.b64decode(b"".join(body.split()), validate=True)
        except ValueError as error:
            raise Refusal("key.malformed", "a PEM block of a public key is not base64") from error
        rest = after.lstrip()


def read_public_key(path: Path) -> PublicKey:
    """Return the one public key (two PEM blocks for a hybrid one) in the file ``path``."""
    try:
        with path.open("rb") as file:
            text = file.read(MOST_PEM_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        return PublicKey.from_encoded(b"".join(public_keys_in(text)))
    except Refusal as refusal:
        raise Refusal(refusal.rule, f"{path}: {refusal}") from refusal


def share_a_half(keys: Iterable[PublicKey]) -> tuple[PublicKey, PublicKey] | None:
    """Return two of ``keys`` that one private key signs for, equal or halves of hybrids; None when there are none."""
    owners: dict[str, PublicKey] = {}
    for key in keys:
        for half in key.halves:
            if half in owners:
                return owners[half], key
        owners |= dict.fromkeys(key.halves, key)
    return None


def _pem_block(der: bytes) -> bytes:
    text = base64.b64encode(der)
    lines = [text[at : at + PEM_LINE] for at in range(0, len(text), PEM_LINE)]
    return b"\n".join([PEM_BEGIN, *lines, PEM_END, b""])
