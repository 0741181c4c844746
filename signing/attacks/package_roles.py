"""Attacks on who may say what in an update package."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from typing import Any

from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from tuf.api.metadata import DelegatedRole, Delegations, Metadata, Root, Targets

from signing.attacks.lab import DAY, MODEL, LabKey, Offer, repacked
from signing.attacks.package_bench import Attacks, PackageBench, with_root
from signing.hybrid_signer import HybridSigner
from signing.package.archive import Archive
from signing.trust.spelling import metadata_bytes
from signing.trust.tuf_keys import TufSigner, tuf_key
from signing.verify import TrustStore

__all__ = ["ATTACKS"]

attack = Attacks()
ATTACKS = attack.found


def delegating(on: PackageBench, change: Callable[[Targets], object]) -> Offer:
    return on.resigned("vendor/targets.json", change, "ada", "ben", "cyd")


@attack(19, "the same signature twice", "trust.malformed")
def _(on: PackageBench) -> Offer:
    def twice(content: dict[str, Any]) -> None:
        content["signatures"][1] = content["signatures"][0]

    return on.with_json(f"vendor/{MODEL}.json", twice)


@attack(19, "one of two signatures", "trust.threshold")
def _(on: PackageBench) -> Offer:
    return on.with_json(f"vendor/{MODEL}.json", lambda content: content["signatures"].pop())


@attack(20, "one key under two ids, for a threshold of two", "key.id")
def _(on: PackageBench) -> Offer:
    def double(root: Root) -> None:
        key = tuf_key(on.lab.keys["cyd"].public)
        key.keyid = "0" * 64
        root.add_key(key, "timestamp")
        root.roles["timestamp"].threshold = 2

    def sign_twice(name: str, data: bytes) -> bytes:
        if name != "vendor/timestamp.json":
            return data
        metadata: Metadata[Any] = Metadata.from_dict(json.loads(data))
        signature = TufSigner(on.lab.keys["cyd"]).sign(metadata.signed_bytes)
        signature.keyid = "0" * 64
        metadata.signatures[signature.keyid] = signature
        return metadata_bytes(metadata)

    offer = with_root(on, double)
    return offer.having(package=repacked(offer.package, sign_twice))


@attack(21, "a threshold of zero", "trust.malformed")
def _(on: PackageBench) -> Offer:
    return with_root(on, lambda root: setattr(root.roles["timestamp"], "threshold", 0))


@attack(21, "a threshold of minus one", "trust.malformed")
def _(on: PackageBench) -> Offer:
    return with_root(on, lambda root: setattr(root.roles["timestamp"], "threshold", -1))


@attack(22, "a timestamp by a key that the newest root no longer names", "trust.key")
def _(on: PackageBench) -> Offer:
    def revoke(root: Root) -> None:
        root.add_key(tuf_key(on.lab.keys["ben"].public), "timestamp")
        root.revoke_key(on.lab.keys["cyd"].public.key_id, "timestamp")

    return with_root(on, revoke)


@attack(23, "root 3 behind root 1", "trust.root-chain")
def _(on: PackageBench) -> Offer:
    offer = with_root(on, lambda root: setattr(root, "version", 3))
    archive = Archive(BytesIO(offer.package))
    data = archive.read("vendor/2.root.json", 1 << 20)
    return on.good.having(package=repacked(on.good.package, lambda _, d: d, [("vendor/3.root.json", data)]))


@attack(23, "root 2 has the version 3", "trust.root-version")
def _(on: PackageBench) -> Offer:
    return with_root(on, lambda root: setattr(root, "version", 3))


def _new_owner(on: PackageBench) -> Callable[[Root], None]:
    def change(root: Root) -> None:
        key = tuf_key(on.lab.keys["mal"].public)
        for name, role in root.roles.items():
            role.keyids, role.threshold = [], 1
            root.add_key(key, name)

    return change


@attack(23, "root 2 signed by its own keys only", "trust.key")
def _(on: PackageBench) -> Offer:
    return with_root(on, _new_owner(on), ("mal",))


@attack(24, "another root 1 than the one that was handed over", "trust.root-chain")
def _(on: PackageBench) -> Offer:
    def change(root: Root) -> None:
        root.expires += timedelta(days=1)

    return on.resigned("vendor/1.root.json", change, "ada", "ben", "cyd")


@attack(24, "no root that connects to the one that was handed over", "trust.root-chain")
def _(on: PackageBench) -> Offer:
    return on.good.having(package=repacked(on.good.package, lambda n, d: None if n == "vendor/1.root.json" else d))


@attack(25, "the timestamp key signs the targets", "trust.threshold", "trust.key")
def _(on: PackageBench) -> Offer:
    return on.resigned("vendor/targets.json", lambda _: None, "cyd")


@attack(25, "a snapshot in the place of the timestamp", "trust.type")
def _(on: PackageBench) -> Offer:
    snapshot = Archive(BytesIO(on.good.package)).read("vendor/snapshot.json", 1 << 20)
    return on.with_file("vendor/timestamp.json", lambda _: snapshot)


@attack(26, "the model's role names files outside its paths", "consensus.missing")
def _(on: PackageBench) -> Offer:
    def narrow(targets: Targets) -> None:
        targets.delegations.roles[MODEL].paths = ["another-pump/*/*"]  # type: ignore[union-attr,index]

    return delegating(on, narrow)


def _plus_role(targets: Targets, name: str, key: Any, paths: list[str], *, first: bool, terminating: bool) -> None:
    delegations = targets.delegations
    assert delegations is not None  # noqa: S101  # the lab's vendor always delegates
    assert delegations.roles is not None  # noqa: S101
    role = DelegatedRole(name, [key.keyid], 1, terminating=terminating, paths=paths)
    delegations.keys[key.keyid] = key
    others = dict(delegations.roles)
    delegations.roles = {name: role, **others} if first else {**others, name: role}


@attack(28, "a hundred roles that hand the question on", "consensus.missing", "trust.mix", "package.missing")
def _(on: PackageBench) -> Offer:
    key = tuf_key(on.lab.keys["ada"].public)

    def bomb(targets: Targets) -> None:
        roles = {
            f"r{n}": DelegatedRole(f"r{n}", [key.keyid], 1, terminating=False, paths=["*/*/*"]) for n in range(100)
        }
        targets.delegations = Delegations({key.keyid: key}, roles)

    return delegating(on, bomb)


@attack(29, "the hospital's metadata in the vendor's place", "trust.root-chain", "trust.repository", "package.name")
def _(on: PackageBench) -> Offer:
    archive = Archive(BytesIO(on.good.package))
    files = [(f"vendor/{n[9:]}", archive.read(n, 1 << 20)) for n in archive.members if n.startswith("hospital/")]
    kept = repacked(on.good.package, lambda n, d: None if n.startswith("vendor/") else d, files)
    return on.good.having(package=kept)


@attack(29, "the hospital's root handed over as the vendor's", "trust.repository")
def _(on: PackageBench) -> Offer:
    archive = Archive(BytesIO(on.good.package))
    files = [(f"vendor/{n[9:]}", archive.read(n, 1 << 20)) for n in archive.members if n.startswith("hospital/")]
    kept = repacked(on.good.package, lambda n, d: None if n.startswith("vendor/") else d, files)
    roots = on.good.trust.roots
    return on.good.having(package=kept, trust=TrustStore({**roots, "vendor": roots["hospital"]}))


@attack(30, "a terminating role in front that does not list the file", "consensus.missing")
def _(on: PackageBench) -> Offer:
    key = tuf_key(on.lab.keys["ada"].public)
    empty: Metadata[Targets] = Metadata(Targets(1, None, DAY + timedelta(days=99), {}))
    empty.sign(TufSigner(on.lab.keys["ada"]))
    offer = delegating(on, lambda t: _plus_role(t, "front", key, ["*/*/*"], first=True, terminating=True))
    return _beside(on, offer, "front", metadata_bytes(empty))


def _beside(on: PackageBench, offer: Offer, name: str, data: bytes) -> Offer:
    """Return ``offer`` with one more role's file in the vendor's snapshot and in the package."""

    def name_it(snapshot: Any) -> None:
        snapshot.meta[f"{name}.json"] = type(snapshot.meta["targets.json"])(1)

    named = on.going_on(offer).resigned("vendor/snapshot.json", name_it, "cyd")
    return named.having(package=repacked(named.package, lambda _, d: d, [(f"vendor/{name}.json", data)]))


@attack(19, "a key alone and as half of a hybrid key, for a threshold of two", "trust.threshold", "trust.signature")
def _(on: PackageBench) -> Offer:
    alone = on.lab.keys["cyd"]
    both = HybridSigner(alone, LabKey("cyd", MLDSA65PrivateKey))

    def double(root: Root) -> None:
        root.add_key(tuf_key(both.public), "timestamp")
        root.roles["timestamp"].threshold = 2

    return on.going_on(with_root(on, double)).resigned("vendor/timestamp.json", lambda _: None, alone, both)


@attack(27, "a role reached by two ways, signed for one of them only", "trust.key", "trust.threshold")
def _(on: PackageBench) -> Offer:
    good, bad = (tuf_key(on.lab.keys[word].public) for word in ("ada", "mal"))
    leaf: Metadata[Targets] = Metadata(Targets(1, None, DAY + timedelta(days=99), {}))
    leaf.sign(TufSigner(on.lab.keys["mal"]))

    def lead(targets: Targets) -> None:
        _plus_role(targets, "leaf", good, ["*/*/*"], first=True, terminating=False)
        _plus_role(targets, "way", bad, ["*/*/notes.txt"], first=True, terminating=False)

    way: Metadata[Targets] = Metadata(Targets(1, None, DAY + timedelta(days=99), {}))
    way.signed.delegations = Delegations({bad.keyid: bad}, {})
    way.signed.delegations.roles = {"leaf": DelegatedRole("leaf", [bad.keyid], 1, terminating=False, paths=["*/*/*"])}
    way.sign(TufSigner(on.lab.keys["mal"]))
    offer = _beside(on, delegating(on, lead), "way", metadata_bytes(way))
    return _beside(on, offer, "leaf", metadata_bytes(leaf))


@attack(28, "roles that hand the question to each other in a circle", "consensus.missing")
def _(on: PackageBench) -> Offer:
    key = tuf_key(on.lab.keys["ada"].public)

    def leading_to(back: str) -> bytes:
        role = DelegatedRole(back, [key.keyid], 1, terminating=False, paths=["*/*/*"])
        made: Metadata[Targets] = Metadata(Targets(1, None, DAY + timedelta(days=99), {}))
        made.signed.delegations = Delegations({key.keyid: key}, {back: role})
        made.sign(TufSigner(on.lab.keys["ada"]))
        return metadata_bytes(made)

    def lead(targets: Targets) -> None:
        targets.delegations = None
        role = DelegatedRole("one", [key.keyid], 1, terminating=True, paths=["*/*/*"])
        targets.delegations = Delegations({key.keyid: key}, {"one": role})

    offer = delegating(on, lead)
    for name, back in (("one", "two"), ("two", "one")):
        offer = _beside(on, offer, name, leading_to(back))
    return offer


@attack(29, "one key that signs for vendor and hospital", "consensus.same-key")
def _(on: PackageBench) -> Offer:
    dee = on.lab.keys["dee"]

    def hand_over(root: Root) -> None:
        root.add_key(tuf_key(dee.public), "timestamp")

    return on.going_on(with_root(on, hand_over)).resigned("vendor/timestamp.json", lambda _: None, dee)
