"""LMS and HSS: signatures made of hashes alone, small enough to verify for the smallest device."""

from __future__ import annotations

from functools import partial
from typing import Final

from signing.algorithm import Algorithm, Family, Strength
from signing.lms.parameters import ALL, MOST_LEVELS, check_hss_signature, split_public_key, split_spki
from signing.refusal import Refusal

__all__ = ["FAMILY"]

MOST_SIGNATURE_BYTES: Final = MOST_LEVELS * (max(parameters.signature_bytes for parameters in ALL) + 64)


def _recognise(encoded: bytes) -> Algorithm | None:
    hss_key = split_spki(encoded)
    if hss_key is None:
        return None
    levels, parameters = split_public_key(hss_key)
    return ALGORITHMS[parameters.name if levels == 1 else f"hss-m{parameters.hash_bytes}"]


def _verify(encoded: bytes, message: bytes, signature: bytes) -> None:
    from pyhsslms import HssPublicKey  # type: ignore[import-untyped]  # it has no types

    hss_key = split_spki(encoded) or b""
    check_hss_signature(hss_key, signature)
    if HssPublicKey.deserialize(hss_key).verify(message, signature) is not True:
        raise Refusal("signature.invalid", "the LMS signature does not fit the message and the key")


_algorithm = partial(Algorithm, strength=Strength.POST_QUANTUM, verify=_verify)

ALGORITHMS: Final = {
    parameters.name: _algorithm(
        name=f"lms-sha256-{parameters.name}",
        title=f"LMS, SHA-256 cut to {8 * parameters.hash_bytes} bits, {parameters.signatures} signatures",
        signature_bytes=(4 + parameters.signature_bytes,),
    )
    for parameters in ALL
} | {
    f"hss-m{hash_bytes}": _algorithm(
        name=f"hss-sha256-m{hash_bytes}",
        title=f"HSS, SHA-256 cut to {8 * hash_bytes} bits at the top, 2 to {MOST_LEVELS} levels (to verify)",
        signature_bytes=range(1, MOST_SIGNATURE_BYTES),
    )
    for hash_bytes in (24, 32)
}
"""By what the key says."""

FAMILY = Family(
    name="lms",
    algorithms=tuple(ALGORITHMS.values()),
    recognise=_recognise,
    source="RFC 8554; NIST SP 800-208 (SHA-256/192); key encoding of RFC 9802",
)
