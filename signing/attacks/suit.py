"""Attacks on SUIT envelopes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from signing.attacks.image_attacks import attack, changed, expecting, image_suite, s_plus_order
from signing.attacks.image_lab import LAB, GoodImage
from signing.suit_layout import AUTHENTICATION, ENVELOPE_TAG, MANIFEST, SIGN1_TAG

__all__ = ["SUITE"]


def rebuilt(good: GoodImage, change: Callable[[dict[int, Any], list[Any]], object]) -> GoodImage:
    """Return the envelope with its fields or the parts of its authentication changed."""
    from cbor2 import CBORTag, dumps, loads

    envelope = dict(loads(good.image).value)
    wrapper = list(loads(envelope[AUTHENTICATION]))
    change(envelope, wrapper)
    if AUTHENTICATION in envelope:
        envelope[AUTHENTICATION] = dumps(wrapper, canonical=True)
    return good.having(image=dumps(CBORTag(ENVELOPE_TAG, envelope), canonical=True))


def _block(good: GoodImage, change: Callable[[list[Any]], object]) -> GoodImage:
    from cbor2 import CBORTag, dumps, loads

    def changed_block(_envelope: dict[int, Any], wrapper: list[Any]) -> None:
        parts = list(loads(wrapper[1]).value)
        change(parts)
        wrapper[1] = dumps(CBORTag(SIGN1_TAG, parts), canonical=True)

    return rebuilt(good, changed_block)


SUITE: Final = image_suite(
    "suit",
    "SUIT envelopes",
    LAB.suit,
    attack(1, "no signature", "signature.missing", lambda good: rebuilt(good, lambda _fields, parts: parts.pop())),
    attack(
        1,
        "no authentication",
        "suit.envelope",
        lambda good: rebuilt(good, lambda fields, _parts: fields.pop(AUTHENTICATION)),
    ),
    attack(
        2,
        "empty signature",
        "signature.invalid",
        lambda good: _block(good, lambda parts: parts.__setitem__(3, b"")),
    ),
    attack(
        10,
        "S plus the order",
        "signature.invalid",
        lambda good: _block(good, lambda parts: parts.__setitem__(3, s_plus_order(parts[3]))),
    ),
    attack(
        5,
        "r and s one byte short",
        "signature.invalid",
        lambda _good: _block(LAB.suit("ecdsa-p256-sha256"), lambda parts: parts.__setitem__(3, parts[3][:-1])),
    ),
    attack(
        47,
        "a second entry in the header of a signature",
        "suit.structure",
        lambda good: _block(good, lambda parts: parts.__setitem__(0, bytes.fromhex("a20127044100"))),
    ),
    attack(
        11,
        "r and s of zero",
        "signature.invalid",
        lambda _good: _block(LAB.suit("ecdsa-p256-sha256"), lambda parts: parts.__setitem__(3, bytes(64))),
    ),
    attack(
        7,
        "declared as ECDSA",
        "signature.unknown-key",
        lambda good: _block(good, lambda parts: parts.__setitem__(0, bytes.fromhex("a10126"))),
    ),
    attack(
        8,
        "digest declared as SHA-512",
        "suit.digest",
        lambda good: rebuilt(good, lambda _fields, parts: parts.__setitem__(0, parts[0].replace(b"\x2f", b"\x38\x2b"))),
    ),
    attack(
        9,
        "unknown algorithm",
        "signature.unknown-key",
        lambda good: _block(good, lambda parts: parts.__setitem__(0, bytes.fromhex("a10100"))),
    ),
    attack(
        9,
        "algorithm in the header that is not signed",
        "suit.structure",
        lambda good: _block(good, lambda parts: parts.__setitem__(1, {1: -8})),
    ),
    attack(
        36,
        "older manifest, signed",
        "version.rollback",
        lambda good: LAB.suit(sequence_number=6).having(trust=good.trust),
    ),
    attack(41, "for another kind of device", "target.device", lambda good: expecting(good, class_id=bytes(16))),
    attack(42, "of another vendor", "target.vendor", lambda good: expecting(good, vendor_id=bytes(16))),
    attack(45, "does not fit", "target.size", lambda good: expecting(good, most_bytes=100)),
    attack(
        46,
        "a field that is not signed",
        "suit.envelope",
        lambda good: rebuilt(good, lambda fields, _parts: fields.__setitem__(99, b"x")),
    ),
    attack(
        47,
        "signature twice",
        "suit.duplicate",
        lambda good: rebuilt(good, lambda _fields, parts: parts.append(parts[1])),
    ),
    attack(
        51,
        "key twice",
        "cbor.duplicate-key",
        lambda good: good.having(image=changed(good.image, 2, b"\xa3") + b"\x03\x40"),
    ),
    attack(
        51,
        "indefinite length",
        "cbor.indefinite",
        lambda good: good.having(image=changed(good.image, 2, b"\xbf") + b"\xff"),
    ),
    attack(
        51,
        "length spelled long",
        "cbor.not-canonical",
        lambda good: good.having(image=good.image[:2] + b"\xb8\x02" + good.image[3:]),
    ),
    attack(
        51,
        "nested deeply",
        "cbor.depth",
        lambda good: good.having(image=good.image[:2] + b"\xa1\x00" + b"\x81" * 40 + b"\0"),
    ),
    attack(
        6,
        "manifest of another envelope",
        "suit.digest",
        lambda good: rebuilt(good, lambda fields, _parts: fields.__setitem__(MANIFEST, b"\xa0")),
    ),
    signature_at=60,
)
