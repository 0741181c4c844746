"""Every algorithm verifies what it signed and nothing else; the known ways to cheat are refused, each by its rule."""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, mldsa, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from signing.algorithm import Strength, algorithm_named, algorithms
from signing.algorithms.ecdsa import ORDERS, low_s
from signing.algorithms.ed25519 import FIELD, ORDER, SMALL_ORDER
from signing.algorithms.hybrid import bound_message, join
from signing.hybrid_signer import HybridSigner
from signing.key import PublicKey, Signer
from signing.policy import policies, policy_named
from signing.private import MemorySigner, can_be_made, made_key
from signing.refusal import Refusal, fail_closed
from toolkit.core.errors import InputError

MESSAGE = b"medharden"
SINGLE = tuple(name for name in can_be_made() if name != "rsa-pss-4096-sha256")
HYBRID = "hybrid-ecdsa-p256-sha256-ml-dsa-44"


@functools.cache
def signer(name: str) -> Signer:
    if name == HYBRID:
        return HybridSigner(signer("ecdsa-p256-sha256"), signer("ml-dsa-44"))
    return MemorySigner(made_key(name))


def spki(key: object) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]


def rule_of(action: Callable[[], object]) -> str:
    with pytest.raises(Refusal) as refused:
        action()
    return refused.value.rule


@pytest.mark.parametrize("name", [*SINGLE, HYBRID])
def test_a_signature_verifies_over_its_message_only(name: str) -> None:
    public, signature = signer(name).public, signer(name).sign(MESSAGE)
    assert public.name == name
    public.verify(MESSAGE, signature)
    assert rule_of(lambda: public.verify(MESSAGE + b"!", signature)) == "signature.invalid"


