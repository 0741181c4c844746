"""Hybrid: a classical and a post-quantum signature side by side; both must verify.

The signature is the size of the classical half in two bytes (big endian), the classical half, the post-quantum half.
Both halves sign ``LABEL``, the SHA-256 of the encoded key pair, then the message: neither half is of use alone, nor
with another partner.
"""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Final

from signing.algorithm import Algorithm, Family, Strength, algorithm_of
from signing.algorithms import ecdsa, ed25519, ml_dsa
from signing.refusal import Refusal
from signing.spki import structures

__all__ = ["FAMILY", "bound_message", "join"]

LABEL: Final = b"medharden hybrid signature, version 1\0"
SIZE_BYTES: Final = 2
CLASSICAL: Final = (*ed25519.FAMILY.algorithms, *ecdsa.FAMILY.algorithms)


def bound_message(encoded: bytes, message: bytes) -> bytes:
    """Return what each half signs."""
    return LABEL + hashlib.sha256(encoded).digest() + message


def join(classical: bytes, post_quantum: bytes) -> bytes:
    """Return the signature that holds both halves."""
    return len(classical).to_bytes(SIZE_BYTES, "big") + classical + post_quantum


def _split(signature: bytes, post_quantum_bytes: int) -> tuple[bytes, bytes]:
    classical_end = SIZE_BYTES + int.from_bytes(signature[:SIZE_BYTES], "big")
    if len(signature) != classical_end + post_quantum_bytes:
        raise Refusal("signature.hybrid", "a hybrid signature does not hold two whole halves")
    return signature[SIZE_BYTES:classical_end], signature[classical_end:]


def _recognise(encoded: bytes) -> Algorithm | None:
    first, second = (algorithm_of(part) for part in structures(encoded))
    found = ALGORITHMS.get((first.name, second.name))
    if found is None:
        raise Refusal("key.unknown", f"{first.name} with {second.name} is no hybrid that is offered")
    return found


def _verify(halves: tuple[Algorithm, Algorithm], encoded: bytes, message: bytes, signature: bytes) -> None:
    bound = bound_message(encoded, message)
    (post_quantum_bytes,) = ml_dsa_sizes(halves[1])
    parts = _split(signature, post_quantum_bytes)
    for algorithm, key, part in zip(halves, structures(encoded), parts, strict=True):
        if len(part) not in algorithm.signature_bytes:
            raise Refusal("signature.hybrid", f"the {algorithm.name} half of a hybrid signature is missing")
        algorithm.verify(key, bound, part)


def ml_dsa_sizes(algorithm: Algorithm) -> tuple[int, ...]:
    """Return the one size of an ML-DSA signature."""
    return tuple(size for size in ml_dsa.SIGNATURE_BYTES.values() if size in algorithm.signature_bytes)


def _algorithm(classical: Algorithm, post_quantum: Algorithm) -> Algorithm:
    (post_quantum_bytes,) = ml_dsa_sizes(post_quantum)
    most_classical_bytes = 128
    return Algorithm(
        name=f"hybrid-{classical.name}-{post_quantum.name}",
        title=f"{classical.title} and {post_quantum.title}, both must verify",
        strength=Strength.HYBRID,
        signature_bytes=range(SIZE_BYTES, SIZE_BYTES + most_classical_bytes + post_quantum_bytes),
        verify=partial(_verify, (classical, post_quantum)),
        parts=structures,
    )


ALGORITHMS: Final = {
    (classical.name, post_quantum.name): _algorithm(classical, post_quantum)
    for classical in CLASSICAL
    for post_quantum in ml_dsa.FAMILY.algorithms
}

FAMILY = Family(
    name="hybrid",
    algorithms=tuple(ALGORITHMS.values()),
    recognise=_recognise,
    halves=2,
    source="docs/decisions/0011-signing-keys-and-lms.md",
)
