"""Signed MCUboot images: what imgtool makes and verifies, with the key where it is, and what only imgtool takes."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from signing.attacks.image_lab import LAB, PROGRAM
from signing.image import Expectation, ImageTrust, verify_image
from signing.key import PublicKey
from signing.mcuboot_builder import ImageRequest, signed_image
from signing.policy import policy_named
from signing.private import CheckedSigner, MemorySigner, made_key
from signing.refusal import Refusal
from toolkit.core.errors import InputError

POLICY = policy_named("legacy")
KINDS = ("ecdsa-p256-sha256", "ecdsa-p384-sha384", "ed25519", "rsa-pss-3072-sha256")


def request(**changes: object) -> ImageRequest:
    asked: dict[str, object] = {
        "version": (1, 2, 3, 4),
        "security_counter": 5,
        "vendor": "example.org",
        "device_class": "pump",
        "header_bytes": 0x200,
        "dependencies": {1: (1, 0, 0, 0)},
        "slot_bytes": 0x10000,
    }
    return ImageRequest(**(asked | changes))  # type: ignore[arg-type]  # a table of arguments


def imgtool(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "imgtool.main", *arguments]
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    return f"{done.returncode} {done.stdout}{done.stderr}"


@pytest.mark.parametrize("name", KINDS)
def test_imgtool_verifies_our_images(name: str, tmp_path: Path) -> None:
    signer = MemorySigner(made_key(name))
    (tmp_path / "image.bin").write_bytes(signed_image(PROGRAM, request(), signer, POLICY))
    (tmp_path / "key.pem").write_bytes(signer.public.pem())
    assert imgtool(tmp_path, "verify", "-k", "key.pem", "image.bin").startswith("0 Image was correctly validated")


@pytest.mark.parametrize("name", KINDS)
def test_we_verify_images_of_imgtool_and_build_the_same(name: str, tmp_path: Path) -> None:
    key = made_key(name)
    signer = MemorySigner(key)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key.pem").write_bytes(pem)
    (tmp_path / "program.bin").write_bytes(PROGRAM)
    options = "--version 1.2.3+4 --header-size 0x200 --pad-header -S 0x10000 -s 5 --vid example.org --cid pump"
    said = imgtool(
        tmp_path,
        "sign",
        "-k",
        "key.pem",
        *options.split(),
        "-d",
        "(1,1.0.0+0)",
        "--overwrite-only",
        "program.bin",
        "out.bin",
    )
    assert said.startswith("0"), said
    theirs, ours = (tmp_path / "out.bin").read_bytes(), signed_image(PROGRAM, request(), signer, POLICY)
    facts = verify_image(theirs, b"", ImageTrust(policy=POLICY, keys=(signer.public,))).facts
    assert facts == verify_image(ours, b"", ImageTrust(policy=POLICY, keys=(signer.public,))).facts
    covered = len(PROGRAM) + 0x200 + 4 + 8 + 16 + 20 + 20
    assert theirs[:covered] == ours[:covered]
    assert facts["depends_on"] == ("image 1 at 1.0.0+0 or later",)
    if name == "ed25519":
        assert theirs == ours


def test_an_unsigned_image_that_imgtool_passes_without_a_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "program.bin").write_bytes(PROGRAM)
    options = "sign --version 1.2.3 --header-size 0x200 --pad-header -S 0x10000 program.bin out.bin"
    assert imgtool(tmp_path, *options.split()).startswith("0")
    assert imgtool(tmp_path, "verify", "out.bin").startswith("0")
    image = (tmp_path / "out.bin").read_bytes()
    for keys, rule in (((), "trust.no-key"), ((LAB.signer("ed25519").public,), "signature.missing")):
        with pytest.raises(Refusal) as refused:
            verify_image(image, b"", ImageTrust(policy=POLICY, keys=keys))
        assert refused.value.rule == rule


@pytest.mark.parametrize(
    ("option", "rule"),
    [
        (["--pad"], "mcuboot.trailing"),
        (["--confirm"], "mcuboot.trailing"),
        (["--pure"], "mcuboot.tlv-unprotected"),
        (["--public-key-format", "full"], ""),
        (["--sha", "512"], ""),
        (["--boot-record", "app"], ""),
        (["--custom-tlv", "0x00a5", "abcd"], ""),
        (["--rom-fixed", "0x8000"], ""),
    ],
)
def test_options_of_imgtool_are_taken_or_refused_for_a_reason(option: list[str], rule: str, tmp_path: Path) -> None:
    key = made_key("ed25519")
    (tmp_path / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "program.bin").write_bytes(PROGRAM)
    options = ["--version", "1.2.3", "--header-size", "0x200", "--pad-header", "-S", "0x10000"]
    said = imgtool(tmp_path, "sign", "-k", "key.pem", *options, *option, "program.bin", "out.bin")
    assert said.startswith("0"), said
    trust = ImageTrust(policy=POLICY, keys=(MemorySigner(key).public,))
    if not rule:
        verify_image((tmp_path / "out.bin").read_bytes(), b"", trust)
        return
    with pytest.raises(Refusal) as refused:
        verify_image((tmp_path / "out.bin").read_bytes(), b"", trust)
    assert refused.value.rule == rule


def test_a_load_address_is_signed_and_told() -> None:
    signer = LAB.signer("ed25519")
    image = signed_image(PROGRAM, request(load_address=0x2000_0000), signer, POLICY)
    trust = ImageTrust(policy=POLICY, keys=(signer.public,), expectation=Expectation(load_address=0x2000_0000))
    assert verify_image(image, b"", trust).facts["load_address"] == 0x2000_0000


def test_room_for_the_header_may_be_there_already() -> None:
    signer = LAB.signer("ed25519")
    with_room = signed_image(bytes(0x200) + PROGRAM, request(is_header_there=True), signer, POLICY)
    assert with_room[0x200 : 0x200 + len(PROGRAM)] == PROGRAM
    with pytest.raises(InputError, match="does not start with 512 zeros"):
        signed_image(PROGRAM, request(is_header_there=True), signer, POLICY)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"header_bytes": 16}, "a header of 16 bytes is not possible"),
        ({"security_counter": 1 << 32}, "does not fit in 32 bits"),
        ({"slot_bytes": 100}, "exceeds requested size"),
        ({"version": (256, 0, 0, 0)}, "imgtool cannot build the image"),
    ],
)
def test_what_cannot_be_signed_is_explained(changes: dict[str, object], message: str) -> None:
    with pytest.raises((InputError, Refusal), match=message):
        signed_image(PROGRAM, request(**changes), LAB.signer("ed25519"), POLICY)


def test_an_empty_program_and_keys_that_boot_loaders_do_not_know_are_explained() -> None:
    with pytest.raises(InputError, match="the file is empty"):
        signed_image(b"", request(), LAB.signer("ed25519"), POLICY)
    with pytest.raises(InputError, match="MCUboot cannot verify ml-dsa-65"):
        signed_image(PROGRAM, request(), LAB.signer("ml-dsa-65"), POLICY)
    with pytest.raises(Refusal) as refused:
        signed_image(PROGRAM, request(), LAB.signer("ed25519"), policy_named("cnsa2"))
    assert refused.value.rule == "policy.algorithm"


class _Token(CheckedSigner):
    """A key that somebody else holds: signs digests, shows nothing."""

    def __init__(self, public: PublicKey, key: MemorySigner) -> None:
        super().__init__(public)
        self._inner = key
        self.seen: list[bytes] = []

    def made_of_digest(self, digest: bytes) -> bytes:
        self.seen.append(digest)
        return self._inner.made_of_digest(digest)


def test_a_token_sees_the_hash_of_the_image_only() -> None:
    inner = LAB.signer("ecdsa-p256-sha256")
    token = _Token(inner.public, inner)
    image = signed_image(PROGRAM, request(), token, POLICY)
    end = image.index(b"\x07\x69", 0x200 + len(PROGRAM))
    assert token.seen == [hashlib.sha256(image[:end]).digest()]


def test_ids_are_the_uuids_that_their_names_stand_for() -> None:
    named, given = request(), request(vendor="aad03681-8b63-5304-89e0-8ca8f49461b5")
    assert named.vendor_id == given.vendor_id
    assert named.class_id == given.class_id
    assert named.class_id != request(device_class="other").class_id
