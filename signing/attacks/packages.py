"""Attacks on update packages."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import msgspec
from securesystemslib.formats import encode_canonical
from tuf.api.metadata import DelegatedRole, Delegations, Metadata, Root, TargetFile, Targets

from device_profiles.schema import UpdatableComponent
from device_profiles.vocabulary import Approver, SignaturePolicy
from signing.attacks.lab import DAY, MODEL, SPEC, Lab, Offer, repacked
from signing.attacks.suite import Attack, Suite
from signing.freshness import Clock, Freshness, Moment
from signing.override import add_signature, new_override
from signing.package.archive import BLOCK_BYTES, Archive
from signing.refusal import Refusal
from signing.trust.metadata_set import HIGHEST_VERSION
from signing.trust.spelling import metadata_bytes
from signing.trust.tuf_keys import TufSigner, tuf_key
from signing.unit import Installed
from signing.verify import TrustStore

__all__ = ["SUITE", "PackageBench"]

Change = Callable[[bytes], bytes]
SMALL_ORDER_KEY: Final = "01" + 31 * "00"
SAMPLE_RSA: Final = "rsassa-pss-sha256"


@dataclass(slots=True)
class PackageBench:
    """A good offer, and what is needed to spoil it."""

    lab: Lab
    good: Offer = field(init=False)

    def __post_init__(self) -> None:
        self.good = self.lab.offer(self.lab.package())
        self.good.verify()

    def with_file(self, name: str, change: Change) -> Offer:
        """Return the offer with one file of the package changed."""
        return self.good.having(package=repacked(self.good.package, lambda n, d: change(d) if n == name else d))

    def with_json(self, name: str, change: Callable[[dict[str, Any]], object]) -> Offer:
        """Return the offer with the content of one metadata file changed, its spelling kept."""

        def changed(data: bytes) -> bytes:
            content = json.loads(data)
            change(content)
            return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()

        return self.with_file(name, changed)

    def resigned(self, name: str, change: Callable[[Any], object], *words: str) -> Offer:
        """Return the offer with one metadata file changed and signed anew by these people."""

        def changed(data: bytes) -> bytes:
            metadata: Metadata[Any] = Metadata.from_dict(json.loads(data))
            metadata.signatures.clear()
            change(metadata.signed)
            for word in words:
                metadata.sign(TufSigner(self.lab.keys[word]), append=True)
            return metadata_bytes(metadata)

        return self.with_file(name, changed)

    def released(self, old: str, new: str, **more: Any) -> Offer:
        """Return the offer of a release whose description reads ``new`` for ``old``, signed by everybody."""
        assert old in SPEC  # noqa: S101  # a description that did not change would prove nothing
        return self.good.having(package=self.lab.package(SPEC.replace(old, new)), **more)


def bench(path: Path) -> PackageBench:
    """Return a bench in an empty folder."""
    return PackageBench(Lab(path))


_ATTACKS: list[Attack[PackageBench]] = []


def attack(case: int, what: str, *rules: str) -> Callable[[Callable[[PackageBench], object]], None]:
    """Add a function as an attack; it hands its offer to the verifier, or returns one to be handed over."""

    def add(make: Callable[[PackageBench], object]) -> None:
        def run(on: PackageBench) -> object:
            made = make(on)
            return made.verify() if isinstance(made, Offer) else made

        _ATTACKS.append(Attack(case, what, frozenset(rules), run))

    return add


def _clear_signatures(content: dict[str, Any]) -> None:
    content["signatures"] = []


def _first_signature(change: Callable[[str], str]) -> Callable[[dict[str, Any]], None]:
    def changed(content: dict[str, Any]) -> None:
        content["signatures"][0]["sig"] = change(content["signatures"][0]["sig"])

    return changed


# Signatures ----------------------------------------------------------------------------------------------------------


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


def _with_root_key(on: PackageBench, change: Callable[[dict[str, Any]], object]) -> Offer:
    """Let the vendor's own root, well signed, hold a key as ``change`` makes it; only its spelling is wrong."""
    root = json.loads(on.good.trust.roots["vendor"])
    key_id = root["signed"]["roles"]["timestamp"]["keyids"][0]
    change(root["signed"]["keys"][key_id])
    payload = (encode_canonical(root["signed"]) or "").encode()
    signatures = [TufSigner(on.lab.keys[word]).sign(payload).to_dict() for word in ("ada", "ben", "cyd")]
    root["signatures"] = sorted(signatures, key=lambda signature: str(signature["keyid"]))
    data = json.dumps(root, sort_keys=True, separators=(",", ":")).encode()
    offer = on.with_file("vendor/1.root.json", lambda _: data)
    return offer.having(trust=TrustStore({**on.good.trust.roots, "vendor": data}))


