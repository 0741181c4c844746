"""Attacks on RAUC bundles."""

from __future__ import annotations

import struct
from dataclasses import replace
from datetime import timedelta
from typing import Final

from signing.attacks.image_attacks import attack, image_suite
from signing.attacks.image_lab import LAB, NOW, GoodImage, cms_signature

__all__ = ["SUITE"]


def _parts(good: GoodImage) -> tuple[bytes, bytes]:
    (size,) = struct.unpack(">Q", good.image[-8:])
    return good.image[: -8 - size], good.image[-8 - size : -8]


def _with(good: GoodImage, payload: bytes, signature: bytes) -> GoodImage:
    return good.having(image=payload + signature + struct.pack(">Q", len(signature)))


def _signed(good: GoodImage, **how: object) -> GoodImage:
    payload, _signature = _parts(good)
    return _with(good, payload, cms_signature(payload, **how))  # type: ignore[arg-type]  # handed on as it is


SUITE: Final = image_suite(
    "rauc",
    "RAUC bundles (CMS)",
    LAB.rauc,
    attack(1, "no signature", "rauc.signature-size", lambda good: good.having(image=_parts(good)[0])),
    attack(2, "empty signature", "rauc.signature-size", lambda good: _with(good, _parts(good)[0], b"")),
    attack(
        6,
        "signature of another bundle",
        "cms.digest",
        lambda good: _with(good, _parts(good)[0], cms_signature(b"other")),
    ),
    attack(
        33,
        "certificate expired",
        "certificate.expired",
        lambda good: good.having(trust=replace(good.trust, now=NOW + timedelta(days=60))),
    ),
    attack(
        34,
        "nobody knows what day it is",
        "certificate.time",
        lambda good: good.having(trust=replace(good.trust, now=None)),
    ),
    attack(
        50,
        "size of the signature beyond the bundle",
        "rauc.signature-size",
        lambda good: good.having(image=good.image[:-8] + b"\0\0\0\0\0\1\0\0"),
    ),
    attack(
        55,
        "certificate for another purpose",
        "certificate.usage",
        lambda good: _signed(good, purpose="1.3.6.1.5.5.7.3.1"),
    ),
    attack(55, "certificate expired when signed", "certificate.expired", lambda good: _signed(good, days=(-9, -2))),
    attack(55, "two signers", "cms.signers", lambda good: _signed(good, signers=2)),
    attack(55, "signed by an authority of its own", "certificate.chain", lambda good: _signed(good, authority=5)),
    signature_at=-40,
)
