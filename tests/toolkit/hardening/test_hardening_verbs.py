"""The verbs of the hardening pack, as a user types them."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from firmware_checks.formats import elf
from signing.keyring import create_key
from toolkit.app.cli import run

PROGRAM = elf.FORMAT.example()
MONITOR = ["--profile", "patient-monitor-lowend"]
WORDS = "a long enough passphrase"
DAY = ["--now", "2026-11-24"]


class Words:
    def existing(self, _purpose: str) -> str:
        return WORDS

    new = existing


def image(path: Path, **changes: bytes) -> Path:
    files = {"bin/monitord": PROGRAM, "etc/passwd": b"root:x:0:0::/:/bin/sh\n", "lib/libx.so": PROGRAM + b"x"}
    with tarfile.open(path, "w") as archive:
        for name, content in (files | {name.replace("__", "/"): data for name, data in changes.items()}).items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    public = create_key(f"file:{tmp_path / 'ada.pem'}", "ed25519", Words())
    (tmp_path / "ada.pub").write_bytes(public.pem())
    (tmp_path / "words").write_text(WORDS + "\n")
    image(tmp_path / "monitor.tar")
    return tmp_path


def signing(desk: Path) -> list[str]:
    return ["--key", f"file:{desk / 'ada.pem'}", "--passphrase-file", str(desk / "words")]


def test_a_pack_says_what_it_is_and_replaces_nothing_unasked(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [
        "harden",
        str(desk / "monitor.tar"),
        *MONITOR,
        "--only",
        "fapolicyd,dm-verity",
        "--to",
        str(desk / "pack"),
    ]
    assert run([*command, *DAY]) == 0
    told = capsys.readouterr()
    assert "fapolicyd                    2 files" in told.out
    assert "dm-verity                    not made: the image holds no root file system" in told.out
    assert "read" in told.err
    files = {path.relative_to(desk / "pack").as_posix(): path.read_bytes() for path in (desk / "pack").rglob("*.*")}
    page = files["README.md"].decode()
    for heading in ("Test it on a bench first", "Apply it", "Take it back", "Not made"):
        assert heading in page
    assert run([*command, *DAY]) == 2
    assert "is there already" in capsys.readouterr().err
    (desk / "pack" / "mine.txt").write_text("x")
    assert run([*command, *DAY, "--replace", "--json"]) == 0
    manifest = json.loads(capsys.readouterr().out)
    assert manifest["profile"] == "patient-monitor-lowend"
    assert {p.relative_to(desk / "pack").as_posix(): p.read_bytes() for p in (desk / "pack").rglob("*.*")} == files
    assert not [path for path in desk.iterdir() if path.name.startswith(".pack")]


def test_parts_are_listed_and_a_pack_needs_image_profile_and_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["harden", "--list"]) == 0
    assert "dm-verity" in capsys.readouterr().out
    assert run(["harden", "x.img", *MONITOR]) == 2
    assert run(["harden", "--list", "--only", "no-such"]) == 2
    assert "there is no part 'no-such'" in capsys.readouterr().err


def test_an_image_for_another_device_is_refused_with_every_reason(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["harden", str(desk / "monitor.tar"), "--to", str(desk / "pack"), "--profile"]
    assert run([*command, "ultrasound-xray-detector"]) == 2
    told = capsys.readouterr().err
    assert "holds a linux system, the profile says windows" in told
    assert not (desk / "pack").exists()
    assert run([*command, "resmed-airsense10"]) == 2


def test_findings_unread_parts_and_a_second_dump_are_told(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image(desk / "dump.tar", bin__other=PROGRAM + b"other")
    command = ["harden", str(desk / "monitor.tar"), *MONITOR, "--only", "allow-list", "--to", str(desk / "pack")]
    assert run([*command, "--also", str(desk / "dump.tar"), *DAY]) == 1
    assert "The two dumps do not hold the same programs" in capsys.readouterr().out
    assert "Look at this first" in (desk / "pack" / "README.md").read_text(encoding="utf-8")
    whole = (desk / "monitor.tar").read_bytes()
    (desk / "cut.tar").write_bytes(whole[:1200])
    cut = ["baseline", str(desk / "cut.tar"), *MONITOR, *signing(desk), "--to", str(desk / "cut.baseline"), *DAY]
    assert run(cut) == 1
    assert "not read completely: cut.tar" in capsys.readouterr().err
    assert run(["harden", str(desk / "cut.tar"), *MONITOR, "--only", "allow-list", "--to", str(desk / "p2"), *DAY]) != 0


def test_a_baseline_is_written_and_a_dump_compared_with_it(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    baseline = str(desk / "monitor.baseline")
    command = ["baseline", str(desk / "monitor.tar"), *MONITOR, *signing(desk), "--to", baseline, *DAY]
    assert run(command) == 0
    assert "3 entries in 1 volumes" in capsys.readouterr().out
    assert run([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["format"] == "medharden-baseline-1"
    trust = ["--trust", str(desk / "ada.pub"), *DAY]
    assert run(["drift", baseline, str(desk / "monitor.tar"), *trust]) == 0
    assert "no-drift: no difference in 3 compared" in capsys.readouterr().out
    dump = image(desk / "dump.tar", bin__monitord=PROGRAM + b"!", etc__new=b"x")
    assert run(["drift", baseline, str(dump), *trust]) == 1
    told = capsys.readouterr().out
    assert "changed    bin/monitord: other program, 387 bytes became 388 (may be executed)" in told
    assert "added      etc/new: it is not in the baseline" in told
    assert run(["drift", baseline, str(dump), *trust, "--json", "--output", str(desk / "drift.json")]) == 1
    assert json.loads(capsys.readouterr().out) == json.loads((desk / "drift.json").read_bytes())
    other = create_key(f"file:{desk / 'eve.pem'}", "ed25519", Words())
    (desk / "eve.pub").write_bytes(other.pem())
    assert run(["drift", baseline, str(dump), "--trust", str(desk / "eve.pub")]) == 1
    assert "refused [baseline.unsigned]" in capsys.readouterr().err


def test_a_pack_with_a_key_holds_the_signed_baseline(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [
        "harden",
        str(desk / "monitor.tar"),
        *MONITOR,
        "--only",
        "integrity-baseline",
        "--to",
        str(desk / "pack"),
    ]
    assert run([*command, *signing(desk), *DAY]) == 0
    baseline = str(desk / "pack" / "integrity-baseline" / "software.baseline")
    assert run(["drift", baseline, str(desk / "monitor.tar"), "--trust", str(desk / "ada.pub"), *DAY]) == 0
    assert capsys.readouterr().out.endswith("no-drift: no difference in 3 compared\n")


def test_a_microcontroller_is_compared_by_region(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flash = bytearray(b"\xff" * (1 << 20))
    flash[:64] = flash[0x4_0000:0x4_0040] = b"\0\0\2\x20" + b"\1\1\0\x08" * 15
    (desk / "flash.bin").write_bytes(flash)
    profile = ["--profile", "resmed-airsense10"]
    baseline = str(desk / "flash.baseline")
    assert run(["baseline", str(desk / "flash.bin"), *profile, *signing(desk), "--to", baseline, *DAY]) == 0
    assert "2 pages of memory" in capsys.readouterr().out
    trust = ["--trust", str(desk / "ada.pub"), *DAY]
    assert run(["drift", baseline, str(desk / "flash.bin"), *trust]) == 0
    flash[0x4_0000] ^= 1
    flash[0x8_0000:0x8_0800] = bytes(0x800)
    (desk / "dump.bin").write_bytes(flash)
    assert run(["drift", baseline, str(desk / "dump.bin"), *trust]) == 1
    told = capsys.readouterr().out
    assert "region cdx 0x8040000 to 0x8040400: 1024 bytes changed (may be executed)" in told
    assert "region cdx 0x8080000 to 0x8080800: 2048 bytes written where nothing was" in told
    (desk / "dump.bin").write_bytes(flash[:0x4_0010])
    assert run(["drift", baseline, str(desk / "dump.bin"), *trust]) == 1
    assert "the dump does not hold all of 0x8040000 to 0x8040400" in capsys.readouterr().out


MODEL = """
schema_version = "1.0"
id = "old-monitor"
kind = "model"
extends = "patient-monitor-lowend"
title = "Old bedside monitor"
[identity]
manufacturer = "Made-up"
model = "M1"
[lifecycle]
end_of_support = "2019-06-30"
[[policy.exceptions]]
id = "telnet"
check = "telnet"
reason = "no update exists"
owner = "Head of clinical engineering"
expires = "2027-03-31"
[policy.integrity]
mutable_paths = ["/var/**"]
[[evidence]]
fields = ["identity", "lifecycle.end_of_support"]
status = "vendor_doc"
source = "Letter of the maker, made up for this test"
"""


def test_w4_a_device_that_cannot_be_patched_gets_controls_an_owner_and_a_date(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    profile = desk / "old-monitor.toml"
    profile.write_text(MODEL)
    chosen = "allow-list,fapolicyd,switch-acl,usbguard,udev,legacy-plan,integrity-baseline"
    command = ["harden", str(desk / "monitor.tar"), "--profile", str(profile), "--only", chosen, *signing(desk)]
    assert run([*command, "--to", str(desk / "pack"), "--json", *DAY]) in (0, 1)
    manifest = json.loads(capsys.readouterr().out)
    made = {part["name"] for part in manifest["parts"] if not part["not_made"]}
    assert {"allow-list", "fapolicyd", "switch-acl", "legacy-plan", "integrity-baseline"} <= made
    for language, words in (("en", "end of support"), ("fr", "fin du support"), ("es", "fin del soporte")):
        page = (desk / "pack" / "legacy-plan" / f"legacy-plan.{language}.md").read_text(encoding="utf-8")
        for text in (words, "2021-06-30", "Head of clinical engineering", "2027-03-31", "switch-acl", "fapolicyd"):
            assert text in page, (language, text)


def test_w7_a_unit_is_compared_with_the_vendors_image_after_an_incident(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    profile = desk / "old-monitor.toml"
    profile.write_text(MODEL)
    command = ["baseline", str(desk / "monitor.tar"), "--profile", str(profile), *signing(desk), *DAY]
    assert run([*command, "--to", str(desk / "released.baseline")]) == 0
    clean = image(desk / "clean.tar", var__log=b"a day of alarms\n")
    asked = ["--profile", str(profile), "--trust", str(desk / "ada.pub"), *DAY]
    assert run(["drift", str(desk / "released.baseline"), str(clean), *asked]) == 0
    capsys.readouterr()
    dump = image(desk / "field.tar", var__log=b"x", var__x=PROGRAM + b"implant", etc__passwd=b"eve::0:0::/:/bin/sh\n")
    assert run(["drift", str(desk / "released.baseline"), str(dump), *asked, "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert {(row["change"], row["path"]) for row in document["rows"]} == {("added", "var/x"), ("changed", "etc/passwd")}
    indicator = next(row for row in document["rows"] if row["path"] == "var/x")
    assert indicator["may_run"]
    assert len(indicator["sha256"]) == 64