@attack(7, "an Ed25519 key declared as RSA", "trust.malformed", "key.malformed", "key.confusion")
def _(on: PackageBench) -> Offer:
    return _with_root_key(on, lambda key: key.update(keytype="rsa", scheme=SAMPLE_RSA))


@attack(7, "an Ed25519 key declared as ECDSA", "trust.malformed", "key.malformed", "key.confusion")
def _(on: PackageBench) -> Offer:
    return _with_root_key(on, lambda key: key.update(keytype="ecdsa", scheme="ecdsa-sha2-nistp256"))


@attack(8, "the digest of a file given as SHA-1", "consensus.differs")
def _(on: PackageBench) -> Offer:
    def weaken(targets: Targets) -> None:
        for file in targets.targets.values():
            file.hashes = {"sha1": "0" * 40}

    return on.resigned(f"vendor/{MODEL}.json", weaken, "ada", "ben")


@attack(9, "a key with the scheme none", "trust.malformed")
def _(on: PackageBench) -> Offer:
    return _with_root_key(on, lambda key: key.update(scheme="none"))


@attack(10, "an Ed25519 signature with S + L", "signature.malleable")
def _(on: PackageBench) -> Offer:
    order = 2**252 + 27742317777372353535851937790883648493

    def add_order(signature: str) -> str:
        s = int.from_bytes(bytes.fromhex(signature)[32:], "little") + order
        return signature[:64] + s.to_bytes(32, "little").hex()

    return on.with_json(f"vendor/{MODEL}.json", _first_signature(add_order))


@attack(10, "an Ed25519 key of small order", "key.weak")
def _(on: PackageBench) -> Offer:
    return _with_root_key(on, lambda key: key["keyval"].update(public=SMALL_ORDER_KEY))


@attack(16, "a policy that wants a post-quantum signature too, and there is none", "policy.hybrid", "policy.algorithm")
def _(on: PackageBench) -> Offer:
    return on.good.having(rules=replace(on.good.rules, signatures=SignaturePolicy.HYBRID))


@attack(17, "a device that accepts other algorithms only", "policy.algorithm")
def _(on: PackageBench) -> Offer:
    return on.good.having(rules=replace(on.good.rules, algorithms=("ml-dsa-65",)))


# Trust and roles -----------------------------------------------------------------------------------------------------


@attack(19, "the same signature twice", "trust.malformed")
def _(on: PackageBench) -> Offer:
    def twice(content: dict[str, Any]) -> None:
        content["signatures"][1] = content["signatures"][0]

    return on.with_json(f"vendor/{MODEL}.json", twice)


@attack(19, "one of two signatures", "trust.threshold")
def _(on: PackageBench) -> Offer:
    return on.with_json(f"vendor/{MODEL}.json", lambda content: content["signatures"].pop())


def _with_root(on: PackageBench, change: Callable[[Root], object], signers: Iterable[str] = ("ada", "ben")) -> Offer:
    """Return the offer with a second root behind the first one, made by ``change`` and signed by ``signers``."""
    metadata: Metadata[Root] = Metadata.from_dict(json.loads(on.good.trust.roots["vendor"]))
    metadata.signatures.clear()
    metadata.signed.version = 2
    change(metadata.signed)
    for word in signers:
        metadata.sign(TufSigner(on.lab.keys[word]), append=True)
    data = metadata_bytes(metadata)
    package = repacked(on.good.package, lambda _, d: d, [("vendor/2.root.json", data)])
    return on.good.having(package=package)


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

    offer = _with_root(on, double)
    return offer.having(package=repacked(offer.package, sign_twice))


