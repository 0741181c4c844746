"""What a hostile reader of the signing room tried: each gap that was found stays closed."""

from __future__ import annotations

import json
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey

from signing.attacks.lab import DAY, MODEL, SPEC, Lab, LabKey, Offer, repacked, statement_sha256
from signing.attacks.package_bench import OLD, PackageBench, restated
from signing.chain_log import ChainLog
from signing.hybrid_signer import HybridSigner
from signing.install.gate import install
from signing.install.model import ModelDevice
from signing.key import share_a_half
from signing.package.archive import Archive
from signing.package.create import add_approval, sign_archive
from signing.package.extract import extract
from signing.package.parts import PartsWriter
from signing.refusal import Refusal
from signing.trust.plan import public_keys, read_plan
from toolkit.core.errors import InputError


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(tmp_path_factory.mktemp("lab"))


@pytest.fixture(scope="module")
def offer(lab: Lab) -> Offer:
    return lab.offer(lab.package())


def refused(step: Any, *arguments: object, **named: object) -> str:
    with pytest.raises(Refusal) as caught:
        step(*arguments, **named)
    return caught.value.rule


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("timestamp", b'"expires":"2026', b'"expires":"2096'),
        ("timestamp", b'"version":5}', b'"version":2147483647}'),
        ("snapshot", b'"expires":"2027', b'"expires":"2097'),
        (MODEL, b'"expires":"2027', b'"expires":"2097'),
        (MODEL, b'"targets":{', b'"targets":{"lab-pump/9/x":{"hashes":{"sha256":"00"},"length":1},'),
        ("targets", b'"threshold":2', b'"threshold":1'),
    ],
)
def test_the_last_person_signs_no_metadata_that_was_changed_on_the_stick(
    lab: Lab, name: str, old: bytes, new: bytes
) -> None:
    package = lab.vendor_package()

    def changed(member: str, data: bytes) -> bytes:
        if member != f"vendor/{name}.json":
            return data
        assert old in data
        return data.replace(old, new, 1)

    assert refused(lab.signed, repacked(package, changed), lab.vendor, "ada", "cyd") == "package.draft"
    assert lab.signed(package, lab.vendor, "cyd") == package


def test_a_package_from_tomorrow_is_not_signed_today(lab: Lab) -> None:
    package = Archive(BytesIO(lab.vendor_package(moment=DAY + timedelta(days=3))))
    signers = lab.signers("cyd")
    assert refused(sign_archive, BytesIO(), package, lab.vendor, signers, DAY) == "package.draft"
    told = sign_archive(BytesIO(), package, lab.vendor, signers, DAY + timedelta(days=2))
    assert told[0] == "release 5 of the vendor, made on 2026-12-04, fresh until 2027-01-03"


def test_what_was_looked_at_is_what_is_approved_and_signed(lab: Lab) -> None:
    seen, other = (
        Archive(BytesIO(lab.vendor_package(spec))) for spec in (SPEC, SPEC.replace("counter = 7", "counter = 8"))
    )
    examined = statement_sha256(seen)
    for step in (
        lambda archive: add_approval(BytesIO(), archive, lab.hospital, DAY, 5, examined=examined),
        lambda archive: sign_archive(BytesIO(), archive, lab.vendor, lab.signers("cyd"), DAY, examined=examined),
    ):
        step(seen)
        assert refused(step, other) == "package.changed"


def test_a_half_of_a_hybrid_is_found_beside_the_hybrid() -> None:
    one, other = LabKey("one"), LabKey("other")
    hybrids = [HybridSigner(one, LabKey(word, MLDSA65PrivateKey)).public for word in ("x", "y")]
    assert share_a_half([one.public, other.public]) is None
    assert share_a_half([one.public, other.public, one.public]) == (one.public, one.public)
    assert share_a_half([hybrids[0], other.public, one.public]) == (hybrids[0], one.public)
    assert share_a_half(hybrids) == tuple(hybrids)


def test_two_people_of_a_plan_do_not_share_a_half(lab: Lab, tmp_path: Path) -> None:
    text = lab.plan("vendor", ("ada", "ben", "cyd"), "")
    (tmp_path / "plan.toml").write_text(text, encoding="utf-8")
    for word in ("ada", "ben", "cyd"):
        (tmp_path / f"{word}.pub").write_bytes(lab.keys[word].public.pem())
    half = HybridSigner(lab.keys["ada"], LabKey("ada", MLDSA65PrivateKey)).public
    plan = read_plan(tmp_path / "plan.toml")
    assert len(public_keys(plan, tmp_path)) == 3
    (tmp_path / "cyd.pub").write_bytes(half.pem())
    with pytest.raises(InputError, match="ada and cyd have the same key, or a half of it"):
        public_keys(plan, tmp_path)
    for word in ("ben", "cyd"):
        (tmp_path / f"{word}.pub").write_bytes(lab.keys["ada"].public.pem())
    with pytest.raises(InputError, match="ada and ben have the same key"):
        public_keys(plan, tmp_path)


