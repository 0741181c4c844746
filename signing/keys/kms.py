"""Keys of cloud providers through securesystemslib: ``kms:awskms:ID``, ``kms:gcpkms:ID``, ``kms:azurekms:VAULT/KEY``.

What the providers' own libraries answer was only tried with stand-ins in memory, never with an account.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from signing.algorithms.ecdsa import low_s
from signing.key import KeyScheme, PublicKey, Secrets, Signer, public_keys_in
from signing.private import CheckedSigner
from toolkit.core.errors import InputError, MissingExtra

__all__ = ["PROVIDERS", "SCHEME"]

PROVIDERS: Final = {
    "awskms": (1, "kms:awskms:alias/firmware"),
    "gcpkms": (1, "kms:gcpkms:projects/P/locations/L/keyRings/R/cryptoKeys/K/cryptoKeyVersions/1"),
    "azurekms": (2, "kms:azurekms:VAULT/KEY"),
}
"""How many parts the name of a key has for securesystemslib's ``import_``, and an example."""


class KmsSigner(CheckedSigner):
    """Signs with a key that stays with a cloud provider."""

    def __init__(self, public: PublicKey, signer: Any) -> None:
        super().__init__(public)
        self._signer = signer

    def made(self, message: bytes) -> bytes:
        """Return a signature over ``message``, not checked yet."""
        signature = bytes.fromhex(self._signer.sign(message).signature)
        return low_s(self.public.name, signature) if self.public.name.startswith("ecdsa") else signature

    def made_of_digest(self, digest: bytes) -> bytes:  # noqa: ARG002  # the services differ in what they take
        """Refuse: securesystemslib hands whole messages to the services."""
        raise InputError("a key of a cloud provider signs whole messages only")


def _named(rest: str) -> tuple[str, list[str]]:
    """Return the provider and the parts of the key's name there."""
    provider, _colon, name = rest.partition(":")
    if provider not in PROVIDERS:
        examples = ", ".join(example for _parts, example in PROVIDERS.values())
        raise InputError(f"'kms:{rest}' names no cloud provider that is known; such keys look like: {examples}")
    count, example = PROVIDERS[provider]
    parts = name.split("/") if count > 1 else [name]
    if len(parts) != count or not all(parts):
        raise InputError(f"'kms:{rest}' does not name a key of this provider; it looks like {example}")
    return provider, parts


def _imported(rest: str) -> tuple[Any, PublicKey]:
    """Return the signer and the public key that the provider states for it."""
    from securesystemslib.exceptions import UnsupportedLibraryError
    from securesystemslib.signer import SIGNER_FOR_URI_SCHEME

    provider, parts = _named(rest)
    kind: Any = SIGNER_FOR_URI_SCHEME[provider]
    try:
        uri, key = kind.import_(*parts)
        signer = kind.from_priv_key_uri(uri, key)
    except UnsupportedLibraryError as error:
        raise MissingExtra(feature=f"signing with kms:{provider}:", extra="kms") from error
    except Exception as error:  # each provider's library has errors of its own
        raise InputError(f"the key kms:{rest} cannot be used: {str(error) or type(error).__name__}") from error
    pem = key.keyval["public"].encode()
    return signer, PublicKey.from_encoded(b"".join(public_keys_in(pem)))


@contextmanager
def _open(rest: str, secrets: Secrets) -> Iterator[Signer]:  # noqa: ARG001  # the provider's own library logs in
    signer, public = _imported(rest)
    yield KmsSigner(public, signer)


def _public(rest: str, secrets: Secrets) -> PublicKey:  # noqa: ARG001  # the provider's own library logs in
    return _imported(rest)[1]


def _facts(rest: str) -> dict[str, int | str]:
    return {"kept": "with a cloud provider", "provider": rest.partition(":")[0]}


SCHEME = KeyScheme(
    name="kms",
    title="A key of a cloud provider",
    example="kms:awskms:alias/firmware",
    open=_open,
    public=_public,
    facts=_facts,
)
