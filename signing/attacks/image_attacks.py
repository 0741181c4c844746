"""What is tried on signed images of every format alike, and what cannot be tried on an image alone."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from signing.algorithms.ed25519 import ORDER
from signing.attacks.image_lab import LAB, GoodImage, root_certificate
from signing.attacks.lab import PUBLISHED
from signing.attacks.suite import CASES, Attack, Suite
from signing.image import signed_image_formats
from signing.key import PublicKey

__all__ = ["attack", "changed", "expecting", "image_suite", "s_plus_order"]

ROLES, TIME, VERSION, RUNTIME = (
    "an image names no roles; the package around it does",
    "an image has no date of expiry; the package around it has",
    "the format has no signed version or counter; the package around it has",
    "of the installer, not of the format",
)
CHECKED: Final = "checked by the key whatever the format: `tests/signing/test_algorithms.py`, `test_wycheproof.py`"
FIXED: Final = "nothing in the format names an algorithm: it follows from the trusted key"
FAMILIES: Final = MappingProxyType(
    {
        10: ("Ed25519", ("minisign", "signify", "mcuboot", "suit")),
        11: ("ECDSA", ("mcuboot", "suit", "fit", "esp-secure-boot-v2", "rauc", "swupdate")),
        12: ("RSA", ("mcuboot", "fit", "esp-secure-boot-v2", "rauc", "swupdate")),
        13: ("ML-DSA", ("suit",)),
        15: ("LMS", ("suit",)),
        16: ("hybrid signatures", ()),
        17: ("hybrid signatures", ()),
    }
)
"""Kinds of signatures that a case is about, and the formats that know them."""
CERTIFIED: Final = ("rauc", "swupdate")
"""Formats in which certificates are trusted, not keys."""
TESTS: Final = {
    2: "one signature is one place here: see 1",
    14: "checked by the key whatever the format: `tests/signing/test_algorithms.py`",
    52: "`tests/signing/test_strict_readers.py`",
    53: "nothing is unpacked; the size is limited before anything is read",
    57: "an image is read whole before it is verified",
    62: "sizes are not cut to 32 bits: whole files are hashed",
    64: "`tests/signing/test_attacks.py`",
    65: RUNTIME,
    66: "`tests/signing/test_attacks.py`",
    68: "`tests/signing/test_image_command.py`",
}


BASE64 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


def _elsewhere(name: str) -> Mapping[int, str]:
    found = dict.fromkeys((7, 8, 9), FIXED)
    for case, (family, formats) in FAMILIES.items():
        found[case] = CHECKED if name in formats else f"the format knows no {family}"
    found[18] = "the key of a certificate is read as every other: `tests/signing/test_algorithms.py`"
    found |= dict.fromkeys(range(19, 31), ROLES)
    found |= dict.fromkeys(range(31, 41), TIME)
    found |= {36: VERSION, 37: VERSION, 38: VERSION, 39: RUNTIME}
    found |= dict.fromkeys(range(41, 46), "the format does not say what it is for; the package around it does")
    found |= dict.fromkeys(range(46, 56), "the format has nothing of the kind")
    found |= dict.fromkeys(range(56, 69), RUNTIME)
    return MappingProxyType(found | TESTS)


Change = Callable[[GoodImage], GoodImage]


def attack(case: int, what: str, rules: str, change: Change) -> Attack[GoodImage]:
    """Return an attack that hands a changed image to the verifier; ``rules`` are separated by blanks."""
    return Attack(case, what, frozenset(rules.split()), lambda good: change(good).verify())


def changed(data: bytes, place: int, new: bytes) -> bytes:
    """Return ``data`` with other bytes at ``place``, which counts from the end when negative."""
    start = place % len(data)
    return data[:start] + new + data[start + len(new) :]


def flipped(data: bytes, place: int) -> bytes:
    """Return ``data`` with one bit changed; what may be a letter of Base64 stays one, so that the text can be read."""
    old = data[place]
    bit = next((b for b in (1, 2, 4, 8) if old not in BASE64 or old ^ b in BASE64), 1)
    return changed(data, place, bytes((old ^ bit,)))


def expecting(good: GoodImage, **what: Any) -> GoodImage:
    """Return the image for a device that expects something else."""
    return good.having(trust=replace(good.trust, expectation=replace(good.trust.expectation, **what)))


def _strangers(good: GoodImage) -> GoodImage:
    """Return the image with the trust of somebody else, who has keys of the same kinds."""
    keys = tuple(LAB.signer(key.name, 99).public for key in good.trust.keys)
    numbers = {
        new.key_id: good.trust.key_numbers.get(old.key_id, b"") for old, new in zip(good.trust.keys, keys, strict=True)
    }
    certificates = tuple(root_certificate(7) for _root in good.trust.certificates)
    numbers = {key_id: number for key_id, number in numbers.items() if number}
    trust = replace(good.trust, keys=keys, key_numbers=numbers, certificates=certificates)
    return good.having(trust=trust)


def s_plus_order(signature: bytes) -> bytes:
    """Return an Ed25519 signature with the order of the curve added to S: the same to a careless verifier."""
    larger = int.from_bytes(signature[32:], "little") + ORDER
    return signature[:32] + larger.to_bytes(32, "little")


def _trusting_a_published_key(good: GoodImage) -> GoodImage:
    key = PublicKey.from_encoded(base64.b64decode(PUBLISHED))
    return good.having(trust=replace(good.trust, keys=(key,)))


PUBLISHED_KEY: Final = attack(18, "a key whose private half everybody has", "key.published", _trusting_a_published_key)


def _common(signature_at: int) -> tuple[Attack[GoodImage], ...]:
    def in_signature(good: GoodImage, change: Callable[[bytes], bytes]) -> GoodImage:
        return (
            good.having(signature=change(good.signature)) if good.signature else good.having(image=change(good.image))
        )

    signature_rules = "signature.invalid signature.unknown-key signature.malformed signature.malleable"
    any_rules = (
        f"{signature_rules} signature.size signature.missing image.unreadable tlv.overlap mcuboot.trailing "
        "mcuboot.tlv-area cbor.truncated cbor.trailing esp.signature-sector esp.block fdt.structure fit.trailing "
        "cpio.trailing cpio.header rauc.signature-size der.length der.structure suit.structure cms.digest"
    )
    message_rules = f"{signature_rules} mcuboot.hash suit.digest esp.digest fit.hash cms.digest cpio.checksum"
    return (
        attack(3, "signed by a stranger", f"{signature_rules} certificate.chain", _strangers),
        attack(
            4,
            "one bit of the signature changed",
            f"{signature_rules} esp.block cpio.checksum",
            lambda good: in_signature(good, lambda data: flipped(data, signature_at)),
        ),
        attack(5, "last byte missing", any_rules, lambda good: in_signature(good, lambda data: data[:-2])),
        attack(5, "one byte more", any_rules, lambda good: in_signature(good, lambda data: data + b"A")),
        attack(
            6,
            "one bit of the program or its description changed",
            message_rules,
            lambda good: good.having(image=flipped(good.image, good.covered)),
        ),
        attack(48, "a byte behind the image", any_rules, lambda good: good.having(image=good.image + b"A")),
        attack(49, "half of the image", any_rules, lambda good: good.having(image=good.image[: len(good.image) // 2])),
        attack(
            60,
            "a beginning, and then bytes that mean nothing",
            f"{any_rules} fdt.header fdt.depth mcuboot.header mcuboot.flags cbor.indefinite cbor.tag cms.structure",
            lambda good: good.having(image=good.image[:24] + bytes(range(256)) * 16),
        ),
        attack(
            67,
            "no key and no certificate to trust",
            "trust.no-key",
            lambda good: good.having(trust=replace(good.trust, keys=(), certificates=())),
        ),
    )


def image_suite(
    name: str,
    title: str,
    make: Callable[[], GoodImage],
    *own: Attack[GoodImage],
    signature_at: int,
) -> Suite[GoodImage]:
    """Return the suite of a format: the attacks that all formats share, and its own."""

    def bench(folder: Path) -> GoodImage:
        del folder  # images are made in memory
        return make()

    published = () if name in CERTIFIED else (PUBLISHED_KEY,)
    attacks = tuple(sorted((*_common(signature_at), *published, *own), key=lambda one: one.case))
    tried = {one.case for one in attacks}
    told = {**_elsewhere(name), **signed_image_formats()[name].other_cases}
    return Suite(name, title, bench, attacks, {case: told[case] for case in CASES if case not in tried})
