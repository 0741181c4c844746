"""Who signed an update: what the review says of OpenPGP, Authenticode, Android, Mender and signed lists of files."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, pkcs7
from cryptography.x509 import load_pem_x509_certificate

from firmware_checks.check import archive_of
from firmware_checks.credentials.key_examples import certificate
from firmware_checks.difference.examination import Examination, examine
from firmware_checks.formats import mender_artifact
from firmware_checks.formats.android_update import built_update, signed_update
from firmware_checks.review import review
from firmware_checks.reviewing.authenticity import Authenticity, Signature
from firmware_checks.reviewing.publishers import Published, Standing
from firmware_checks.scan import Scanner
from signing.key import PublicKey
from signing.openpgp.building import armoured, built_certificate, built_signature
from toolkit.app.review_publishers import publishers_of, signatures_beside
from toolkit.app.review_trust import TrustedFiles, read_trusted
from toolkit.core.errors import InputError
from toolkit.report.review import Question, Weight

NOW = datetime(2026, 11, 24, 14, tzinfo=UTC)
SEED, OTHER, VALUE = bytes(range(32)), bytes(range(1, 33)), 256
PROGRAM = b"program of a pump"
METADATA = "pre-device=monitor\npost-timestamp=1767225600\n"
Look = Callable[..., tuple[Published, list[tuple[str, Weight]]]]


@pytest.fixture(scope="module")
def scanner() -> Scanner:
    return Scanner()


@pytest.fixture
def look(scanner: Scanner, tmp_path: Path) -> Look:
    """Return what reviews an image: who is said to have signed it, and the answers to whether it is genuine."""

    def looked(
        image: bytes, store: TrustedFiles | None = None, name: str = "update.bin", now: datetime = NOW
    ) -> object:
        path = tmp_path / name
        path.write_bytes(image)
        examination: Examination = examine(scanner, path, jobs=1)
        found = publishers_of(path, examination, scanner, store, now)
        trust = Authenticity(signature=Signature.UNKNOWN, because="nobody was named", published=found)
        page = review(examination.report, None, None, trust)
        reasons = [(r.code, r.weight) for r in page.reasons if r.question is Question.AUTHENTIC]
        assert page.signers == tuple(c.signer for c in found.claims if c.standing is Standing.TRUSTED)
        return found, reasons

    return looked  # type: ignore[return-value]  # declared above


@pytest.fixture
def store(tmp_path: Path) -> TrustedFiles:
    folder = tmp_path / "trusted"
    folder.mkdir()
    (folder / "maker.asc").write_bytes(armoured("PUBLIC KEY BLOCK", built_certificate(SEED, "Maker")))
    (folder / "maker.pem").write_bytes(certificate(issuer="pump.example", bits=VALUE))
    return read_trusted(folder)


def _signature(content: bytes = PROGRAM, seed: bytes = SEED) -> bytes:
    return armoured("SIGNATURE", built_signature(seed, content))


def test_without_a_key_it_is_said_who_signed_and_that_nobody_can_say_who_that_is(look: Look) -> None:
    found, reasons = look(archive_of({"pump.bin": PROGRAM, "pump.bin.asc": _signature()}))
    (claim,) = found.claims
    assert (claim.way, claim.standing) == ("OpenPGP", Standing.UNKNOWN)
    assert reasons == [("signed-by-stranger", Weight.ASK)]


def test_a_trusted_key_makes_it_genuine_and_a_changed_file_is_refused(look: Look, store: TrustedFiles) -> None:
    found, reasons = look(archive_of({"pump.bin": PROGRAM, "pump.bin.asc": _signature()}), store)
    assert (found.claims[0].standing, found.uncovered) == (Standing.TRUSTED, ())
    assert reasons == [("signed-by", Weight.FINE)]
    found, reasons = look(archive_of({"pump.bin": PROGRAM + b"!", "pump.bin.asc": _signature()}), store)
    assert found.claims[0].standing is Standing.BROKEN
    assert reasons == [("signature-broken", Weight.NO_GO)]


def test_a_file_beside_the_signed_one_that_nobody_vouches_for_is_a_reason_to_ask(
    look: Look, store: TrustedFiles
) -> None:
    image = {"pump.bin": PROGRAM, "pump.bin.asc": _signature(), "update.sh": b"#!/bin/sh\n", "SHA256SUMS": b"x\n"}
    found, reasons = look(archive_of(image), store)
    assert found.uncovered == ("update.bin!update.sh",)
    assert reasons == [("signed-in-part", Weight.ASK)]


def test_a_key_of_somebody_else_is_a_stranger(look: Look, store: TrustedFiles) -> None:
    image = archive_of({"pump.bin": PROGRAM, "pump.bin.asc": _signature(seed=OTHER)})
    found, reasons = look(image, store)
    assert "not among those that are trusted" in found.claims[0].because
    assert reasons == [("signed-by-stranger", Weight.ASK)]


def test_a_signed_list_of_digests_vouches_for_the_files_it_is_right_about(look: Look, store: TrustedFiles) -> None:
    line = f"{hashlib.sha256(PROGRAM).hexdigest()}  pump.bin\n{'0' * 64}  other.bin\nno line\n".encode()
    image = {"pump.bin": PROGRAM, "other.bin": b"other", "SHA256SUMS": line, "SHA256SUMS.asc": _signature(line)}
    found, reasons = look(archive_of(image), store)
    assert found.uncovered == ("update.bin!other.bin",)
    assert reasons == [("signed-in-part", Weight.ASK)]


def test_a_signature_that_lies_beside_the_update_on_the_disk_is_read(
    look: Look, store: TrustedFiles, tmp_path: Path
) -> None:
    image = b"\x7fprogram of a pump that is no archive\n" * 20
    (tmp_path / "pump.img.sig").write_bytes(built_signature(SEED, image))
    found, reasons = look(image, store, "pump.img")
    assert [(c.standing, c.covers_all) for c in found.claims] == [(Standing.TRUSTED, True)]
    assert reasons == [("signed-by", Weight.FINE)]
    (tmp_path / "pump.img.asc").write_bytes(b"no signature")
    assert list(signatures_beside(tmp_path / "pump.img")) == ["pump.img.asc", "pump.img.sig"]
    assert len(look(image, None, "pump.img")[0].claims) == 1


def test_an_android_update_is_verified_whole(look: Look, store: TrustedFiles) -> None:
    signed = signed_update(built_update(METADATA), certificate(issuer="pump.example", bits=VALUE), VALUE)
    assert look(signed)[1] == [("signed-by-stranger", Weight.ASK)]
    assert look(signed, store)[1] == [("signed-by", Weight.FINE)]
    assert look(signed.replace(b"monitor 1.2", b"monitor 6.6"), store)[1] == [("signature-broken", Weight.NO_GO)]
    stranger = signed_update(built_update(METADATA), certificate(issuer="x", bits=VALUE, name="x"), VALUE)
    assert look(stranger, store)[1] == [("signed-by-stranger", Weight.ASK)]
    assert look(built_update(METADATA), store)[1] == [("signature-empty", Weight.NO_GO)]


def test_a_message_beside_a_file_is_verified_with_the_certificate_of_its_maker(look: Look, store: TrustedFiles) -> None:
    key = ec.derive_private_key(VALUE, ec.SECP256R1())
    pem = load_pem_x509_certificate(certificate(issuer="pump.example", bits=VALUE))
    builder = pkcs7.PKCS7SignatureBuilder().set_data(PROGRAM).add_signer(pem, key, SHA256())
    options = [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.NoCapabilities]
    message = builder.sign(Encoding.DER, options)
    image = archive_of({"pump.bin": PROGRAM, "pump.bin.p7s": message})
    assert look(image)[1] == [("signed-by-stranger", Weight.ASK)]
    assert look(image, store)[1] == [("signed-by", Weight.FINE)]
    changed = archive_of({"pump.bin": b"PROGRAM OF A PUMP", "pump.bin.p7s": message})
    assert look(changed, store)[1] == [("signature-broken", Weight.NO_GO)]


def test_a_mender_artifact_is_verified_by_its_manifest(look: Look) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    store = TrustedFiles(keys=[PublicKey.from_encoded(spki)])
    image = _mender(lambda manifest: _raw(key.sign(manifest, ec.ECDSA(SHA256()))))
    assert look(image)[1] == [("signed-by-stranger", Weight.ASK)]
    assert look(image, store)[1] == [("signed-by", Weight.FINE)]
    assert look(_mender(lambda _manifest: bytes(64)), store)[1] == [("signed-by-stranger", Weight.ASK)]


def _raw(signature: bytes) -> bytes:
    return b"".join(number.to_bytes(32) for number in decode_dss_signature(signature))


def _mender(sign: Callable[[bytes], bytes]) -> bytes:
    """Return the example of a Mender artifact with a signature behind its manifest."""
    import io
    import tarfile

    out = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(mender_artifact.FORMAT.example())) as old,
        tarfile.open(fileobj=out, mode="w") as new,
    ):
        for member in old:
            content = old.extractfile(member)
            data = content.read() if content is not None else b""
            if member.name == "manifest.sig":
                continue
            new.addfile(member, io.BytesIO(data))
            if member.name == "manifest":
                signature = base64.b64encode(sign(data))
                row = tarfile.TarInfo("manifest.sig")
                row.size = len(signature)
                new.addfile(row, io.BytesIO(signature))
    return out.getvalue()


@pytest.fixture(scope="module")
def signed_program(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Path]:
    """Return a real program for Windows with an Authenticode signature, and the certificate of the authority."""
    if shutil.which("osslsigncode") is None or shutil.which("openssl") is None:
        pytest.skip("osslsigncode or openssl is not installed")
    folder = tmp_path_factory.mktemp("authenticode")
    (folder / "plain.exe").write_bytes(files("distlib").joinpath("t32.exe").read_bytes())
    (folder / "ext").write_text("extendedKeyUsage=codeSigning\nkeyUsage=digitalSignature\n", encoding="ascii")

    def run(command: str) -> None:
        subprocess.run(command.split(), check=True, capture_output=True, cwd=folder, timeout=60)

    run("openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=Authority -days 900")
    run("openssl req -newkey rsa:2048 -nodes -keyout maker.key -out maker.csr -subj /CN=Maker")
    run(
        "openssl x509 -req -in maker.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 400 -extfile ext -out maker.pem"
    )
    run("osslsigncode sign -certs maker.pem -key maker.key -h sha256 -in plain.exe -out signed.exe")
    return (folder / "signed.exe").read_bytes(), folder / "ca.pem"


def test_a_signed_program_for_windows_is_verified_up_to_the_authority(
    look: Look, signed_program: tuple[bytes, Path]
) -> None:
    program, authority = signed_program
    assert look(program)[1] == [("signed-by-stranger", Weight.ASK)]
    found, reasons = look(program, read_trusted(authority), now=datetime.now(UTC))
    assert (found.claims[0].signer, reasons) == ("CN=Maker", [("signed-by", Weight.FINE)])
    changed = program[:0x500] + bytes((program[0x500] ^ 1,)) + program[0x501:]
    assert look(changed, read_trusted(authority), now=datetime.now(UTC))[1] == [("signature-broken", Weight.NO_GO)]


def test_a_list_that_is_signed_in_clear_vouches_for_the_files_in_it(look: Look, store: TrustedFiles) -> None:
    text = f"{hashlib.sha256(PROGRAM).hexdigest()}  pump.bin\r\nend"
    shown = f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{text}\n".replace("\r", "").encode()
    image = {"pump.bin": PROGRAM, "SHA256SUMS.asc": shown + _signature(text.encode())}
    found, reasons = look(archive_of(image), store)
    assert found.claims[0].covers == {"update.bin!pump.bin", "update.bin!SHA256SUMS.asc"}
    assert reasons == [("signed-by", Weight.FINE)]


def test_a_debian_package_is_signed_over_its_three_members(look: Look, store: TrustedFiles) -> None:
    parts = {"debian-binary": b"2.0\n", "control.tar": archive_of({"control": b"Package: pump\n"}), "data.tar": b"data"}
    parts["_gpgorigin"] = built_signature(SEED, b"".join(parts.values()))
    rows = [
        f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)
        for name, data in parts.items()
    ]
    found, reasons = look(b"!<arch>\n" + b"".join(rows), store, "pump.deb")
    assert (len(found.claims), reasons) == (1, [("signed-by", Weight.FINE)])


def test_a_file_that_holds_no_openpgp_key_is_named(tmp_path: Path) -> None:
    for data in (b"text", _signature()):
        (tmp_path / "maker.asc").write_bytes(data)
        with pytest.raises(InputError, match="OpenPGP"):
            read_trusted(tmp_path / "maker.asc")
