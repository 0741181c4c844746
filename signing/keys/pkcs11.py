"""Keys on tokens: smart cards, security keys, HSMs; named as RFC 7512 says: ``pkcs11:token=clinic;object=root-1``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from signing.algorithms.ecdsa import low_s
from signing.key import KeyScheme, PublicKey, Secrets, Signer
from signing.private import CheckedSigner
from toolkit.core.errors import InputError, MissingExtra

__all__ = ["SCHEME", "TokenUri"]

PATH_NAMES: Final = (
    "token",
    "object",
    "id",
    "serial",
    "type",
    "manufacturer",
    "model",
    "slot-id",
    "library-manufacturer",
)
QUERY_NAMES: Final = ("module-path", "pin-source")
KNOWN_MODULES: Final = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so",
    "/usr/lib/aarch64-linux-gnu/opensc-pkcs11.so",
    "C:/Program Files/OpenSC Project/OpenSC/pkcs11/opensc-pkcs11.dll",
    "C:/SoftHSM2/lib/softhsm2-x64.dll",
)
"""Where SoftHSM and OpenSC install themselves; another module is named with ?module-path=."""
MAKES: Final = {
    "ecdsa-p256-sha256": "secp256r1",
    "ecdsa-p384-sha384": "secp384r1",
    "ed25519": "edwards25519",
    "rsa-pss-3072-sha256": "3072",
    "rsa-pss-4096-sha256": "4096",
}
EDWARDS_25519: Final = b"\x13\x0cedwards25519"
"""Name of the curve as a PrintableString. Source: PKCS#11 v3.0, 2.3.10."""
CURVE_OIDS: Final = {
    bytes.fromhex("06082a8648ce3d030107"): "secp256r1",
    bytes.fromhex("06052b81040022"): "secp384r1",
}


@dataclass(frozen=True, slots=True)
class TokenUri:
    """A PKCS#11 URI, taken apart. Source: RFC 7512, 2.3."""

    path: dict[str, str]
    query: dict[str, str]

    @classmethod
    def parse(cls, rest: str) -> TokenUri:
        """Return the parts of what stands behind ``pkcs11:``; ``InputError`` for what would be ignored otherwise."""
        path_text, _mark, query_text = rest.partition("?")
        return cls(_pairs(path_text, ";", PATH_NAMES), _pairs(query_text, "&", QUERY_NAMES))

    @property
    def module(self) -> str:
        """The driver of the token."""
        named = self.query.get("module-path")
        if named is not None:
            return named
        found = next((path for path in KNOWN_MODULES if Path(path).exists()), None)
        if found is None:
            raise InputError("the token's driver was not found; name it: pkcs11:...?module-path=/path/to/module.so")
        return found

    def pin(self, secrets: Secrets) -> str:
        """Return the PIN, from the file of ``pin-source`` or asked for."""
        source = self.query.get("pin-source")
        if source is None:
            return secrets.existing(f"pkcs11:token={self.path.get('token', '')}")
        try:
            return Path(source.removeprefix("file:")).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise InputError(f"{source}: cannot be read: {error.strerror or error}") from error

    def wanted(self) -> dict[str, Any]:
        """Return what a key is looked up by."""
        wanted: dict[str, Any] = {}
        if "object" in self.path:
            wanted["label"] = self.path["object"]
        if "id" in self.path:
            wanted["id"] = self.path["id"].encode("latin-1")
        if not wanted:
            raise InputError("a pkcs11: URI names its key with object= or id=")
        return wanted


