"""Keys of cloud providers through securesystemslib: ``kms:awskms:ID``, ``kms:gcpkms:ID``, ``kms:azurekms:ID``."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from signing.algorithms.ecdsa import low_s
from signing.key import KeyScheme, PublicKey, Secrets, Signer, public_keys_in
from signing.private import CheckedSigner
from toolkit.core.errors import InputError, MissingExtra

__all__ = ["SCHEME"]


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


def _signer_kind(rest: str) -> Any:
    try:
        signers: Any = importlib.import_module("securesystemslib.signer")
    except ImportError as error:
        raise MissingExtra(feature="signing with a key of a cloud provider", extra="kms") from error
    kind = signers.SIGNER_FOR_URI_SCHEME.get(rest.partition(":")[0])
    if kind is None or not hasattr(kind, "import_"):
        raise InputError(f"'kms:{rest}' names no cloud provider that is known; kms:awskms:ID is one")
    return kind


def _imported(rest: str) -> tuple[Any, PublicKey]:
    """Return the signer and the public key that the provider states for it."""
    from securesystemslib.exceptions import UnsupportedLibraryError

    kind = _signer_kind(rest)
    try:
        uri, key = kind.import_(rest.partition(":")[2])
        signer = kind.from_priv_key_uri(uri, key)
    except UnsupportedLibraryError as error:
        raise MissingExtra(feature=str(error), extra="kms") from error
    except Exception as error:  # each provider's library has errors of its own
        raise InputError(f"the key kms:{rest} cannot be used: {error}") from error
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
