"""A vendor, a hospital and a pump that exist only here: small, complete, and the same in every run.

The keys are made from fixed words, so everybody has them; nothing in this room is ever trusted outside of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from device_profiles.schema import MemoryRegion, UpdatableComponent
from device_profiles.vocabulary import Approver, RegionUse, SignaturePolicy, UnknownClock, UpdateKind
from signing.freshness import Clock, Moment
from signing.key import PublicKey, Signer
from signing.package.archive import Archive, Source, write_archive
from signing.package.create import add_approval, create, read_spec, sign_archive
from signing.package.release import FILES, MOST_RELEASE_BYTES, RELEASE_NAME
from signing.refusal import Refusal
from signing.trust.ceremony import init, merge, sign
from signing.trust.folder import TrustFolder
from signing.unit import Installed, Unit
from signing.update_policy import UpdateRules
from signing.verified import VerifiedUpdate
from signing.verify import TrustStore, verify

__all__ = ["DAY", "LATE", "MODEL", "PUBLISHED", "Lab", "LabKey", "Offer", "repacked", "statement_sha256"]

DAY: Final = datetime(2026, 12, 1, 9, tzinfo=UTC)
"""When everything in the lab is signed."""
LATE: Final = DAY + timedelta(days=365)
"""When the lab's people look at what they sign; by then all of it has been made."""
MODEL: Final = "lab-pump"
SLOT_START: Final = 0x0800_8000
SLOT_BYTES: Final = 64 << 10

PUBLISHED: Final = (
    "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEDHbKrnI6pejw1PEWtQLvd6Ebk2F4wAkmeztAnO5JheDJT+fyupds84JlFCz1DHMzTTLnm9NCzJVa5eL1"
    "9G5F4O0gNVyvUjWB1Nyc454iPvs/IhDacAM3rajySP46YGml"
)
"""Public half of MCUboot's root-ec-p384.pem, whose private half stands in its repository."""
PLAN: Final = """
repository = "{repository}"
title = "{repository} of the lab"
people = [{people}]
[roles]
root = {{ people = ["{a}", "{b}", "{c}"], threshold = 2, days = 3650 }}
targets = {{ people = ["{a}", "{b}", "{c}"], threshold = 2, days = 730 }}
snapshot = {{ people = ["{c}"], threshold = 1, days = 90 }}
timestamp = {{ people = ["{c}"], threshold = 1, days = 30 }}
[models]
lab-pump = {{ people = ["{a}", "{b}"], threshold = 2, days = 365 }}
{more}
"""
OVERRIDE: Final = 'override = { people = ["dee", "eve", "fay"], threshold = 2, days = 365 }\n'

SPEC: Final = """
vendor = "Lab Devices"
model = "lab-pump"
version = "2.1.0"
hardware_revisions = ["B", "C"]
regions = ["eu"]
minimum_bootloader = "1.4.0"
requires = [{ component = "radio", at_least = "1.2.0" }]
[provenance]
builder = "https://lab.example/builder"
build_type = "https://lab.example/build/1"
[[files]]
path = "main.bin"
purpose = "firmware"
component = "main"
version = "2.1.0"
security_counter = 7
slot = "app-a"
load_address = 0x08008000
[[files]]
path = "drugs.json"
purpose = "drug_library"
component = "drugs"
version = "12"
security_counter = 12
[[files]]
path = "sbom.json"
purpose = "sbom"
[[files]]
path = "vex.json"
purpose = "vex"
[[files]]
path = "notes.txt"
purpose = "release_notes"
"""


