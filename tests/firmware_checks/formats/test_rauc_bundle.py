import datetime as dt
import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256, SHA512
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder
from cryptography.x509.oid import NameOID

from firmware_checks.format import Opened
from firmware_checks.formats.rauc_bundle import FORMAT, LISTED, _root_hash, _tree_bytes
from firmware_checks.formats.squashfs import FORMAT as SQUASHFS
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window

RAUC, OPENSSL = shutil.which("rauc") or "", shutil.which("openssl") or ""
KEY = ec.generate_private_key(ec.SECP256R1())


def _certificate(name: str) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(subject, subject, KEY.public_key(), 7)
    return (
        builder.not_valid_before(dt.datetime(2024, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2034, 1, 1, tzinfo=dt.UTC))
        .sign(KEY, SHA256())
    )


SIGNER, OTHER = _certificate("pump update"), _certificate("another")
SQUASHED = SQUASHFS.example()
PAYLOAD = SQUASHED + bytes(-len(SQUASHED) % 4096)


def _open(data: bytes) -> Opened:
    return FORMAT.open(Span("pump.raucb", Window.of(data)), Limits())


def _signed(content: bytes, *, detached: bool, algorithm: SHA256 | SHA512 | None = None) -> bytes:
    options = [PKCS7Options.Binary] + [PKCS7Options.DetachedSignature] * detached
    builder = PKCS7SignatureBuilder().set_data(content).add_signer(SIGNER, KEY, algorithm or SHA256())
    message = builder.add_certificate(OTHER).sign(Encoding.DER, options)
    return message + len(message).to_bytes(8, "big")


def _verity(payload: bytes, salt: bytes, *, more: str = "", wrong: bytes = b"") -> bytes:
    root = _root_hash(memoryview(payload), salt)
    manifest = f"[bundle]\nformat=verity\nverity-hash={root}\nverity-salt={salt.hex()}\n{more}"
    return (wrong or payload) + bytes(_tree_bytes(len(payload))) + _signed(manifest.encode(), detached=False)


@pytest.mark.parametrize("algorithm", [SHA256(), SHA512()])
def test_a_plain_bundle_is_told_with_who_signed_it(algorithm: SHA256 | SHA512) -> None:
    data = PAYLOAD + _signed(PAYLOAD, detached=True, algorithm=algorithm)
    opened = _open(data + b"after")
    assert opened.size == len(data)
    assert opened.facts == {
        "bundle_format": "plain",
        "certificates": 2,
        "signer_subject": "CN=pump update",
        "signer_issuer": "CN=pump update",
        "signer_valid_until": "2034-01-01T00:00:00+00:00",
        "signed": True,
    }
    assert [(v.algorithm, v.covers, v.valid) for v in opened.integrity] == [(algorithm.name, "content", True)]
    assert [part.title for part in opened.parts] == ["Content", "Signature (CMS)"]


def test_plain_content_that_was_changed_is_a_verdict() -> None:
    data = bytearray(PAYLOAD + _signed(PAYLOAD, detached=True))
    data[len(PAYLOAD) - 1] ^= 1
    assert [v.valid for v in _open(bytes(data)).integrity] == [False]


def test_a_verity_bundle_is_told_and_its_tree_of_hashes_is_computed_again() -> None:
    more = "[update]\ncompatible=pump\nversion=1.2\n# a remark = none\n[image.rootfs]\nfilename=rootfs.img\n"
    data = _verity(PAYLOAD, bytes(32), more=more)
    opened = _open(data)
    assert opened.size == len(data)
    assert opened.facts["compatible"] == "pump"
    assert opened.facts["images"] == ("rootfs.img",)
    assert opened.facts["bundle_format"] == "verity"
    assert [(v.covers, v.valid) for v in opened.integrity] == [("manifest", True), ("content", True)]
    changed = bytes([*PAYLOAD[:-1], 1])
    assert [v.valid for v in _open(_verity(PAYLOAD, bytes(32), wrong=changed)).integrity] == [True, False]


