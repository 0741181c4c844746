"""Keys by URI: ``file:root-1.pem``, ``pkcs11:token=clinic;object=root-1``, ``lms:firmware.lms`` and what is added."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache

from signing.key import KeyScheme, PublicKey, Secrets, Signer
from toolkit.core.errors import InputError
from toolkit.core.registry import discover

__all__ = ["create_key", "open_signer", "public_key", "scheme_of", "schemes"]


@cache
def schemes() -> dict[str, KeyScheme]:
    """Return every kind of place for private keys, by the name before the colon."""
    return discover("signing.keys", attribute="SCHEME", kind=KeyScheme, group="medharden.keys")


def scheme_of(uri: str) -> tuple[KeyScheme, str]:
    """Return the scheme of ``uri`` and what stands behind the colon."""
    name, colon, rest = uri.partition(":")
    scheme = schemes().get(name)
    if scheme is None or not colon or not rest:
        examples = ", ".join(known.example for known in schemes().values())
        raise InputError(f"{uri!r} is no key; a key looks like one of: {examples}")
    return scheme, rest


def open_signer(uri: str, secrets: Secrets) -> AbstractContextManager[Signer]:
    """Return the signer of ``uri``, to be used in a ``with`` statement."""
    scheme, rest = scheme_of(uri)
    return scheme.open(rest, secrets)


def public_key(uri: str, secrets: Secrets) -> PublicKey:
    """Return the public half of the key ``uri``."""
    scheme, rest = scheme_of(uri)
    return scheme.public(rest, secrets)


def create_key(uri: str, algorithm: str, secrets: Secrets) -> PublicKey:
    """Make a private key at ``uri`` and return its public half; an existing key is never replaced."""
    scheme, rest = scheme_of(uri)
    if scheme.create is None or algorithm not in scheme.algorithms():
        offered = ", ".join(scheme.algorithms()) or "none: make it with the tools of that store"
        raise InputError(f"{algorithm!r} keys cannot be made as {scheme.name}: keys; offered: {offered}")
    return scheme.create(rest, algorithm, secrets)
