"""The whole way of an update, as a vendor, a hospital and a bench walk it on the command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from signing.chain_log import ChainLog
from toolkit.app.cli import run

WORDS = "1234-four-plain-words"
"""Opens every key of the story."""
PLAN = """
repository = "{repository}"
title = "{title}"
[[people]]
id = "{a}"
name = "{a} of the {repository}"
key = "{a}.pub"
[[people]]
id = "{b}"
name = "{b} of the {repository}"
key = "{b}.pub"
[[people]]
id = "{c}"
name = "{c} of the {repository}"
key = "{c}.pub"
[roles.root]
people = ["{a}", "{b}", "{c}"]
threshold = 2
days = 3650
[roles.targets]
people = ["{a}", "{b}", "{c}"]
threshold = 2
[roles.snapshot]
people = ["{c}"]
threshold = 1
days = 90
[roles.timestamp]
people = ["{c}"]
threshold = 1
days = 30
[models.acme-pump-x]
people = ["{a}", "{b}", "{c}"]
threshold = 2
"""
OVERRIDE = '[override]\npeople = ["dee", "eve", "fay"]\nthreshold = 2\n'
PROFILE = """
schema_version = "1.0"
id = "ward-pump"
kind = "archetype"
extends = "infusion-pump-lvp"
title = "The pumps of our wards"
[policy.update]
vendor = "Acme Medical"
model = "acme-pump-x"
hardware_revisions = ["B", "C"]
regions = ["eu"]
[[policy.update.components]]
id = "main"
largest = 1048576
[[policy.update.components]]
id = "drugs"
kind = "drug_library"
"""
RELEASE = """
vendor = "Acme Medical"
model = "acme-pump-x"
version = "{version}"
hardware_revisions = ["B", "C"]
regions = ["eu", "us"]
[provenance]
builder = "https://acme.example/builder"
build_type = "https://acme.example/build/1"
parameters = {{ commit = "4f1c2d" }}
[[files]]
path = "Pump_Main.BIN"
purpose = "firmware"
component = "main"
version = "{version}"
security_counter = {counter}
[[files]]
path = "sbom.json"
purpose = "sbom"
"""


class House:
    """A folder with everybody's files, and the command line."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path = path
        self._capsys = capsys

    def __call__(self, *words: object, code: int = 0) -> str:
        """Run ``medharden`` with paths that are in the house, and return what it printed."""
        self._capsys.readouterr()
        got = run([str(word) for word in words])
        said = self._capsys.readouterr()
        assert got == code, said.err
        return said.out + said.err

    def json(self, *words: object) -> Any:
        """Run ``medharden`` and return the JSON it printed."""
        self._capsys.readouterr()
        assert run([str(word) for word in words]) == 0
        return json.loads(self._capsys.readouterr().out)

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def key(self, person: str, uri: str, algorithm: str) -> str:
        """Make a key for ``person`` and put its public half where the plan wants it."""
        self("keys", "new", uri, "--algorithm", algorithm)
        self("keys", "export", uri, "--output", self / f"{person}.pub")
        return uri

    def firmware(self, version: str, counter: int, content: bytes) -> Path:
        import hashlib

        self.write("Pump_Main.BIN", content)
        hashes = [{"alg": "SHA-256", "content": hashlib.sha256(content).hexdigest()}]
        bom = {"bomFormat": "CycloneDX", "metadata": {"component": {"name": "main", "hashes": hashes}}}
        self.write("sbom.json", json.dumps(bom))
        return self.write("release.toml", RELEASE.format(version=version, counter=counter))