def test_a_tree_of_two_levels_is_computed() -> None:
    payload = bytearray(bytes(4096 * 200))
    payload[:96] = PAYLOAD[:96]
    payload[40:48] = len(payload).to_bytes(8, "little")
    assert _tree_bytes(len(payload)) == 3 * 4096
    blocks = [hashlib.sha256(payload[at : at + 4096]).digest() for at in range(0, len(payload), 4096)]
    level = b"".join(blocks)
    level += bytes(-len(level) % 4096)
    top = b"".join(hashlib.sha256(level[at : at + 4096]).digest() for at in range(0, len(level), 4096))
    assert _root_hash(memoryview(payload), b"") == hashlib.sha256(top.ljust(4096, b"\0")).hexdigest()
    assert [v.valid for v in _open(_verity(bytes(payload), b"")).integrity] == [True, True]


def test_a_salt_that_is_none_makes_the_hash_wrong() -> None:
    manifest = b"[bundle]\nverity-hash=00\nverity-salt=xy\n"
    opened = _open(PAYLOAD + bytes(_tree_bytes(len(PAYLOAD))) + _signed(manifest, detached=False))
    assert [v.valid for v in opened.integrity] == [True, False]


def test_many_images_are_told_in_short() -> None:
    more = "".join(f"[image.{number}]\nsize=1\n" for number in range(30))
    images = _open(_verity(PAYLOAD, b"", more=more)).facts["images"]
    assert isinstance(images, tuple)
    assert (len(images), images[0], images[-1]) == (LISTED + 1, "image.0", "and 10 more")


def test_a_squashfs_that_cannot_be_read_tells_nothing_of_its_manifest() -> None:
    payload = PAYLOAD[:96] + b"\xff" * (len(PAYLOAD) - 96)
    assert _open(payload + _signed(payload, detached=True)).facts["bundle_format"] == "plain"
    not_a_squashfs = PAYLOAD[:12] + bytes(28) + PAYLOAD[40:]
    assert _open(not_a_squashfs + _signed(not_a_squashfs, detached=True)).facts["bundle_format"] == "plain"


@pytest.mark.parametrize(
    "data",
    [
        PAYLOAD,
        PAYLOAD + bytes(5000),
        PAYLOAD + _signed(PAYLOAD, detached=True)[:-1],
        PAYLOAD + _signed(PAYLOAD, detached=True)[:-8] + bytes(8),
        PAYLOAD[:40] + b"\xff" * 8 + PAYLOAD[48:],
        b"hsqs",
        b"PK" + bytes(300),
    ],
)
def test_what_is_no_bundle_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)


@pytest.mark.skipif(not RAUC or not OPENSSL, reason="rauc or openssl is not installed (Debian packages rauc, openssl)")
@pytest.mark.parametrize("form", ["plain", "verity"])
def test_what_rauc_bundles_is_read(form: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "rootfs.img").write_bytes(b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(1000)))
    text = f"[update]\ncompatible=pump\nversion=1.2\n[bundle]\nformat={form}\n[image.rootfs]\nfilename=rootfs.img\n"
    (tmp_path / "in" / "manifest.raucm").write_text(text, encoding="utf-8")
    request = [OPENSSL, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run([*request, "-subj", "/O=Pump Works/CN=update"], cwd=tmp_path, check=True, capture_output=True)
    bundle = [RAUC, "--cert=cert.pem", "--key=key.pem", "bundle", "in", "out.raucb"]
    subprocess.run(bundle, cwd=tmp_path, check=True, capture_output=True)
    data = (tmp_path / "out.raucb").read_bytes()
    opened = _open(data)
    assert opened.size == len(data)
    assert (opened.facts["bundle_format"], opened.facts["version"]) == (form, "1.2")
    assert opened.facts["signer_subject"] == "CN=update,O=Pump Works"
    assert [v.valid for v in opened.integrity] == [True] * (1 if form == "plain" else 2)
