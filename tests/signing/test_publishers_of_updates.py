"""Whole-file signatures of Android and manifests of Mender: what is taken, and what is refused."""

from __future__ import annotations

import base64
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_pem_x509_certificate
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_checks.credentials.key_examples import certificate
from firmware_checks.formats.android_update import built_update, signed_update
from signing.android_ota import covered_bytes, is_intact, read_footer, verify_whole_file
from signing.image import ImageTrust
from signing.key import PublicKey
from signing.mender import verify_manifest
from signing.policy import policy_named
from signing.published_keys import publisher_of
from signing.refusal import Refusal

VALUE = 256
PEM = certificate(issuer="pump.example", bits=VALUE)
SIGNED = signed_update(built_update("pre-device=monitor\n"), PEM, VALUE)
POLICY = policy_named("legacy")
TRUST = ImageTrust(
    policy=POLICY,
    certificates=(load_pem_x509_certificate(PEM).public_bytes(Encoding.DER),),
    now=datetime(2026, 11, 24, tzinfo=UTC),
)


def test_an_update_is_verified_and_one_without_a_mark_has_no_signature() -> None:
    found = read_footer(SIGNED)
    assert found is not None
    covered = SIGNED[: covered_bytes(len(SIGNED), found)]
    assert is_intact(memoryview(covered), found) is True
    assert verify_whole_file(covered, found, TRUST).name == "ecdsa-p256-sha256"
    assert is_intact(memoryview(covered[:-1]), found) is False
    assert is_intact(memoryview(covered), replace(found, certificate=b"0")) is None
    for tail in (SIGNED[:-1], b"", b"PK\x05\x06" + bytes(18), SIGNED[100:-6] + b"\x08\x00\xff\xff\xff\x7f"):
        assert read_footer(tail) is None


def test_an_old_hash_and_a_certificate_that_is_not_trusted_are_refused() -> None:
    found = read_footer(SIGNED)
    assert found is not None
    covered = SIGNED[: covered_bytes(len(SIGNED), found)]
    for changed, trust, rule in (
        (replace(found, hash_name="sha1"), TRUST, "android.hash"),
        (found, replace(TRUST, certificates=()), "certificate.chain"),
        (found, replace(TRUST, now=None), "certificate.time"),
    ):
        with pytest.raises(Refusal) as refused:
            verify_whole_file(covered, changed, trust)
        assert refused.value.rule == rule
    assert is_intact(memoryview(covered), replace(found, hash_name="sha1")) is False


@settings(max_examples=60, deadline=None)
@given(place=st.integers(1, 400), value=st.integers(0, 255))
def test_a_damaged_signature_is_none_or_refused(place: int, value: int) -> None:
    damaged = bytearray(SIGNED)
    damaged[-place] = value
    with suppress(Refusal):
        found = read_footer(bytes(damaged))
        if found is not None:
            is_intact(memoryview(damaged)[: covered_bytes(len(damaged), found)], found)


def _public(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> PublicKey:
    return PublicKey.from_encoded(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def test_a_manifest_is_verified_by_the_one_key_that_signed_it() -> None:
    manifest = b"0000  version\n"
    key, other = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())
    signature = base64.b64encode(key.sign(manifest, padding.PKCS1v15(), SHA256()))
    keys = (_public(other), _public(key))
    assert verify_manifest(manifest, signature, keys, POLICY) == keys[1]
    for content, value in ((b"other", signature), (manifest, b"not base64 !"), (manifest, b"")):
        with pytest.raises(Refusal):
            verify_manifest(content, value, keys, POLICY)


def test_the_test_keys_of_android_and_rauc_are_known_to_be_published() -> None:
    known = "ef57b690165cb561b5026922c00d2d6574e8b184fa7d161e076f06e06e6d35db"
    assert publisher_of(known) == "Android Open Source Project testkey.pk8"
