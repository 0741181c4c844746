"""Public keys as DER structures: cut apart strictly, believed only in their one canonical form."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from signing.refusal import Refusal

__all__ = ["load_spki", "structures"]

SEQUENCE: Final = 0x30
MOST_STRUCTURE_BYTES: Final = 8 << 10
"""An ML-DSA-87 key takes 2,614 bytes."""


def structures(encoded: bytes) -> tuple[bytes, ...]:
    """Return the DER sequences that stand one after the other in ``encoded``; ``Refusal`` when there is more or less.

    Source: ITU-T X.690 10.1, the length takes as few bytes as it can.
    """
    if not encoded:
        raise Refusal("key.malformed", "there is no public key")
    found = []
    rest = encoded
    while rest:
        size = _structure_bytes(rest)
        found.append(rest[:size])
        rest = rest[size:]
    return tuple(found)


def _structure_bytes(data: bytes) -> int:
    if len(data) < 2 or data[0] != SEQUENCE:
        raise Refusal("key.malformed", "a public key is no DER sequence")
    length_bytes = 0 if data[1] < 0x80 else data[1] & 0x7F
    if length_bytes > 2 or data[1] == 0x80:
        raise Refusal("key.malformed", "a public key states an impossible length")
    length = data[1] if not length_bytes else int.from_bytes(data[2 : 2 + length_bytes], "big")
    is_shortest = not length_bytes or length >= (0x80 if length_bytes == 1 else 0x100)
    total = 2 + length_bytes + length
    if not is_shortest or total > min(len(data), MOST_STRUCTURE_BYTES):
        raise Refusal("key.malformed", "a public key states a length that is not its own")
    return total


@lru_cache(maxsize=256)
def load_spki(encoded: bytes) -> Any:
    """Return the key object of ``cryptography`` for one SubjectPublicKeyInfo, None for a kind it does not know.

    ``Refusal`` when writing the key again gives other bytes: such a key would have two key ids.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

    try:
        key = load_der_public_key(encoded)
    except UnsupportedAlgorithm:
        return None
    except ValueError as error:
        raise Refusal("key.malformed", "a public key cannot be read") from error
    if key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != encoded:
        raise Refusal("key.malformed", "a public key is not in its canonical form")
    return key
