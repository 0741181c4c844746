"""Good signed images of every format, made from nothing but keys: what attacks and mutants start from."""

from __future__ import annotations

import base64
import hashlib
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from signing.device_ids import class_id, vendor_id
from signing.image import Expectation, ImageTrust, VerifiedImage, verify_image
from signing.key import PublicKey
from signing.mcuboot_builder import ImageRequest, signed_image
from signing.policy import policy_named
from signing.private import MemorySigner, made_key
from signing.strict.device_tree import BEGIN_NODE, END, END_NODE, MAGIC, PROPERTY
from signing.suit_builder import ManifestRequest, signed_envelope

__all__ = ["LAB", "GoodImage", "ImageLab", "archive", "cms_signature", "device_tree", "fit_tree", "root_certificate"]

NOW: Final = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
PROGRAM: Final = hashlib.shake_256(b"program").digest(3000)
VENDOR, DEVICE = "example.org", "pump-x1"
Tree = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class GoodImage:
    """An image that verifies, and where its parts are."""

    format: str
    image: bytes
    signature: bytes = b""
    trust: ImageTrust
    covered: int
    """Offset of a byte of the image that the signature covers."""

    def verify(self) -> VerifiedImage:
        """Verify it."""
        return verify_image(self.image, self.signature, self.trust, named=self.format)

    def having(self, **changes: Any) -> GoodImage:
        """Return it with some parts changed."""
        return replace(self, **changes)


@cache
def _key(name: str, number: int = 0) -> Any:
    """Return a private key; the same one for the same number."""
    del number
    return made_key(name)


def _trust(*keys: PublicKey, **more: Any) -> ImageTrust:
    return ImageTrust(policy=policy_named("legacy"), keys=keys, now=NOW, **more)


