"""Whom the user trusts: what may lie in the folder that ``medharden review --trust`` is given."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_der_x509_certificate

from firmware_checks.reviewing.authenticity import Signature
from signing.attacks.image_lab import LAB, root_certificate
from signing.private import MemorySigner, made_key
from toolkit.app.review_trust import MOST_FILES, MOST_IMAGE_BYTES, TrustedFiles, believe, read_trusted
from toolkit.core.errors import InputError

NOW = datetime(2026, 11, 24, 14, tzinfo=UTC)


def test_keys_certificates_and_numbered_keys_are_read(tmp_path: Path) -> None:
    der = root_certificate()
    (tmp_path / "ca.der").write_bytes(der)
    (tmp_path / "ca.pem").write_bytes(load_der_x509_certificate(der).public_bytes(Encoding.PEM))
    (tmp_path / "vendor.pub").write_bytes(MemorySigner(made_key("ed25519")).public.pem())
    found = read_trusted(tmp_path)
    assert found.certificates == [der, der]
    assert list(found.names.values()) == ["vendor.pub"]


def test_a_key_with_a_number_keeps_it(tmp_path: Path) -> None:
    line = base64.b64encode(b"Ed" + bytes(range(8)) + MemorySigner(made_key("ed25519")).public.encoded[-32:])
    (tmp_path / "vendor.pub").write_bytes(b"untrusted comment: vendor\n" + line + b"\n")
    assert list(read_trusted(tmp_path / "vendor.pub").numbers.values()) == [bytes(range(8))]


def test_an_image_too_large_to_verify_whole_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        file.truncate(MOST_IMAGE_BYTES + 1)
    store = TrustedFiles(keys=[MemorySigner(made_key("ed25519")).public])
    found = believe(path, store, None, None, NOW)
    assert (found.signature, "larger than 1 GiB" in found.because) == (Signature.REFUSED, True)


def test_what_is_no_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(b"no certificate")
    with pytest.raises(InputError, match="no certificate"):
        read_trusted(tmp_path)


def test_a_folder_of_everything_is_no_trust_store(tmp_path: Path) -> None:
    for number in range(MOST_FILES + 1):
        (tmp_path / f"{number}.pub").touch()
    with pytest.raises(InputError, match="folder of its own"):
        read_trusted(tmp_path)


def test_a_bundle_is_verified_by_the_certificate_of_its_maker(tmp_path: Path) -> None:
    good = LAB.formats()["rauc"]()
    path = tmp_path / "bundle.raucb"
    path.write_bytes(good.image)
    found = believe(path, TrustedFiles(certificates=list(good.trust.certificates)), None, None, NOW)
    assert found.signature is Signature.VERIFIED
    assert found.signers[0].startswith("certificate (")


def test_roots_of_packages_say_nothing_about_images_and_a_key_nothing_about_an_unsigned_one(tmp_path: Path) -> None:
    path = tmp_path / "plain.bin"
    path.write_bytes(b"program")
    only_roots = TrustedFiles(roots={"vendor": path})
    assert "no key and no certificate" in believe(path, only_roots, None, None, NOW).because
    only_key = TrustedFiles(keys=[MemorySigner(made_key("ed25519")).public])
    found = believe(path, only_key, None, None, NOW)
    assert (found.signature, found.signers) == (Signature.UNKNOWN, ())
