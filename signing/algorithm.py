"""What a signature algorithm is: a name, a way to recognise its keys, and a strict way to verify."""

from __future__ import annotations

import enum
from collections.abc import Callable, Container
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from signing.refusal import Refusal
from signing.spki import structures
from toolkit.core.registry import discover

__all__ = ["Algorithm", "Family", "Hasher", "Strength", "algorithm_named", "algorithm_of", "algorithms"]


class Strength(enum.StrEnum):
    """Against whom an algorithm holds."""

    CLASSICAL = "classical"
    POST_QUANTUM = "post-quantum"
    HYBRID = "hybrid"
    """Both halves must verify."""


class Hasher(Protocol):
    """Takes a message piece by piece."""

    def update(self, data: bytes | memoryview) -> None:
        """Take the next piece."""

    def digest(self) -> bytes:
        """Return what is signed in place of the message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """One algorithm with all its parameters fixed; nothing of it is taken from a signature or a message."""

    name: str
    title: str
    strength: Strength
    signature_bytes: Container[int]
    """Sizes a signature can have."""
    verify: Callable[[bytes, bytes, bytes], None]
    """(encoded key, message, signature): raises when the signature is not the key's."""
    parts: Callable[[bytes], tuple[bytes, ...]] = lambda encoded: (encoded,)
    """The SubjectPublicKeyInfo structures in an encoded key."""
    hasher: Callable[[bytes], Hasher] | None = None
    verify_digest: Callable[[bytes, bytes, bytes], None] | None = None
    hash_name: str = ""
    """Hash of the message where one is fixed by the name: sha256 or sha384."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The algorithms of one file in ``signing/algorithms``."""

    name: str
    algorithms: tuple[Algorithm, ...]
    recognise: Callable[[bytes], Algorithm | None]
    """The algorithm of an encoded key; None when it is another family's; ``Refusal`` when it is weak or malformed."""
    source: str
    halves: int = 1
    """SubjectPublicKeyInfo structures in a key: two for hybrids."""


@cache
def _families() -> tuple[Family, ...]:
    return tuple(discover("signing.algorithms", attribute="FAMILY", kind=Family, group=None).values())


def algorithms() -> dict[str, Algorithm]:
    """Return all algorithms by name."""
    return {algorithm.name: algorithm for family in _families() for algorithm in family.algorithms}


def algorithm_named(name: str) -> Algorithm:
    """Return the algorithm ``name``; ``Refusal`` for ``none`` and whatever else is not offered."""
    found = algorithms().get(name)
    if found is None:
        raise Refusal("algorithm.unknown", f"{name[:40]!r} is no signature algorithm that is offered")
    return found


def algorithm_of(encoded: bytes) -> Algorithm:
    """Return the algorithm of an encoded public key; ``Refusal`` when no family knows it."""
    count = len(structures(encoded))
    for family in _families():
        algorithm = family.recognise(encoded) if family.halves == count else None
        if algorithm is not None:
            return algorithm
    raise Refusal("key.unknown", "a public key is of a kind that is not offered")
