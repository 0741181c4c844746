"""Keys by URI: made once, protected, opened with their secret only, and never replaced."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from signing.comment_files import read_trusted_key
from signing.key import PublicKey, public_keys_in, read_public_key
from signing.keyring import create_key, open_signer, public_key, scheme_of, schemes
from signing.private import MemorySigner, made_key
from signing.protection import protected_pkcs8
from signing.refusal import Refusal
from toolkit.core.errors import InputError, MissingExtra

WORDS = "correct horse battery"


class Words:
    def __init__(self, word: str = WORDS) -> None:
        self.word = word
        self.asked: list[str] = []

    def existing(self, purpose: str) -> str:
        self.asked.append(purpose)
        return self.word

    new = existing


def test_every_scheme_says_what_it_is_and_gives_an_example() -> None:
    assert set(schemes()) == {"file", "hybrid", "kms", "lms", "pkcs11"}
    for name, scheme in schemes().items():
        assert scheme.title
        assert scheme_of(scheme.example)[0] is schemes()[name]


@pytest.mark.parametrize("uri", ["", "file", "file:", "ftp:key", "none:x", "key.pem"])
def test_what_is_no_key_uri_is_explained(uri: str) -> None:
    with pytest.raises(InputError, match="is no key; a key looks like"):
        scheme_of(uri)


@pytest.mark.parametrize("algorithm", ["ed25519", "ecdsa-p384-sha384", "ml-dsa-65", "hybrid-ed25519-ml-dsa-65"])
def test_a_key_in_a_file_signs_and_its_public_half_needs_no_passphrase(algorithm: str, tmp_path: Path) -> None:
    uri = f"file:{tmp_path / 'root.pem'}"
    public = create_key(uri, algorithm, Words())
    with open_signer(uri, Words()) as signer:
        public.verify(b"message", signer.sign(b"message"))
        assert signer.public == public
    silent = Words()
    assert public_key(uri, silent) == public == read_public_key(tmp_path / "root.pem.pub")
    assert silent.asked == []
    assert scheme_of(uri)[0].facts(uri.removeprefix("file:"))["kept"] == "in an encrypted file"
    (tmp_path / "root.pem.pub").unlink()
    assert public_key(uri, Words()) == public


def test_a_key_file_is_encrypted_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "root.pem"
    create_key(f"file:{path}", "ed25519", Words())
    assert path.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("algorithm", ["ed25519", "ecdsa-p256-sha256", "rsa-pss-3072-sha256"])
def test_openssl_opens_our_key_files(algorithm: str, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed (Debian package openssl)")
    create_key(f"file:{tmp_path / 'key.pem'}", algorithm, Words())
    shown = subprocess.run(
        ["openssl", "pkey", "-in", "key.pem", "-passin", f"pass:{WORDS}", "-pubout"],  # noqa: S607
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    assert b"".join(public_keys_in(shown.stdout)) == read_public_key(tmp_path / "key.pem.pub").encoded


def test_a_wrong_passphrase_opens_nothing(tmp_path: Path) -> None:
    create_key(f"file:{tmp_path / 'k.pem'}", "ed25519", Words())
    with (
        pytest.raises(InputError, match="the passphrase does not open it"),
        open_signer(f"file:{tmp_path / 'k.pem'}", Words("wrong")),
    ):
        raise AssertionError


def test_a_short_passphrase_protects_no_new_key(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least 12 characters"):
        create_key(f"file:{tmp_path / 'k.pem'}", "ed25519", Words("1234"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("there", ["k.pem", "k.pem.pub"])
def test_an_existing_file_is_never_replaced(there: str, tmp_path: Path) -> None:
    (tmp_path / there).write_bytes(b"precious")
    with pytest.raises(InputError, match="exists already"):
        create_key(f"file:{tmp_path / 'k.pem'}", "ed25519", Words())
    assert (tmp_path / there).read_bytes() == b"precious"


def test_a_public_half_that_was_swapped_is_told_before_anything_is_signed(tmp_path: Path) -> None:
    create_key(f"file:{tmp_path / 'k.pem'}", "ed25519", Words())
    (tmp_path / "k.pem.pub").write_bytes(MemorySigner(made_key("ed25519")).public.pem())
    with pytest.raises(Refusal) as refused, open_signer(f"file:{tmp_path / 'k.pem'}", Words()):
        raise AssertionError
    assert refused.value.rule == "key.mismatch"


def test_an_unprotected_key_is_not_used_and_the_way_out_is_told(tmp_path: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    (tmp_path / "k.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with (
        pytest.raises(InputError, match="openssl pkcs8 -topk8 -scrypt"),
        open_signer(f"file:{tmp_path / 'k.pem'}", Words()),
    ):
        raise AssertionError


@pytest.mark.parametrize("content", [b"", b"hello", b"x" * 70_000])
def test_a_file_that_is_no_key_is_explained(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "k.pem").write_bytes(content)
    with pytest.raises(InputError), open_signer(f"file:{tmp_path / 'k.pem'}", Words()):
        raise AssertionError


def test_an_rsa_key_of_2048_bits_does_not_sign(tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 2048)
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "k.pem").write_bytes(protected_pkcs8(der, WORDS))
    with pytest.raises(Refusal) as refused, open_signer(f"file:{tmp_path / 'k.pem'}", Words()):
        raise AssertionError
    assert refused.value.rule == "key.weak"


def test_an_algorithm_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    for uri in (f"file:{tmp_path / 'k'}", "kms:awskms:alias/x", f"lms:{tmp_path / 'l'}"):
        with pytest.raises(InputError, match="keys cannot be made as"):
            create_key(uri, "none", Words())


def test_two_keys_sign_as_one_hybrid(tmp_path: Path) -> None:
    first, second = (f"file:{tmp_path / name}" for name in ("a.pem", "b.pem"))
    create_key(first, "ecdsa-p256-sha256", Words())
    create_key(second, "ml-dsa-65", Words())
    uri = f"hybrid:{first}|{second}"
    public = public_key(uri, Words())
    assert public.name == "hybrid-ecdsa-p256-sha256-ml-dsa-65"
    with open_signer(uri, Words()) as signer:
        public.verify(b"message", signer.sign(b"message"))
        with pytest.raises(InputError, match="needs the message whole"):
            signer.sign_digest(bytes(32))
    facts = scheme_of(uri)[0].facts(uri.removeprefix("hybrid:"))
    assert facts == {"classical_key": first, "post_quantum_key": second}
    assert len(list(public_keys_in(public.pem()))) == 2


@pytest.mark.parametrize("rest", ["file:a", "hybrid:a|b"])
def test_half_a_hybrid_is_explained(rest: str) -> None:
    with pytest.raises(InputError, match="does not name a classical and a post-quantum key"):
        public_key(f"hybrid:{rest}", Words())


@pytest.mark.parametrize(
    "text",
    [
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n",
        b"-----BEGIN PUBLIC KEY-----\n!!!!\n-----END PUBLIC KEY-----\n",
        b"text before\n-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        b"",
        b"-" * 70_000,
    ],
)
def test_a_file_that_holds_more_than_public_keys_is_none(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "k.pub").write_bytes(text)
    with pytest.raises(Refusal) as refused:
        read_public_key(tmp_path / "k.pub")
    assert refused.value.rule == "key.malformed"
    with pytest.raises(InputError):
        read_public_key(tmp_path / "missing.pub")


def test_minisign_and_signify_keys_are_read_with_their_numbers(tmp_path: Path) -> None:
    """Two lines: a comment, and base64 of letters, number and key (minisign manual; signify(1))."""
    import base64

    key = MemorySigner(made_key("ed25519")).public
    path = tmp_path / "k.pub"
    line = base64.b64encode(b"Ed" + b"12345678" + key.encoded[-32:])
    path.write_bytes(b"untrusted comment: a key\n" + line + b"\n")
    assert read_trusted_key(path) == (key, b"12345678")
    path.write_bytes(key.pem())
    assert read_trusted_key(path) == (key, None)
    for wrong in (line + b"\nmore\n", b"RW==\n", line[:-4] + b"\n", base64.b64encode(b"XX" + bytes(40)) + b"\n"):
        path.write_bytes(b"untrusted comment: a key\n" + wrong)
        with pytest.raises(Refusal):
            read_trusted_key(path)
    with pytest.raises(InputError):
        read_trusted_key(tmp_path / "missing")


class _Cloud:
    """Stands where securesystemslib has one class a provider: the same two steps, the key in memory."""

    key = made_key("ecdsa-p256-sha256")
    wanted: tuple[str, ...] = ("alias/firmware",)

    @classmethod
    def import_(cls, *parts: str) -> tuple[str, object]:
        from securesystemslib.signer import SSlibKey

        if parts != cls.wanted:
            raise OSError("no such key")
        return "memory:x", SSlibKey.from_crypto(cls.key.public_key())

    @classmethod
    def from_priv_key_uri(cls, uri: str, key: object) -> _Cloud:
        assert uri == "memory:x"
        assert key
        return cls()

    def sign(self, payload: bytes) -> object:
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.hashes import SHA256
        from securesystemslib.signer import Signature

        return Signature("id", self.key.sign(payload, ECDSA(SHA256())).hex())


NAMES = {
    "awskms": ("alias/firmware", ("alias/firmware",)),
    "gcpkms": ("projects/p/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1",) * 2,
    "azurekms": ("vault/key", ("vault", "key")),
}


@pytest.fixture(params=NAMES)
def cloud(request: pytest.FixtureRequest) -> Iterator[str]:
    """URI of a key of each provider, held in memory in the place securesystemslib has for it."""
    from securesystemslib.signer import SIGNER_FOR_URI_SCHEME

    name, parts = NAMES[request.param]
    kind = type("Cloud", (_Cloud,), {"wanted": parts if isinstance(parts, tuple) else (parts,)})
    before = SIGNER_FOR_URI_SCHEME[request.param]
    SIGNER_FOR_URI_SCHEME[request.param] = kind  # the registry is securesystemslib's own seam
    yield f"kms:{request.param}:{name}"
    SIGNER_FOR_URI_SCHEME[request.param] = before


def test_a_key_of_a_cloud_provider_signs_whole_messages(cloud: str) -> None:
    public = public_key(cloud, Words())
    with open_signer(cloud, Words()) as signer:
        for _signature in range(4):  # half of them come with the larger s
            public.verify(b"message", signer.sign(b"message"))
        with pytest.raises(InputError, match="whole messages only"):
            signer.sign_digest(bytes(32))
    assert scheme_of(cloud)[0].facts(cloud.removeprefix("kms:"))["provider"] == cloud.split(":")[1]
    with pytest.raises(InputError, match="no such key"):
        public_key(f"{cloud}x", Words())


@pytest.mark.parametrize(
    "rest", ["elsewhere:x", "file2:x", "hsm:2", "awskms", "azurekms:x", "azurekms:a/b/c", "awskms:"]
)
def test_a_provider_or_a_name_that_is_none_is_explained(rest: str) -> None:
    with pytest.raises(InputError, match=r"names no cloud provider|does not name a key of this provider"):
        public_key(f"kms:{rest}", Words())


@pytest.mark.parametrize(("provider", "name"), [("awskms", "x"), ("gcpkms", "x"), ("azurekms", "v/k")])
def test_a_provider_whose_library_is_not_installed_is_explained(provider: str, name: str) -> None:
    library = {"awskms": "boto3", "gcpkms": "google.cloud.kms", "azurekms": "azure.keyvault.keys"}[provider]
    if is_there(library):
        pytest.skip(f"{library} is installed")
    with pytest.raises(MissingExtra, match=rf"signing with kms:{provider}: needs an optional part: .*\[kms\]"):
        public_key(f"kms:{provider}:{name}", Words())


def is_there(library: str) -> bool:
    import importlib.util

    try:
        return importlib.util.find_spec(library) is not None
    except ModuleNotFoundError:
        return False


@pytest.mark.parametrize(
    ("algorithm", "is_equal"),
    [
        ("ed25519", True),
        ("ecdsa-p256-sha256", True),
        ("ecdsa-p384-sha384", True),
        ("rsa-pss-3072-sha256", False),
        ("ml-dsa-65", False),
    ],
)
def test_signing_the_same_message_twice_gives_the_same_bytes_where_we_say_so(algorithm: str, is_equal: bool) -> None:
    """What docs/updates.md says of packages that are equal byte for byte."""
    signer = MemorySigner(made_key(algorithm))
    assert (signer.sign(b"message") == signer.sign(b"message")) is is_equal


def test_whoever_makes_an_lms_key_beside_its_witness_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from toolkit.app.cli import run

    monkeypatch.setenv("MEDHARDEN_PASSPHRASE", WORDS)
    uri = f"lms:{tmp_path / 'fw.lms'}"
    assert run(["keys", "new", uri, "--algorithm", "lms-sha256-m24-h5-w8"]) == 0
    assert "fw.lms.witness is on the same medium as the key" in capsys.readouterr().err


def test_a_public_key_is_known_by_one_id() -> None:
    public = MemorySigner(made_key("ed25519")).public
    assert public.key_id == PublicKey.from_encoded(public.encoded).key_id
    assert len(public.key_id) == 64