@attack(21, "a threshold of zero", "trust.malformed")
def _(on: PackageBench) -> Offer:
    return _with_root(on, lambda root: setattr(root.roles["timestamp"], "threshold", 0))


@attack(21, "a threshold of minus one", "trust.malformed")
def _(on: PackageBench) -> Offer:
    return _with_root(on, lambda root: setattr(root.roles["timestamp"], "threshold", -1))


@attack(22, "a timestamp by a key that the newest root no longer names", "trust.key")
def _(on: PackageBench) -> Offer:
    def revoke(root: Root) -> None:
        root.add_key(tuf_key(on.lab.keys["ben"].public), "timestamp")
        root.revoke_key(on.lab.keys["cyd"].public.key_id, "timestamp")

    return _with_root(on, revoke)


@attack(23, "root 3 behind root 1", "trust.root-chain")
def _(on: PackageBench) -> Offer:
    offer = _with_root(on, lambda root: setattr(root, "version", 3))
    archive = Archive(BytesIO(offer.package))
    data = archive.read("vendor/2.root.json", 1 << 20)
    return on.good.having(package=repacked(on.good.package, lambda _, d: d, [("vendor/3.root.json", data)]))


@attack(23, "root 2 has the version 3", "trust.root-version")
def _(on: PackageBench) -> Offer:
    return _with_root(on, lambda root: setattr(root, "version", 3))


def _new_owner(on: PackageBench) -> Callable[[Root], None]:
    def change(root: Root) -> None:
        key = tuf_key(on.lab.keys["mal"].public)
        for name, role in root.roles.items():
            role.keyids, role.threshold = [], 1
            root.add_key(key, name)

    return change


@attack(23, "root 2 signed by its own keys only", "trust.key")
def _(on: PackageBench) -> Offer:
    return _with_root(on, _new_owner(on), ("mal",))


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


def _delegating(on: PackageBench, change: Callable[[Targets], object]) -> Offer:
    return on.resigned("vendor/targets.json", change, "ada", "ben", "cyd")


@attack(26, "the model's role names files outside its paths", "consensus.missing")
def _(on: PackageBench) -> Offer:
    def narrow(targets: Targets) -> None:
        targets.delegations.roles[MODEL].paths = ["another-pump/*/*"]  # type: ignore[union-attr,index]

    return _delegating(on, narrow)


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

    return _delegating(on, bomb)


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
    offer = _delegating(on, lambda t: _plus_role(t, "front", key, ["*/*/*"], first=True, terminating=True))
    snapshot = replace(on.good, package=offer.package)

    def name_it(name: str, data: bytes) -> bytes:
        if name != "vendor/snapshot.json":
            return data
        metadata: Metadata[Any] = Metadata.from_dict(json.loads(data))
        metadata.signatures.clear()
        metadata.signed.meta["front.json"] = type(metadata.signed.meta["targets.json"])(1)
        metadata.sign(TufSigner(on.lab.keys["cyd"]))
        return metadata_bytes(metadata)

    return snapshot.having(package=repacked(offer.package, name_it, [("vendor/front.json", metadata_bytes(empty))]))


# Freshness -----------------------------------------------------------------------------------------------------------


def _having_seen(on: PackageBench, **changes: Any) -> Offer:
    """Return the offer to a device that has seen newer metadata of the vendor."""
    after = on.good.verify().unit_after
    seen = msgspec.structs.replace(after.seen["vendor"], **changes)
    return on.good.having(unit=msgspec.structs.replace(on.good.unit, seen={**after.seen, "vendor": seen}))


@attack(31, "an older timestamp", "trust.rollback")
def _(on: PackageBench) -> Offer:
    return _having_seen(on, timestamp=6)


@attack(31, "an older snapshot", "trust.rollback")
def _(on: PackageBench) -> Offer:
    return _having_seen(on, snapshot=6)


@attack(31, "an older root", "trust.rollback")
def _(on: PackageBench) -> Offer:
    return _having_seen(on, root=2)