class ImageLab:
    """Makes good images, one a format."""

    def signer(self, name: str, number: int = 0) -> MemorySigner:
        """Return a signer with the key of this number."""
        return MemorySigner(_key(name, number))

    def formats(self) -> dict[str, Callable[[], GoodImage]]:
        """Return what makes a good image, by format."""
        return {
            "mcuboot": self.mcuboot,
            "suit": self.suit,
            "minisign": self.minisign,
            "signify": self.signify,
            "esp-secure-boot-v2": self.esp_secure_boot,
            "fit": self.fit,
            "swupdate": self.swupdate,
            "rauc": self.rauc,
        }

    def mcuboot(self, algorithm: str = "ecdsa-p256-sha256", **changes: Any) -> GoodImage:
        """Return an MCUboot image with every field that matters."""
        asked: dict[str, Any] = {
            "version": (2, 1, 0, 4),
            "security_counter": 7,
            "vendor": VENDOR,
            "device_class": DEVICE,
            "header_bytes": 64,
            "dependencies": {1: (1, 0, 0, 0)},
        }
        signer = self.signer(algorithm)
        image = signed_image(PROGRAM, ImageRequest(**(asked | changes)), signer, policy_named("legacy"))
        expectation = Expectation(
            least_version=(2, 0, 0, 0),
            least_security_counter=7,
            vendor_id=vendor_id(VENDOR),
            class_id=class_id(VENDOR, DEVICE),
            most_bytes=1 << 20,
            installed={1: (1, 2, 0, 0)},
        )
        trust = _trust(signer.public, expectation=expectation)
        return GoodImage(format="mcuboot", image=image, trust=trust, covered=100)

    def suit(self, algorithm: str = "ed25519", sequence_number: int = 7) -> GoodImage:
        """Return a SUIT envelope."""
        ids = vendor_id(VENDOR), class_id(VENDOR, DEVICE)
        request = ManifestRequest(sequence_number=sequence_number, vendor_id=ids[0], class_id=ids[1])
        signer = self.signer(algorithm)
        image = signed_envelope(PROGRAM, request, signer, policy_named("legacy"))
        expectation = Expectation(least_security_counter=7, vendor_id=ids[0], class_id=ids[1], most_bytes=1 << 20)
        trust = _trust(signer.public, expectation=expectation)
        return GoodImage(format="suit", image=image, trust=trust, covered=len(image) - 20)

    def minisign(self, letters: bytes = b"ED") -> GoodImage:
        """Return a file with its minisign signature. Source: minisign, src/minisign.c."""
        signer, number = self.signer("ed25519"), b"\1\2\3\4\5\6\7\x08"
        message = hashlib.blake2b(PROGRAM).digest() if letters == b"ED" else PROGRAM
        made = signer.sign(message)
        comment = b"version 2.1 of the pump"
        lines = (
            b"untrusted comment: anybody can change this",
            base64.b64encode(letters + number + made),
            b"trusted comment: " + comment,
            base64.b64encode(signer.sign(made + comment)),
            b"",
        )
        trust = _trust(signer.public, key_numbers={signer.public.key_id: number})
        return GoodImage(format="minisign", image=PROGRAM, signature=b"\n".join(lines), trust=trust, covered=5)

    def signify(self) -> GoodImage:
        """Return a file with its signify signature. Source: OpenBSD usr.bin/signify/signify.c."""
        signer, number = self.signer("ed25519"), b"\x11\2\3\4\5\6\7\x08"
        line = base64.b64encode(b"Ed" + number + signer.sign(PROGRAM))
        trust = _trust(signer.public, key_numbers={signer.public.key_id: number})
        signature = b"untrusted comment: anybody can change this\n" + line + b"\n"
        return GoodImage(format="signify", image=PROGRAM, signature=signature, trust=trust, covered=5)

    def esp_secure_boot(self, number: int = 0) -> GoodImage:
        """Return an ESP32 image with an RSA signature. Source: ESP-IDF, Secure Boot v2, Signature Block Format."""
        signer = self.signer("rsa-pss-3072-sha256", number)
        image = b"\xe9" + PROGRAM.ljust(4095, b"\xff")
        digest = hashlib.sha256(image).digest()
        numbers = _key("rsa-pss-3072-sha256", number).public_key().public_numbers()
        block = b"".join(
            (
                b"\xe7\x02\0\0",
                digest,
                numbers.n.to_bytes(384, "little"),
                numbers.e.to_bytes(4, "little"),
                ((1 << 6144) % numbers.n).to_bytes(384, "little"),
                (-pow(numbers.n, -1, 1 << 32) % (1 << 32)).to_bytes(4, "little"),
                signer.sign_digest(digest)[::-1],
            )
        )
        block += struct.pack("<I", zlib.crc32(block)) + bytes(16)
        trust = _trust(signer.public)
        return GoodImage(format="esp-secure-boot-v2", image=image + block.ljust(4096, b"\xff"), trust=trust, covered=50)

    def esp_ecdsa(self) -> GoodImage:
        """Return an ESP32 image with an ECDSA signature. Source: ESP-IDF, Secure Boot v2, ECDSA signature block."""
        signer = self.signer("ecdsa-p256-sha256")
        image = b"\xe9" + PROGRAM.ljust(4095, b"\xff")
        digest = hashlib.sha256(image).digest()
        point = _key("ecdsa-p256-sha256", 0).public_key().public_numbers()
        numbers = (point.x, point.y, *decode_dss_signature(signer.sign_digest(digest)))
        block = b"\xe7\x03\0\0" + digest + b"\2" + b"".join(n.to_bytes(32, "little") for n in numbers)
        block = block.ljust(1196, b"\0")
        block += struct.pack("<I", zlib.crc32(block)) + bytes(16)
        trust = _trust(signer.public)
        return GoodImage(format="esp-secure-boot-v2", image=image + block.ljust(4096, b"\xff"), trust=trust, covered=50)

    def fit(self) -> GoodImage:
        """Return a U-Boot image with one signed configuration."""
        image = self.signed_fit(fit_tree())
        return GoodImage(format="fit", image=image, trust=_trust(self.fit_key()), covered=image.index(PROGRAM) + 5)

    def fit_key(self) -> PublicKey:
        """Return the key that signs ``fit`` images."""
        return self.signer("ecdsa-p256-sha256").public

    def signed_fit(self, tree: Tree, named: tuple[str, ...] = ("kernel-1",)) -> bytes:
        """Return the tree with the signature of its configuration filled in."""
        from signing.images.fit import covered_bytes
        from signing.strict.device_tree import strict_device_tree

        blank = device_tree(tree)
        parsed = strict_device_tree(blank)
        tree["configurations"]["conf-1"]["signature-1"]["hashed-strings"] = struct.pack(">II", 0, len(parsed.strings))
        blank = device_tree(tree)
        parsed = strict_device_tree(blank)
        nodes = parsed.root.children
        images = [nodes["images"].children[name] for name in named]
        what = covered_bytes(parsed, nodes["configurations"].children["conf-1"], images, blank, len(parsed.strings))
        numbers = decode_dss_signature(self.signer("ecdsa-p256-sha256").sign(what))
        tree["configurations"]["conf-1"]["signature-1"]["value"] = b"".join(n.to_bytes(32, "big") for n in numbers)
        return device_tree(tree)

    def swupdate(self) -> GoodImage:
        """Return an SWUpdate image with a signed description."""
        description = _description(PROGRAM)
        signature = cms_signature(description)
        image = archive(("sw-description", description), ("sw-description.sig", signature), ("pump.bin", PROGRAM))
        trust = _trust(certificates=(root_certificate(),))
        return GoodImage(format="swupdate", image=image, trust=trust, covered=image.index(b"2.1.0"))

    def rauc(self) -> GoodImage:
        """Return a RAUC bundle of the plain format; its file system is only a beginning."""
        payload = b"hsqs" + PROGRAM.ljust(2 * 4096 - 4, b"\0")
        signature = cms_signature(payload)
        image = payload + signature + struct.pack(">Q", len(signature))
        trust = _trust(certificates=(root_certificate(),))
        return GoodImage(format="rauc", image=image, trust=trust, covered=50)


