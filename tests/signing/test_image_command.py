"""``medharden keys`` and ``medharden image`` as typed: keys stay closed, nothing is told before it is verified."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from signing.attacks.image_lab import LAB, NOW, PROGRAM
from toolkit.app.cli import run

WORDS = "correct horse battery"


def medharden(folder: Path, *arguments: str, words: str | None = WORDS) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "MEDHARDEN_PASSPHRASE"}
    if words is not None:
        environment["MEDHARDEN_PASSPHRASE"] = words
    program = "import sys; from toolkit.app.cli import run; sys.exit(run(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=environment,
        stdin=subprocess.DEVNULL,
    )


def done(folder: Path, *arguments: str) -> str:
    finished = medharden(folder, *arguments)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


SIGN = (
    *("image", "sign", "pump.bin", "--key", "file:fw.pem", "--security-counter", "7"),
    *("--vendor", "example.org", "--device", "pump-x1"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a key, a program, and the program signed in two formats."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "pump.bin").write_bytes(PROGRAM)
    done(folder, "keys", "new", "file:fw.pem", "--algorithm", "ecdsa-p256-sha256")
    done(folder, "keys", "export", "file:fw.pem", "--output", "fw.pub")
    done(folder, *SIGN, "--version", "2.1.0+4", "--needs", "1:1.0.0", "--output", "pump-signed.bin")
    done(folder, *SIGN, "--format", "suit", "--output", "pump.suit")
    return folder


def test_a_key_is_made_listed_shown_and_its_public_half_exported(folder: Path) -> None:
    key_id = json.loads(done(folder, "keys", "show", "file:fw.pem", "--json"))["key_id"]
    rows = json.loads(done(folder, "keys", "list", "--json"))
    assert {row["uri"] for row in rows} == {"file:fw.pem", "fw.pub"}
    assert {row["key_id"] for row in rows} == {key_id}
    assert key_id in done(folder, "keys", "show", "fw.pub")
    assert done(folder, "keys", "export", "file:fw.pem") == (folder / "fw.pub").read_text(encoding="ascii")
    exported = json.loads(done(folder, "keys", "export", "file:fw.pem", "--json"))
    assert exported["public_key"].startswith("-----BEGIN PUBLIC KEY-----")
    assert "ecdsa-p256-sha256" in done(folder, "keys", "list")


def test_no_verb_ever_prints_a_private_key(folder: Path) -> None:
    for arguments in (("keys", "show", "file:fw.pem"), ("keys", "list"), ("keys", "export", "file:fw.pem")):
        told = medharden(folder, *arguments)
        assert "PRIVATE" not in told.stdout + told.stderr


def test_what_can_be_made_is_listed() -> None:
    listed = done(Path(), "keys", "new", "--algorithms")
    for name in ("ed25519", "ml-dsa-87", "hybrid-ed25519-ml-dsa-65", "lms-sha256-m24-h10-w8"):
        assert name in listed
    assert medharden(Path(), "keys", "new").returncode == 2


def test_an_lms_key_tells_how_many_signatures_are_left(tmp_path: Path) -> None:
    made = json.loads(done(tmp_path, "keys", "new", "lms:f.lms", "--algorithm", "lms-sha256-m24-h5-w4", "--json"))
    assert "32 signatures left" in done(tmp_path, "keys", "list")
    assert json.loads(done(tmp_path, "keys", "show", "lms:f.lms", "--json"))["key_id"] == made["key_id"]
    (tmp_path / "f.lms.witness").unlink()
    broken = medharden(tmp_path, "keys", "list")
    assert (broken.returncode, broken.stdout) == (2, "")
    assert "is missing" in broken.stderr


def test_a_signed_image_is_verified_and_told_about(folder: Path) -> None:
    told = done(
        folder,
        *("image", "verify", "pump-signed.bin", "--key", "fw.pub", "--min-version", "2.0.0", "--min-counter", "7"),
        *("--vendor", "example.org", "--device", "pump-x1", "--installed", "1:1.4.0", "--slot-bytes", "65536"),
    )
    assert "version      2.1.0+4" in told
    assert "image 1 at 1.0.0+0 or later" in told
    row = json.loads(done(folder, "image", "verify", "pump.suit", "--key", "fw.pub", "--json"))
    assert row["format"] == "suit"
    assert row["facts"]["sequence_number"] == 7


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ((), "trust.no-key"),
        (("--key", "fw.pub", "--min-version", "2.1.0+5"), "version.rollback"),
        (("--key", "fw.pub", "--min-counter", "8"), "version.security-counter"),
        (("--key", "fw.pub", "--vendor", "example.net"), "target.vendor"),
        (("--key", "fw.pub", "--vendor", "example.org", "--device", "pump-x2"), "target.device"),
        (("--key", "fw.pub", "--installed", "1:0.9.0"), "target.dependency"),
        (("--key", "fw.pub", "--load-address", "0x1000"), "target.address"),
        (("--key", "fw.pub", "--slot-bytes", "10"), "target.size"),
        (("--key", "fw.pub", "--policy", "cnsa2"), "policy.algorithm"),
        (("--key", "fw.pub", "--format", "rauc"), "rauc.signature-size"),
    ],
)
def test_a_refusal_names_its_rule_and_tells_nothing_of_the_image(
    arguments: tuple[str, ...], rule: str, folder: Path
) -> None:
    refused = medharden(folder, "image", "verify", "pump-signed.bin", *arguments)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert f"refused [{rule}]" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("--key", "missing.pub"),
        ("--key", "fw.pub", "--min-version", "2"),
        ("--key", "fw.pub", "--min-version", "256.0.0"),
        ("--key", "fw.pub", "--installed", "x"),
        ("--key", "fw.pub", "--device", "pump-x1"),
        ("--key", "fw.pub", "--format", "floppy"),
        ("--key", "fw.pub", "--policy", "none"),
        ("--certificate", "fw.pub"),
        ("--key", "fw.pub", "--signature", "missing.sig"),
    ],
)
def test_an_option_that_cannot_be_used_is_explained(arguments: tuple[str, ...], folder: Path) -> None:
    explained = medharden(folder, "image", "verify", "pump-signed.bin", *arguments)
    assert explained.returncode == 2
    assert "defect" not in explained.stderr


def test_files_with_a_signature_beside_them_and_certificates_are_verified(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509 import load_der_x509_certificate

    mini, swu = LAB.minisign(), LAB.swupdate()
    (tmp_path / "f.bin").write_bytes(mini.image)
    (tmp_path / "f.bin.minisig").write_bytes(mini.signature)
    key = mini.trust.keys[0]
    line = base64.b64encode(b"Ed" + mini.trust.key_numbers[key.key_id] + key.encoded[-32:])
    (tmp_path / "k.pub").write_bytes(b"untrusted comment: key\n" + line + b"\n")
    done(tmp_path, "image", "verify", "f.bin", "--signature", "f.bin.minisig", "--key", "k.pub")
    root = load_der_x509_certificate(swu.trust.certificates[0])
    (tmp_path / "ca.pem").write_bytes(root.public_bytes(Encoding.PEM))
    (tmp_path / "u.swu").write_bytes(swu.image)
    now = NOW.isoformat()
    assert "2.1.0" in done(tmp_path, "image", "verify", "u.swu", "--certificate", "ca.pem", "--now", now)


@pytest.mark.parametrize("words", ["wrong words here", None])
def test_without_the_passphrase_nothing_is_signed(words: str | None, folder: Path) -> None:
    explained = medharden(folder, *SIGN, "--version", "1.0.0", "--output", "never.bin", words=words)
    assert explained.returncode == 2
    assert not (folder / "never.bin").exists()


def test_an_mcuboot_image_needs_a_version(folder: Path) -> None:
    explained = medharden(folder, *SIGN, "--output", "never.bin")
    assert explained.returncode == 2
    assert "needs a --version" in explained.stderr
    assert not (folder / "never.bin").exists()


def test_a_suit_envelope_is_signed_with_an_lms_key_and_verified(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDHARDEN_PASSPHRASE", "four plain words here")
    (tmp_path / "pump.bin").write_bytes(b"program" * 100)
    uri, out, public = f"lms:{tmp_path / 'fw.lms'}", str(tmp_path / "pump.suit"), str(tmp_path / "fw.pub")
    named = ("--vendor", "example.org", "--device", "pump-x1")
    assert run(["keys", "new", uri, "--algorithm", "lms-sha256-m24-h5-w8"]) == 0
    assert run(["keys", "export", uri, "--output", public]) == 0
    signing = ["image", "sign", str(tmp_path / "pump.bin"), "--format", "suit", "--key", uri, "--output", out]
    assert run([*signing, "--security-counter", "7", *named]) == 0
    judging = ["image", "verify", out, "--key", public, *named, "--policy", "cnsa2"]
    assert run([*judging, "--min-counter", "7"]) == 0
    assert "verified (suit, lms-sha256-m24-h5-w8)" in capsys.readouterr().out
    assert run([*judging, "--min-counter", "8"]) == 1