@attack(31, "an older file of the model", "trust.rollback")
def _(on: PackageBench) -> Offer:
    return _having_seen(on, roles={f"{MODEL}.json": 6})


@attack(31, "a snapshot that no longer names a role", "trust.rollback")
def _(on: PackageBench) -> Offer:
    return _having_seen(on, roles={"gone.json": 1})


@attack(31, "the same timestamp version with another content", "trust.same-version")
def _(on: PackageBench) -> Offer:
    return _having_seen(on, timestamp_sha256="0" * 64)


@attack(32, "a timestamp with a version nobody reaches by counting", "trust.fast-forward")
def _(on: PackageBench) -> Offer:
    return on.resigned("vendor/timestamp.json", lambda t: setattr(t, "version", HIGHEST_VERSION + 1), "cyd")


@attack(33, "an expired timestamp", "freshness.stale")
def _(on: PackageBench) -> Offer:
    return on.good.having(moment=Moment(now=DAY + timedelta(days=31), clock=Clock.TRUSTED))


@attack(33, "an expired timestamp, and only one person wants it all the same", "override.threshold")
def _(on: PackageBench) -> Offer:
    late = Moment(now=DAY + timedelta(days=31), clock=Clock.TRUSTED)
    return on.good.having(moment=late, override=_override(on, "dee"))


@attack(33, "a decision of two people about another update", "override.other")
def _(on: PackageBench) -> Offer:
    late = Moment(now=DAY + timedelta(days=31), clock=Clock.TRUSTED)
    return on.good.having(moment=late, override=_override(on, "dee", "eve", release="0" * 64))


@attack(33, "a decision that has expired itself", "override.expired")
def _(on: PackageBench) -> Offer:
    late = Moment(now=DAY + timedelta(days=60), clock=Clock.TRUSTED)
    return on.good.having(moment=late, override=_override(on, "dee", "eve"))


@attack(33, "a decision signed by people of the vendor", "override.threshold")
def _(on: PackageBench) -> Offer:
    late = Moment(now=DAY + timedelta(days=31), clock=Clock.TRUSTED)
    return on.good.having(moment=late, override=_override(on, "ada", "ben"))


def _override(on: PackageBench, *words: str, release: str = "") -> bytes:
    digest = release or on.good.verify().release_sha256
    data = new_override(digest, Freshness.STALE, "The old one is worse", DAY + timedelta(days=35))
    for word in words:
        data = add_signature(data, TufSigner(on.lab.keys[word]))
    return data


@attack(34, "the clock set back to the day of signing, after newer things were seen", "freshness.stale")
def _(on: PackageBench) -> Offer:
    seen = DAY + timedelta(days=40)
    return on.good.having(moment=Moment(now=DAY, clock=Clock.TRUSTED, last_signed=seen))


@attack(34, "a clock that says 1970", "freshness.unknown")
def _(on: PackageBench) -> Offer:
    return on.good.having(moment=Moment(now=datetime(1970, 1, 1, tzinfo=UTC), clock=Clock.TRUSTED))


@attack(34, "a clock set a hundred years ahead", "freshness.unknown", "freshness.stale")
def _(on: PackageBench) -> Offer:
    return on.good.having(moment=Moment(now=datetime(2126, 1, 1, tzinfo=UTC), clock=Clock.TRUSTED))


@attack(34, "no clock at all", "freshness.unknown")
def _(on: PackageBench) -> Offer:
    return on.good.having(moment=Moment(now=None, clock=Clock.NONE))


@attack(34, "a clock that anybody could have set", "freshness.unknown")
def _(on: PackageBench) -> Offer:
    return on.good.having(moment=Moment(now=DAY + timedelta(days=1), clock=Clock.UNTRUSTED))


@attack(35, "the model's file of another release", "trust.mix")
def _(on: PackageBench) -> Offer:
    other = Archive(BytesIO(on.lab.package(number=6)))
    return on.with_file(f"vendor/{MODEL}.json", lambda _: other.read(f"vendor/{MODEL}.json", 1 << 20))


