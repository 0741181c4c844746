"""Keys on tokens: smart cards, security keys, HSMs; named as RFC 7512 says: ``pkcs11:token=clinic;object=root-1``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from signing.algorithms.ecdsa import low_s
from signing.key import KeyScheme, PublicKey, Secrets, Signer
from signing.private import CheckedSigner
from signing.tokens import TokenUri, keys_on_tokens, token_session
from toolkit.core.errors import InputError

__all__ = ["SCHEME", "TokenSigner", "ml_dsa_keypair", "public_of"]

MAKES: Final = {
    "ecdsa-p256-sha256": "secp256r1",
    "ecdsa-p384-sha384": "secp384r1",
    "ed25519": "edwards25519",
    "rsa-pss-3072-sha256": "3072",
    "rsa-pss-4096-sha256": "4096",
}
ML_DSA_SETS: Final = {"ml-dsa-44": 1, "ml-dsa-65": 2, "ml-dsa-87": 3}
"""CKA_PARAMETER_SET of each algorithm. Source: PKCS#11 v3.2, CK_ML_DSA_PARAMETER_SET_TYPE."""
EDWARDS_25519: Final = b"\x13\x0cedwards25519"
"""Name of the curve as a PrintableString. Source: PKCS#11 v3.0, 2.3.10."""
CURVE_OIDS: Final = {
    bytes.fromhex("06082a8648ce3d030107"): "secp256r1",
    bytes.fromhex("06052b81040022"): "secp384r1",
}


def _key(session: Any, uri: TokenUri, kind: str) -> Any:
    import pkcs11

    wanted = uri.wanted()
    return session.get_key(object_class=getattr(pkcs11.ObjectClass, kind), **wanted)


