"""Attacks on the content of an update package, and on the verifier while it works."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import Any

from device_profiles.vocabulary import Approver
from signing.attacks.lab import DAY, MODEL, SPEC, Offer, repacked, statement_sha256
from signing.attacks.package_bench import OLD, Attacks, PackageBench
from signing.chain_log import ChainLog
from signing.install.gate import install
from signing.install.model import ModelDevice
from signing.package.archive import Archive
from signing.package.create import add_approval
from signing.verified import VerifiedUpdate
from signing.verify import TrustStore, verify

__all__ = ["ATTACKS"]

attack = Attacks()
ATTACKS = attack.found


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


def _verified(on: PackageBench, stream: BytesIO) -> VerifiedUpdate:
    good = on.good
    return verify(stream, good.trust, good.rules, good.unit, good.moment)


@attack(57, "read errors", "package.unreadable")
def _(on: PackageBench) -> object:
    return _verified(on, _Failing(on.good.package))


@attack(57, "reads that come back empty", "package.truncated")
def _(on: PackageBench) -> object:
    return _verified(on, _Shrinking(on.good.package))


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


@attack(56, "a stick that returns another firmware once it was verified", "package.digest")
def _(on: PackageBench) -> object:
    stream = BytesIO(on.good.package)
    update = _verified(on, stream)
    stream.getbuffer()[:] = on.with_file(f"files/{MODEL}/2.1.0/main.bin", lambda d: bytes([d[0] ^ 1]) + d[1:]).package
    return install(update, ModelDevice(OLD), ChainLog(on.lab.path / "swapped.jsonl"), DAY)


@attack(56, "a stick that holds another release once the hospital has looked at it", "package.changed")
def _(on: PackageBench) -> object:
    seen = statement_sha256(Archive(BytesIO(on.good.package)))
    other = Archive(BytesIO(on.lab.package(SPEC.replace("security_counter = 7", "security_counter = 8"))))
    return add_approval(BytesIO(), other, on.lab.hospital, DAY, 6, examined=seen)


@attack(61, "two installers at one device", "install.busy")
def _(on: PackageBench) -> object:
    device = ModelDevice(OLD)
    with device.lock():
        return install(on.good.verify(), device, ChainLog(on.lab.path / "busy.jsonl"), DAY)


@attack(65, "the log of installations cut since the last one", "log.tampered")
def _(on: PackageBench) -> object:
    device, log = ModelDevice(OLD), ChainLog(on.lab.path / "cut.jsonl")
    unit = install(on.good.verify(), device, log, DAY).unit
    log.path.write_bytes(b"".join(log.path.read_bytes().splitlines(keepends=True)[:-1]))
    return install(on.good.having(unit=unit).verify(), device, log, DAY)