@attack(35, "the snapshot of another release", "trust.mix")
def _(on: PackageBench) -> Offer:
    other = Archive(BytesIO(on.lab.package(number=6)))
    return on.with_file("vendor/snapshot.json", lambda _: other.read("vendor/snapshot.json", 1 << 20))


def _running(on: PackageBench, **installed: Installed) -> Any:
    return msgspec.structs.replace(on.good.unit, installed={**on.good.unit.installed, **installed})


@attack(36, "a signed image with a lower security counter", "rollback.counter")
def _(on: PackageBench) -> Offer:
    return on.good.having(unit=_running(on, main=Installed(version="2.0.0", security_counter=8)))


@attack(36, "a signed image of an older version", "rollback.version")
def _(on: PackageBench) -> Offer:
    return on.good.having(unit=_running(on, main=Installed(version="2.1.1", security_counter=7)))


@attack(36, "a version below the floor of the profile", "rollback.version")
def _(on: PackageBench) -> Offer:
    main = UpdatableComponent(id="main", slots=("app-a",), minimum_version="3.0.0")
    return on.good.having(rules=replace(on.good.rules, components={**on.good.rules.components, "main": main}))


@attack(37, "the version that runs, with another content", "rollback.same-version")
def _(on: PackageBench) -> Offer:
    return on.good.having(unit=_running(on, main=Installed(version="2.1.0", security_counter=7, sha256="0" * 64)))


def _restated(on: PackageBench, old: bytes, new: bytes) -> Offer:
    """Return the offer with the statement changed, and approved as it is by vendor and hospital."""
    name = f"files/{MODEL}/2.1.0/release.json"
    statement = Archive(BytesIO(on.good.package)).read(name, 1 << 20).replace(old, new)

    def approve(targets: Targets) -> None:
        path = name.removeprefix("files/")
        targets.targets[path] = TargetFile(len(statement), {"sha256": hashlib.sha256(statement).hexdigest()}, path)

    offer = on.with_file(name, lambda _: statement)
    for repository, people in {"vendor": ("ada", "ben"), "hospital": ("dee", "eve")}.items():
        on_it = replace_offer(on, offer)
        offer = on_it.resigned(f"{repository}/{MODEL}.json", approve, *people)
    return offer


def replace_offer(on: PackageBench, offer: Offer) -> PackageBench:
    """Return a bench that starts from ``offer``."""
    other = copy.copy(on)
    other.good = offer
    return other


@attack(38, "a security counter that wraps", "package.release")
def _(on: PackageBench) -> Offer:
    return _restated(on, b'"security_counter": 7', b'"security_counter": 4294967303')


@attack(38, "a build number that wraps", "binding.version")
def _(on: PackageBench) -> Offer:
    return _restated(on, b'"version": "12"', b'"version": "12+4294967303"')


@attack(52, "a file whose name leads elsewhere, in a statement that everybody has approved", "package.name")
def _(on: PackageBench) -> Offer:
    return _restated(on, b'"name": "main.bin"', b'"name": "../main.bin"')


@attack(51, "a statement with blanks that everybody has approved", "json.canonical")
def _(on: PackageBench) -> Offer:
    return _restated(on, b'"name": "main.bin"', b'"name":  "main.bin"')


@attack(38, "only the build number is lower", "rollback.version")
def _(on: PackageBench) -> Offer:
    return on.good.having(unit=_running(on, main=Installed(version="2.1.0+1", security_counter=7)))


@attack(40, "a stick from last month, after a newer package was accepted", "trust.rollback")
def _(on: PackageBench) -> Offer:
    newer = on.good.having(package=on.lab.package(number=6, moment=DAY + timedelta(days=1)))
    return on.good.having(unit=newer.verify().unit_after)


# Binding -------------------------------------------------------------------------------------------------------------


@attack(41, "for another model", "binding.model")
def _(on: PackageBench) -> Offer:
    return on.good.having(rules=replace(on.good.rules, model="other-pump"))


@attack(41, "for another hardware revision", "binding.hardware")
def _(on: PackageBench) -> Offer:
    return on.good.having(unit=msgspec.structs.replace(on.good.unit, hardware_revision="A"))


