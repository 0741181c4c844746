"""Keys on tokens, tried with SoftHSM: they sign there, and what they sign verifies here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from signing.keyring import create_key, open_signer, public_key, scheme_of
from signing.keys.pkcs11 import MAKES
from signing.tokens import TokenUri
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
    for uri, pin, said in (
        (f"{clinic};object=named", "9999", "the PIN is wrong"),
        (f"{clinic};object=missing", PIN, "no key of that name"),
        ("pkcs11:token=elsewhere;object=named", PIN, "no token of that name"),
    ):
        with pytest.raises(InputError, match=f"cannot be used: .*{said}"), open_signer(uri, Pin(pin)):
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


def test_a_token_without_ml_dsa_says_so_and_what_to_do(clinic: str) -> None:
    with pytest.raises(InputError, match=r"cannot make ml-dsa-65 keys .* keep that key in a file, or make a hybrid"):
        create_key(f"{clinic};object=quantum", "ml-dsa-65", Pin())


class KeyOnAToken:
    """Stands where python-pkcs11 has the public and the private object of an ML-DSA key (PKCS#11 v3.2, 6.67)."""

    def __init__(self, parameter_set: int) -> None:
        import pkcs11
        from cryptography.hazmat.primitives.asymmetric import mldsa

        kinds = {1: mldsa.MLDSA44PrivateKey, 2: mldsa.MLDSA65PrivateKey, 3: mldsa.MLDSA87PrivateKey}
        self._private = kinds[parameter_set].generate()
        self.key_type = pkcs11.KeyType.ML_DSA
        self._attributes = {
            pkcs11.Attribute.PARAMETER_SET: parameter_set,
            pkcs11.Attribute.VALUE: self._private.public_key().public_bytes_raw(),
        }

    def __getitem__(self, name: object) -> object:
        return self._attributes[name]  # type: ignore[index]  # python-pkcs11's own enumeration

    def sign(self, message: bytes, *, mechanism: object) -> bytes:
        import pkcs11

        assert mechanism == pkcs11.Mechanism.ML_DSA
        return bytes(self._private.sign(message))

    class token:  # noqa: N801  # the name python-pkcs11 gives it
        label = "new"

        class slot:  # noqa: N801
            @staticmethod
            def get_mechanisms() -> list[object]:
                import pkcs11

                return [pkcs11.Mechanism.ML_DSA_KEY_PAIR_GEN]

    def generate_keypair(self, kind: object, *, public_template: dict[object, object], **_: object) -> tuple[Any, Any]:
        assert kind == self.key_type
        assert set(public_template.values()) == {self._attributes[next(iter(public_template))]}
        return self, self


@pytest.mark.parametrize(("parameter_set", "name"), [(1, "ml-dsa-44"), (2, "ml-dsa-65"), (3, "ml-dsa-87")])
def test_an_ml_dsa_key_of_a_token_that_has_it_signs(parameter_set: int, name: str) -> None:
    pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")
    from signing.keys.pkcs11 import TokenSigner, ml_dsa_keypair, public_of

    key = KeyOnAToken(parameter_set)
    public = public_of(ml_dsa_keypair(key, name, {}, {}))
    assert public.name == name
    signer = TokenSigner(public, key)
    public.verify(b"message", signer.sign(b"message"))
    with pytest.raises(InputError, match="whole messages with ML-DSA"):
        signer.sign_digest(bytes(64))


def test_an_unknown_kind_of_key_on_a_token_is_explained() -> None:
    pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")
    from signing.keys.pkcs11 import public_of

    key = KeyOnAToken(2)
    key._attributes = dict.fromkeys(key._attributes, 9)
    with pytest.raises(InputError, match="parameter set 9"):
        public_of(key)
    key.key_type = "GOST"  # type: ignore[assignment]  # a kind that is not offered
    with pytest.raises(InputError, match="kind GOST on a token"):
        public_of(key)


def test_the_keys_on_tokens_are_listed_without_a_pin(
    clinic: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from toolkit.app.cli import run

    public = create_key(f"{clinic};object=to list", "ed25519", Pin())
    create_key(f"{clinic};id=%07%ff", "ecdsa-p384-sha384", Pin())
    assert run(["keys", "list", "--tokens", "--json", str(tmp_path)]) == 0
    rows = {row["uri"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows[f"{clinic};object=to%20list"]["key_id"] == public.key_id
    assert rows[f"{clinic};id=%07%FF"]["algorithm"] == "ecdsa-p384-sha384"
    driver = TokenUri.parse("object=x").module
    assert run(["keys", "list", "--module", driver, str(tmp_path)]) == 0
    assert f"{clinic};object=to%20list?module-path={driver}" in capsys.readouterr().out
    assert run(["keys", "list", "--module", "/none.so"]) == 2
    assert "the token '/none.so' cannot be used" in capsys.readouterr().err