@pytest.fixture
def house(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setenv("MEDHARDEN_PASSPHRASE", WORDS)
    return House(tmp_path, capsys)


def key_in_a_file(house: House, _: pytest.FixtureRequest) -> str:
    return house.key("ada", f"file:{house / 'ada.pem'}", "ecdsa-p384-sha384")


def key_in_an_hsm(house: House, request: pytest.FixtureRequest) -> str:
    token = request.getfixturevalue("softhsm_token")
    pin = house.write("pin.txt", "1234\n")
    return house.key("ada", f"pkcs11:token={token};object=story-ada?pin-source=file:{pin}", "ecdsa-p384-sha384")


@pytest.mark.parametrize("make_first_key", [key_in_an_hsm, key_in_a_file])
def test_from_three_safes_to_a_pump(
    house: House,
    request: pytest.FixtureRequest,
    make_first_key: Callable[[House, pytest.FixtureRequest], str],
) -> None:
    at = ("--now", "2026-12-01T09:00:00Z")
    later = ("--now", "2026-12-10T09:00:00Z", "--clock", "trusted")

    # The vendor's ceremony: P-384 in an HSM, ML-DSA-65 and Ed25519 in files, two of three must sign.
    ada = make_first_key(house, request)
    ben = house.key("ben", f"file:{house / 'ben.pem'}", "ml-dsa-65")
    cyd = house.key("cyd", f"file:{house / 'cyd.pem'}", "ed25519")
    names = {"repository": "vendor", "title": "Acme Medical updates", "a": "ada", "b": "ben", "c": "cyd"}
    vendor, plan = house / "vendor", house.write("vendor.toml", PLAN.format(**names))
    assert "needs 2 more" in house("trust", "init", vendor, "--plan", plan, *at)
    shutil.copytree(vendor, house / "stick")
    assert "has signed 1.root.json" in house("trust", "sign", vendor, "--key", ada, *at)
    assert "still needs 1 more" in house("trust", "merge", vendor, *at, code=1)
    house("trust", "sign", house / "stick", "--key", ben, *at)
    assert "counts from now on" in house("trust", "merge", vendor, house / "stick", *at)
    shown = json.loads(house("trust", "show", vendor, "--json"))
    assert [person["algorithm"] for person in shown["people"]] == ["ecdsa-p384-sha384", "ml-dsa-65", "ed25519"]
    assert "RECORD OF A KEY CEREMONY" in (vendor / "transcript.txt").read_text(encoding="utf-8")

    # The hospital's own.
    keys = [house.key(p, f"file:{house / p}.pem", "ed25519") for p in ("dee", "eve", "fay")]
    names = {"repository": "hospital", "title": "Clinical engineering", "a": "dee", "b": "eve", "c": "fay"}
    hospital, plan = house / "hospital", house.write("hospital.toml", PLAN.format(**names) + OVERRIDE)
    house("trust", "init", hospital, "--plan", plan, *at)
    for key in keys:
        house("trust", "sign", hospital, "--key", key, *at)
    house("trust", "merge", hospital, *at)

    # A release: three keys of the vendor, in two steps.
    package = house / "pump-2.1.0.mdpkg"
    spec = house.firmware("2.1.0", 7, b"firmware 2.1.0" * 4000)
    house("package", "create", spec, "--trust", vendor, "--key", ada, "--output", package, *at)
    house("package", "sign", package, "--trust", vendor, "--key", ben, "--key", cyd, *at)
    roots = ("--vendor-root", vendor / "1.root.json", "--hospital-root", hospital / "1.root.json")
    profile = house.write("ward-pump.toml", PROFILE)
    judged = ("--profile", profile, *roots)
    unit = house.write(
        "pump-17.json",
        json.dumps({"format": "medharden-unit-1", "serial": "17", "hardware_revision": "B", "region": "eu"}),
    )
    bench = (*judged, "--unit", unit)
    assert "refused [consensus.missing]" in house("package", "verify", package, *bench, *later, code=1)

    # The hospital looks at what the vendor has signed, and approves it.
    told = house("package", "inspect", package, *judged[:4], *later[:2])
    assert "only what the vendor has signed was looked at" in told
    assert "Acme Medical acme-pump-x 2.1.0, released 2026-12-01" in told
    assert "approved by the hospital" not in told
    approve = ("package", "countersign", package, "--trust", hospital, *judged[:4], *later)
    told = house(*approve, "--key", keys[0], "--key", keys[1], "--key", keys[2])
    assert "Acme Medical acme-pump-x 2.1.0, released 2026-12-01" in told
    assert "release 1 of the hospital, made on 2026-12-10, fresh until 2027-01-09" in told
    assert "nothing in this package was verified" in house("package", "inspect", package)
    assert "approved by the hospital" in house("package", "inspect", package, *judged, *later[:2])

    # The bench: fresh, then unknown time, then too late with a decision of two people.
    told = house("package", "verify", package, *bench, *later, "--installed")
    assert "approved by the vendor" in told
    assert "fresh: nothing expires before" in told
    assert json.loads(unit.read_text(encoding="utf-8"))["installed"]["main"]["version"] == "2.1.0"
    assert "refused [freshness.unknown]" in house("package", "verify", package, *bench, *later[:2], code=1)
    late = ("--now", "2027-06-01T09:00:00Z", "--clock", "trusted")
    assert "refused [freshness.stale]" in house("package", "verify", package, *bench, *late, code=1)
    decision = house / "decision.json"
    decide = ("package", "override", package, *judged, *late, "--output", decision)
    house(*decide, "--reason", "The old alarm is worse", "--key", keys[0])
    once = ("package", "verify", package, *bench, *late, "--override", decision)
    assert "refused [override.threshold]" in house(*once, code=1)
    house(*decide, "--key", keys[1])
    assert "The old alarm is worse" in house(*once)
    (used,) = ChainLog(house / "pump-17.log.jsonl").entries()
    assert (used.event, used.details["reason"], used.details["unit"]) == (
        "override.used",
        "The old alarm is worse",
        "17",
    )
    (house / "pump-17.log.jsonl").write_bytes(b"{}\n")
    assert "refused [log.tampered]" in house(*once, code=1)
    (house / "pump-17.log.jsonl").unlink()
    out = house("package", "extract", package, *bench, *late, "--override", decision, "--output", house / "out")
    assert "pump_main.bin" in out
    assert (house / "out" / "pump_main.bin").read_bytes() == b"firmware 2.1.0" * 4000

    # An older release does not come back, even well signed.
    old = house / "pump-2.0.0.mdpkg"
    spec = house.firmware("2.0.0", 6, b"firmware 2.0.0" * 4000)
    three = ("--key", ada, "--key", ben, "--key", cyd)
    house("package", "create", spec, "--trust", vendor, *three, "--output", old, *at)
    house(
        "package",
        "countersign",
        old,
        "--trust",
        hospital,
        *judged[:4],
        *later,
        "--key",
        keys[0],
        "--key",
        keys[1],
        "--key",
        keys[2],
    )
    assert "refused [rollback.counter]" in house("package", "verify", old, *bench, *later, code=1)

    # Ben leaves: his key is revoked, the others sign, and what is signed from now on does not need him.
    four = house.key("gil", f"file:{house / 'gil.pem'}", "ml-dsa-65")
    new_plan = (
        (house / "vendor.toml").read_text(encoding="utf-8").replace('"ben"', '"gil"').replace("ben.pub", "gil.pub")
    )
    house("trust", "rotate", vendor, "--plan", house.write("vendor-2.toml", new_plan), *at)
    house("trust", "sign", vendor, "--key", ada, *at)
    house("trust", "sign", vendor, "--key", cyd, *at)
    house("trust", "sign", vendor, "--key", four, *at)
    house("trust", "merge", vendor, *at)
    spec = house.firmware("2.2.0", 8, b"firmware 2.2.0" * 4000)
    new = house / "pump-2.2.0.mdpkg"
    house("package", "create", spec, "--trust", vendor, "--key", ada, "--key", cyd, "--output", new, *at)
    assert "refused [trust.key]" in house("package", "sign", new, "--trust", vendor, "--key", ben, *at, code=1)
    house(
        "package",
        "countersign",
        new,
        "--trust",
        hospital,
        *judged[:4],
        *later,
        "--key",
        keys[0],
        "--key",
        keys[1],
        "--key",
        keys[2],
    )
    house("package", "verify", new, *bench, *later, "--installed")
    assert "refused [trust.rollback]" in house("package", "verify", package, *bench, *later, code=1)


def test_a_package_that_a_vendor_did_not_sign_is_wrapped_by_the_hospital(house: House) -> None:
    at = ("--now", "2026-12-01T09:00:00Z")
    keys = [house.key(p, f"file:{house / p}.pem", "ed25519") for p in ("dee", "eve", "fay")]
    names = {"repository": "hospital", "title": "Clinical engineering", "a": "dee", "b": "eve", "c": "fay"}
    hospital, plan = house / "hospital", house.write("hospital.toml", PLAN.format(**names) + OVERRIDE)
    house("trust", "init", hospital, "--plan", plan, *at)
    for key in keys:
        house("trust", "sign", hospital, "--key", key, *at)
    house("trust", "merge", hospital, *at)
    spec = house.firmware("4.2", 1, b"what the vendor sent" * 99)
    package = house / "wrapped.mdpkg"
    signers = [word for key in keys for word in ("--key", key)]
    house("package", "create", spec, "--trust", hospital, *signers, "--output", package, *at)
    only = PROFILE.replace('vendor = "Acme', 'approvals = ["hospital"]\nvendor = "Acme')
    profile = house.write("ward-pump.toml", only)
    unit = house.write("unit.json", '{"format": "medharden-unit-1", "hardware_revision": "C", "region": "eu"}')
    judged = ("--profile", profile, "--hospital-root", hospital / "1.root.json", "--unit", unit)
    told = house("package", "verify", package, *judged, "--now", "2026-12-02", "--clock", "trusted")
    assert "approved by the hospital" in told
    assert "approved by the vendor" not in told
    out = ("--output", house / "out", "--original-names")
    house("package", "extract", package, *judged, "--now", "2026-12-02", "--clock", "trusted", *out)
    assert (house / "out" / "Pump_Main.BIN").read_bytes() == b"what the vendor sent" * 99


def test_every_verb_tells_other_programs_in_json_what_it_did(house: House) -> None:
    at = ("--now", "2026-12-01T09:00:00Z", "--json")
    keys: dict[str, list[str]] = {}
    for name, people in {"vendor": ("ada", "ben", "cyd"), "hospital": ("dee", "eve", "fay")}.items():
        uris = [house.key(person, f"file:{house / person}.pem", "ed25519") for person in people]
        keys[name] = [word for uri in uris for word in ("--key", uri)]
        text = PLAN.format(repository=name, title=name, **dict(zip("abc", people, strict=True)))
        plan = house.write(f"{name}.toml", text + (OVERRIDE if name == "hospital" else ""))
        assert house.json("trust", "init", house / name, "--plan", plan, *at)["complete"] is False
        for uri in uris:
            assert "has signed 1.root.json" in house.json("trust", "sign", house / name, "--key", uri, *at)["lines"][0]
        assert house.json("trust", "merge", house / name, *at)["complete"] is True
    package = house / "pump.mdpkg"
    spec = house.firmware("2.1.0", 7, b"firmware 2.1.0" * 4000)
    made = house.json("package", "create", spec, "--trust", house / "vendor", "--output", package, *at)
    assert (made["number"], made["repository"], made["signed"]) == (1, "vendor", [])
    signed = house.json("package", "sign", package, "--trust", house / "vendor", *keys["vendor"], *at)
    assert len(signed["signed"]) == 1 + 1 + 1 + 3  # what it is; snapshot and timestamp by one, the model by three
    judged = ("--profile", house.write("ward-pump.toml", PROFILE), "--vendor-root", house / "vendor" / "1.root.json")
    approve = ("package", "countersign", package, "--trust", house / "hospital", *keys["hospital"])
    approved = house.json(*approve, *judged, *at)
    assert (approved["number"], approved["release"]["version"]) == (1, "2.1.0")
    judged = (*judged, "--hospital-root", house / "hospital" / "1.root.json")
    assert house.json("package", "inspect", package, *judged, *at)["not_looked_at"] == ""
    decision = ("--output", house / "decision.json", "--reason", "It cannot wait", *keys["hospital"])
    assert house.json("package", "override", package, *judged, *decision, *at)["freshness"] == "unknown"
    unit = house.write("unit.json", '{"format": "medharden-unit-1", "hardware_revision": "C", "region": "eu"}')
    once = ("--unit", unit, "--override", house / "decision.json", "--output", house / "out")
    out = house.json("package", "extract", package, *judged, *once, *at)
    assert (out["override"], len(out["files"])) == ("It cannot wait", 3)
    alone = house.write("alone.toml", PROFILE.replace('vendor = "Acme', 'approvals = ["hospital"]\nvendor = "Acme'))
    assert "nothing to countersign" in house(*approve, "--profile", alone, *judged[2:], *at, code=2)


def test_nothing_is_verified_without_a_root(house: House) -> None:
    profile = house.write("ward-pump.toml", PROFILE)
    package = house.write("any.mdpkg", b"")
    assert "give --vendor-root" in house("package", "verify", package, "--profile", profile, code=2)
