from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from tuf.api.metadata import Metadata

from device_profiles.loader import load
from device_profiles.schema import DeviceProfile
from device_profiles.vocabulary import Approver, SignaturePolicy, UnknownClock
from signing.attacks.lab import DAY, SPEC, Lab, LabKey, Offer, repacked
from signing.chain_log import ChainLog
from signing.freshness import Clock, Freshness, Moment
from signing.install.gate import install
from signing.install.model import ModelDevice
from signing.override import add_signature, new_override, statement_of
from signing.package.archive import Archive
from signing.package.create import add_approval, create, read_spec, sign_archive
from signing.package.extract import extract
from signing.package.release import Version
from signing.refusal import Refusal
from signing.trust.folder import TrustFolder
from signing.trust.spelling import metadata_bytes
from signing.trust.tuf_keys import OwnKey, TufSigner, public_of
from signing.unit import Unit, read_unit, time_of, write_unit
from signing.update_policy import check_release, rules_of
from signing.verify import examine
from toolkit.core.errors import InputError


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(tmp_path_factory.mktemp("lab"))


@pytest.fixture(scope="module")
def offer(lab: Lab) -> Offer:
    return lab.offer(lab.package())


def rule(step: object, *arguments: object, **named: object) -> str:
    with pytest.raises(Refusal) as caught:
        step(*arguments, **named)  # type: ignore[operator]
    return caught.value.rule


def test_two_runs_give_the_same_bytes(lab: Lab) -> None:
    assert lab.package() == lab.package()


def test_signatures_that_come_one_by_one_end_in_the_same_package(lab: Lab) -> None:
    output = BytesIO()
    (lab.path / "release.toml").write_text(SPEC, encoding="utf-8")
    create(output, read_spec(lab.path / "release.toml"), lab.path, lab.vendor, DAY, 5)
    package = output.getvalue()
    for word in ("cyd", "ben", "ada"):
        package = lab.signed(package, lab.vendor, word)
    assert package == lab.vendor_package()


def test_a_countersigned_package_can_be_countersigned_anew(lab: Lab, offer: Offer) -> None:
    again = lab.approved(offer.package, number=6, moment=DAY + timedelta(days=2))
    update = lab.offer(again).verify()
    assert update.unit_after.seen["hospital"].timestamp == 6
    assert update.unit_after.seen["vendor"].timestamp == 5


def test_nobody_signs_what_is_not_there(lab: Lab) -> None:
    package = lab.vendor_package()
    folder = "files/lab-pump/2.1.0"
    changed = repacked(package, lambda n, d: d + b"!" if n.endswith("drugs.json") else d)
    missing = repacked(package, lambda n, d: None if n.endswith("drugs.json") else d)
    other = repacked(package, lambda n, d: d.replace(b"2.1.0", b"2.1.1", 1) if n == f"{folder}/release.json" else d)
    root = repacked(package, lambda n, d: d + b" " if n == "vendor/1.root.json" else d)
    two = repacked(package, lambda _, d: d, [("files/a/1/release.json", b"{}")])
    rules = {
        "package.digest": changed,
        "package.missing": missing,
        "trust.root-chain": root,
        "package.release": two,
    }
    for expected, bad in rules.items():
        assert rule(lab.signed, bad, lab.vendor, "ada") == expected
    assert rule(lab.signed, other, lab.vendor, "ada") == "package.draft"
    assert rule(lab.signed, package, lab.vendor, "mal") == "trust.key"


def test_a_hospital_sees_what_it_approves_before_it_does(lab: Lab) -> None:
    archive = Archive(BytesIO(lab.vendor_package()))
    good = lab.offer(b"")
    rules = replace(good.rules, approvals=(Approver.VENDOR,))
    found = examine(archive, good.trust, rules, good.moment)
    assert found.release.version == "2.1.0"
    assert found.judgement.freshness is Freshness.FRESH
    late = examine(archive, good.trust, rules, Moment(now=DAY + timedelta(days=400), clock=Clock.TRUSTED))
    assert late.judgement.freshness is Freshness.STALE
    elsewhere = replace(rules, regions=("us",))
    assert rule(examine, archive, good.trust, elsewhere, good.moment) == "binding.region"


