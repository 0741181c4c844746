"""Attacks on minisign signatures."""

from __future__ import annotations

import base64
from typing import Final

from signing.attacks.image_attacks import attack, image_suite, s_plus_order
from signing.attacks.image_lab import LAB, GoodImage

__all__ = ["COMMENTED", "SUITE"]


def line(good: GoodImage, number: int, new: bytes) -> GoodImage:
    """Return the signature with another line."""
    lines = good.signature.split(b"\n")
    lines[number] = new
    return good.having(signature=b"\n".join(lines))


def decoded(good: GoodImage, number: int = 1) -> bytes:
    """Return what a line of the signature stands for."""
    return base64.b64decode(good.signature.split(b"\n")[number])


def malleable(good: GoodImage) -> GoodImage:
    """Return the signature with the order of the curve added to S."""
    data = decoded(good)
    return line(good, 1, base64.b64encode(data[:10] + s_plus_order(data[10:])))


COMMENTED: Final = (
    attack(1, "no signature", "signature.malformed", lambda good: good.having(signature=b"")),
    attack(2, "empty signature", "signature.size", lambda good: line(good, 1, b"")),
    attack(
        9,
        "unknown letters",
        "algorithm.unknown",
        lambda good: line(good, 1, base64.b64encode(b"XX" + decoded(good)[2:])),
    ),
    attack(10, "S plus the order", "signature.malleable", malleable),
    attack(
        47, "lines doubled", "signature.malformed", lambda good: good.having(signature=good.signature + good.signature)
    ),
    attack(
        51,
        "base64 in another spelling",
        "signature.malformed",
        lambda good: line(good, 1, good.signature.split(b"\n")[1] + b"\r"),
    ),
)
"""What is tried on every file of a comment and a line of base64."""

SUITE: Final = image_suite(
    "minisign",
    "minisign signatures",
    LAB.minisign,
    *COMMENTED,
    attack(
        6, "trusted comment changed", "signature.invalid", lambda good: line(good, 2, b"trusted comment: version 9")
    ),
    attack(
        14,
        "hashed declared as whole",
        "signature.invalid",
        lambda good: line(good, 1, base64.b64encode(b"Ed" + decoded(good)[2:])),
    ),
    attack(
        14,
        "whole declared as hashed",
        "signature.invalid",
        lambda good: line(
            LAB.minisign(b"Ed").having(trust=good.trust), 1, base64.b64encode(b"ED" + decoded(LAB.minisign(b"Ed"))[2:])
        ),
    ),
    signature_at=60,
)