@attack(41, "for other hardware revisions than all that we have, and the device is not known", "binding.hardware")
def _(on: PackageBench) -> Offer:
    unit = msgspec.structs.replace(on.good.unit, hardware_revision=None)
    return on.good.having(unit=unit, rules=replace(on.good.rules, hardware_revisions=("A", "B")))


@attack(41, "for another region", "binding.region")
def _(on: PackageBench) -> Offer:
    return on.good.having(unit=msgspec.structs.replace(on.good.unit, region="us"))


@attack(42, "from another vendor", "binding.vendor")
def _(on: PackageBench) -> Offer:
    return on.good.having(rules=replace(on.good.rules, vendor="Other Devices"))


@attack(43, "the radio's image for the main controller", "binding.component")
def _(on: PackageBench) -> Offer:
    return on.released('component = "drugs"', 'component = "radio"')


@attack(43, "two files for one component", "binding.component")
def _(on: PackageBench) -> Offer:
    return on.released('component = "drugs"', 'component = "main"')


@attack(43, "a slot that the component does not use", "binding.slot")
def _(on: PackageBench) -> Offer:
    return on.released('slot = "app-a"', 'slot = "boot"')


@attack(44, "a boot loader that is too old", "binding.bootloader")
def _(on: PackageBench) -> Offer:
    return on.good.having(unit=msgspec.structs.replace(on.good.unit, bootloader="1.3.9"))


@attack(44, "a boot loader nobody knows", "binding.bootloader")
def _(on: PackageBench) -> Offer:
    return on.good.having(unit=msgspec.structs.replace(on.good.unit, bootloader=None))


@attack(44, "a component that is too old for it", "binding.dependency")
def _(on: PackageBench) -> Offer:
    return on.good.having(unit=_running(on, radio=Installed(version="1.1.9", security_counter=1)))


@attack(45, "an address outside the slot", "binding.address")
def _(on: PackageBench) -> Offer:
    return on.released("0x08008000", "0x08000000")


@attack(45, "an address at which the end does not fit", "binding.address")
def _(on: PackageBench) -> Offer:
    return on.released("0x08008000", "0x08017FFF")


@attack(45, "larger than the component may be", "binding.size")
def _(on: PackageBench) -> Offer:
    drugs = msgspec.structs.replace(on.good.rules.components["drugs"], largest=10)
    return on.good.having(rules=replace(on.good.rules, components={**on.good.rules.components, "drugs": drugs}))


# Container -----------------------------------------------------------------------------------------------------------


@attack(48, "one byte behind the end", "package.trailing")
def _(on: PackageBench) -> Offer:
    return on.good.having(package=on.good.package + b"\0")


@attack(48, "a second archive behind the first", "package.trailing")
def _(on: PackageBench) -> Offer:
    return on.good.having(package=on.good.package + on.good.package)


@attack(48, "a file that nobody has approved", "package.extra")
def _(on: PackageBench) -> Offer:
    extra = (f"files/{MODEL}/2.1.0/extra.bin", b"extra")
    return on.good.having(package=repacked(on.good.package, lambda _, d: d, [extra]))


@attack(49, "cut short at every block, and at every byte of the first", "package.truncated", "package.trailing")
def _(on: PackageBench) -> None:
    package = on.good.package
    sizes = [*range(BLOCK_BYTES), *range(BLOCK_BYTES, len(package), BLOCK_BYTES), len(package) - 1]
    last: Refusal | None = None
    for size in sizes:
        try:
            on.good.having(package=package[:size]).verify()
        except Refusal as refusal:
            last = refusal
        else:
            return
    if last is not None:
        raise last


def _with_header(on: PackageBench, at: int, new: bytes) -> Offer:
    """Change bytes of the header of the first metadata file, and mend its checksum."""
    package = bytearray(on.good.package)
    header = 2 * BLOCK_BYTES
    package[header + at : header + at + len(new)] = new
    block = bytearray(package[header : header + BLOCK_BYTES])
    block[148:156] = b" " * 8
    package[header + 148 : header + 156] = b"%06o\0 " % sum(block)
    return on.good.having(package=bytes(package))