LAB: Final = ImageLab()


def _description(program: bytes) -> bytes:
    text = (
        'software = {\n  version = "2.1.0";\n  hardware-compatibility: [ "1.0" ];\n'
        f'  images: ( {{ filename = "pump.bin"; sha256 = "{hashlib.sha256(program).hexdigest()}"; }} );\n}}\n'
    )
    return text.encode()


def archive(*files: tuple[str, bytes], mode: int = 0o100644) -> bytes:
    """Return a cpio archive. Source: Linux Documentation, initramfs buffer format."""
    found = b""
    for name, content in (*files, ("TRAILER!!!", b"")):
        fields = (0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, sum(content) & 0xFFFF_FFFF)
        header = b"070702" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        found += header + bytes(-len(header) % 4) + content + bytes(-len(content) % 4)
    return found


def fit_tree() -> Tree:
    """Return the tree of a FIT image with one kernel and one configuration, its signature left blank."""
    kernel = {"description": b"kernel\0", "data": PROGRAM}
    digest = {"algo": b"sha256\0", "value": hashlib.sha256(PROGRAM).digest()}
    signature = {"algo": b"sha256,ecdsa256\0", "value": bytes(64), "hashed-strings": bytes(8)}
    configuration = {"description": b"pump\0", "kernel": b"kernel-1\0", "signature-1": signature}
    return {
        "description": b"pump\0",
        "timestamp": struct.pack(">I", 1_795_500_000),
        "images": {"kernel-1": {**kernel, "hash-1": digest}},
        "configurations": {"default": b"conf-1\0", "conf-1": configuration},
    }


def device_tree(tree: Tree) -> bytes:
    """Return a flattened device tree: dictionaries are nodes, bytes are properties. Source: Devicetree Spec. 0.4, 5."""
    names: dict[str, int] = {}
    strings = b""
    structure = b""

    def add(name: str, node: Tree) -> None:
        nonlocal strings, structure
        encoded = name.encode() + b"\0"
        structure += struct.pack(">I", BEGIN_NODE) + encoded + bytes(-len(encoded) % 4)
        for key, value in node.items():
            if isinstance(value, bytes):
                if key not in names:
                    names[key] = len(strings)
                    strings += key.encode() + b"\0"
                structure += struct.pack(">III", PROPERTY, len(value), names[key]) + value + bytes(-len(value) % 4)
            else:
                add(key, value)
        structure += struct.pack(">I", END_NODE)

    add("", tree)
    structure += struct.pack(">I", END)
    start, end = 56, 56 + len(structure)
    total = end + len(strings)
    header = (MAGIC, total, start, end, 40, 17, 16, 0, len(strings), len(structure))
    return struct.pack(">10I", *header) + bytes(16) + structure + strings


@cache
def _authority(number: int = 0) -> tuple[Any, Any]:
    """Return the private key and certificate of an authority."""
    key = _key("ecdsa-p256-sha256", 100 + number)
    return key, certificate(key.public_key(), key, f"authority {number}", f"authority {number}", ca=True)


def root_certificate(number: int = 0) -> bytes:
    """Return the certificate of an authority in DER."""
    from cryptography.hazmat.primitives.serialization import Encoding

    return bytes(_authority(number)[1].public_bytes(Encoding.DER))


def certificate(
    public: Any,
    issuer_key: Any,
    subject: str,
    issuer: str,
    *,
    ca: bool = False,
    purpose: str = "1.3.6.1.5.5.7.3.3",
    days: tuple[int, int] = (-1, 30),
) -> Any:
    """Return a certificate that is valid from and to some days from ``NOW``."""
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256

    def name(text: str) -> Any:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(public)
        .serial_number(int.from_bytes(hashlib.sha256(subject.encode()).digest()[:8], "big"))
        .not_valid_before(NOW + timedelta(days=days[0]))
        .not_valid_after(NOW + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage([x509.ObjectIdentifier(purpose)]), critical=False)
    return builder.sign(issuer_key, SHA256())


def cms_signature(content: bytes, *, authority: int = 0, number: int = 0, signers: int = 1, **how: Any) -> bytes:
    """Return a detached CMS signature of a signer whose certificate an authority issued."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

    key, _certificate = _authority(authority)
    builder = pkcs7.PKCS7SignatureBuilder().set_data(content)
    for signer in range(number, number + signers):
        own = _key("ecdsa-p256-sha256", 200 + signer)
        issued = certificate(own.public_key(), key, f"signer {signer}", f"authority {authority}", **how)
        builder = builder.add_signer(issued, own, SHA256())
    options = [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.NoCapabilities]
    return bytes(builder.sign(Encoding.DER, options))
