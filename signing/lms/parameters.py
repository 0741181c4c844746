"""Parameters of LMS, and its keys and signatures cut apart strictly before any library sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from signing.refusal import Refusal

__all__ = [
    "HEIGHTS",
    "IDENTIFIER_BYTES",
    "MOST_LEVELS",
    "Parameters",
    "check_hss_signature",
    "parameters_named",
    "spki_of",
    "split_public_key",
    "split_spki",
]

IDENTIFIER_BYTES: Final = 16
MOST_LEVELS: Final = 8
"""RFC 8554, 6."""
HEIGHTS: Final = (5, 10, 15, 20, 25)
FIRST_TREE_TYPE: Final = {32: 0x05, 24: 0x0A}
FIRST_ONE_TIME_TYPE: Final = {32: 0x01, 24: 0x05}
"""First typecodes of SHA-256 and SHA-256/192, the others follow. Source: RFC 8554, 3.2; SP 800-208, 4."""
CHAINS: Final = {
    (32, 1): 265,
    (32, 2): 133,
    (32, 4): 67,
    (32, 8): 34,
    (24, 1): 200,
    (24, 2): 101,
    (24, 4): 51,
    (24, 8): 26,
}
"""Hash chains of a one-time signature by hash size and Winternitz width. Source: SP 800-208, tables 1 and 3."""
WIDTHS: Final = (1, 2, 4, 8)

OID: Final = bytes.fromhex("300d060b2a864886f70d0109100311")
"""AlgorithmIdentifier id-alg-hss-lms-hashsig without parameters. Source: RFC 9708, 4."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """One tree: ``hash_bytes`` of SHA-256, ``height`` (2 to the height signatures), ``width`` in bits."""

    hash_bytes: int
    height: int
    width: int

    @property
    def name(self) -> str:
        """For example ``m24-h10-w8``."""
        return f"m{self.hash_bytes}-h{self.height}-w{self.width}"

    @property
    def tree_type(self) -> int:
        """LMS typecode."""
        return FIRST_TREE_TYPE[self.hash_bytes] + HEIGHTS.index(self.height)

    @property
    def one_time_type(self) -> int:
        """LM-OTS typecode."""
        return FIRST_ONE_TIME_TYPE[self.hash_bytes] + WIDTHS.index(self.width)

    @property
    def signatures(self) -> int:
        """How many signatures one tree can make."""
        return 1 << self.height

    @property
    def one_time_bytes(self) -> int:
        """Size of the one-time signature."""
        return 4 + self.hash_bytes * (1 + CHAINS[self.hash_bytes, self.width])

    @property
    def signature_bytes(self) -> int:
        """Size of the signature of one tree."""
        return 4 + self.one_time_bytes + 4 + self.hash_bytes * self.height

    @property
    def public_bytes(self) -> int:
        """Size of the public key of one tree."""
        return 8 + IDENTIFIER_BYTES + self.hash_bytes


ALL: Final = tuple(Parameters(m, h, w) for m in (24, 32) for h in HEIGHTS for w in WIDTHS)
BY_TYPES: Final = {(p.tree_type, p.one_time_type): p for p in ALL}


def parameters_named(name: str) -> Parameters:
    """Return the parameters ``name``, for example ``m24-h10-w8``."""
    return next(parameters for parameters in ALL if parameters.name == name)


def _u32(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 4], "big")


def split_public_key(hss_key: bytes) -> tuple[int, Parameters]:
    """Return levels and parameters of the top tree of an HSS public key; ``Refusal`` unless it is exactly one."""
    levels = _u32(hss_key, 0)
    parameters = _parameters(hss_key, 4, "key.weak")
    if not 1 <= levels <= MOST_LEVELS or len(hss_key) != 4 + parameters.public_bytes:
        raise Refusal("key.malformed", "an LMS public key has an impossible size or number of levels")
    return levels, parameters


def _parameters(data: bytes, offset: int, rule: str) -> Parameters:
    found = BY_TYPES.get((_u32(data, offset), _u32(data, offset + 4)))
    if len(data) < offset + 8 or found is None:
        raise Refusal(rule, "LMS typecodes that are not offered: only SHA-256 and SHA-256/192, not mixed")
    return found


def check_hss_signature(hss_key: bytes, signature: bytes) -> None:
    """Refuse a signature whose typecodes, numbers or sizes are not those of the key, level by level. RFC 8554, 6.3."""
    levels, parameters = split_public_key(hss_key)
    if len(signature) < 4 or _u32(signature, 0) != levels - 1:
        raise Refusal("signature.malformed", "an LMS signature has another number of levels than the key")
    place = 4
    for _level in range(levels - 1):
        _check_tree_signature(parameters, signature, place)
        place += parameters.signature_bytes
        parameters = _parameters(signature, place, "signature.malformed")
        place += parameters.public_bytes
    _check_tree_signature(parameters, signature, place)
    if len(signature) != place + parameters.signature_bytes:
        raise Refusal("signature.size", "an LMS signature is not as long as its parameters say")


def _check_tree_signature(parameters: Parameters, data: bytes, start: int) -> None:
    if len(data) < start + parameters.signature_bytes:
        raise Refusal("signature.size", "an LMS signature is shorter than its parameters say")
    one_time_type = _u32(data, start + 4)
    tree_type = _u32(data, start + 4 + parameters.one_time_bytes)
    if (tree_type, one_time_type) != (parameters.tree_type, parameters.one_time_type):
        raise Refusal("signature.algorithm", "the typecodes in an LMS signature are not those of the key")
    if _u32(data, start) >= parameters.signatures:
        raise Refusal("signature.malformed", "the number in an LMS signature is beyond the end of the tree")


def spki_of(hss_key: bytes) -> bytes:
    """Return the SubjectPublicKeyInfo of an HSS public key. Source: RFC 9802, 4."""
    bits = bytes((0x03, len(hss_key) + 1, 0)) + hss_key
    return bytes((0x30, len(OID) + len(bits))) + OID + bits


def split_spki(encoded: bytes) -> bytes | None:
    """Return the HSS public key in a SubjectPublicKeyInfo; None when it holds another kind of key."""
    if encoded[2 : 2 + len(OID)] != OID:
        return None
    hss_key = encoded[2 + len(OID) + 3 :]
    if spki_of(hss_key[:100]) != encoded:
        raise Refusal("key.malformed", "an LMS public key is not in its canonical form")
    return hss_key