@pytest.mark.parametrize("name", [*SINGLE, HYBRID])
def test_every_bit_flip_truncation_and_extension_is_refused(name: str) -> None:
    public, signature = signer(name).public, signer(name).sign(MESSAGE)
    step = max(1, len(signature) // 40)
    for place in range(0, len(signature), step):
        for bit in (1, 0x80):
            changed = bytearray(signature)
            changed[place] ^= bit
            assert rule_of(lambda wrong=bytes(changed): public.verify(MESSAGE, wrong)).startswith("signature.")  # type: ignore[misc]
        assert rule_of(lambda size=place: public.verify(MESSAGE, signature[:size])).startswith("signature.")  # type: ignore[misc]
    assert rule_of(lambda: public.verify(MESSAGE, signature + b"\0")).startswith("signature.")
    assert rule_of(lambda: public.verify(MESSAGE, b"")) == "signature.missing"


@pytest.mark.parametrize("name", SINGLE)
def test_the_key_of_somebody_else_verifies_nothing(name: str) -> None:
    stranger = MemorySigner(made_key(name)).public
    assert rule_of(lambda: stranger.verify(MESSAGE, signer(name).sign(MESSAGE))) == "signature.invalid"


@pytest.mark.parametrize("claimed", SINGLE)
@pytest.mark.parametrize("made", SINGLE)
def test_a_signature_of_one_algorithm_is_none_of_another(claimed: str, made: str) -> None:
    if claimed != made:
        signature = signer(made).sign(MESSAGE)
        assert rule_of(lambda: signer(claimed).public.verify(MESSAGE, signature)).startswith("signature.")


@pytest.mark.parametrize("name", [n for n in SINGLE if n != "ed25519"])
def test_a_long_message_is_signed_and_verified_piece_by_piece(name: str) -> None:
    public = signer(name).public
    hasher = public.hasher()
    assert hasher is not None
    for piece in (b"med", memoryview(b"hard"), b"en"):
        hasher.update(piece)
    signature = signer(name).sign_digest(hasher.digest())
    public.verify(MESSAGE, signature)
    public.verify_digest(hasher.digest(), signature)
    assert rule_of(lambda: public.verify_digest(bytes(len(hasher.digest())), signature)) == "signature.invalid"


def test_a_digest_is_never_taken_for_a_message() -> None:
    pure = signer("ed25519")
    assert pure.public.hasher() is None
    assert rule_of(lambda: pure.public.verify_digest(bytes(64), pure.sign(bytes(64)))) == "signature.prehash"
    with pytest.raises(InputError, match="needs the message whole"):
        pure.sign_digest(bytes(64))


def test_ml_dsa_with_a_context_or_over_a_digest_is_refused() -> None:
    key = mldsa.MLDSA65PrivateKey.generate()
    public = PublicKey.from_encoded(spki(key))
    for other in (key.sign(MESSAGE, b"context"), key.sign(b"\x01\x00" + MESSAGE)):
        assert rule_of(lambda wrong=other: public.verify(MESSAGE, wrong)) == "signature.invalid"  # type: ignore[misc]


def test_a_malformed_hint_of_ml_dsa_is_refused() -> None:
    public, signature = signer("ml-dsa-44").public, bytearray(signer("ml-dsa-44").sign(MESSAGE))
    signature[-4:] = b"\xff\xff\xff\xff"
    assert rule_of(lambda: public.verify(MESSAGE, bytes(signature))) == "signature.invalid"


def test_ed25519_with_s_plus_the_order_is_refused() -> None:
    public, signature = signer("ed25519").public, signer("ed25519").sign(MESSAGE)
    larger = int.from_bytes(signature[32:], "little") + ORDER
    forged = signature[:32] + larger.to_bytes(32, "little")
    assert rule_of(lambda: public.verify(MESSAGE, forged)) == "signature.malleable"


@pytest.mark.parametrize("y", sorted({*SMALL_ORDER, FIELD, FIELD + 1, 2**255 - 1}))
@pytest.mark.parametrize("sign_bit", [0, 1 << 255])
def test_ed25519_points_of_small_order_are_neither_keys_nor_commitments(y: int, sign_bit: int) -> None:
    point = (y | sign_bit).to_bytes(32, "little")
    encoded = bytes.fromhex("302a300506032b6570032100") + point
    assert rule_of(lambda: PublicKey.from_encoded(encoded)) in ("key.weak", "key.malformed")
    honest = signer("ed25519").public
    assert rule_of(lambda: honest.verify(MESSAGE, point + bytes(32))) == "signature.invalid"


def test_small_order_points_are_those_whose_eighth_multiple_is_zero() -> None:
    d = -121665 * pow(121666, -1, FIELD) % FIELD
    for y in SMALL_ORDER:
        x_squared = (y * y - 1) * pow(d * y * y + 1, -1, FIELD) % FIELD
        x = pow(x_squared, (FIELD + 3) // 8, FIELD)
        if x * x % FIELD != x_squared:
            x = x * pow(2, (FIELD - 1) // 4, FIELD) % FIELD
        assert x * x % FIELD == x_squared
        point = (x, y)
        for _doubling in range(3):
            px, py = point
            product = d * px * px * py * py
            point = (
                2 * px * py * pow(1 + product, -1, FIELD) % FIELD,
                (py * py + px * px) * pow(1 - product, -1, FIELD) % FIELD,
            )
        assert point == (0, 1)


@pytest.mark.parametrize("name", ["ecdsa-p256-sha256", "ecdsa-p384-sha384"])
def test_ecdsa_numbers_out_of_range_or_too_large_are_refused(name: str) -> None:
    public, order = signer(name).public, ORDERS[name]
    r, s = decode_dss_signature(signer(name).sign(MESSAGE))
    assert s <= order // 2
    for wrong in ((0, s), (r, 0), (order, s), (r, order), (r + order, s), (0, 0), (1, 1)):
        assert rule_of(lambda pair=wrong: public.verify(MESSAGE, encode_dss_signature(*pair))).startswith("signature.")  # type: ignore[misc]
    high = encode_dss_signature(r, order - s)
    assert rule_of(lambda: public.verify(MESSAGE, high)) == "signature.malleable"
    public.verify(MESSAGE, low_s(name, high))


def test_ecdsa_signatures_that_are_not_der_are_refused() -> None:
    public = signer("ecdsa-p256-sha256").public
    signature = signer("ecdsa-p256-sha256").sign(MESSAGE)
    r, s = decode_dss_signature(signature)
    raw = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    long_length = b"\x30\x81" + signature[1:]
    padded = b"\x30" + bytes((signature[1] + 1, 2, signature[3] + 1, 0)) + signature[4:]
    indefinite = b"\x30\x80" + signature[2:] + b"\0\0"
    for wrong in (raw, long_length, padded, indefinite, b"\x31" + signature[1:], signature + b"\0"):
        rule = rule_of(lambda other=wrong: public.verify(MESSAGE, other))  # type: ignore[misc]
        assert rule in ("signature.malformed", "signature.size")


def test_ecdsa_with_another_hash_is_refused() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    public = PublicKey.from_encoded(spki(key))
    for kind in (hashes.SHA1(), hashes.SHA384(), hashes.SHA512()):  # noqa: S303  # what must be refused
        signature = low_s(public.name, key.sign(MESSAGE, ec.ECDSA(kind)))
        assert rule_of(lambda wrong=signature: public.verify(MESSAGE, wrong)) == "signature.invalid"  # type: ignore[misc]


def test_rsa_with_another_padding_hash_or_salt_is_refused() -> None:
    key = rsa.generate_private_key(65537, 2048)
    public = PublicKey.from_encoded(spki(key))
    sha256, sha1 = hashes.SHA256(), hashes.SHA1()  # noqa: S303  # what must be refused
    wrong = (
        key.sign(MESSAGE, padding.PKCS1v15(), sha256),
        key.sign(MESSAGE, padding.PSS(padding.MGF1(sha256), 0), sha256),
        key.sign(MESSAGE, padding.PSS(padding.MGF1(sha256), 20), sha256),
        key.sign(MESSAGE, padding.PSS(padding.MGF1(sha1), 32), sha256),
        key.sign(MESSAGE, padding.PSS(padding.MGF1(sha1), 32), sha1),
        bytes(255) + b"\x01",
        b"\xff" * 256,
    )
    public.verify(MESSAGE, key.sign(MESSAGE, padding.PSS(padding.MGF1(sha256), 32), sha256))
    for signature in wrong:
        assert rule_of(lambda other=signature: public.verify(MESSAGE, other)) == "signature.invalid"  # type: ignore[misc]


def test_short_rsa_keys_small_exponents_and_old_kinds_are_refused() -> None:
    weak = [
        rsa.RSAPublicNumbers(e, n).public_key()
        for e, n in ((65537, (1 << 1023) + 1), (3, (1 << 2047) + 1), (65539, (1 << 2559) + 1))
    ]
    curves = [ec.generate_private_key(c()).public_key() for c in (ec.SECP224R1, ec.SECP256K1, ec.SECP521R1)]
    for key in (*weak, *curves):
        encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        assert rule_of(lambda wrong=encoded: PublicKey.from_encoded(wrong)) == "key.weak"  # type: ignore[misc]
    others = (ed448.Ed448PrivateKey.generate(), dsa.generate_private_key(2048))
    for other in others:
        assert rule_of(lambda key=other: PublicKey.from_encoded(spki(key))) == "key.unknown"  # type: ignore[misc]


def test_an_rsa_key_of_2048_bits_verifies_and_does_not_sign() -> None:
    key = rsa.generate_private_key(65537, 2048)
    assert PublicKey.from_encoded(spki(key)).name == "rsa-pss-2048-sha256"
    assert rule_of(lambda: MemorySigner(key)) == "key.weak"


@pytest.mark.parametrize("name", ["none", "", "hs256", "ED25519", "ecdsa-p256-sha1"])
def test_algorithms_that_are_not_offered_have_no_name(name: str) -> None:
    assert rule_of(lambda: algorithm_named(name)) == "algorithm.unknown"


def test_half_of_a_hybrid_signature_is_none() -> None:
    public = signer(HYBRID).public
    bound = bound_message(public.encoded, MESSAGE)
    classical, post_quantum = signer("ecdsa-p256-sha256").sign(bound), signer("ml-dsa-44").sign(bound)
    public.verify(MESSAGE, join(classical, post_quantum))
    for stripped in (
        join(b"", post_quantum),
        join(classical, b""),
        classical,
        post_quantum,
        join(classical, bytes(len(post_quantum))),
        join(classical[:-1] + b"\0", post_quantum),
    ):
        assert rule_of(lambda half=stripped: public.verify(MESSAGE, half)).startswith("signature.")  # type: ignore[misc]


def test_halves_of_a_hybrid_signature_serve_nowhere_else() -> None:
    public = signer(HYBRID).public
    halves = [signer(name) for name in ("ecdsa-p256-sha256", "ml-dsa-44")]
    stand_alone = join(*(half.sign(MESSAGE) for half in halves))
    assert rule_of(lambda: public.verify(MESSAGE, stand_alone)) == "signature.invalid"
    bound = bound_message(public.encoded, MESSAGE)
    for half in halves:
        assert rule_of(lambda h=half: h.public.verify(MESSAGE, h.sign(bound))) == "signature.invalid"  # type: ignore[misc]


def test_keys_that_are_no_hybrid_together_are_refused() -> None:
    parts = [signer(name).public.encoded for name in ("ed25519", "ml-dsa-44", "ecdsa-p256-sha256")]
    for wrong, rule in (
        (parts[1] + parts[0], "key.unknown"),
        (parts[0] + parts[2], "key.unknown"),
        (b"".join(parts), "key.unknown"),
        (parts[0] + b"\0", "key.malformed"),
    ):
        assert rule_of(lambda encoded=wrong: PublicKey.from_encoded(encoded)) == rule  # type: ignore[misc]


@given(st.data())
def test_a_changed_public_key_is_refused_or_another_key(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(SINGLE))
    encoded = bytearray(signer(name).public.encoded)
    place = data.draw(st.integers(0, len(encoded) - 1))
    encoded[place] ^= data.draw(st.integers(1, 255))
    try:
        changed = PublicKey.from_encoded(bytes(encoded))
    except Refusal:
        return
    assert changed.key_id != signer(name).public.key_id


@given(st.binary(max_size=200))
def test_garbage_is_no_public_key(data: bytes) -> None:
    with pytest.raises(Refusal):
        PublicKey.from_encoded(data)


@pytest.mark.parametrize("encoded", ["30", "3080", "308100", "30820001", "3005", "3003020101", "3083010000"])
def test_sequences_with_lengths_in_the_wrong_form_are_no_keys(encoded: str) -> None:
    with pytest.raises(Refusal):
        PublicKey.from_encoded(bytes.fromhex(encoded))


def test_the_sample_key_of_a_boot_loader_is_refused_alone_and_as_a_half() -> None:
    """The public half of root-ec-p384.pem, whose private half stands in MCUboot's repository."""
    published = base64.b64decode(
        "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEDHbKrnI6pejw1PEWtQLvd6Ebk2F4wAkmeztAnO5JheDJT+fyupds84JlFCz1DHMz"
        "TTLnm9NCzJVa5eL19G5F4O0gNVyvUjWB1Nyc454iPvs/IhDacAM3rajySP46YGml"
    )
    assert rule_of(lambda: PublicKey.from_encoded(published)) == "key.published"
    assert rule_of(lambda: PublicKey.from_encoded(published + signer("ml-dsa-44").public.encoded)) == "key.published"


def test_each_policy_accepts_what_it_lets_sign_and_names_its_source() -> None:
    for policy in policies().values():
        assert policy.source
        assert policy.title
        for name in algorithms():
            if any(name.startswith(p.rstrip("*")) for p in policy.sign):
                assert policy.accepts(name)
    assert set(policies()) == {"legacy", "fips", "hybrid", "cnsa2"}


@pytest.mark.parametrize(
    ("policy", "name", "accepted"),
    [
        ("legacy", "rsa-pss-2048-sha256", True),
        ("fips", "rsa-pss-2048-sha256", False),
        ("fips", "ed25519", True),
        ("cnsa2", "ml-dsa-87", True),
        ("cnsa2", "ml-dsa-65", False),
        ("cnsa2", "lms-sha256-m24-h10-w8", True),
        ("cnsa2", "hss-sha256-m32", False),
        ("cnsa2", "ecdsa-p384-sha384", False),
        ("hybrid", "hybrid-ed25519-ml-dsa-65", True),
        ("hybrid", "ml-dsa-44", False),
    ],
)
def test_policies_decide_as_their_sources_say(policy: str, name: str, *, accepted: bool) -> None:
    assert policy_named(policy).accepts(name) is accepted


def test_a_hybrid_policy_needs_both_kinds_of_signatures() -> None:
    policy = policy_named("hybrid")
    classical, post_quantum = signer("ed25519").public, signer("ml-dsa-65").public
    both = PublicKey.from_encoded(classical.encoded + post_quantum.encoded)
    assert both.algorithm.strength is Strength.HYBRID
    policy.check_together([classical, post_quantum])
    policy.check_together([both])
    for alone in ([classical], [post_quantum], []):
        assert rule_of(lambda keys=alone: policy.check_together(keys)) == "policy.hybrid"  # type: ignore[misc]
    assert rule_of(lambda: policy.check_together([signer("ml-dsa-44").public])) == "policy.algorithm"
    assert rule_of(lambda: policy_named("cnsa2").check_signing_key(classical)) == "policy.algorithm"
    policy_named("legacy").check_together([])


def test_an_unknown_policy_is_explained() -> None:
    with pytest.raises(InputError, match="is no policy; there are"):
        policy_named("strict")


def test_whatever_goes_wrong_in_a_verifier_is_a_refusal() -> None:
    for error in (KeyError("x"), InputError("y"), RecursionError(), Refusal("rule.own", "z")):
        with pytest.raises(Refusal) as refused, fail_closed("rule.given", "thing"):
            raise error
        assert refused.value.rule in ("rule.given", "rule.own")