@attack(50, "a size of zero", "package.form", "package.name")
def _(on: PackageBench) -> Offer:
    return _with_header(on, 124, b"00000000000")


@attack(50, "the largest size there is", "package.truncated")
def _(on: PackageBench) -> Offer:
    return _with_header(on, 124, b"77777777777")


@attack(50, "a size in base 256", "package.form")
def _(on: PackageBench) -> Offer:
    return _with_header(on, 124, b"\x80" + bytes(10))


@attack(51, "a key twice in JSON", "json.duplicate-key")
def _(on: PackageBench) -> Offer:
    return on.with_file("vendor/timestamp.json", lambda d: b'{"signatures":[],' + d[1:])


@attack(51, "NaN in JSON", "json.number")
def _(on: PackageBench) -> Offer:
    return on.with_file("vendor/timestamp.json", lambda d: b'{"a":NaN,' + d[1:])


@attack(51, "JSON nested a thousand deep", "json.depth")
def _(on: PackageBench) -> Offer:
    return on.with_file("vendor/timestamp.json", lambda _: b"[" * 1000 + b"]" * 1000)


@attack(51, "blanks between the signs of JSON", "json.canonical")
def _(on: PackageBench) -> Offer:
    return on.with_file("vendor/timestamp.json", lambda d: d.replace(b":", b": ", 1))


@attack(51, "a signature that does not count beside those that do", "trust.signature")
def _(on: PackageBench) -> Offer:
    def more(content: dict[str, Any]) -> None:
        content["signatures"] = sorted(
            [*content["signatures"], {"keyid": "0" * 64, "sig": "00"}], key=lambda signature: str(signature["keyid"])
        )

    return on.with_json(f"vendor/{MODEL}.json", more)


def _named(on: PackageBench, name: bytes) -> Offer:
    return _with_header(on, 0, name.ljust(100, b"\0"))


for _what, _name in {
    "../": b"../../etc/passwd",
    "an absolute path": b"/etc/passwd",
    "a drive": b"c:/windows/system32/x",
    "a backslash": b"vendor\\1.root.json",
    "a capital letter": b"Vendor/1.root.json",
    "a name of a Windows device": b"vendor/con.json",
    "a sign that turns the reading direction": "vendor/\u202exe.json".encode(),
    "something behind a NUL": b"vendor/a.json\0../b",
    "a point at the end": b"vendor/a.",
    "an empty part": b"vendor//a",
}.items():
    attack(52, f"a name with {_what}", "package.name", "package.form")(lambda on, n=_name: _named(on, n))  # type: ignore[misc]  # bound now

for _what, _kind in {"a hard link": b"1", "a symbolic link": b"2", "a device": b"3", "a folder": b"5"}.items():
    attack(52, _what, "package.form")(lambda on, k=_kind: _with_header(on, 156, k))  # type: ignore[misc]  # bound now


@attack(53, "metadata of a gigabyte", "package.truncated", "package.size")
def _(on: PackageBench) -> Offer:
    return _with_header(on, 124, b"07777777777")


@attack(53, "metadata that is longer than any", "package.size")
def _(on: PackageBench) -> Offer:
    return on.with_file("vendor/timestamp.json", lambda d: d + b" " * 20_000)


# Runtime -------------------------------------------------------------------------------------------------------------


class _Failing(BytesIO):
    """A stick that cannot be read any more half way through."""

    def readinto(self, buffer: Any) -> int:
        if self.tell() > 4096:  # somewhere behind the first files
            raise OSError(5, "Input/output error")
        return super().readinto(buffer)


class _Shrinking(BytesIO):
    """A stick that is pulled half way through: reads come back empty."""

    def readinto(self, buffer: Any) -> int:
        return 0 if self.tell() > 4096 else super().readinto(buffer)


def _from(on: PackageBench, stream: BytesIO) -> object:
    from signing.verify import verify

    good = on.good
    return verify(stream, good.trust, good.rules, good.unit, good.moment)


@attack(57, "read errors", "verify.failed")
def _(on: PackageBench) -> object:
    return _from(on, _Failing(on.good.package))