class LabKey:
    """Signs with a key that is made from a word: Ed25519, or ML-DSA-65."""

    def __init__(self, word: str, kind: type[Ed25519PrivateKey | MLDSA65PrivateKey] = Ed25519PrivateKey) -> None:
        seed = hashlib.sha256(word.encode()).digest()
        self._private: Ed25519PrivateKey | MLDSA65PrivateKey
        if kind is Ed25519PrivateKey:
            self._private = Ed25519PrivateKey.from_private_bytes(seed)
        else:
            self._private = MLDSA65PrivateKey.from_seed_bytes(seed)
        encoded = self._private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.public = PublicKey.from_encoded(encoded)

    def sign(self, message: bytes) -> bytes:
        """Return the signature over ``message``."""
        return self._private.sign(message)

    def sign_digest(self, digest: bytes) -> bytes:
        """Refuse: the lab signs messages whole."""
        raise Refusal("signature.prehash", f"the lab does not sign digests, not even of {len(digest)} bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """All that a verifier is handed; an attack changes some of it."""

    package: bytes
    trust: TrustStore
    rules: UpdateRules
    unit: Unit
    moment: Moment
    override: bytes | None = None

    def verify(self) -> VerifiedUpdate:
        """Ask the verifier."""
        return verify(BytesIO(self.package), self.trust, self.rules, self.unit, self.moment, self.override)

    def having(self, **changes: Any) -> Offer:
        """Return this offer with some of it changed."""
        return replace(self, **changes)


@dataclass(slots=True)
class Lab:
    """Builds everything below ``path``."""

    path: Path
    keys: dict[str, LabKey] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.keys = {word: LabKey(word) for word in ("ada", "ben", "cyd", "dee", "eve", "fay", "mal")}
        self._write_files()
        self.vendor = self._folder("vendor", ("ada", "ben", "cyd"), "")
        self.hospital = self._folder("hospital", ("dee", "eve", "fay"), OVERRIDE)

    vendor: TrustFolder = field(init=False)
    hospital: TrustFolder = field(init=False)

    def signers(self, *words: str) -> list[Signer]:
        """Return the keys of these people."""
        return [self.keys[word] for word in words]

    def package(self, spec: str = SPEC, *, number: int = 5, moment: datetime = DAY) -> bytes:
        """Return a package that vendor and hospital have approved."""
        return self.approved(self.vendor_package(spec, number=number, moment=moment), number=number, moment=moment)

    def vendor_package(self, spec: str = SPEC, *, number: int = 5, moment: datetime = DAY) -> bytes:
        """Return a package that only the vendor has approved."""
        (self.path / "release.toml").write_text(spec, encoding="utf-8")
        output = BytesIO()
        create(output, read_spec(self.path / "release.toml"), self.path, self.vendor, moment, number)
        return self.signed(output.getvalue(), self.vendor, "ada", "ben", "cyd")

    def approved(self, package: bytes, *, number: int = 5, moment: datetime = DAY) -> bytes:
        """Return ``package`` with the approval of the hospital."""
        output = BytesIO()
        archive = Archive(BytesIO(package))
        add_approval(output, archive, self.hospital, moment, number, examined=statement_sha256(archive))
        return self.signed(output.getvalue(), self.hospital, "dee", "eve", "fay")

    def signed(self, package: bytes, folder: TrustFolder, *words: str) -> bytes:
        """Return ``package`` with the signatures of these people."""
        output = BytesIO()
        sign_archive(output, Archive(BytesIO(package)), folder, self.signers(*words), LATE)
        return output.getvalue()

    def offer(self, package: bytes) -> Offer:
        """Return what a bench hands to the verifier on a good day."""
        return Offer(package=package, trust=self.trust(), rules=rules(), unit=unit(), moment=moment())

    def trust(self) -> TrustStore:
        """Return the roots that vendor and hospital handed over in person."""
        return TrustStore({"vendor": self.vendor.roots()[0], "hospital": self.hospital.roots()[0]})

    def _folder(self, repository: str, people: Sequence[str], more: str) -> TrustFolder:
        path = self.path / repository
        plan = self.path / f"{repository}.toml"
        plan.write_text(self.plan(repository, people, more), encoding="utf-8")
        init(path, plan, DAY)
        for word in people[:2]:  # just enough: then no signature can go missing without being missed
            sign(path, self.keys[word], DAY)
        merge(path, [], DAY)
        return TrustFolder(path)

    def plan(self, repository: str, people: Sequence[str], more: str) -> str:
        """Return a plan for three people; their public keys are written beside it."""
        for word in people:
            (self.path / f"{word}.pub").write_bytes(self.keys[word].public.pem())
        listed = ", ".join(f'{{ id = "{w}", name = "{w.title()}", key = "{w}.pub" }}' for w in people)
        a, b, c = people
        text = PLAN.format(repository=repository, people=listed, a=a, b=b, c=c, more="")
        return text.replace("[roles]", f"{more}[roles]")

    def _write_files(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        firmware = b"".join(hashlib.sha256(bytes([n])).digest() for n in range(256)) * 3
        digest = hashlib.sha256(firmware).hexdigest()
        (self.path / "main.bin").write_bytes(firmware)
        (self.path / "drugs.json").write_bytes(b'{"morphine": {"hard_limit_ml_per_h": 5}}\n')
        (self.path / "sbom.json").write_bytes(sbom(digest))
        (self.path / "vex.json").write_bytes(vex(digest))
        (self.path / "notes.txt").write_bytes(b"Mends the alarm that stayed silent.\n")


def statement_sha256(archive: Archive) -> str:
    """Return the digest of the statement in a package, as somebody who has looked at it knows it."""
    name = next(name for name in archive.members if name.startswith(FILES) and name.endswith(f"/{RELEASE_NAME}"))
    return hashlib.sha256(archive.read(name, MOST_RELEASE_BYTES)).hexdigest()


def sbom(digest: str) -> bytes:
    """Return a bill of materials about a firmware with this SHA-256."""
    component = {"type": "firmware", "name": "main.bin", "hashes": [{"alg": "SHA-256", "content": digest}]}
    return json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"component": component}}).encode()


def vex(digest: str) -> bytes:
    """Return an OpenVEX document about a firmware with this SHA-256."""
    product = {"@id": "main.bin", "hashes": {"sha-256": digest}}
    statement = {"vulnerability": {"name": "CVE-2026-0001"}, "products": [product], "status": "fixed"}
    return json.dumps({"@context": "https://openvex.dev/ns/v0.2.0", "statements": [statement]}).encode()


def rules() -> UpdateRules:
    """Return the update policy of the lab's pump."""
    slot = MemoryRegion(id="app-a", start=SLOT_START, size=SLOT_BYTES, use=RegionUse.APPLICATION)
    main = UpdatableComponent(id="main", slots=("app-a",), minimum_version="1.0.0", minimum_counter=3)
    drugs = UpdatableComponent(id="drugs", kind=UpdateKind.DRUG_LIBRARY, largest=1 << 20)
    radio = UpdatableComponent(id="radio", largest=1 << 20)
    return UpdateRules(
        profile=MODEL,
        vendor="Lab Devices",
        model=MODEL,
        hardware_revisions=("B", "C"),
        regions=("eu",),
        approvals=tuple(Approver),
        signatures=SignaturePolicy.FIPS,
        algorithms=None,
        components={component.id: component for component in (main, drugs, radio)},
        memory={slot.id: slot},
        unknown_clock=UnknownClock.OVERRIDE,
        override_people=2,
    )


def unit() -> Unit:
    """Return the record of the pump on the bench."""
    return Unit(
        serial="LAB-0001",
        hardware_revision="B",
        region="eu",
        bootloader="1.5.0",
        installed={
            "main": Installed(version="2.0.0", security_counter=6),
            "radio": Installed(version="1.2.0", security_counter=1),
        },
    )


def moment() -> Moment:
    """Return a day on which nothing has expired, told by a clock that is kept right."""
    return Moment(now=datetime(2026, 12, 10, tzinfo=UTC), clock=Clock.TRUSTED)


def repacked(
    package: bytes, change: Callable[[str, bytes], bytes | None], more: Iterable[tuple[str, bytes]] = ()
) -> bytes:
    """Return ``package`` with each member as ``change`` returns it (None: left out), and ``more`` behind."""
    archive = Archive(BytesIO(package))
    contents: Mapping[str, bytes] = {name: archive.read(name, 1 << 26) for name in list(archive.members)[1:]}
    changed = [(name, data) for name, old in contents.items() if (data := change(name, old)) is not None]
    output = BytesIO()
    write_archive(output, [Source(name, len(data), lambda d=data: BytesIO(d)) for name, data in (*changed, *more)])  # type: ignore[misc]  # bound now
    return output.getvalue()
