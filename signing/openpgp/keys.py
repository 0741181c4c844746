"""Public keys of OpenPGP: their fingerprints, and which of them may sign. Source: RFC 9580, 5.5 and 10.1."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from signing.key import PublicKey
from signing.openpgp.packets import PUBLIC_KEY, SIGNATURE, SUBKEY, USER_ID, Packet, number_at, packets
from signing.refusal import Refusal
from toolkit.core.errors import FormatError
from toolkit.core.window import Window

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

__all__ = ["PgpCertificate", "PgpKey", "certificates"]

RSA, RSA_SIGN_ONLY, ECDSA, EDDSA_LEGACY, ED25519 = 1, 3, 19, 22, 27
ALGORITHMS: Final = {
    RSA: "RSA", 2: "RSA", RSA_SIGN_ONLY: "RSA", 16: "Elgamal", 17: "DSA", 18: "ECDH", ECDSA: "ECDSA",
    EDDSA_LEGACY: "EdDSA", 25: "X25519", 26: "X448", ED25519: "Ed25519", 28: "Ed448",
}  # fmt: skip
"""Source: RFC 9580, 9.1."""
P256, P384, ED25519_OID = (bytes.fromhex(h) for h in ("2a8648ce3d030107", "2b81040022", "2b06010401da470f01"))
"""Names of curves. Source: RFC 9580, 9.2."""
HEAD_BYTES: Final = 6
"""Version, time of making, algorithm."""
ED25519_BYTES: Final = 32
MOST_TEXT: Final = 120


@dataclass(frozen=True)
class PgpKey:
    """One key of a certificate; ``body`` is its packet."""

    body: bytes
    is_primary: bool

    @property
    def version(self) -> int:
        """4, or 6 since RFC 9580."""
        return self.body[0]

    @property
    def algorithm(self) -> int:
        """Number of the algorithm."""
        return self.body[5]

    @property
    def title(self) -> str:
        """Name of the algorithm, with the bits of an RSA key."""
        name = ALGORITHMS.get(self.algorithm, f"algorithm {self.algorithm}")
        return f"{name} {self._modulus_bits}" if name in ("RSA", "DSA") else name

    @property
    def _modulus_bits(self) -> int:
        return int.from_bytes(self.body[self._material : self._material + 2])

    @property
    def _material(self) -> int:
        return HEAD_BYTES + (4 if self.version == 6 else 0)

    @cached_property
    def hashed(self) -> bytes:
        """Return what stands for the key in a hash. Source: RFC 9580, 5.5.4 and 5.2.4."""
        if self.version == 6:
            return b"\x9b" + len(self.body).to_bytes(4) + self.body
        return b"\x99" + len(self.body).to_bytes(2) + self.body

    @cached_property
    def fingerprint(self) -> str:
        """In hexadecimal: 40 digits, 64 of a key of version 6."""
        if self.version == 6:
            return hashlib.sha256(self.hashed).hexdigest()
        return hashlib.sha1(self.hashed, usedforsecurity=False).hexdigest()

    @property
    def key_id(self) -> str:
        """Sixteen digits of the fingerprint, by which signatures name a key."""
        return self.fingerprint[:16] if self.version == 6 else self.fingerprint[-16:]

    def public_key(self) -> PublicKey:
        """Return the key as signatures are verified with; ``Refusal`` when it is weak, published or of another kind."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        read = _READERS.get(self.algorithm)
        if read is None:
            raise Refusal("key.unknown", f"OpenPGP keys of the kind {self.title} are not offered")
        key = read(Window.of(self.body[self._material :]))
        return PublicKey.from_encoded(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


@dataclass(frozen=True, slots=True)
class PgpCertificate:
    """A primary key with the names of its owner, its subkeys, and what others or it signed about them."""

    primary: PgpKey
    names: tuple[str, ...]
    subkeys: tuple[tuple[PgpKey, tuple[bytes, ...]], ...]
    """Each with the signatures behind it."""
    about: tuple[bytes, ...]
    """Signatures about the primary key and its names."""

    @property
    def name(self) -> str:
        """The first name, or the fingerprint where there is none."""
        return self.names[0] if self.names else self.primary.fingerprint

    def all_keys(self) -> Iterator[PgpKey]:
        """Yield the primary key and all subkeys."""
        yield self.primary
        for subkey, _signatures in self.subkeys:
            yield subkey


def certificates(data: bytes) -> tuple[PgpCertificate, ...]:
    """Return the certificates in a file of public keys, armoured or not; ``FormatError`` when it is none."""
    groups: list[list[Packet]] = []
    for packet in packets(data):
        if packet.kind == PUBLIC_KEY:
            groups.append([])
        if groups:
            groups[-1].append(packet)
    return tuple(_certificate(group) for group in groups)


def _certificate(group: list[Packet]) -> PgpCertificate:
    primary = _key(group[0].body, is_primary=True)
    names: list[str] = []
    subkeys: list[tuple[PgpKey, list[bytes]]] = []
    about: list[bytes] = []
    for packet in group[1:]:
        if packet.kind == USER_ID:
            names.append(_printable(packet.body))
        elif packet.kind == SUBKEY:
            subkeys.append((_key(packet.body, is_primary=False), []))
        elif packet.kind == SIGNATURE:
            (subkeys[-1][1] if subkeys else about).append(packet.body)
    return PgpCertificate(primary, tuple(names), tuple((key, tuple(rows)) for key, rows in subkeys), tuple(about))


def _key(body: bytes, *, is_primary: bool) -> PgpKey:
    if len(body) <= HEAD_BYTES + 4 or body[0] not in (4, 6):
        raise FormatError("an OpenPGP key is of a version that is not known")
    return PgpKey(body, is_primary)


def _printable(text: bytes) -> str:
    name = text.decode("utf-8", "replace")[:MOST_TEXT]
    return "".join(character if character.isprintable() else "?" for character in name)


def _rsa(material: Window) -> PublicKeyTypes:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

    modulus, place = number_at(material, 0)
    exponent, _end = number_at(material, place)
    return RSAPublicNumbers(exponent, modulus).public_key()


def _curve_and_point(material: Window) -> tuple[bytes, bytes]:
    size = material.take(0, 1)[0]
    point, _end = number_at(material, 1 + size)
    return bytes(material.take(1, size)), point.to_bytes((point.bit_length() + 7) // 8)


def _ecdsa(material: Window) -> PublicKeyTypes:
    from cryptography.hazmat.primitives.asymmetric import ec

    name, point = _curve_and_point(material)
    curve = {P256: ec.SECP256R1(), P384: ec.SECP384R1()}.get(name)
    if curve is None:
        raise Refusal("key.weak", "OpenPGP keys on this curve are not offered, only P-256 and P-384")
    return ec.EllipticCurvePublicKey.from_encoded_point(curve, point)


def _eddsa(material: Window) -> PublicKeyTypes:
    name, point = _curve_and_point(material)
    if name != ED25519_OID or point[:1] != b"\x40":
        raise Refusal("key.unknown", "OpenPGP keys on this curve are not offered, only Ed25519")
    return _ed25519(Window.of(point[1:]))


def _ed25519(material: Window) -> PublicKeyTypes:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(bytes(material.take(0, ED25519_BYTES)))


_READERS: Final[dict[int, Callable[[Window], PublicKeyTypes]]] = {
    RSA: _rsa,
    RSA_SIGN_ONLY: _rsa,
    ECDSA: _ecdsa,
    EDDSA_LEGACY: _eddsa,
    ED25519: _ed25519,
}