def test_a_decision_signed_twice_by_one_person_is_that_of_one(lab: Lab, offer: Offer) -> None:
    from signing.freshness import Freshness
    from signing.override import add_signature, check_override, new_override
    from signing.trust.tuf_keys import TufSigner, tuf_key

    both = HybridSigner(lab.keys["dee"], LabKey("dee", MLDSA65PrivateKey))
    digest = offer.verify().release_sha256
    data = new_override(digest, Freshness.STALE, "The old one is worse", DAY + timedelta(days=5))
    for signer in (lab.keys["dee"], both):
        data = add_signature(data, TufSigner(signer))
    keys = [tuf_key(lab.keys["dee"].public), tuf_key(both.public)]
    with pytest.raises(Refusal, match="that is one person") as caught:
        check_override(data, keys, 2, release_sha256=digest, freshness=Freshness.STALE, floor=DAY)
    assert caught.value.rule == "override.threshold"


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("../x", "name.traversal"),
        ("con.txt", "name.not-portable"),
        ("a\u00adb.bin", "name.invisible"),
        ("DRUGS.JSON", "name.collision"),
        (".drugs.json.part", "name.collision"),
    ],
)
def test_an_original_name_that_is_none_everywhere_stops_unpacking_before_it_starts(
    lab: Lab, tmp_path: Path, name: str, rule: str
) -> None:
    bench = PackageBench(lab)
    line = f'"name": "main.bin",\n      "original_name": {json.dumps(name, ensure_ascii=False)},'
    update = restated(bench, b'"name": "main.bin",', line.encode()).verify()
    assert len(list(extract(update, tmp_path / "ours"))) == 6
    out = tmp_path / "theirs"
    assert refused(lambda: list(extract(update, out, original_names=True))) == rule
    assert not out.exists()


def test_a_device_is_asked_what_it_holds_now(lab: Lab, offer: Offer, tmp_path: Path) -> None:
    device, log = ModelDevice(OLD), ChainLog(tmp_path / "log.jsonl")
    update = offer.verify()
    install(update, device, log, DAY)
    install(update, device, log, DAY)
    other = SPEC.replace('path = "drugs.json"', 'path = "notes.txt"').replace(
        '[[files]]\npath = "notes.txt"\npurpose = "release_notes"\n', ""
    )
    same_version = lab.offer(lab.package(other)).verify()
    assert refused(install, same_version, device, log, DAY) == "rollback.same-version"
    late = DAY + timedelta(days=30)
    assert refused(install, update, device, log, late) == "freshness.stale"


def test_what_a_medium_complains_about_is_told_in_one_line_and_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / ".pump.mdpkg.001.part").symlink_to(tmp_path / "precious")
    writer = PartsWriter(tmp_path / "pump.mdpkg")
    writer.write(b"begin")
    assert (tmp_path / "precious").read_bytes() == b"precious"
    (tmp_path / ".pump.mdpkg.001.part").unlink()
    with pytest.raises(InputError, match=r"pump\.mdpkg: cannot be written: No such file"):
        writer.commit()
    writer.close()
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_a_file_that_cannot_be_unpacked_is_told_in_one_line(offer: Offer, tmp_path: Path) -> None:
    made = extract(offer.verify(), tmp_path / "out")
    assert next(made).name == "main.bin"
    (tmp_path / "out" / ".drugs.json.part").write_bytes(b"in the way")
    with pytest.raises(InputError, match=r"drugs\.json: cannot be written: File exists"):
        next(made)


@pytest.mark.parametrize("sign", ["\x1b[2J", "\x9b2J", "\u200b", "\u202e", "\u2028", "\ufeff", "\n"])
def test_no_statement_steers_the_terminal_of_who_reads_it(lab: Lab, sign: str) -> None:
    line = f'"vendor": {json.dumps("Lab Devices" + sign, ensure_ascii=False)}'
    spoilt = restated(PackageBench(lab), b'"vendor": "Lab Devices"', line.encode())
    assert refused(spoilt.verify) in ("package.release", "json.syntax")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"model": "lab-pump"', '"model": "lab-pump\\n"'),
        ('"version": "2.1.0"', '"version": "2.1.0\\n"'),
        ('"component": "main"', '"component": "main\\n"'),
        ('"released": "2026-12-01', '"released": "\u0662026-12-01'),
        ('T09:00:00Z"', 'T09:00:00Z\\n"'),
    ],
)
def test_a_line_end_or_a_foreign_digit_is_no_part_of_a_word(lab: Lab, old: str, new: str) -> None:
    """Python's $ lets one line end through, and its \\d takes the digits of every script."""
    spoilt = restated(PackageBench(lab), old.encode(), new.encode())
    assert spoilt.package != PackageBench(lab).good.package
    assert refused(spoilt.verify) == "package.release"
