"""Attacks on MCUboot images."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from signing.attacks.image_attacks import attack, changed, expecting, image_suite, s_plus_order
from signing.attacks.image_lab import LAB, GoodImage
from signing.attacks.suite import Attack
from signing.mcuboot_layout import (
    DEPENDENCY,
    HEADER,
    PROTECTED,
    PUBLIC_KEY,
    SECURITY_COUNTER,
    TLV_INFO,
    UNPROTECTED,
    UUID_CID,
    UUID_VID,
)
from signing.policy import policy_named
from signing.strict.tlv import Tlv, strict_tlvs
from toolkit.core.window import Window

__all__ = ["SUITE"]

Records = list[Tlv]
PURE, BOOT_RECORD = 0x25, 0x60


def rebuilt(good: GoodImage, change: Callable[[Records, Records], object]) -> GoodImage:
    """Return the image with its records changed; lengths and hash are made right again, as an attacker would."""
    header = HEADER.read(Window.of(good.image))
    middle = header.payload_end + header.protected_tlv_bytes
    protected, unprotected = (
        strict_tlvs(good.image[header.payload_end + 4 : middle]),
        strict_tlvs(good.image[middle + 4 :]),
    )
    change(protected, unprotected)
    area = _area(PROTECTED, protected) if protected else b""
    body = changed(good.image[: header.payload_end], 10, struct.pack("<H", len(area))) + area
    digest = hashlib.sha256(body).digest()
    right = [Tlv(tlv.kind, digest) if tlv.kind == 0x10 else tlv for tlv in unprotected]
    return good.having(image=body + _area(UNPROTECTED, right))


def _area(magic: int, records: Records) -> bytes:
    body = b"".join(struct.pack("<HH", tlv.kind, len(tlv.value)) + tlv.value for tlv in records)
    return struct.pack("<HH", magic, TLV_INFO.size + len(body)) + body


def _unprotected(case: int, kind: int, value: bytes, what: str) -> Attack[GoodImage]:
    return attack(
        case,
        f"{what} among the records that are not signed",
        "mcuboot.tlv-unprotected",
        lambda good: rebuilt(good, lambda _protected, rest: rest.append(Tlv(kind, value))),
    )


def _without_signature(good: GoodImage) -> GoodImage:
    return rebuilt(good, lambda _protected, rest: rest.__delitem__(slice(1, None)))


def _other_kind(good: GoodImage) -> GoodImage:
    return rebuilt(good, lambda _protected, rest: rest.__setitem__(2, Tlv(0x24, rest[2].value)))


def _other_hash(good: GoodImage) -> GoodImage:
    longer = Tlv(0x11, hashlib.sha384(good.image[: _covered_bytes(good)]).digest())
    start = good.image[: _covered_bytes(good)]
    rest = strict_tlvs(good.image[len(start) + 4 :])
    return good.having(image=start + _area(UNPROTECTED, [longer, *rest[1:]]))


def _covered_bytes(good: GoodImage) -> int:
    header = HEADER.read(Window.of(good.image))
    return header.payload_end + header.protected_tlv_bytes


def _ecdsa_of_zeros(good: GoodImage) -> GoodImage:
    return rebuilt(good, lambda _protected, rest: rest.__setitem__(2, Tlv(rest[2].kind, ZEROS_IN_DER)))


def _larger_s(good: GoodImage) -> GoodImage:
    def change(_protected: Records, rest: Records) -> None:
        rest[2] = Tlv(rest[2].kind, s_plus_order(rest[2].value))

    del good
    return rebuilt(LAB.mcuboot("ed25519"), change)


def _own_counter(good: GoodImage) -> GoodImage:
    """Return an image with a counter of zero, signed: an honest but old image."""
    return LAB.mcuboot(security_counter=0).having(trust=good.trust)


ZEROS_IN_DER: Final = bytes.fromhex("3006020100020100")

UNSIGNED: Final = tuple(
    _unprotected(46, kind, value, what)
    for kind, value, what in (
        (SECURITY_COUNTER, b"\xff\xff\0\0", "a security counter"),
        (DEPENDENCY, bytes(12), "a dependency"),
        (BOOT_RECORD, b"\xa0", "a boot record"),
        (UUID_VID, bytes(16), "a vendor"),
        (UUID_CID, bytes(16), "a kind of device"),
        (0xA0, b"x", "a record of a vendor"),
        (0x30, bytes(256), "an encryption key"),
    )
)

SUITE: Final = image_suite(
    "mcuboot",
    "MCUboot images",
    LAB.mcuboot,
    attack(
        9,
        "declared as encrypted",
        "mcuboot.transformed",
        lambda good: good.having(image=changed(good.image, 16, b"\4")),
    ),
    attack(10, "S plus the order", "signature.malleable", _larger_s),
    attack(11, "r and s of zero", "signature.malformed", _ecdsa_of_zeros),
    attack(1, "no signature", "signature.missing", _without_signature),
    attack(
        1,
        "only its hash, as imgtool accepts it without a key",
        "signature.missing",
        lambda good: rebuilt(good, lambda _protected, rest: rest.__delitem__(slice(1, 3))),
    ),
    attack(
        2,
        "empty signature",
        "signature.malformed",
        lambda good: rebuilt(good, lambda _protected, rest: rest.__setitem__(2, Tlv(0x22, b""))),
    ),
    attack(7, "ECDSA signature declared as Ed25519", "signature.algorithm", _other_kind),
    attack(8, "SHA-384 in place of SHA-256", "signature.algorithm signature.unknown-key", _other_hash),
    attack(
        9,
        "unknown kind of signature",
        "mcuboot.tlv-unprotected",
        lambda good: rebuilt(good, lambda _protected, rest: rest.__setitem__(2, Tlv(0x2F, rest[2].value))),
    ),
    attack(
        14,
        "marked as signed whole",
        "mcuboot.tlv-unprotected",
        lambda good: rebuilt(good, lambda _protected, rest: rest.insert(1, Tlv(PURE, b"\1"))),
    ),
    attack(
        36,
        "older version, signed",
        "version.rollback",
        lambda good: LAB.mcuboot(version=(1, 9, 9, 9)).having(trust=good.trust),
    ),
    attack(36, "lower security counter, signed", "version.security-counter", _own_counter),
    attack(
        36,
        "no security counter at all",
        "signature.invalid",
        lambda good: rebuilt(good, lambda protected, _rest: protected.pop(0)),
    ),
    attack(
        38,
        "only the build number is higher",
        "version.rollback",
        lambda good: LAB.mcuboot(version=(1, 9, 0, 0xFFFF_FFFF)).having(trust=good.trust),
    ),
    attack(41, "for another kind of device", "target.device", lambda good: expecting(good, class_id=bytes(16))),
    attack(42, "of another vendor", "target.vendor", lambda good: expecting(good, vendor_id=bytes(16))),
    attack(
        44,
        "needs another image that is too old",
        "target.dependency",
        lambda good: expecting(good, installed={1: (0, 9, 0, 0)}),
    ),
    attack(
        44,
        "needs another image that is not there",
        "target.dependency",
        lambda good: expecting(good, installed={2: (9, 0, 0, 0)}),
    ),
    attack(45, "made for no address", "target.address", lambda good: expecting(good, load_address=0x2000_0000)),
    attack(45, "does not fit", "target.size", lambda good: expecting(good, most_bytes=100)),
    *UNSIGNED,
    attack(
        47,
        "signature before the hash",
        "mcuboot.tlv-order",
        lambda good: rebuilt(good, lambda _protected, rest: rest.append(rest.pop(0))),
    ),
    attack(
        47,
        "hash twice",
        "mcuboot.tlv-order",
        lambda good: rebuilt(good, lambda _protected, rest: rest.insert(1, rest[0])),
    ),
    attack(
        47,
        "signature twice",
        "mcuboot.tlv-duplicate",
        lambda good: rebuilt(good, lambda _protected, rest: rest.extend(rest[1:3])),
    ),
    attack(
        47,
        "signature of another kind by a stranger before the good one",
        "mcuboot.tlv-order",
        lambda good: rebuilt(
            good, lambda _protected, rest: rest.__setitem__(slice(1, 1), [Tlv(PUBLIC_KEY, b"x"), Tlv(0x20, bytes(256))])
        ),
    ),
    attack(
        47,
        "security counter twice",
        "mcuboot.tlv-duplicate",
        lambda good: rebuilt(good, lambda protected, _rest: protected.append(protected[0])),
    ),
    attack(
        47,
        "signature without its key before it",
        "mcuboot.tlv-order",
        lambda good: rebuilt(good, lambda _protected, rest: rest.pop(1)),
    ),
    attack(
        50,
        "protected size in the header is zero",
        "mcuboot.tlv-area",
        lambda good: good.having(image=changed(good.image, 10, bytes(2))),
    ),
    attack(
        50,
        "protected size in the header is another one",
        "mcuboot.protected-size",
        lambda good: good.having(image=changed(good.image, 10, b"\x08\0")),
    ),
    attack(
        50,
        "program of no or of 4 GiB",
        "mcuboot.header image.unreadable",
        lambda good: good.having(image=changed(good.image, 12, b"\xff\xff\xff\xff")),
    ),
    attack(50, "no program", "mcuboot.header", lambda good: good.having(image=changed(good.image, 12, bytes(4)))),
    attack(
        50,
        "record that reaches beyond its area",
        "tlv.overlap",
        lambda good: good.having(image=changed(good.image, _covered_bytes(good) + 6, b"\xff\xff")),
    ),
    attack(
        18,
        "policy does not accept the kind of key",
        "policy.algorithm",
        lambda good: good.having(trust=replace(good.trust, policy=policy_named("cnsa2"))),
    ),
    signature_at=-3,
)
