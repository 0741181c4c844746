"""Structures that a lenient parser would read somehow: every departure from the one expected shape has its refusal."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from signing.attacks.image_lab import (
    LAB,
    NOW,
    PROGRAM,
    GoodImage,
    archive,
    certificate,
    cms_signature,
    device_tree,
    root_certificate,
)
from signing.certificates import checked_signer_key
from signing.classic_rsa import verify_any_salt, verify_pkcs1
from signing.image import ImageTrust, VerifiedImage, verify_image
from signing.images.swupdate import entries
from signing.policy import policy_named
from signing.private import CheckedSigner, MemorySigner, made_key
from signing.refusal import Refusal
from signing.strict.der import SEQUENCE, strict_der
from signing.suit_builder import ManifestRequest, signed_envelope
from toolkit.core.errors import InputError

POLICY = policy_named("legacy")
Tree = list[Any]


def rule_of(action: Callable[[], object]) -> str:
    with pytest.raises(Refusal) as refused:
        action()
    return refused.value.rule


def opened(data: bytes) -> Tree:
    """Return DER as nested lists: [tag, children] or [tag, content]."""
    found = []
    place = 0
    while place < len(data):
        tag, size, head = data[place], data[place + 1], 2
        if size & 0x80:
            head += size & 0x7F
            size = int.from_bytes(data[place + 2 : place + head], "big")
        content = data[place + head : place + head + size]
        found.append([tag, opened(content) if tag & 0x20 else content])
        place += head + size
    return found


def closed(tree: Tree) -> bytes:
    data = b""
    for tag, inner in tree:
        content = closed(inner) if isinstance(inner, list) else inner
        size = len(content)
        length = bytes((size,)) if size < 0x80 else size.to_bytes((size.bit_length() + 7) // 8, "big")
        data += bytes((tag,)) + (length if size < 0x80 else bytes((0x80 | len(length),)) + length) + content
    return data


NULL: Tree = [5, b""]


def _signed(tree: Tree) -> Tree:
    """The fields of SignedData."""
    fields: Tree = tree[0][1][1][1][0][1]
    return fields


def _signer(tree: Tree) -> Tree:
    fields: Tree = _signed(tree)[-1][1][0][1]
    return fields


def _attributes(tree: Tree) -> Tree:
    found: Tree = _signer(tree)[3][1]
    return found


CMS_CHANGES: list[tuple[str, Callable[[Tree], object], str]] = [
    ("another version", lambda t: _signed(t)[0].__setitem__(1, b"\3"), "cms.structure"),
    ("no content type", lambda t: t[0][1].pop(), "cms.structure"),
    ("another content type", lambda t: t[0][1][0].__setitem__(1, b"\x2a\3"), "cms.structure"),
    ("fields missing", lambda t: _signed(t).__delitem__(slice(1, 4)), "cms.structure"),
    ("no hash announced", lambda t: _signed(t)[1].__setitem__(1, []), "cms.structure"),
    ("a hash more", lambda t: _signed(t)[1][1].append(_signed(t)[1][1][0]), "cms.structure"),
    ("content of another kind", lambda t: _signed(t)[2][1][0].__setitem__(1, b"\x2a\3"), "cms.structure"),
    ("content of its own", lambda t: _signed(t)[2][1].append([0xA0, [[4, b"x"]]]), "cms.structure"),
    ("revocation lists", lambda t: _signed(t).insert(4, [0xA1, []]), "cms.structure"),
    ("no certificate", lambda t: _signed(t).pop(3), "cms.signer"),
    ("no signer", lambda t: _signed(t)[-1].__setitem__(1, []), "cms.signers"),
    ("signer of another version", lambda t: _signer(t)[0].__setitem__(1, b"\3"), "cms.structure"),
    ("hash with parameters", lambda t: _signer(t)[2][1].append([4, b"x"]), "algorithm.unknown"),
    ("hash without a name", lambda t: _signer(t)[2].__setitem__(1, []), "algorithm.unknown"),
    ("no attributes", lambda t: _signer(t).pop(3), "cms.structure"),
    ("attributes that are not signed", lambda t: _signer(t).append([0xA1, []]), "cms.structure"),
    ("attribute twice", lambda t: _attributes(t).append(_attributes(t)[0]), "cms.attributes"),
    ("no digest", lambda t: _attributes(t).pop(), "cms.attributes"),
    ("attribute without a value", lambda t: _attributes(t)[0][1].pop(), "cms.attributes"),
    ("unknown attribute", lambda t: _attributes(t).append([0x30, [[6, b"\x2a\3"], [0x31, []]]]), "cms.attributes"),
    ("type of the content", lambda t: _attributes(t)[0][1][1][1][0].__setitem__(1, b"\x2a\3"), "cms.attributes"),
    ("signature with parameters", lambda t: _signer(t)[4][1].append(NULL), "signature.algorithm"),
    (
        "RSA claimed",
        lambda t: _signer(t)[4].__setitem__(1, opened(bytes.fromhex("06092a864886f70d010101"))),
        "signature.algorithm",
    ),
    ("two elements", lambda t: t.append(NULL), "der.trailing"),
]


@pytest.mark.parametrize(("change", "rule"), [c[1:] for c in CMS_CHANGES], ids=[c[0] for c in CMS_CHANGES])
def test_a_cms_signature_of_another_shape_is_refused(change: Callable[[Tree], object], rule: str) -> None:
    good = LAB.swupdate()
    files = dict(entries(good.image))
    tree = opened(files["sw-description.sig"])
    assert closed(tree) == files["sw-description.sig"]
    change(tree)
    files["sw-description.sig"] = closed(tree)
    assert rule_of(lambda: good.having(image=archive(*files.items())).verify()) == rule


def authority(**changes: Any) -> tuple[Any, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    made = certificate(key.public_key(), key, "root", "root", **{"ca": True, **changes})
    return key, made.public_bytes(Encoding.DER)


def der(found: Any) -> bytes:
    return bytes(found.public_bytes(Encoding.DER))


def test_a_chain_over_an_intermediate_authority_is_followed() -> None:
    root_key, root = authority()
    middle_key, leaf_key = (ec.generate_private_key(ec.SECP256R1()) for _key in range(2))
    middle = der(certificate(middle_key.public_key(), root_key, "middle", "root", ca=True))
    leaf = der(certificate(leaf_key.public_key(), middle_key, "leaf", "middle"))
    key = checked_signer_key(leaf, (middle,), (root,), NOW, POLICY)
    assert key == MemorySigner(leaf_key).public
    assert rule_of(lambda: checked_signer_key(leaf, (), (root,), NOW, POLICY)) == "certificate.chain"
    assert rule_of(lambda: checked_signer_key(leaf, (middle,), (root,), NOW + timedelta(days=99), POLICY)) == (
        "certificate.expired"
    )


def test_a_certificate_that_is_trusted_itself_may_sign() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    own = der(certificate(key.public_key(), key, "maker", "maker"))
    assert checked_signer_key(own, (), (own,), NOW, POLICY) == MemorySigner(key).public
    assert rule_of(lambda: checked_signer_key(own, (), (root_certificate(3),), NOW, POLICY)) == "certificate.chain"


def test_somebody_without_authority_issues_nothing() -> None:
    root_key, root = authority()
    person_key, leaf_key = (ec.generate_private_key(ec.SECP256R1()) for _key in range(2))
    person = der(certificate(person_key.public_key(), root_key, "person", "root"))
    leaf = der(certificate(leaf_key.public_key(), person_key, "leaf", "person"))
    assert rule_of(lambda: checked_signer_key(leaf, (person,), (root,), NOW, POLICY)) == "certificate.chain"


def test_a_chain_that_never_ends_is_refused() -> None:
    keys = [ec.generate_private_key(ec.SECP256R1()) for _key in range(7)]
    links = [der(certificate(keys[n].public_key(), keys[n + 1], f"a{n}", f"a{n + 1}", ca=n > 0)) for n in range(6)]
    _key, root = authority()
    assert rule_of(lambda: checked_signer_key(links[0], tuple(links[1:]), (root,), NOW, POLICY)) == "certificate.chain"


@pytest.mark.parametrize(
    ("extension", "critical", "rule"),
    [
        (x509.KeyUsage(False, False, True, False, False, False, False, False, False), True, "certificate.usage"),
        (x509.KeyUsage(True, False, False, False, False, False, False, False, False), True, ""),
        (x509.InhibitAnyPolicy(0), True, "certificate.extension"),
        (x509.InhibitAnyPolicy(0), False, ""),
    ],
)
def test_extensions_of_the_signer_are_heeded(extension: Any, rule: str, *, critical: bool) -> None:
    root_key, root = authority()
    key = ec.generate_private_key(ec.SECP256R1())
    name = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)]) for text in ("leaf", "root")]
    leaf = (
        x509.CertificateBuilder(name[1], name[0], key.public_key(), 5, NOW - timedelta(1), NOW + timedelta(1))
        .add_extension(extension, critical)
        .sign(root_key, SHA256())
    )
    if rule:
        assert rule_of(lambda: checked_signer_key(der(leaf), (), (root,), NOW, POLICY)) == rule
    else:
        checked_signer_key(der(leaf), (), (root,), NOW, POLICY)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda t: t[:4] + struct.pack(">I", 1 << 30) + t[8:], "image.unreadable"),
        (lambda t: t[:8] + struct.pack(">I", 8) + t[12:], "fdt.header"),
        (lambda t: t[:20] + struct.pack(">I", 16) + t[24:], "image.unreadable"),
        (lambda t: t.replace(b"\0\0\0\x02\0\0\0\x09", b"\0\0\0\x02\0\0\0\x04"), "image.unreadable"),
        (lambda t: t.replace(b"\0\0\0\x02\0\0\0\x09", b"\0\0\0\x07\0\0\0\x09"), "fdt.structure"),
        (lambda t: t.replace(b"\0\0\0\x02\0\0\0\x09", b"\0\0\0\x09\0\0\0\x09"), "fdt.structure"),
        (lambda t: t.replace(b"\0\0\0\x01\0\0\0\0", b"\0\0\0\x03\0\0\0\0", 1), "fdt.structure"),
        (lambda t: t.replace(b"\0\0\0\x01\0\0\0\0", b"\0\0\0\x01x\0\0\0", 1), "fdt.structure"),
        (lambda t: t.replace(b"conf-1\0\0", b"con/-1\0\0"), "fdt.name"),
        (lambda t: t.replace(b"timestamp", b"timestam\xff"), "image.unreadable"),
    ],
)
def test_a_device_tree_of_another_shape_is_refused(change: Callable[[bytes], bytes], rule: str) -> None:
    good = LAB.fit()
    assert change(good.image) != good.image
    assert rule_of(lambda: good.having(image=change(good.image)).verify()) == rule


def test_a_device_tree_that_is_too_deep_is_refused() -> None:
    tree: dict[str, Any] = {}
    for _level in range(20):
        tree = {"a": tree}
    good = LAB.fit()
    assert rule_of(lambda: good.having(image=device_tree(tree)).verify()) == "fdt.depth"


@pytest.mark.parametrize(
    ("tree", "rule"),
    [
        ({"images": {}, "configurations": {}}, "fit.structure"),
        ({"images": {"a": {}}, "configurations": {"c": {"description": b"x\0"}}}, "fit.structure"),
        ({"images": {"a": {}}, "configurations": {"c": {"kernel": b"b\0"}}}, "fit.structure"),
        ({"images": {"a": {}}, "configurations": {"c": {"kernel": b"b"}}}, "fdt.text"),
        ({"images": {"a": {}}, "configurations": {"c": {"kernel": b"a\0", "x": {}}}}, "fit.unsigned"),
    ],
)
def test_a_fit_image_without_signed_images_is_refused(tree: dict[str, Any], rule: str) -> None:
    good = LAB.fit()
    assert rule_of(lambda: good.having(image=device_tree(tree)).verify()) == rule


def _manifest(change: Callable[[dict[int, Any], dict[int, Any]], object]) -> GoodImage:
    """Return an envelope whose manifest was changed before it was signed."""
    from signing.suit_layout import to_be_signed

    good = LAB.suit()
    envelope = dict(cbor2.loads(good.image).value)
    manifest = dict(cbor2.loads(envelope[3]))
    common = dict(cbor2.loads(manifest[3]))
    change(manifest, common)
    if 3 in manifest:
        manifest[3] = cbor2.dumps(common, canonical=True)
    encoded = cbor2.dumps(manifest, canonical=True)
    import hashlib

    digest = hashlib.sha256(cbor2.dumps(encoded)).digest()
    payload = cbor2.dumps([-16, digest], canonical=True)
    protected = bytes.fromhex("a10127")
    made = LAB.signer("ed25519").sign(to_be_signed(protected, payload))
    block = cbor2.dumps(cbor2.CBORTag(18, [protected, {}, None, made]), canonical=True)
    wrapper = cbor2.dumps([payload, block], canonical=True)
    return good.having(image=cbor2.dumps(cbor2.CBORTag(107, {2: wrapper, 3: encoded}), canonical=True))


def _sequence(*items: Any) -> bytes:
    return cbor2.dumps(list(items), canonical=True)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda m, _c: m.__setitem__(1, 2), "suit.version"),
        (lambda m, _c: m.__setitem__(2, -1), "suit.structure"),
        (lambda m, _c: m.pop(2), "suit.structure"),
        (lambda m, _c: m.pop(3), "suit.structure"),
        (lambda _m, c: c.pop(4), "suit.structure"),
        (lambda _m, c: c.__setitem__(4, _sequence(1, 15)), "suit.structure"),
        (lambda _m, c: c.__setitem__(4, _sequence(20)), "suit.structure"),
        (lambda _m, c: c.__setitem__(4, _sequence(20, [])), "suit.structure"),
        (lambda _m, c: c.__setitem__(4, _sequence(20, {}, 20, {})), "suit.structure"),
        (lambda _m, c: c.__setitem__(4, _sequence(20, {})), "target.vendor"),
    ],
)
def test_a_signed_manifest_that_says_too_little_is_refused(change: Callable[..., object], rule: str) -> None:
    assert rule_of(lambda: _manifest(change).verify()) == rule


@pytest.mark.parametrize(
    ("digest", "rule"),
    [(b"x", "suit.structure"), (_sequence(-43, bytes(64)), "suit.digest"), (_sequence(-16), "suit.digest")],
)
def test_a_signed_program_digest_of_another_kind_is_refused(digest: Any, rule: str) -> None:
    good = LAB.suit()
    parameters = {1: good.trust.expectation.vendor_id, 2: good.trust.expectation.class_id, 3: digest, 14: 5}
    if rule == "suit.structure":
        parameters[3] = _sequence(-16, 5)
    changed = _manifest(lambda _m, c: c.__setitem__(4, _sequence(20, parameters)))
    assert rule_of(changed.verify) == rule


def test_a_manifest_without_optional_facts_tells_what_it_has() -> None:
    changed = _manifest(lambda _m, c: c.__setitem__(4, _sequence(20, {14: 5})))
    open_trust = ImageTrust(policy=POLICY, keys=changed.trust.keys)
    verified = changed.having(trust=open_trust).verify()
    assert dict(verified.facts) == {"sequence_number": 7, "components": 1, "image_bytes": 5}


@pytest.mark.parametrize(
    "envelope", [b"\xd8\x6b\x05", b"\xd8\x6b\xa2\x02\x05\x03\x40", b"\xd8\x6b\xa2\x02\x41\x05\x03\x40"]
)
def test_an_envelope_of_another_shape_is_refused(envelope: bytes) -> None:
    assert rule_of(lambda: LAB.suit().having(image=envelope).verify()) in ("suit.envelope", "suit.structure")


def test_cose_has_no_number_for_lms_and_hybrids() -> None:
    request = ManifestRequest(sequence_number=1, vendor_id=bytes(16), class_id=bytes(16))
    from signing.hybrid_signer import HybridSigner

    both = HybridSigner(LAB.signer("ed25519"), LAB.signer("ml-dsa-44"))
    with pytest.raises(InputError, match="COSE has no number"):
        signed_envelope(PROGRAM, request, both, POLICY)


def test_an_rsa_signature_needs_an_rsa_key_and_a_hash_that_is_offered() -> None:
    key = LAB.signer("rsa-pss-3072-sha256").public
    other = LAB.signer("ed25519").public
    for verify in (verify_pkcs1, verify_any_salt):
        assert rule_of(lambda check=verify: check(other, "sha256", b"m", bytes(384))) == "signature.algorithm"  # type: ignore[misc]
        assert rule_of(lambda check=verify: check(key, "sha1", b"m", bytes(384))) == "signature.algorithm"  # type: ignore[misc]
        assert rule_of(lambda check=verify: check(key, "sha256", b"m", bytes(384))) == "signature.invalid"  # type: ignore[misc]


def test_a_bundle_in_a_format_that_cannot_be_checked_is_refused() -> None:
    from cryptography.hazmat.primitives.serialization import pkcs7

    own = made_key("ecdsa-p256-sha256")
    leaf = certificate(own.public_key(), own, "maker", "maker")
    trust = ImageTrust(policy=POLICY, certificates=(der(leaf),), now=NOW)
    payload = b"hsqs" + bytes(2 * 4096 - 4)
    for manifest, rule in (
        (b"[bundle]\nformat=crypt\n", "rauc.format"),
        (b"[bundle]\nformat=verity\nverity-size=0\nverity-salt=00\nverity-hash=00\n", "rauc.verity"),
        (b"[bundle]\nformat=verity\nverity-size=4096\nverity-salt=00\nverity-hash=00\n", "rauc.verity"),
        (b"[bundle]\nformat=verity\n", "image.unreadable"),
    ):
        builder = pkcs7.PKCS7SignatureBuilder().set_data(manifest).add_signer(leaf, own, SHA256())
        made = builder.sign(Encoding.DER, [pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.NoCapabilities])
        image = payload + made + struct.pack(">Q", len(made))
        assert rule_of(lambda data=image: verify_image(data, b"", trust, named="rauc")) == rule  # type: ignore[misc]


def test_archives_with_impossible_headers_are_refused() -> None:
    good = LAB.swupdate()
    for change, rule in (
        (lambda i: i[:6] + b"ZZZZZZZZ" + i[14:], "cpio.header"),
        (lambda i: i[:94] + b"00000001" + i[102:], "cpio.header"),
        (lambda i: i[:54] + b"FFFFFFFF" + i[62:], "cpio.header"),
        (lambda i: i + b"x", "cpio.trailing"),
        (lambda i: i[:6] + i[6:].replace(b"070702", b"070799"), "cpio.header"),
    ):
        assert rule_of(lambda c=change: good.having(image=c(good.image)).verify()) == rule  # type: ignore[misc]
    many = archive(*((f"f{number}", b"") for number in range(4200)))
    assert rule_of(lambda: list(entries(many))) == "cpio.count"
    for description in (b'a = "b";', b"[]", b'{"software": 5}'):
        files = (("sw-description", description), ("sw-description.sig", cms_signature(description)))
        assert rule_of(lambda f=files: good.having(image=archive(*f)).verify()).startswith(("swupdate.", "libconfig."))  # type: ignore[misc]
    missing = b'software = { images: ( { filename = "gone"; sha256 = "00"; } ); };'
    files = (("sw-description", missing), ("sw-description.sig", cms_signature(missing)))
    assert rule_of(lambda: good.having(image=archive(*files)).verify()) == "swupdate.files"


def test_a_verifier_that_names_no_signer_is_not_believed() -> None:
    good = LAB.signify()
    from signing import image as images

    lax = replace(
        images.signed_image_formats()["signify"],
        verify=lambda _i, _s, _t: VerifiedImage(format="x", key_ids=(), algorithms=(), facts={}),
    )
    images.signed_image_formats()["lax"] = lax
    try:
        assert rule_of(lambda: verify_image(good.image, good.signature, good.trust, named="lax")) == "signature.missing"
    finally:
        del images.signed_image_formats()["lax"]


def test_a_signature_that_does_not_verify_never_leaves_its_signer() -> None:
    class Broken(CheckedSigner):
        def made_of_digest(self, digest: bytes) -> bytes:
            return LAB.signer("ecdsa-p256-sha256", 9).sign_digest(digest)

    broken = Broken(LAB.signer("ecdsa-p256-sha256").public)
    assert rule_of(lambda: broken.sign(b"m")) == "signature.invalid"
    assert rule_of(lambda: broken.sign_digest(bytes(32))) == "signature.invalid"


def test_der_helpers_of_this_file_agree_with_the_reader() -> None:
    data = cms_signature(b"content")
    assert strict_der(closed(opened(data)), SEQUENCE).encoded == data