def test_a_stale_update_goes_in_by_a_decision_of_two_people_and_the_log_says_so(
    lab: Lab, offer: Offer, tmp_path: Path
) -> None:
    late = Moment(now=DAY + timedelta(days=31), clock=Clock.TRUSTED)
    digest = offer.verify().release_sha256
    decision = new_override(digest, Freshness.STALE, "The alarm fault is worse", DAY + timedelta(days=33))
    for word in ("dee", "fay"):
        decision = add_signature(decision, TufSigner(lab.keys[word]))
    assert statement_of(decision).reason == "The alarm fault is worse"
    update = offer.having(moment=late, override=decision).verify()
    assert update.judgement.freshness is Freshness.STALE
    log = ChainLog(tmp_path / "log.jsonl", lab.keys["eve"])
    install(update, ModelDevice({"main": b"old", "drugs": b"old"}), log, DAY + timedelta(days=31))
    told = log.entries(None, frozenset({lab.keys["eve"].public.key_id}))[0].details
    assert told["freshness"] == "stale"
    assert told["override"]["reason"] == "The alarm fault is worse"
    assert len(told["override"]["signed_by"]) == 2


def test_a_decision_about_an_unknown_age_does_not_cover_an_expired_one(lab: Lab, offer: Offer) -> None:
    late = Moment(now=DAY + timedelta(days=31), clock=Clock.TRUSTED)
    digest = offer.verify().release_sha256
    decision = new_override(digest, Freshness.UNKNOWN, "No clock here", DAY + timedelta(days=33))
    for word in ("dee", "fay"):
        decision = add_signature(decision, TufSigner(lab.keys[word]))
    assert rule(offer.having(moment=late, override=decision).verify) == "override.other"
    unknown = Moment(now=None, clock=Clock.NONE)
    assert offer.having(moment=unknown, override=decision).verify().override is not None


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"x" * (300 << 10), b'{"payload":"e30=","payloadType":"other","signatures":[]}']
)
def test_what_is_no_decision_is_refused(offer: Offer, data: bytes) -> None:
    unknown = Moment(now=None, clock=Clock.NONE)
    assert rule(offer.having(moment=unknown, override=data).verify).partition(".")[0] in {"override", "json"}


def test_a_profile_may_let_an_unknown_age_pass(offer: Offer) -> None:
    rules = replace(offer.rules, unknown_clock=UnknownClock.ALLOW)
    update = offer.having(rules=rules, moment=Moment(now=None, clock=Clock.NONE)).verify()
    assert update.judgement.freshness is Freshness.UNKNOWN
    assert "there is no clock" in update.judgement.reason


def test_without_a_hospital_nobody_can_decide(lab: Lab) -> None:
    rules = replace(lab.offer(b"").rules, approvals=(Approver.VENDOR,))
    offer = lab.offer(lab.vendor_package()).having(rules=rules, moment=Moment(now=None, clock=Clock.NONE))
    assert rule(offer.having(override=b"{}").verify) == "override.threshold"


def test_a_stolen_key_cannot_block_updates_for_good(offer: Offer) -> None:
    """Once all keys that had signed a huge version number are replaced, it counts no more (5.3.11)."""
    seen = offer.verify().unit_after.seen["vendor"]
    stolen = msgspec.structs.replace(seen, timestamp=2**31 - 1, signers={"timestamp": ("0" * 64,), "snapshot": ()})
    blocked = msgspec.structs.replace(seen, timestamp=2**31 - 1)
    assert rule(offer.having(unit=msgspec.structs.replace(offer.unit, seen={"vendor": blocked})).verify) == (
        "trust.rollback"
    )
    free = offer.having(unit=msgspec.structs.replace(offer.unit, seen={"vendor": stolen})).verify()
    assert free.unit_after.seen["vendor"].timestamp == 5


def test_the_record_of_a_unit_is_kept_and_only_grows(offer: Offer, tmp_path: Path) -> None:
    after = offer.verify().unit_after
    path = tmp_path / "unit.json"
    write_unit(path, after)
    assert read_unit(path) == after
    later = offer.having(unit=msgspec.structs.replace(after, last_signed="2026-12-05T00:00:00Z")).verify()
    assert later.unit_after.last_signed == "2026-12-05T00:00:00Z"
    path.write_bytes(b'{"format": "medharden-unit-2"}')
    assert rule(read_unit, path) == "unit.malformed"
    with pytest.raises(InputError, match="cannot be read"):
        read_unit(tmp_path / "none.json")
    assert rule(time_of, "yesterday") == "json.type"