def public_of(key: Any) -> PublicKey:
    """Return the public key of a public key object of a token."""
    import pkcs11
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    attribute = pkcs11.Attribute
    found: Any
    if key.key_type == pkcs11.KeyType.RSA:
        exponent, modulus = (
            int.from_bytes(key[name], "big") for name in (attribute.PUBLIC_EXPONENT, attribute.MODULUS)
        )
        found = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    elif key.key_type == pkcs11.KeyType.EC:
        curve = ec.SECP256R1() if CURVE_OIDS.get(bytes(key[attribute.EC_PARAMS])) == "secp256r1" else ec.SECP384R1()
        found = ec.EllipticCurvePublicKey.from_encoded_point(curve, _point(key[attribute.EC_POINT]))
    elif key.key_type == pkcs11.KeyType.EC_EDWARDS:
        found = ed25519.Ed25519PublicKey.from_public_bytes(_point(key[attribute.EC_POINT]))
    elif key.key_type == pkcs11.KeyType.ML_DSA:
        found = _ml_dsa_kind(key[attribute.PARAMETER_SET]).from_public_bytes(bytes(key[attribute.VALUE]))
    else:
        raise InputError(f"a key of the kind {key.key_type} on a token cannot be used")
    return PublicKey.from_encoded(found.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _ml_dsa_kind(parameter_set: int) -> Any:
    from cryptography.hazmat.primitives.asymmetric import mldsa

    kinds = {1: mldsa.MLDSA44PublicKey, 2: mldsa.MLDSA65PublicKey, 3: mldsa.MLDSA87PublicKey}
    if parameter_set not in kinds:
        raise InputError(f"an ML-DSA key with the parameter set {parameter_set} on a token cannot be used")
    return kinds[parameter_set]


def _point(value: bytes) -> bytes:
    """Return a point without the OCTET STRING around it that most drivers put there. Source: PKCS#11 v3.0, 2.3.3."""
    wraps = len(value) > 2 and value[0] == 0x04 and value[1] == len(value) - 2
    return value[2:] if wraps else value


class TokenSigner(CheckedSigner):
    """Signs with a key that never leaves its token."""

    def __init__(self, public: PublicKey, key: Any) -> None:
        super().__init__(public)
        self._key = key

    def made(self, message: bytes) -> bytes:
        """Return a signature over ``message``, not checked yet."""
        import pkcs11

        if self.public.name == "ed25519":
            return bytes(self._key.sign(message, mechanism=pkcs11.Mechanism.EDDSA))
        if self.public.name in ML_DSA_SETS:
            return bytes(self._key.sign(message, mechanism=pkcs11.Mechanism.ML_DSA))
        return super().made(message)

    def made_of_digest(self, digest: bytes) -> bytes:
        """Return a signature over the message of ``digest``, not checked yet."""
        import pkcs11
        from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

        if self.public.name in ML_DSA_SETS:
            raise InputError("a token signs whole messages with ML-DSA, not digests")
        if self.public.name.startswith("ecdsa"):
            both = bytes(self._key.sign(digest, mechanism=pkcs11.Mechanism.ECDSA))
            r, s = (int.from_bytes(half, "big") for half in (both[: len(both) // 2], both[len(both) // 2 :]))
            return low_s(self.public.name, encode_dss_signature(r, s))
        parameters = (pkcs11.Mechanism.SHA256, pkcs11.MGF.SHA256, len(digest))
        return bytes(self._key.sign(digest, mechanism=pkcs11.Mechanism.RSA_PKCS_PSS, mechanism_param=parameters))


@contextmanager
def _open(rest: str, secrets: Secrets) -> Iterator[Signer]:
    uri = TokenUri.parse(rest)
    with token_session(uri, uri.pin(secrets)) as session:
        public = public_of(_key(session, uri, "PUBLIC_KEY"))
        yield TokenSigner(public, _key(session, uri, "PRIVATE_KEY"))


def _public(rest: str, secrets: Secrets) -> PublicKey:  # noqa: ARG001  # public keys are not behind the PIN
    uri = TokenUri.parse(rest)
    with token_session(uri, None) as session:
        return public_of(_key(session, uri, "PUBLIC_KEY"))


def _create(rest: str, algorithm: str, secrets: Secrets) -> PublicKey:
    import pkcs11

    uri = TokenUri.parse(rest)
    with token_session(uri, uri.pin(secrets)) as session:
        with contextlib.suppress(pkcs11.NoSuchKey):
            _key(session, uri, "PUBLIC_KEY")
            raise InputError("the token holds a key of that name already; it is left as it is")
        named = {"store": True, **uri.wanted()}
        kept = {pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False}
        if algorithm in ML_DSA_SETS:
            public = ml_dsa_keypair(session, algorithm, kept, named)
        elif algorithm.startswith("rsa"):
            public, _private = session.generate_keypair(
                pkcs11.KeyType.RSA, int(MAKES[algorithm]), private_template=kept, **named
            )
        else:
            public, _private = _curve_keypair(session, MAKES[algorithm], kept, named)
        return public_of(public)


def ml_dsa_keypair(session: Any, algorithm: str, kept: dict[Any, Any], named: dict[str, Any]) -> Any:
    """Make a key where the token can, and return its public half; few tokens can yet."""
    import pkcs11

    if pkcs11.Mechanism.ML_DSA_KEY_PAIR_GEN not in session.token.slot.get_mechanisms():
        raise InputError(
            f"the token {session.token.label!r} cannot make {algorithm} keys (its driver offers no CKM_ML_DSA of "
            "PKCS#11 3.2): keep that key in a file, or make a hybrid of a token's and a file's key with hybrid:"
        )
    chosen = {pkcs11.Attribute.PARAMETER_SET: ML_DSA_SETS[algorithm]}
    kind = pkcs11.KeyType.ML_DSA
    public, _private = session.generate_keypair(kind, public_template=chosen, private_template=kept, **named)
    return public


def _curve_keypair(session: Any, curve: str, kept: dict[Any, Any], named: dict[str, Any]) -> Any:
    import pkcs11
    from pkcs11.util.ec import encode_named_curve_parameters

    is_edwards = curve == "edwards25519"
    kind = pkcs11.KeyType.EC_EDWARDS if is_edwards else pkcs11.KeyType.EC
    encoded = EDWARDS_25519 if is_edwards else encode_named_curve_parameters(curve)
    domain = session.create_domain_parameters(kind, {pkcs11.Attribute.EC_PARAMS: encoded}, local=True)
    mechanism = {"mechanism": pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN} if is_edwards else {}
    return domain.generate_keypair(private_template=kept, **mechanism, **named)


def _facts(rest: str) -> dict[str, int | str]:
    uri = TokenUri.parse(rest)
    return {"kept": "on a token", "module": uri.module, "token": uri.path.get("token", "")}


SCHEME = KeyScheme(
    name="pkcs11",
    title="A token: smart card, security key or HSM",
    example="pkcs11:token=clinic;object=root-1",
    algorithms=lambda: (*MAKES, *ML_DSA_SETS),
    open=_open,
    create=_create,
    public=_public,
    facts=_facts,
    find=keys_on_tokens,
)