def _pairs(text: str, separator: str, known: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in filter(None, text.split(separator)):
        name, equals, value = part.partition("=")
        if name not in known or not equals or name in found:
            hint = "; a PIN does not belong into a URI, use pin-source=file:..." if name == "pin-value" else ""
            raise InputError(f"{name!r} cannot be used in a pkcs11: URI, or not twice{hint}")
        found[name] = unquote(value, "latin-1") if name == "id" else unquote(value)
    return found


@contextmanager
def _session(uri: TokenUri, pin: str | None) -> Iterator[Any]:
    """Open a session, with a PIN for private keys; what the driver says comes back as one line."""
    try:
        import pkcs11
    except ImportError as error:
        raise MissingExtra(feature="signing with a token", extra="hsm") from error
    try:
        token = pkcs11.lib(uri.module).get_token(
            token_label=uri.path.get("token"),
            token_serial=uri.path["serial"].encode() if "serial" in uri.path else None,
        )
        with _opened(token, pin) as session:
            yield session
    except (pkcs11.PKCS11Error, RuntimeError) as error:
        said = str(error) or type(error).__name__
        raise InputError(f"the token {uri.path.get('token', '')!r} cannot be used: {said}") from error


def _opened(token: Any, pin: str | None) -> Any:
    """Return a session; a program logs in to a token once, however many of its keys it uses."""
    import pkcs11

    try:
        return token.open(user_pin=pin, rw=pin is not None)
    except pkcs11.UserAlreadyLoggedIn:
        return token.open(rw=pin is not None)


def _key(session: Any, uri: TokenUri, kind: str) -> Any:
    import pkcs11

    wanted = uri.wanted()
    return session.get_key(object_class=getattr(pkcs11.ObjectClass, kind), **wanted)


def _public_of(key: Any) -> PublicKey:
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
    else:
        raise InputError(f"a key of the kind {key.key_type} on a token cannot be used")
    return PublicKey.from_encoded(found.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


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
        return super().made(message)

    def made_of_digest(self, digest: bytes) -> bytes:
        """Return a signature over the message of ``digest``, not checked yet."""
        import pkcs11
        from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

        if self.public.name.startswith("ecdsa"):
            both = bytes(self._key.sign(digest, mechanism=pkcs11.Mechanism.ECDSA))
            r, s = (int.from_bytes(half, "big") for half in (both[: len(both) // 2], both[len(both) // 2 :]))
            return low_s(self.public.name, encode_dss_signature(r, s))
        parameters = (pkcs11.Mechanism.SHA256, pkcs11.MGF.SHA256, len(digest))
        return bytes(self._key.sign(digest, mechanism=pkcs11.Mechanism.RSA_PKCS_PSS, mechanism_param=parameters))


@contextmanager
def _open(rest: str, secrets: Secrets) -> Iterator[Signer]:
    uri = TokenUri.parse(rest)
    with _session(uri, uri.pin(secrets)) as session:
        public = _public_of(_key(session, uri, "PUBLIC_KEY"))
        yield TokenSigner(public, _key(session, uri, "PRIVATE_KEY"))


def _public(rest: str, secrets: Secrets) -> PublicKey:  # noqa: ARG001  # public keys are not behind the PIN
    uri = TokenUri.parse(rest)
    with _session(uri, None) as session:
        return _public_of(_key(session, uri, "PUBLIC_KEY"))


def _create(rest: str, algorithm: str, secrets: Secrets) -> PublicKey:
    import pkcs11

    uri = TokenUri.parse(rest)
    with _session(uri, uri.pin(secrets)) as session:
        with contextlib.suppress(pkcs11.NoSuchKey):
            _key(session, uri, "PUBLIC_KEY")
            raise InputError("the token holds a key of that name already; it is left as it is")
        named = {"store": True, **uri.wanted()}
        kept = {pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False}
        if algorithm.startswith("rsa"):
            public, _private = session.generate_keypair(
                pkcs11.KeyType.RSA, int(MAKES[algorithm]), private_template=kept, **named
            )
        else:
            public, _private = _curve_keypair(session, MAKES[algorithm], kept, named)
        return _public_of(public)


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
    algorithms=lambda: tuple(MAKES),
    open=_open,
    create=_create,
    public=_public,
    facts=_facts,
)