def test_unpacking_gives_the_files_and_follows_no_link(offer: Offer, tmp_path: Path) -> None:
    update = offer.verify()
    out = tmp_path / "out"
    names = sorted(path.name for path in extract(update, out))
    assert names == ["drugs.json", "main.bin", "notes.txt", "provenance.json", "sbom.json", "vex.json"]
    provenance = json.loads((out / "provenance.json").read_text(encoding="utf-8"))
    assert {subject["name"] for subject in provenance["subject"]} == {"main.bin", "drugs.json"}
    with pytest.raises(InputError, match="new folder"):
        list(extract(update, out))


def test_an_original_name_must_be_a_plain_one(lab: Lab, tmp_path: Path) -> None:
    (lab.path / "Notes.TXT").write_bytes(b"notes")
    spec = SPEC.replace('path = "notes.txt"', 'path = "Notes.TXT"')
    update = lab.offer(lab.package(spec)).verify()
    names = {path.name for path in extract(update, tmp_path / "out", original_names=True)}
    assert "Notes.TXT" in names


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('path = "main.bin"', 'path = "none.bin"', "cannot be read"),
        ('model = "lab-pump"', 'model = "other-pump"', "nobody may release updates for other-pump"),
        ('purpose = "firmware"', 'purpose = "malware"', "Invalid enum value"),
        ('vendor = "Lab', 'vendor = ["Lab', "release.toml: "),
    ],
)
def test_a_description_that_cannot_be_packed_is_explained(lab: Lab, old: str, new: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        lab.vendor_package(SPEC.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('component = "main"\nversion = "2.1.0"\n', "", "binding.missing"),
        ('path = "vex.json"', 'path = "vex.json"\nname = "notes.txt"', "package.release"),
        ('path = "vex.json"', 'path = "vex.json"\nname = "a/b.json"', "package.name"),
    ],
)
def test_a_description_that_makes_no_sense_is_refused(lab: Lab, old: str, new: str, expected: str) -> None:
    assert rule(lab.vendor_package, SPEC.replace(old, new, 1)) == expected


def test_an_unfinished_trust_folder_makes_no_packages(lab: Lab, tmp_path: Path) -> None:
    (lab.path / "release.toml").write_text(SPEC, encoding="utf-8")
    spec = read_spec(lab.path / "release.toml")
    with pytest.raises(InputError, match="no root yet"):
        create(BytesIO(), spec, lab.path, TrustFolder(tmp_path), DAY, 1)
    with pytest.raises(InputError, match="cannot be read"):
        read_spec(tmp_path / "none.toml")


def test_versions_compare_by_all_their_numbers() -> None:
    texts = ["1", "1.0.1", "1.2", "1.2.0+1", "1.2.0+10", "1.10", "2"]
    assert sorted(texts, key=Version.of) == texts
    assert Version.of("1") == Version.of("1.0.0+0")
    assert rule(Version.of, "1.2.3.4") == "binding.version"
    assert rule(Version.of, "4294967296") == "binding.version"


def profile(**policy: object) -> DeviceProfile:
    from device_profiles.schema import Policy, UpdatePolicy

    update = msgspec.convert(policy, UpdatePolicy)
    return msgspec.structs.replace(load("infusion-pump-lvp"), policy=Policy(update=update))


def test_rules_come_from_the_profile_and_what_is_missing_is_said() -> None:
    with pytest.raises(InputError, match="names no vendor"):
        rules_of(profile())
    with pytest.raises(InputError, match="no part that may be updated"):
        rules_of(profile(vendor="Acme"))
    rules = rules_of(profile(vendor="Acme", components=[{"id": "main"}], override_people=1))
    assert rules.model == "infusion-pump-lvp"
    assert rules.approvals == (Approver.VENDOR, Approver.HOSPITAL)
    assert rules.override_people == 2


