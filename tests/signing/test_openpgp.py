"""Signatures of OpenPGP: those that GnuPG makes are verified, and whatever is not right is refused."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signing.openpgp.building import armoured, built_certificate, built_key, built_signature
from signing.openpgp.keys import PgpCertificate, PgpKey, certificates
from signing.openpgp.packets import clear_text, packets
from signing.openpgp.signature import PgpTrust, read_signature, signatures_in, verify
from signing.policy import policy_named
from signing.refusal import Refusal
from toolkit.core.errors import FormatError, MedhardenError

SEED, OTHER = bytes(range(32)), bytes(range(1, 33))
NOW = datetime(2026, 11, 24, 14, tzinfo=UTC)
CONTENT = b"program of a pump\nsecond line\n"
Gpg = Callable[..., bytes]


def _trust(*rows: PgpCertificate, now: datetime = NOW) -> PgpTrust:
    return PgpTrust(certificates=rows, policy=policy_named("legacy"), now=now)


def _maker(seed: bytes = SEED) -> PgpCertificate:
    (certificate,) = certificates(built_certificate(seed, "Maker <maker@pump.example>"))
    return certificate


def _refused(content: bytes, data: bytes, trust: PgpTrust) -> str:
    (signature,) = signatures_in(data)
    with pytest.raises(Refusal) as refused:
        verify(content, signature, trust)
    return refused.value.rule


def test_a_signature_is_verified_by_the_key_that_it_names() -> None:
    for data in (built_signature(SEED, CONTENT), armoured("SIGNATURE", built_signature(SEED, CONTENT))):
        (signature,) = signatures_in(data)
        certificate, key = verify(CONTENT, signature, _trust(_maker(OTHER), _maker()))
        assert (certificate.name, key.fingerprint) == ("Maker <maker@pump.example>", built_key(SEED).fingerprint)
        assert (signature.hash_name, signature.algorithm_name, signature.is_strong) == ("sha256", "EdDSA", True)


def test_other_content_another_key_and_a_broken_hash_are_refused() -> None:
    good = built_signature(SEED, CONTENT)
    assert _refused(CONTENT + b"x", good, _trust(_maker())) == "signature.invalid"
    assert _refused(CONTENT, good, _trust(_maker(OTHER))) == "signature.unknown-key"
    assert _refused(CONTENT, built_signature(SEED, CONTENT, hash_number=2), _trust(_maker())) == "openpgp.hash"


def test_a_signature_over_something_else_or_with_a_demand_nobody_knows_is_refused() -> None:
    (signature,) = signatures_in(built_signature(SEED, CONTENT))
    for changed, rule in ((replace(signature, kind=0x10), "openpgp.kind"),):
        with pytest.raises(Refusal) as refused:
            verify(CONTENT, changed, _trust(_maker()))
        assert refused.value.rule == rule
    with pytest.raises(Refusal, match="demands"):
        verify(CONTENT, replace(signature, has_unknown_demand=True), _trust(_maker()))
    late = replace(signature, subpackets={**signature.subpackets, 3: (1).to_bytes(4)})
    with pytest.raises(Refusal, match="expired"):
        verify(CONTENT, late, _trust(_maker()))


def test_a_key_that_was_withdrawn_is_refused() -> None:
    certificate = _maker()
    (packet,) = packets(built_signature(SEED, CONTENT))
    withdrawn = packet.body[:1] + b"\x20" + packet.body[2:]
    assert read_signature(withdrawn).kind == 0x20
    assert _refused(CONTENT, built_signature(SEED, CONTENT), _trust(replace(certificate, about=(withdrawn,)))) == (
        "openpgp.revoked"
    )


def test_a_subkey_that_its_owner_does_not_vouch_for_is_refused() -> None:
    stray = replace(_maker(OTHER), subkeys=((PgpKey(built_key(SEED).body, is_primary=False), ()),))
    assert _refused(CONTENT, built_signature(SEED, CONTENT), _trust(stray)) == "openpgp.subkey"


def test_keys_of_other_kinds_are_named_and_not_believed() -> None:
    body = built_key(SEED).body
    dsa = PgpKey(body[:5] + bytes((17,)) + body[6:], is_primary=True)
    assert dsa.title.startswith("DSA")
    with pytest.raises(Refusal, match="not offered"):
        dsa.public_key()
    curve = PgpKey(body[:15] + b"\x07" + body[16:], is_primary=True)
    with pytest.raises(Refusal, match="curve"):
        curve.public_key()
    new = PgpKey(b"\x06" + body[1:5] + bytes((27,)) + (32).to_bytes(4) + body[-32:], is_primary=True)
    assert (len(new.fingerprint), new.key_id, new.title) == (64, new.fingerprint[:16], "Ed25519")
    assert new.public_key().name == "ed25519"


@pytest.mark.parametrize(
    "data",
    [
        b"plain text",
        b"\xc2\xe1\x00",
        b"\x8b\x00",
        b"\xc2\x05\x05aaaa",
        b"\x88\x03\x03\x04\x00",
        b"\xc6\x0b\x03" + bytes(10),
        b"\x88\x10\x04\x00\x16\x08\x00\x01\x00" + bytes(9),
    ],
)
def test_what_is_no_openpgp_file_is_a_format_error(data: bytes) -> None:
    with pytest.raises(FormatError):
        (signatures_in(data), certificates(data))


def test_a_text_without_a_whole_signature_is_no_signed_text() -> None:
    assert clear_text(b"hello") is None
    assert clear_text(b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nhello\n") is None
    with pytest.raises(FormatError, match="base64"):
        signatures_in(b"-----BEGIN PGP SIGNATURE-----\n\n????\n-----END PGP SIGNATURE-----\n")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_refused_and_never_a_defect(data: st.DataObject) -> None:
    whole = bytearray(built_signature(SEED, CONTENT) + built_certificate(SEED, "Maker"))
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=4)):
        whole[place] = data.draw(st.integers(0, 255))
    with suppress(MedhardenError):
        for signature in signatures_in(bytes(whole)):
            found, _key = verify(CONTENT, signature, _trust(*certificates(bytes(whole))))
            assert found.primary.fingerprint


@pytest.fixture(scope="module")
def gpg(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gpg]:
    """Return what runs GnuPG with three keys of its own; the file to sign is ``content``."""
    program = shutil.which("gpg")
    if program is None:
        pytest.skip("gpg (GnuPG) is not installed")
    home = tmp_path_factory.mktemp("gpg")
    home.chmod(0o700)
    (home / "content").write_bytes(CONTENT)

    def run(*options: str) -> bytes:
        command = [program, "--homedir", str(home), "--batch", "--yes", "--quiet", "--passphrase", "", *options]
        return subprocess.run(command, check=True, capture_output=True, cwd=home, timeout=60).stdout

    for kind in ("ed25519", "nistp256", "rsa2048"):
        run("--quick-generate-key", f"{kind} <{kind}@pump.example>", kind, "sign", "1y")
    yield run
    stop = [str(shutil.which("gpgconf")), "--homedir", str(home), "--kill", "all"]
    subprocess.run(stop, check=False, capture_output=True, timeout=60)


@pytest.mark.parametrize("kind", ["ed25519", "nistp256", "rsa2048"])
def test_what_gnupg_signs_is_verified_and_a_changed_byte_refused(gpg: Gpg, kind: str) -> None:
    trust = _trust(*certificates(gpg("--export", f"{kind}@pump.example")), now=datetime.now(UTC))
    who = ("-u", f"{kind}@pump.example", "--digest-algo", "SHA256", "-o", "-")
    for data in (gpg(*who, "-b", "content"), gpg(*who, "--armor", "-b", "content")):
        (signature,) = signatures_in(data)
        assert verify(CONTENT, signature, trust)[0].name == f"{kind} <{kind}@pump.example>"
        assert _refused(CONTENT.replace(b"pump", b"bump"), data, trust) == "signature.invalid"
        later = replace(trust, now=trust.now + timedelta(days=800))
        assert _refused(CONTENT, data, later) == "openpgp.expired"


def test_a_text_that_gnupg_signs_in_clear_is_verified(gpg: Gpg) -> None:
    trust = _trust(*certificates(gpg("--armor", "--export", "rsa2048@pump.example")), now=datetime.now(UTC))
    found = clear_text(gpg("-u", "rsa2048@pump.example", "-o", "-", "--clear-sign", "content"))
    assert found is not None
    (signature,) = signatures_in(found.signature)
    assert verify(found.text, signature, trust)[0].names == ("rsa2048 <rsa2048@pump.example>",)
    assert _refused(found.text + b"x", found.signature, trust) == "signature.invalid"


def test_a_signature_of_a_subkey_is_verified_through_its_owner(gpg: Gpg) -> None:
    rows = gpg("--list-keys", "--with-colons", "ed25519@pump.example").decode().splitlines()
    fingerprint = next(row.split(":")[9] for row in rows if row.startswith("fpr"))
    gpg("--quick-add-key", fingerprint, "ed25519", "sign", "0")
    (owner,) = certificates(gpg("--export", "ed25519@pump.example"))
    (signature,) = signatures_in(gpg("-u", "ed25519@pump.example", "-o", "-", "-b", "content"))
    certificate, key = verify(CONTENT, signature, _trust(owner, now=datetime.now(UTC)))
    assert (certificate.primary.fingerprint, key.is_primary) == (fingerprint.lower(), False)
