"""Keys on tokens, tried with SoftHSM: they sign there, and what they sign verifies here."""

from __future__ import annotations

from pathlib import Path

import pytest

from signing.keyring import create_key, open_signer, public_key, scheme_of
from signing.keys.pkcs11 import MAKES, TokenUri
from toolkit.core.errors import InputError

PIN = "1234"
"""Of the token in conftest.py."""


class Pin:
    def __init__(self, pin: str = PIN) -> None:
        self._pin = pin

    def existing(self, purpose: str) -> str:
        assert purpose.startswith("pkcs11:token=")
        return self._pin

    new = existing


@pytest.fixture
def clinic(softhsm_token: str) -> str:
    return f"pkcs11:token={softhsm_token}"


@pytest.mark.parametrize("algorithm", [name for name in MAKES if name != "rsa-pss-4096-sha256"])
def test_a_key_is_made_on_the_token_signs_there_and_verifies_here(clinic: str, algorithm: str) -> None:
    uri = f"{clinic};object={algorithm}"
    public = create_key(uri, algorithm, Pin())
    assert public.name == algorithm
    assert public_key(uri, Pin("not asked for")) == public
    with open_signer(uri, Pin()) as signer:
        for message in (b"", b"message", bytes(100_000)):
            public.verify(message, signer.sign(message))
        hasher = public.hasher()
        if hasher is not None:
            hasher.update(b"message")
            public.verify(b"message", signer.sign_digest(hasher.digest()))


def test_two_keys_of_one_token_are_open_at_a_time(clinic: str) -> None:
    for name in ("one", "two"):
        create_key(f"{clinic};object={name}", "ecdsa-p256-sha256", Pin())
    with open_signer(f"{clinic};object=one", Pin()) as one, open_signer(f"{clinic};object=two", Pin()) as two:
        one.public.verify(b"m", one.sign(b"m"))
        two.public.verify(b"m", two.sign(b"m"))
    assert one.public != two.public


def test_an_existing_key_on_a_token_is_never_replaced(clinic: str) -> None:
    uri = f"{clinic};object=once;id=%01"
    create_key(uri, "ecdsa-p256-sha256", Pin())
    with pytest.raises(InputError, match="already"):
        create_key(uri, "ecdsa-p256-sha256", Pin())


def test_a_wrong_pin_or_name_is_explained(clinic: str, tmp_path: Path) -> None:
    create_key(f"{clinic};object=named", "ecdsa-p256-sha256", Pin())
    (tmp_path / "pin").write_text(PIN + "\n", encoding="utf-8")
    with open_signer(f"{clinic};object=named?pin-source=file:{tmp_path / 'pin'}", Pin("unused")) as signer:
        signer.sign(b"message")
    for uri, pin in (
        (f"{clinic};object=named", "9999"),
        (f"{clinic};object=missing", PIN),
        ("pkcs11:token=elsewhere;object=named", PIN),
    ):
        with pytest.raises(InputError, match="cannot be used"), open_signer(uri, Pin(pin)):
            raise AssertionError
    with (
        pytest.raises(InputError, match="cannot be read"),
        open_signer(f"{clinic};object=a?pin-source=file:/none", Pin()),
    ):
        raise AssertionError
    assert scheme_of(clinic)[0].facts("object=named?module-path=/x.so")["module"] == "/x.so"


def test_a_token_uri_is_taken_apart() -> None:
    uri = TokenUri.parse("token=The%20clinic;object=a;id=%ff%01?module-path=/lib/x.so&pin-source=file:/pin")
    assert uri.path == {"token": "The clinic", "object": "a", "id": "\xff\x01"}
    assert uri.module == "/lib/x.so"
    assert uri.wanted() == {"label": "a", "id": b"\xff\x01"}


@pytest.mark.parametrize("rest", ["colour=red", "object", "object=a;object=b", "object=a?pin-value=1234"])
def test_parts_of_a_token_uri_that_would_be_ignored_are_refused(rest: str) -> None:
    with pytest.raises(InputError, match="cannot be used in a pkcs11: URI"):
        TokenUri.parse(rest)


def test_a_token_uri_names_its_key() -> None:
    with pytest.raises(InputError, match="names its key with object= or id="):
        TokenUri.parse("token=clinic").wanted()
