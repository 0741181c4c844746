"""Attacks with what is old, or will be: freshness and rollback of an update package."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import msgspec

from device_profiles.schema import UpdatableComponent
from signing.attacks.lab import DAY, MODEL, SPEC, Offer, repacked
from signing.attacks.package_bench import OLD, Attacks, PackageBench, restated, running, with_root
from signing.chain_log import ChainLog
from signing.freshness import Clock, Freshness, Moment
from signing.install.gate import install
from signing.install.model import ModelDevice
from signing.override import add_signature, new_override
from signing.package.archive import Archive
from signing.trust.metadata_set import HIGHEST_VERSION
from signing.trust.tuf_keys import TufSigner
from signing.unit import Installed

__all__ = ["ATTACKS"]

attack = Attacks()
ATTACKS = attack.found


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
    return on.good.having(moment=late, override=override(on, "dee"))


@attack(33, "a decision of two people about another update", "override.other")
def _(on: PackageBench) -> Offer:
    late = Moment(now=DAY + timedelta(days=31), clock=Clock.TRUSTED)
    return on.good.having(moment=late, override=override(on, "dee", "eve", release="0" * 64))


@attack(33, "a decision that has expired itself", "override.expired")
def _(on: PackageBench) -> Offer:
    late = Moment(now=DAY + timedelta(days=60), clock=Clock.TRUSTED)
    return on.good.having(moment=late, override=override(on, "dee", "eve"))


@attack(33, "a decision signed by people of the vendor", "override.threshold")
def _(on: PackageBench) -> Offer:
    late = Moment(now=DAY + timedelta(days=31), clock=Clock.TRUSTED)
    return on.good.having(moment=late, override=override(on, "ada", "ben"))


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


@attack(36, "a signed image with a lower security counter", "rollback.counter")
def _(on: PackageBench) -> Offer:
    return on.good.having(unit=running(on, main=Installed(version="2.0.0", security_counter=8)))


@attack(36, "a signed image of an older version", "rollback.version")
def _(on: PackageBench) -> Offer:
    return on.good.having(unit=running(on, main=Installed(version="2.1.1", security_counter=7)))


@attack(36, "a version below the floor of the profile", "rollback.version")
def _(on: PackageBench) -> Offer:
    main = UpdatableComponent(id="main", slots=("app-a",), minimum_version="3.0.0")
    return on.good.having(rules=replace(on.good.rules, components={**on.good.rules.components, "main": main}))


@attack(37, "the version that runs, with another content", "rollback.same-version")
def _(on: PackageBench) -> Offer:
    return on.good.having(unit=running(on, main=Installed(version="2.1.0", security_counter=7, sha256="0" * 64)))


@attack(38, "a security counter that wraps", "package.release")
def _(on: PackageBench) -> Offer:
    return restated(on, b'"security_counter": 7', b'"security_counter": 4294967303')


@attack(38, "a build number that wraps", "binding.version")
def _(on: PackageBench) -> Offer:
    return restated(on, b'"version": "12"', b'"version": "12+4294967303"')


@attack(38, "only the build number is lower", "rollback.version")
def _(on: PackageBench) -> Offer:
    return on.good.having(unit=running(on, main=Installed(version="2.1.0+1", security_counter=7)))


@attack(40, "a stick from last month, after a newer package was accepted", "trust.rollback")
def _(on: PackageBench) -> Offer:
    newer = on.good.having(package=on.lab.package(number=6, moment=DAY + timedelta(days=1)))
    return on.good.having(unit=newer.verify().unit_after)


def override(on: PackageBench, *words: str, release: str = "") -> bytes:
    digest = release or on.good.verify().release_sha256
    data = new_override(digest, Freshness.STALE, "The old one is worse", DAY + timedelta(days=35))
    for word in words:
        data = add_signature(data, TufSigner(on.lab.keys[word]))
    return data


@attack(33, "a root that has expired, its chain whole", "freshness.stale")
def _(on: PackageBench) -> Offer:
    return with_root(on, lambda root: setattr(root, "expires", DAY + timedelta(days=5)))


@attack(33, "a decision of two people whom an expired root names", "override.authority")
def _(on: PackageBench) -> Offer:
    decision = override(on, "dee", "eve")
    expiring = with_root(on, lambda root: setattr(root, "expires", DAY + timedelta(days=5)), ("dee", "eve"), "hospital")
    return expiring.having(override=decision)


@attack(33, "an expiry put off on the stick, before the last person has signed", "package.draft")
def _(on: PackageBench) -> object:
    package = on.with_file("vendor/timestamp.json", lambda data: data.replace(b'"expires":"2026', b'"expires":"2036'))
    return on.lab.signed(package.package, on.lab.vendor, "cyd")


@attack(34, "a time of signing in a hundred years", "freshness.ahead")
def _(on: PackageBench) -> Offer:
    def put_off(timestamp: Any) -> None:
        timestamp.unrecognized_fields["medharden"] = {"signed": "2126-01-01T00:00:00Z"}
        timestamp.expires = DAY + timedelta(days=200 * 365)

    return on.resigned("vendor/timestamp.json", put_off, "cyd")


@attack(35, "the hospital's approval of another release", "consensus.missing")
def _(on: PackageBench) -> Offer:
    return _approved_as(on, SPEC.replace('version = "2.1.0"\nhardware', 'version = "2.1.1"\nhardware'))


@attack(35, "the hospital's approval of the same version with another content", "consensus.differs")
def _(on: PackageBench) -> Offer:
    return _approved_as(on, SPEC.replace("security_counter = 7", "security_counter = 8"))


def _approved_as(on: PackageBench, spec: str) -> Offer:
    """Return the offer with the hospital's section of another release, well signed."""
    assert spec != SPEC  # noqa: S101  # a description that did not change would prove nothing
    other = Archive(BytesIO(on.lab.package(spec)))
    files = [(name, other.read(name, 1 << 20)) for name in other.members if name.startswith("hospital/")]
    kept = repacked(on.good.package, lambda n, d: None if n.startswith("hospital/") else d, files)
    return on.good.having(package=kept)


@attack(39, "an update verified before a newer one came in, and installed after it", "rollback.version")
def _(on: PackageBench) -> object:
    device, log = ModelDevice(OLD), ChainLog(on.lab.path / "held-back.jsonl")
    held_back = on.good.verify()
    newer = SPEC.replace('version = "2.1.0"\nsecurity', 'version = "2.1.1"\nsecurity').replace(' = "12"', ' = "13"')
    install(on.good.having(package=on.lab.package(newer, number=6)).verify(), device, log, DAY)
    return install(held_back, device, log, DAY)


@attack(33, "an update that expired between verifying and installing", "freshness.stale")
def _(on: PackageBench) -> object:
    log = ChainLog(on.lab.path / "late.jsonl")
    return install(on.good.verify(), ModelDevice(OLD), log, DAY + timedelta(days=40))