def test_what_is_not_known_of_a_unit_counts_against_the_package(offer: Offer) -> None:
    release = offer.verify().release
    loose = replace(offer.rules, hardware_revisions=(), regions=())
    assert rule(check_release, release, loose, Unit()) == "binding.hardware"
    assert rule(check_release, release, replace(offer.rules, regions=()), Unit()) == "binding.region"
    known = replace(offer.rules, hardware_revisions=("C",))
    assert rule(check_release, release, known, offer.unit) == "binding.hardware"
    unknown_parts = msgspec.structs.replace(offer.unit, installed={})
    assert rule(check_release, release, offer.rules, unknown_parts) == "binding.dependency"
    no_memory = replace(offer.rules, memory={})
    assert rule(check_release, release, no_memory, offer.unit) == "binding.slot"
    main = msgspec.structs.replace(offer.rules.components["main"], slots=None)
    placeless = replace(offer.rules, components={**offer.rules.components, "main": main})
    assert rule(check_release, release, placeless, offer.unit) == "binding.slot"
    small = {"app-a": msgspec.structs.replace(offer.rules.memory["app-a"], size=100)}
    assert rule(check_release, release, replace(offer.rules, memory=small), offer.unit) == "binding.size"
    strange = {name: c for name, c in offer.rules.components.items() if name != "drugs"}
    assert rule(check_release, release, replace(offer.rules, components=strange), offer.unit) == "binding.component"


def test_a_key_tuf_has_no_name_for_is_kept_as_ours(lab: Lab) -> None:
    from securesystemslib.exceptions import UnverifiedSignatureError
    from securesystemslib.signer import Key, Signature

    public = lab.keys["ada"].public
    own = OwnKey(public.key_id, "medharden", public.name, {"public": public.pem().decode()})
    assert own.to_dict()["scheme"] == "ed25519"
    assert rule(public_of, own) == "key.confusion"
    with pytest.raises(UnverifiedSignatureError):
        own.verify_signature(Signature(public.key_id, "00"), b"")
    hybrid = Key.from_dict(
        "0" * 64, {"keytype": "medharden", "scheme": "hybrid-ed25519-ml-dsa-65", "keyval": {"public": ""}}
    )
    assert isinstance(hybrid, OwnKey)
    with pytest.raises(NotImplementedError):
        TufSigner.from_priv_key_uri("file:a.pem", own)
    assert TufSigner(lab.keys["ada"]).public_key.keyid == public.key_id


class HybridLab(Lab):
    """Every role is signed by an Ed25519 and an ML-DSA-65 key; one of the two would meet the threshold."""

    def __post_init__(self) -> None:
        self._write_files()
        ml_dsa = {word: LabKey(word, MLDSA65PrivateKey) for word in ("ben", "eve")}
        self.keys = {word: LabKey(word) for word in ("ada", "cyd", "dee", "fay")} | ml_dsa
        self.vendor = self._folder("vendor", ("ada", "ben", "cyd"), "")
        self.hospital = self._folder("hospital", ("dee", "eve", "fay"), "")

    def plan(self, repository: str, people: Sequence[str], more: str) -> str:
        text = super().plan(repository, people, more)
        both = f'people = ["{people[0]}", "{people[1]}"]'
        return text.replace(f'people = ["{people[2]}"]', both).replace(
            "threshold = 2, days = 365", "threshold = 1, days = 365"
        )


@pytest.mark.parametrize("role", ["lab-pump", "timestamp", "snapshot"])
@pytest.mark.parametrize("half", ["ada", "ben"])
def test_neither_half_of_a_hybrid_may_be_missing(
    tmp_path_factory: pytest.TempPathFactory, role: str, half: str
) -> None:
    lab = HybridLab(tmp_path_factory.mktemp("hybrid"))
    good = lab.offer(lab.package())
    offer = good.having(rules=replace(good.rules, signatures=SignaturePolicy.HYBRID))
    assert len(offer.verify().approvals[0].signers) == 2

    def strip(name: str, data: bytes) -> bytes:
        if name != f"vendor/{role}.json":
            return data
        metadata = Metadata.from_dict(json.loads(data))
        del metadata.signatures[lab.keys[half].public.key_id]
        return metadata_bytes(metadata)

    stripped = offer.having(package=repacked(offer.package, strip))
    assert rule(stripped.verify) == "policy.hybrid"
    assert stripped.having(rules=good.rules).verify()  # one signature is all that TUF asks for here


def test_a_section_can_be_added_only_over_one_statement(lab: Lab, offer: Offer) -> None:
    package = repacked(offer.package, lambda n, d: None if n.endswith("release.json") else d)
    archive = Archive(BytesIO(package))
    assert rule(add_approval, BytesIO(), archive, lab.hospital, DAY, 1, examined="") == "package.release"
    assert rule(sign_archive, BytesIO(), archive, lab.hospital, [], DAY) == "package.release"
