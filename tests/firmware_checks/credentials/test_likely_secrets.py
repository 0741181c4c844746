"""What stands where a secret would: a secret, or only a word."""

import pytest

from firmware_checks.credentials.key_files import certificate_facts, private_key_facts
from firmware_checks.credentials.likely import entropy_bits, is_likely_code, is_likely_key, is_likely_password
from toolkit.core.errors import FormatError


@pytest.mark.parametrize("text", ["Wx7!pump22", "cmsroot9", "admin", "Intelli99", "P@ssw0rd1A", "0000", "888888"])
def test_a_password_is_one(text: str) -> None:
    assert is_likely_password(text, quoted=False)


@pytest.mark.parametrize(
    "text",
    [
        "%s",
        "${PASSWORD}",
        "$1",
        "None",
        "your_password",
        "/run/secret",
        "args.password",
        "passwordField",
        "getpass()",
        "xxxxxx",
        "abc",
        "a" * 65,
        "password",
        "0x02",
        "example1",
        "string",
        "word\n12",
        "55555",
    ],
)
def test_a_placeholder_is_none(text: str) -> None:
    assert not is_likely_password(text, quoted=True)


def test_a_word_needs_quotes_to_be_a_password() -> None:
    assert is_likely_password("tropicana", quoted=True)
    assert not is_likely_password("tropicana", quoted=False)


def test_a_code_has_four_to_eight_digits() -> None:
    assert is_likely_code("4711")
    assert not is_likely_code("47a1")
    assert not is_likely_code("123456789")


def test_a_key_looks_random() -> None:
    assert is_likely_key("q7W9e2R4t6Y8u1I3")
    assert not is_likely_key("aaaaaaaaaaaaaaaa")
    assert not is_likely_key("q7W9")
    assert entropy_bits("") == 0


@pytest.mark.parametrize(
    "data", [b"", b"0\x03\x02\x01\x00", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_what_is_no_key_and_no_certificate_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        private_key_facts(data)
    with pytest.raises(FormatError):
        certificate_facts(data)


@pytest.mark.parametrize("kind", ["RSA", "OPENSSH"])
def test_a_protected_key_says_so(kind: str) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    form = serialization.PrivateFormat.OpenSSH if kind == "OPENSSH" else serialization.PrivateFormat.PKCS8
    key = ec.derive_private_key(7, ec.SECP256R1())
    text = key.private_bytes(serialization.Encoding.PEM, form, serialization.BestAvailableEncryption(b"x"))
    assert private_key_facts(text).is_protected


def test_a_protected_key_of_an_unknown_kind_says_so() -> None:
    text = b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n"
    assert private_key_facts(text).is_protected
