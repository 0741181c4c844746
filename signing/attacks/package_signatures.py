"""Attacks on the signatures of an update package."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from tuf.api.metadata import Metadata, Root, Targets

from device_profiles.vocabulary import SignaturePolicy
from signing.algorithms.hybrid import join
from signing.attacks.lab import MODEL, PUBLISHED, LabKey, Offer, repacked
from signing.attacks.package_bench import Attacks, PackageBench, with_root, with_root_key
from signing.hybrid_signer import HybridSigner
from signing.package.archive import Archive
from signing.trust.tuf_keys import tuf_key

__all__ = ["ATTACKS"]

PEM_LINES: Final = "\n".join(PUBLISHED[at : at + 64] for at in range(0, len(PUBLISHED), 64))
PUBLISHED_PEM: Final = f"-----BEGIN PUBLIC KEY-----\n{PEM_LINES}\n-----END PUBLIC KEY-----\n"
SMALL_ORDER_KEY: Final = "01" + 31 * "00"
SAMPLE_RSA: Final = "rsassa-pss-sha256"


attack = Attacks()
ATTACKS = attack.found


def _clear_signatures(content: dict[str, Any]) -> None:
    content["signatures"] = []


def _first_signature(change: Callable[[str], str]) -> Callable[[dict[str, Any]], None]:
    def changed(content: dict[str, Any]) -> None:
        content["signatures"][0]["sig"] = change(content["signatures"][0]["sig"])

    return changed


@attack(1, "the model's file of the vendor without signatures", "signature.missing")
def _(on: PackageBench) -> Offer:
    return on.with_json(f"vendor/{MODEL}.json", _clear_signatures)


@attack(1, "the approval of the hospital left out", "consensus.missing")
def _(on: PackageBench) -> Offer:
    package = repacked(on.good.package, lambda n, d: None if n.startswith("hospital/") else d)
    return on.good.having(package=package)


@attack(2, "an empty list of signatures at the timestamp", "signature.missing")
def _(on: PackageBench) -> Offer:
    return on.with_json("hospital/timestamp.json", _clear_signatures)


@attack(3, "signed by a stranger", "trust.key")
def _(on: PackageBench) -> Offer:
    return on.resigned(f"vendor/{MODEL}.json", lambda _: None, "mal")


@attack(4, "one bit of a signature flipped", "signature.invalid", "signature.malleable")
def _(on: PackageBench) -> Offer:
    return on.with_json(f"vendor/{MODEL}.json", _first_signature(lambda s: f"{int(s[0], 16) ^ 1:x}{s[1:]}"))


@attack(5, "a signature one byte short", "signature.size")
def _(on: PackageBench) -> Offer:
    return on.with_json("vendor/snapshot.json", _first_signature(lambda s: s[:-2]))


@attack(5, "a signature one byte long", "signature.size")
def _(on: PackageBench) -> Offer:
    return on.with_json("vendor/snapshot.json", _first_signature(lambda s: s + "00"))


@attack(6, "the signature of another release", "signature.invalid")
def _(on: PackageBench) -> Offer:
    other = Archive(BytesIO(on.lab.vendor_package(number=9)))
    signatures = json.loads(other.read(f"vendor/{MODEL}.json", 1 << 20))["signatures"]
    return on.with_json(f"vendor/{MODEL}.json", lambda content: content.update(signatures=signatures))


@attack(7, "an Ed25519 key declared as RSA", "trust.malformed", "key.malformed", "key.confusion")
def _(on: PackageBench) -> Offer:
    return with_root_key(on, lambda key: key.update(keytype="rsa", scheme=SAMPLE_RSA))


@attack(7, "an Ed25519 key declared as ECDSA", "trust.malformed", "key.malformed", "key.confusion")
def _(on: PackageBench) -> Offer:
    return with_root_key(on, lambda key: key.update(keytype="ecdsa", scheme="ecdsa-sha2-nistp256"))


@attack(8, "the digest of a file given as SHA-1", "consensus.differs")
def _(on: PackageBench) -> Offer:
    def weaken(targets: Targets) -> None:
        for file in targets.targets.values():
            file.hashes = {"sha1": "0" * 40}

    return on.resigned(f"vendor/{MODEL}.json", weaken, "ada", "ben")


@attack(9, "a key with the scheme none", "trust.malformed")
def _(on: PackageBench) -> Offer:
    return with_root_key(on, lambda key: key.update(scheme="none"))


@attack(10, "an Ed25519 signature with S + L", "signature.malleable")
def _(on: PackageBench) -> Offer:
    order = 2**252 + 27742317777372353535851937790883648493

    def add_order(signature: str) -> str:
        s = int.from_bytes(bytes.fromhex(signature)[32:], "little") + order
        return signature[:64] + s.to_bytes(32, "little").hex()

    return on.with_json(f"vendor/{MODEL}.json", _first_signature(add_order))


@attack(10, "an Ed25519 key of small order", "key.weak")
def _(on: PackageBench) -> Offer:
    return with_root_key(on, lambda key: key["keyval"].update(public=SMALL_ORDER_KEY))


@attack(16, "a policy that wants a post-quantum signature too, and there is none", "policy.hybrid", "policy.algorithm")
def _(on: PackageBench) -> Offer:
    return on.good.having(rules=replace(on.good.rules, signatures=SignaturePolicy.HYBRID))


@attack(17, "a device that accepts other algorithms only", "policy.algorithm")
def _(on: PackageBench) -> Offer:
    return on.good.having(rules=replace(on.good.rules, algorithms=("ml-dsa-65",)))


def _by_a_hybrid(on: PackageBench, change: Callable[[bytes, bytes], bytes]) -> Offer:
    """Return an offer whose timestamp a hybrid key signs; ``change`` joins the two halves of the signature."""
    classical, post_quantum = LabKey("hybrid"), LabKey("hybrid", MLDSA65PrivateKey)
    signer = HybridSigner(classical, post_quantum)

    def hand_over(root: Root) -> None:
        root.revoke_key(on.lab.keys["cyd"].public.key_id, "timestamp")
        root.add_key(tuf_key(signer.public), "timestamp")

    offer = on.going_on(with_root(on, hand_over)).resigned("vendor/timestamp.json", lambda _: None, signer)
    offer.verify()
    size = 2 + 64

    def halved(signature: str) -> str:
        raw = bytes.fromhex(signature)
        return change(raw[2:size], raw[size:]).hex()

    return on.going_on(offer).with_json("vendor/timestamp.json", _first_signature(halved))


@attack(16, "the post-quantum half of a hybrid signature left out", "signature.size", "signature.hybrid")
def _(on: PackageBench) -> Offer:
    return _by_a_hybrid(on, lambda classical, _: join(classical, b""))


@attack(16, "the post-quantum half of a hybrid signature made of zeros", "signature.invalid")
def _(on: PackageBench) -> Offer:
    return _by_a_hybrid(on, lambda classical, post_quantum: join(classical, bytes(len(post_quantum))))


@attack(17, "the classical half of a hybrid signature left out", "signature.hybrid")
def _(on: PackageBench) -> Offer:
    return _by_a_hybrid(on, lambda _, post_quantum: join(b"", post_quantum))


@attack(17, "the halves of a hybrid signature each for itself: what one half signs alone", "signature.invalid")
def _(on: PackageBench) -> Offer:
    alone = LabKey("hybrid").sign(b"the same bytes without what binds the halves")
    return _by_a_hybrid(on, lambda _, post_quantum: join(alone, post_quantum))


@attack(8, "signed with less than the profile asks for: cnsa2", "policy.algorithm")
def _(on: PackageBench) -> Offer:
    return on.good.having(rules=replace(on.good.rules, signatures=SignaturePolicy.CNSA2))


@attack(14, "a signature over the digest of the metadata in place of the metadata", "signature.invalid")
def _(on: PackageBench) -> Offer:
    metadata: Metadata[Any] = Metadata.from_bytes(
        Archive(BytesIO(on.good.package)).read("vendor/snapshot.json", 1 << 20)
    )
    made = on.lab.keys["cyd"].sign(hashlib.sha512(metadata.signed_bytes).digest()).hex()
    return on.with_json("vendor/snapshot.json", _first_signature(lambda _: made))


@attack(18, "a key whose private half everybody has", "key.published")
def _(on: PackageBench) -> Offer:
    def hand_over(key: dict[str, Any]) -> None:
        key.update(keytype="ecdsa", scheme="ecdsa-sha2-nistp384", keyval={"public": PUBLISHED_PEM})

    return with_root_key(on, hand_over)


for _what, _change in {"capitals": str.upper, "a blank": lambda sig: f"{sig[:2]} {sig[2:]}"}.items():
    attack(51, f"{_what} in the hexadecimal digits of a signature", "signature.malformed")(
        lambda on, c=_change: on.with_json("vendor/snapshot.json", _first_signature(c))  # type: ignore[misc]  # bound now
    )


@attack(20, "a key in capitals, which would be another one by its bytes", "key.malformed")
def _(on: PackageBench) -> Offer:
    return with_root_key(on, lambda key: key["keyval"].update(public=key["keyval"]["public"].upper()))
