"""Images that the formats' own programs have signed are verified: minisign, signify, OpenSSL, RAUC, mkimage."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cbor2
import pytest

from signing.attacks.image_lab import LAB, PROGRAM, archive
from signing.comment_files import read_trusted_key
from signing.image import ImageTrust, VerifiedImage, signed_image_formats, verify_image
from signing.key import PublicKey, read_public_key
from signing.policy import policy_named
from signing.refusal import Refusal
from toolkit.core.errors import InputError

POLICY = policy_named("legacy")
SOON = datetime.now(UTC) + timedelta(hours=1)
"""Certificates made in a test are valid from now on."""


def needs(program: str, package: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed (Debian package {package})")


def run(folder: Path, command: str, *more: str) -> None:
    done = subprocess.run([*command.split(), *more], cwd=folder, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def refused(image: bytes, signature: bytes, trust: ImageTrust) -> str:
    with pytest.raises(Refusal) as caught:
        verify_image(image, signature, trust)
    return caught.value.rule


@pytest.mark.parametrize("option", ["-H", "-l"])
def test_files_signed_by_minisign_verify(option: str, tmp_path: Path) -> None:
    needs("minisign", "minisign")
    (tmp_path / "f.bin").write_bytes(PROGRAM)
    run(tmp_path, "minisign -G -W -p k.pub -s k.key")
    run(tmp_path, "minisign", "-S", option, "-s", "k.key", "-m", "f.bin", "-x", "f.sig", "-t", "pump 2.1")
    key, number = read_trusted_key(tmp_path / "k.pub")
    assert number is not None
    trust = ImageTrust(policy=POLICY, keys=(key,), key_numbers={key.key_id: number})
    signature = (tmp_path / "f.sig").read_bytes()
    assert verify_image(PROGRAM, signature, trust).facts["trusted_comment"] == "pump 2.1"
    assert refused(PROGRAM + b"!", signature, trust) == "signature.invalid"
    assert refused(PROGRAM, signature, ImageTrust(policy=POLICY, keys=(key,))) == "signature.unknown-key"


def test_files_signed_by_signify_verify(tmp_path: Path) -> None:
    needs("signify-openbsd", "signify-openbsd")
    (tmp_path / "f.bin").write_bytes(PROGRAM)
    run(tmp_path, "signify-openbsd -G -n -p k.pub -s k.sec")
    run(tmp_path, "signify-openbsd -S -s k.sec -m f.bin -x f.sig")
    key, number = read_trusted_key(tmp_path / "k.pub")
    assert number is not None
    trust = ImageTrust(policy=POLICY, keys=(key,), key_numbers={key.key_id: number})
    signature = (tmp_path / "f.sig").read_bytes()
    assert verify_image(PROGRAM, signature, trust).format == "signify"
    assert refused(PROGRAM[:-1], signature, trust) == "signature.invalid"


EXTENSIONS = "basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=codeSigning,emailProtection\n"


def certified(folder: Path, *kind: str) -> ImageTrust:
    """Make an authority and a signer with OpenSSL, and return the trust in the authority."""
    run(folder, "openssl", "req", "-x509", *kind, "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca")
    run(folder, "openssl", "req", *kind, "-nodes", "-keyout", "s.key", "-out", "s.csr", "-subj", "/CN=signer")
    (folder / "ext").write_text(EXTENSIONS, encoding="ascii")
    issue = "openssl x509 -req -in s.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out s.pem -extfile ext"
    run(folder, issue)
    run(folder, "openssl x509 -in ca.pem -outform DER -out ca.der")
    return ImageTrust(policy=POLICY, certificates=((folder / "ca.der").read_bytes(),), now=SOON)


RSA = ("-newkey", "rsa:3072")
EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
PSS = ("-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:-1")


@pytest.mark.parametrize(("kind", "options"), [(RSA, ()), (RSA, PSS), (EC, ())], ids=["rsa", "rsa-pss", "ecdsa"])
def test_swupdate_images_signed_by_openssl_verify(
    kind: tuple[str, ...], options: tuple[str, ...], tmp_path: Path
) -> None:
    needs("openssl", "openssl")
    trust = certified(tmp_path, *kind)
    from signing.images.swupdate import entries

    description = dict(entries(LAB.swupdate().image))["sw-description"]
    (tmp_path / "sw-description").write_bytes(description)
    command = (
        "openssl cms -sign -in sw-description -out sig -signer s.pem -inkey s.key -outform DER -nosmimecap -binary"
    )
    run(tmp_path, command, "-md", "sha256", *options)
    signature = (tmp_path / "sig").read_bytes()
    image = archive(("sw-description", description), ("sw-description.sig", signature), ("pump.bin", PROGRAM))
    facts = verify_image(image, b"", trust).facts
    assert facts == {"files": ("pump.bin",), "version": "2.1.0", "hardware": ("1.0",)}


def test_a_json_description_is_read_too() -> None:
    import hashlib
    import json

    from signing.attacks.image_lab import cms_signature

    image_row = {"filename": "pump.bin", "sha256": hashlib.sha256(PROGRAM).hexdigest()}
    description = json.dumps({"software": {"version": "3", "images": [image_row]}}).encode()
    files = (("sw-description", description), ("sw-description.sig", cms_signature(description)), ("pump.bin", PROGRAM))
    assert verify_image(archive(*files), b"", LAB.swupdate().trust).facts["version"] == "3"


@pytest.mark.parametrize("bundle_format", ["plain", "verity"])
def test_bundles_made_by_rauc_verify(bundle_format: str, tmp_path: Path) -> None:
    needs("rauc", "rauc")
    needs("mksquashfs", "squashfs-tools")
    needs("openssl", "openssl")
    trust = certified(tmp_path, *EC)
    content = tmp_path / "content"
    content.mkdir()
    (content / "rootfs.img").write_bytes(b"".join(i.to_bytes(4, "big") * 7 for i in range(9000)))
    update = f"[update]\ncompatible=pump\nversion=3\n\n[bundle]\nformat={bundle_format}\n"
    manifest = f"{update}\n[image.rootfs]\nfilename=rootfs.img\n"
    (content / "manifest.raucm").write_text(manifest, encoding="ascii")
    run(tmp_path, "rauc bundle --cert=s.pem --key=s.key --keyring=ca.pem content b.raucb")
    bundle = (tmp_path / "b.raucb").read_bytes()
    facts = verify_image(bundle, b"", trust).facts
    assert facts["bundle_format"] == bundle_format
    for place in (100, 5000, len(bundle) // 2):
        changed = bundle[:place] + bytes((bundle[place] ^ 1,)) + bundle[place + 1 :]
        assert refused(changed, b"", trust) in ("cms.digest", "rauc.verity")


ITS = """/dts-v1/;
/ { description = "pump"; #address-cells = <1>;
    images {
        kernel-1 { description = "k"; data = /incbin/("f.bin"); type = "kernel"; arch = "arm"; os = "linux";
                   compression = "none"; load = <0>; entry = <0>; hash-1 { algo = "sha256"; }; };
        fdt-1 { description = "f"; data = /incbin/("f.dtb"); type = "flat_dt"; arch = "arm"; compression = "none";
                hash-1 { algo = "sha256"; }; }; };
    configurations { default = "conf-1"; conf-1 { description = "c"; kernel = "kernel-1"; fdt = "fdt-1";
        signature-1 { algo = "%s"; key-name-hint = "dev"; %s sign-images = "fdt", "kernel"; }; }; }; };
