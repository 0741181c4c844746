"""Attacks on SWUpdate images."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

from signing.attacks.image_attacks import attack, image_suite
from signing.attacks.image_lab import LAB, NOW, GoodImage, archive, cms_signature
from signing.images.swupdate import entries

__all__ = ["SUITE"]


def _files(good: GoodImage, *files: tuple[str, bytes], mode: int = 0o100644) -> GoodImage:
    return good.having(image=archive(*files, mode=mode))


def _signed(good: GoodImage, description: bytes, **how: object) -> GoodImage:
    """Return the image with another description, signed as ``how`` says."""
    files = dict(entries(good.image))
    signature = cms_signature(description, **how)  # type: ignore[arg-type]  # handed on as it is
    return _files(
        good, ("sw-description", description), ("sw-description.sig", signature), ("pump.bin", files["pump.bin"])
    )


def _description(good: GoodImage) -> bytes:
    return dict(entries(good.image))["sw-description"]


def _at(good: GoodImage, days: int) -> GoodImage:
    return good.having(trust=replace(good.trust, now=NOW + timedelta(days=days)))


SUITE: Final = image_suite(
    "swupdate",
    "SWUpdate images (CMS)",
    LAB.swupdate,
    attack(
        1,
        "no signature",
        "signature.missing",
        lambda good: _files(good, *[f for f in entries(good.image) if "sig" not in f[0]]),
    ),
    attack(
        2,
        "empty signature",
        "der.trailing",
        lambda good: _files(good, ("sw-description", _description(good)), ("sw-description.sig", b"")),
    ),
    attack(33, "certificate expired", "certificate.expired", lambda good: _at(good, 60)),
    attack(34, "clock before the certificate", "certificate.expired", lambda good: _at(good, -30_000 // 365)),
    attack(
        34,
        "nobody knows what day it is",
        "certificate.time",
        lambda good: good.having(trust=replace(good.trust, now=None)),
    ),
    attack(
        46,
        "a file that the description does not name",
        "swupdate.files",
        lambda good: _files(good, *entries(good.image), ("evil.sh", b"x")),
    ),
    attack(47, "a file twice", "name.collision", lambda good: _files(good, *entries(good.image), ("pump.bin", b"x"))),
    attack(
        47,
        "signature before the description",
        "signature.missing",
        lambda good: _files(good, *reversed(list(entries(good.image)))),
    ),
    attack(
        51,
        "a name twice in the description, signed",
        "libconfig.duplicate-key",
        lambda good: _signed(good, b'software = { version = "1"; version = "2"; };'),
    ),
    attack(
        52,
        "a name that leads elsewhere",
        "name.traversal",
        lambda good: _files(good, *entries(good.image), ("../evil", b"x")),
    ),
    attack(
        52, "a link in place of a file", "cpio.kind", lambda good: _files(good, *entries(good.image), mode=0o120777)
    ),
    attack(
        55,
        "certificate for another purpose",
        "certificate.usage",
        lambda good: _signed(good, _description(good), purpose="1.3.6.1.5.5.7.3.1"),
    ),
    attack(
        55,
        "certificate expired when signed",
        "certificate.expired",
        lambda good: _signed(good, _description(good), days=(-9, -2)),
    ),
    attack(55, "two signers", "cms.signers", lambda good: _signed(good, _description(good), signers=2)),
    attack(
        55,
        "signed by an authority of its own",
        "certificate.chain",
        lambda good: _signed(good, _description(good), authority=5),
    ),
    attack(
        55,
        "signed with an authority's certificate",
        "certificate.usage",
        lambda good: _signed(good, _description(good), ca=True),
    ),
    attack(
        64,
        "a file named without its hash, signed",
        "swupdate.hash",
        lambda good: _signed(good, b'software = { version = "1"; images: ( { filename = "pump.bin"; } ); };'),
    ),
    signature_at=-3300,
)
