"""Damaged images never crash a verifier, and none is accepted that the format's own program refuses.

``MEDHARDEN_MUTANTS=10000`` runs as many for each format.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from cryptography.x509 import load_der_x509_certificate

from signing.algorithms.ecdsa import low_s
from signing.attacks.image_lab import LAB, NOW, GoodImage
from signing.attacks.mutants import mutants
from signing.images.swupdate import entries
from signing.key import PublicKey
from signing.refusal import Refusal

COUNT = int(os.environ.get("MEDHARDEN_MUTANTS", "250"))


def _imgtool(mutant: GoodImage, folder: Path) -> bool:
    from imgtool import keys
    from imgtool.image import Image, VerifyResult

    (folder / "image.bin").write_bytes(mutant.image)
    key = load_der_public_key(mutant.trust.keys[0].encoded)
    (folder / "key.pem").write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    result = Image.verify(str(folder / "image.bin"), keys.load(str(folder / "key.pem")))
    return bool(result[0] == VerifyResult.OK)


def _boot_loader(image: bytes, key: PublicKey) -> bool:
    """Judge an image step by step as MCUboot does when it is built for P-256 with rollback protection and ids.

    Source: MCUboot boot/bootutil/src/tlv.c and image_validate.c (v2.2.0); reads beyond the end fail.
    """
    try:
        header_bytes, protected, image_bytes = struct.unpack_from("<HHI", image, 8)
        start = header_bytes + image_bytes
        magic, total = struct.unpack_from("<HH", image, start)
        if magic == 0x6908:
            if total != protected:
                return False
            magic, total = struct.unpack_from("<HH", image, start + total)
        elif protected:
            return False
        if image[:4] != b"\x3d\xb8\xf3\x96" or magic != 0x6907:
            return False
        return _records_hold(image, key, start, start + protected, start + protected + total)
    except struct.error:
        return False


def _records_hold(image: bytes, key: PublicKey, start: int, protected_end: int, end: int) -> bool:
    digest = hashlib.sha256(image[:protected_end]).digest()
    name = hashlib.sha256(key.encoded).digest()
    found = {"hash": False, "signature": False, "counter": False}
    is_named = False
    place = start + 4
    while place < end:
        place += 4 if start < protected_end == place else 0
        kind, size = struct.unpack_from("<HH", image, place)
        value = image[place + 4 : place + 4 + size]
        if place + 4 >= protected_end and kind not in (0x01, 0x10, 0x22, 0x30, 0x31, 0x32, 0x33):
            return False
        if kind == 0x10:
            if value != digest:
                return False
            found["hash"] = True
        elif kind == 0x01:
            is_named = value == name
        elif kind == 0x22 and is_named:
            found["signature"], is_named = _is_signed(key, digest, value), False
        elif kind == 0x50:
            found["counter"] = size == 4
        place += 4 + size
    return all(found.values())


def _is_signed(key: PublicKey, digest: bytes, signature: bytes) -> bool:
    try:
        key.verify_digest(digest, low_s(key.name, signature))
    except Refusal:
        return False
    return True


def _imgtool_and_boot_loader(mutant: GoodImage, folder: Path) -> bool:
    return _imgtool(mutant, folder) and _boot_loader(mutant.image, mutant.trust.keys[0])


def _runs(folder: Path, *command: str) -> bool:
    if shutil.which(command[0]) is None:
        return True  # said below, where the test skips
    return subprocess.run(command, cwd=folder, check=False, capture_output=True).returncode == 0


def _minisign(mutant: GoodImage, folder: Path) -> bool:
    _write(mutant, folder)
    return _runs(folder, "minisign", "-Vm", "image.bin", "-x", "image.sig", "-p", "key.pub")


def _signify(mutant: GoodImage, folder: Path) -> bool:
    _write(mutant, folder)
    return _runs(folder, "signify-openbsd", "-V", "-p", "key.pub", "-x", "image.sig", "-m", "image.bin")


def _write(mutant: GoodImage, folder: Path) -> None:
    import base64

    key = mutant.trust.keys[0]
    line = base64.b64encode(b"Ed" + mutant.trust.key_numbers[key.key_id] + key.encoded[-32:])
    (folder / "key.pub").write_bytes(b"untrusted comment: key\n" + line + b"\n")
    (folder / "image.bin").write_bytes(mutant.image)
    (folder / "image.sig").write_bytes(mutant.signature)


def _cms(content: bytes, signature: bytes, mutant: GoodImage, folder: Path) -> bool:
    root = load_der_x509_certificate(mutant.trust.certificates[0])
    (folder / "root.pem").write_bytes(root.public_bytes(Encoding.PEM))
    (folder / "content").write_bytes(content)
    (folder / "signature").write_bytes(signature)
    moment = str(int(NOW.timestamp()))
    command = "openssl cms -verify -binary -inform DER -in signature -content content -CAfile root.pem -out verified"
    return _runs(folder, *command.split(), "-purpose", "any", "-attime", moment)


def _openssl_of_swupdate(mutant: GoodImage, folder: Path) -> bool:
    files = dict(entries(mutant.image))
    return _cms(files["sw-description"], files["sw-description.sig"], mutant, folder)


def _openssl_of_rauc(mutant: GoodImage, folder: Path) -> bool:
    (size,) = struct.unpack(">Q", mutant.image[-8:])
    return _cms(mutant.image[: -8 - size], mutant.image[-8 - size : -8], mutant, folder)


REFERENCES: dict[str, tuple[str, Callable[[GoodImage, Path], bool]]] = {
    "mcuboot": ("", _imgtool_and_boot_loader),
    "minisign": ("minisign", _minisign),
    "signify": ("signify-openbsd", _signify),
    "swupdate": ("openssl", _openssl_of_swupdate),
    "rauc": ("openssl", _openssl_of_rauc),
}


@pytest.mark.parametrize("name", LAB.formats())
def test_no_mutant_is_believed_to_say_anything_else_and_none_crashes(name: str, tmp_path: Path) -> None:
    good = LAB.formats()[name]()
    told = good.verify()
    program, reference = REFERENCES.get(name, ("", lambda _mutant, _folder: True))
    assert reference(good, tmp_path), "the program of the format accepts the good image"
    accepted = 0
    for mutant in mutants(good, COUNT):
        try:
            verified = mutant.verify()
        except Refusal:
            continue
        accepted += 1
        assert verified.facts == told.facts
        assert reference(mutant, tmp_path)
    assert accepted < COUNT
    if program and shutil.which(program) is None:
        pytest.skip(f"{program} is not installed, so what was accepted was not compared with it")


@pytest.mark.parametrize("algorithm", ["ecdsa-p384-sha384", "ed25519", "rsa-pss-3072-sha256"])
def test_no_mutant_of_an_mcuboot_image_is_believed_that_imgtool_refuses(algorithm: str, tmp_path: Path) -> None:
    good = LAB.mcuboot(algorithm)
    told = good.verify()
    assert _imgtool(good, tmp_path)
    for mutant in mutants(good, COUNT):
        try:
            verified = mutant.verify()
        except Refusal:
            continue
        assert verified.facts == told.facts
        assert _imgtool(mutant, tmp_path)


@pytest.mark.parametrize("name", LAB.formats())
def test_an_image_cut_short_anywhere_is_refused(name: str) -> None:
    good = LAB.formats()[name]()
    step = max(1, len(good.image) // 300)
    for size in range(0, len(good.image), step):
        with pytest.raises(Refusal):
            good.having(image=good.image[:size]).verify()
    for size in range(max(0, len(good.signature) - 1)):
        with pytest.raises(Refusal):
            good.having(signature=good.signature[:size]).verify()