"""


@pytest.mark.parametrize("where", [(), ("-E",)], ids=["inside", "behind"])
@pytest.mark.parametrize(
    ("algorithm", "padding"), [("sha256,rsa2048", ""), ("sha256,rsa3072", 'padding = "pss";'), ("sha256,ecdsa256", "")]
)
def test_images_signed_by_mkimage_verify(algorithm: str, padding: str, where: tuple[str, ...], tmp_path: Path) -> None:
    needs("mkimage", "u-boot-tools")
    needs("dtc", "device-tree-compiler")
    needs("openssl", "openssl")
    if algorithm.endswith("ecdsa256"):
        run(tmp_path, "openssl ecparam -name prime256v1 -genkey -noout -out dev.pem")
        run(tmp_path, "openssl ec -in dev.pem -pubout -out pub.pem")
        key_option = ["-G", "dev.pem"]
    else:
        bits = algorithm[-4:]
        run(tmp_path, f"openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:{bits} -out dev.key")
        run(tmp_path, "openssl req -batch -new -x509 -key dev.key -out dev.crt -subj /CN=dev")
        run(tmp_path, "openssl pkey -in dev.key -pubout -out pub.pem")
        key_option = ["-k", "."]
    (tmp_path / "f.bin").write_bytes(PROGRAM)
    (tmp_path / "f.dtb").write_bytes(PROGRAM[:500])
    (tmp_path / "f.its").write_text(ITS % (algorithm, padding), encoding="ascii")
    run(tmp_path, "mkimage", "-f", "f.its", *where, "-r", *key_option, "f.itb")
    image = (tmp_path / "f.itb").read_bytes()
    trust = ImageTrust(policy=POLICY, keys=(read_public_key(tmp_path / "pub.pem"),))
    assert verify_image(image, b"", trust).facts["configurations"] == ("conf-1",)
    place = image.index(PROGRAM[:500]) + 7
    assert refused(image[:place] + b"!" + image[place + 1 :], b"", trust) == "fit.hash"


DRAFT_EXAMPLE = bytes.fromhex(
    "D86BA2025873825824822F5820A6C4590AC53043A98E8C4106E1E31B305516D7CF0A655EDDFAC6D45C810E036A584AD28443A10126A0F65840"
    "D11A2DD9610FB62A707335F584079225709F96E8117E7EEED98A2F207D05C8ECFBA1755208F6ABEA977B8A6EFE3BC2CA3215E1193BE201467D"
    "052B42DB6B7287035871A50101020003585FA202818141000458568614A40150FA6B4A53D5AD5FDFBE9DE663E4D41FFE02501492AF1425695E"
    "48BF429B2D51F2AB45035824822F582000112233445566778899AABBCCDDEEFF0123456789ABCDEFFEDCBA98765432100E1987D0010F020F0A"
    "4382030F0C43821702"
)


def test_the_example_of_the_suit_draft_verifies() -> None:
    """draft-ietf-suit-manifest, appendix B, example 0, and the key it is signed with."""
    import base64

    key = base64.b64decode(
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEhJaBGq4LqqvSYVcYnuzaJr6qi/Eb"
        "bz/m4rVlnIXbwK07HypLbAmBMcCjbazR14vTgdzfsJwFLbM5kdtzOLSolg=="
    )
    trust = ImageTrust(policy=POLICY, keys=(PublicKey.from_encoded(key),))
    facts = verify_image(DRAFT_EXAMPLE, b"", trust).facts
    assert facts["image_bytes"] == 34768
    assert facts["image_digest"] == "00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210"


@pytest.mark.parametrize("name", ["ecdsa-p256-sha256", "ecdsa-p384-sha384", "rsa-pss-3072-sha256", "ml-dsa-65"])
def test_suit_envelopes_are_signed_with_every_algorithm_that_cose_names(name: str) -> None:
    good = LAB.suit(name)
    assert good.verify().algorithms == (name,)
    assert cbor2.loads(good.image).tag == 107


def test_formats_are_told_apart_and_unknown_ones_explained() -> None:
    for name, make in LAB.formats().items():
        good = make()
        assert isinstance(verify_image(good.image, good.signature, good.trust), VerifiedImage)
        assert signed_image_formats()[name].recognise(good.image, good.signature)
    good = LAB.mcuboot()
    with pytest.raises(InputError, match="is no format of signed images"):
        verify_image(good.image, b"", good.trust, named="floppy")
    assert refused(b"nothing at all", b"", good.trust) == "image.unsigned"


def test_an_esp_image_signed_with_ecdsa_verifies() -> None:
    good = LAB.esp_ecdsa()
    assert good.verify().algorithms == ("ecdsa-p256-sha256",)
    with pytest.raises(Refusal) as refused:
        good.having(trust=LAB.esp_secure_boot().trust).verify()
    assert refused.value.rule == "signature.unknown-key"
    with pytest.raises(Refusal) as refused:
        good.having(image=good.image[:100] + b"!" + good.image[101:]).verify()
    assert refused.value.rule == "esp.digest"


@pytest.mark.parametrize("scheme", ["ecdsa256", "rsa3072"])
def test_esp_images_signed_by_espsecure_verify(scheme: str, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    if shutil.which("espsecure") is None:
        pytest.skip("espsecure is not installed (Python package esptool)")
    (tmp_path / "app.bin").write_bytes(b"\xe9" + bytes(range(256)) * 40)
    for command in (
        f"espsecure generate-signing-key --version 2 --scheme {scheme} key.pem",
        "espsecure sign-data --version 2 --keyfile key.pem --output signed.bin app.bin",
    ):
        subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    private = load_pem_private_key((tmp_path / "key.pem").read_bytes(), None)
    encoded = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    trust = ImageTrust(policy=policy_named("legacy"), keys=(PublicKey.from_encoded(encoded),))
    signed = (tmp_path / "signed.bin").read_bytes()
    assert verify_image(signed, b"", trust).format == "esp-secure-boot-v2"
    with pytest.raises(Refusal):
        verify_image(signed[:64] + b"!" + signed[65:], b"", trust)