@attack(57, "reads that come back empty", "package.truncated")
def _(on: PackageBench) -> object:
    return _from(on, _Shrinking(on.good.package))


@attack(60, "something that makes the verifier fall over", "verify.failed")
def _(on: PackageBench) -> object:
    return on.good.having(moment=None).verify()


@attack(63, "a statement that leaves out a file", "package.extra")
def _(on: PackageBench) -> Offer:
    package = on.lab.package(SPEC.replace('[[files]]\npath = "notes.txt"\npurpose = "release_notes"\n', ""))
    return on.good.having(package=repacked(package, lambda _, d: d, [(f"files/{MODEL}/2.1.0/notes.txt", b"x")]))


@attack(64, "a drug library changed, its length kept", "package.digest")
def _(on: PackageBench) -> Offer:
    return on.with_file(f"files/{MODEL}/2.1.0/drugs.json", lambda d: d.replace(b": 5}", b": 9}"))


@attack(64, "the firmware changed in one bit", "package.digest")
def _(on: PackageBench) -> Offer:
    return on.with_file(f"files/{MODEL}/2.1.0/main.bin", lambda d: bytes([d[0] ^ 1]) + d[1:])


def _with_paper(on: PackageBench, name: str, old: bytes, new: bytes) -> Offer:
    """Return the offer of a release, well signed, of which one paper was changed before it was packed."""
    path = on.lab.path / name
    before = path.read_bytes()
    try:
        path.write_bytes(before.replace(old, new))
        return on.good.having(package=on.lab.package())
    finally:
        path.write_bytes(before)


@attack(66, "a bill of materials about another image", "package.sbom")
def _(on: PackageBench) -> Offer:
    return _with_paper(on, "sbom.json", b'"content": "', b'"content": "00')


@attack(66, "a VEX about another image", "package.vex")
def _(on: PackageBench) -> Offer:
    return _with_paper(on, "vex.json", b'"sha-256": "', b'"sha-256": "00')


@attack(66, "no bill of materials", "package.sbom")
def _(on: PackageBench) -> Offer:
    return on.released('[[files]]\npath = "sbom.json"\npurpose = "sbom"\n', "")


@attack(66, "a bill of materials that is no JSON", "package.document", "json.syntax")
def _(on: PackageBench) -> Offer:
    return _with_paper(on, "sbom.json", b"{", b"<")


@attack(67, "no root at all", "trust.none")
def _(on: PackageBench) -> Offer:
    return on.good.having(trust=TrustStore({}))


@attack(67, "nobody named whose approval counts", "trust.none")
def _(on: PackageBench) -> Offer:
    return on.good.having(rules=replace(on.good.rules, approvals=()))


@attack(67, "only the root of the vendor", "trust.none")
def _(on: PackageBench) -> Offer:
    roots = {Approver.VENDOR.value: on.good.trust.roots[Approver.VENDOR.value]}
    return on.good.having(trust=TrustStore(roots))


SUITE: Final = Suite(
    name="packages",
    title="Update packages (.mdpkg)",
    bench=bench,
    attacks=tuple(_ATTACKS),
    elsewhere={
        11: "every algorithm: tests of the signature algorithms",
        12: "every algorithm: tests of the signature algorithms",
        13: "every algorithm: tests of the signature algorithms",
        14: "every algorithm: tests of the signature algorithms",
        15: "every algorithm: tests of the signature algorithms",
        18: "every algorithm: tests of the signature algorithms",
        27: "`tests/signing/test_metadata_set.py`",
        39: "`tests/signing/test_install.py`",
        46: "no TLVs in a package",
        47: "no TLVs in a package",
        54: "no FIT in a package",
        55: "no CMS in a package",
        56: "`tests/signing/test_install.py`",
        58: "`tests/signing/test_install.py`",
        59: "`tests/signing/test_install.py`",
        61: "`tests/signing/test_install.py`",
        62: "`tests/signing/test_archive.py`",
        65: "`tests/signing/test_chain_log.py`",
        68: "`tests/signing/test_update_story.py`",
    },
)
