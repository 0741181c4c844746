"""Signatures of OpenPGP: what one says of itself, and whether a trusted key made it. Source: RFC 9580, 5.2."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Final

from signing.algorithms.ecdsa import low_s
from signing.classic_rsa import verify_pkcs1
from signing.key import PublicKey
from signing.openpgp.keys import ALGORITHMS, PgpCertificate, PgpKey
from signing.openpgp.packets import SIGNATURE, number_at, packets
from signing.policy import Policy
from signing.refusal import Refusal, fail_closed
from toolkit.core.errors import FormatError
from toolkit.core.window import Window

__all__ = ["PgpSignature", "PgpTrust", "read_signature", "signatures_in", "verify"]

HASHES: Final = {
    1: "md5", 2: "sha1", 3: "ripemd160", 8: "sha256", 9: "sha384", 10: "sha512", 11: "sha224", 12: "sha3_256",
    14: "sha3_512",
}  # fmt: skip
"""Source: RFC 9580, 9.5."""
STRONG: Final = ("sha256", "sha384", "sha512")
OF_BINARY, OF_TEXT, SUBKEY_BINDING = 0x00, 0x01, 0x18
REVOCATIONS: Final = (0x20, 0x28)
MADE_AT, EXPIRES_AFTER, KEY_EXPIRES_AFTER, ISSUER, KEY_FLAGS, ISSUER_FINGERPRINT = 2, 3, 9, 16, 27, 33
"""Subpackets. Source: RFC 9580, 5.2.3.7."""
UNDERSTOOD: Final = (MADE_AT, EXPIRES_AFTER, KEY_EXPIRES_AFTER, ISSUER, KEY_FLAGS, ISSUER_FINGERPRINT, 20)
MAY_SIGN: Final = 0x02
CRITICAL: Final = 0x80
_LINE_END = re.compile(rb"\r?\n")


@dataclass(frozen=True)
class PgpSignature:
    """One signature packet taken apart, nothing of it believed yet."""

    version: int
    kind: int
    algorithm: int
    hash_number: int
    hashed: bytes = field(repr=False)
    """The part of the packet that the signature covers."""
    subpackets: Mapping[int, bytes]
    """Those that the signature covers, by type."""
    hints: Mapping[int, bytes]
    """Those that nothing vouches for."""
    has_unknown_demand: bool
    """Whether something that must be understood is not."""
    salt: bytes
    left: bytes
    """First two bytes of the hash."""
    values: bytes
    made_s: int
    issuer: str
    """Key id or fingerprint of the key that it names; empty where it names none."""

    @property
    def hash_name(self) -> str:
        """Name of the hash, as hashlib knows it."""
        return HASHES.get(self.hash_number, f"hash {self.hash_number}")

    @property
    def algorithm_name(self) -> str:
        """Kind of key that made it."""
        return ALGORITHMS.get(self.algorithm, f"algorithm {self.algorithm}")

    @property
    def is_strong(self) -> bool:
        """Whether nobody can make two contents with the same hash."""
        return self.hash_name in STRONG or self.hash_name.startswith("sha3")

    @cached_property
    def trailer(self) -> bytes:
        """Return what is hashed behind the content. Source: RFC 9580, 5.2.4; RFC 4880, 5.2.4 for version 3."""
        if self.version == 3:
            return self.hashed
        return self.hashed + bytes((self.version, 0xFF)) + len(self.hashed).to_bytes(4)

    def covered(self, content: bytes) -> bytes:
        """Return all that is hashed when it signs ``content``; of a text, lines end in CR LF. Source: 5.2.1.2."""
        signed = _LINE_END.sub(b"\r\n", content) if self.kind == OF_TEXT else content
        return self.salt + signed + self.trailer


@dataclass(frozen=True, slots=True, kw_only=True)
class PgpTrust:
    """Whom the user trusts: certificates that came another way than what they signed."""

    certificates: Sequence[PgpCertificate]
    policy: Policy
    now: datetime


def signatures_in(data: bytes) -> tuple[PgpSignature, ...]:
    """Return the signatures in a file, armoured or not; packets of other kinds are passed over."""
    return tuple(read_signature(packet.body) for packet in packets(data) if packet.kind == SIGNATURE)


def read_signature(body: bytes) -> PgpSignature:
    """Return the signature in the packet ``body``; ``FormatError`` when it cannot be one."""
    window = Window.of(body)
    version = window.take(0, 1)[0]
    if version == 3:
        return _version_3(window)
    if version not in (4, 6):
        raise FormatError(f"an OpenPGP signature is of version {version}")
    width = 4 if version == 6 else 2
    covered_bytes = int.from_bytes(window.take(4, width))
    end = 4 + width + covered_bytes
    hint_bytes = int.from_bytes(window.take(end, width))
    place = end + width + hint_bytes
    left, place = bytes(window.take(place, 2)), place + 2
    salt = b""
    if version == 6:
        salt_bytes = window.take(place, 1)[0]
        salt, place = bytes(window.take(place + 1, salt_bytes)), place + 1 + salt_bytes
    rows = list(_subpackets(bytes(window.take(4 + width, covered_bytes))))
    hints = {kind & ~CRITICAL: data for kind, data in _subpackets(bytes(window.take(end + width, hint_bytes)))}
    subpackets = {kind & ~CRITICAL: data for kind, data in rows}
    return PgpSignature(
        version=version,
        kind=window.take(1, 1)[0],
        algorithm=window.take(2, 1)[0],
        hash_number=window.take(3, 1)[0],
        hashed=bytes(window.take(0, end)),
        subpackets=subpackets,
        hints=hints,
        has_unknown_demand=any(kind & CRITICAL and kind & ~CRITICAL not in UNDERSTOOD for kind, _data in rows),
        salt=salt,
        left=left,
        values=bytes(window.view[place:]),
        made_s=int.from_bytes(subpackets.get(MADE_AT, b"")),
        issuer=_issuer(hints | subpackets),
    )


def _version_3(window: Window) -> PgpSignature:
    if window.take(1, 1)[0] != 5:
        raise FormatError("an OpenPGP signature of version 3 covers more than it may")
    return PgpSignature(
        version=3,
        kind=window.take(2, 1)[0],
        algorithm=window.take(15, 1)[0],
        hash_number=window.take(16, 1)[0],
        hashed=bytes(window.take(2, 5)),
        subpackets={},
        hints={},
        has_unknown_demand=False,
        salt=b"",
        left=bytes(window.take(17, 2)),
        values=bytes(window.view[19:]),
        made_s=int.from_bytes(window.take(3, 4)),
        issuer=bytes(window.take(7, 8)).hex(),
    )


def _subpackets(area: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and content of each. Source: RFC 9580, 5.2.3.7."""
    window, place = Window.of(area), 0
    while place < window.size:
        size = window.take(place, 1)[0]
        place += 1
        if 192 <= size < 255:
            size, place = (size - 192 << 8) + window.take(place, 1)[0] + 192, place + 1
        elif size == 255:
            size, place = int.from_bytes(window.take(place, 4)), place + 4
        if size == 0:
            raise FormatError("a part of an OpenPGP signature is empty")
        yield window.take(place, 1)[0], bytes(window.take(place + 1, size - 1))
        place += size


def _issuer(subpackets: Mapping[int, bytes]) -> str:
    fingerprint = subpackets.get(ISSUER_FINGERPRINT, b"")[1:]
    return (fingerprint or subpackets.get(ISSUER, b"")).hex()


def verify(content: bytes, signature: PgpSignature, trust: PgpTrust) -> tuple[PgpCertificate, PgpKey]:
    """Return who signed ``content``, of those whom the user trusts; ``Refusal`` when it is nobody of them."""
    with fail_closed("openpgp.unreadable", "OpenPGP signature"):
        found = _signer(signature, trust.certificates)
        if found is None:
            who = f"by the key {signature.issuer.upper()}" if signature.issuer else "by a key that it does not name"
            raise Refusal("signature.unknown-key", f"it is signed {who}, which is not among those that are trusted")
        certificate, key = found
        _check_form(signature)
        public = key.public_key()
        trust.policy.check_key(public)
        _check_standing(certificate, key, signature, trust.now)
        _check_values(public, signature, signature.covered(content))
        return found


def _signer(signature: PgpSignature, trusted: Sequence[PgpCertificate]) -> tuple[PgpCertificate, PgpKey] | None:
    for certificate in trusted:
        for key in certificate.all_keys():
            if signature.issuer and signature.issuer in (key.fingerprint, key.key_id):
                return certificate, key
    return None


def _check_form(signature: PgpSignature) -> None:
    if signature.kind not in (OF_BINARY, OF_TEXT):
        raise Refusal("openpgp.kind", "the OpenPGP signature is not one over a file")
    if signature.hash_name not in STRONG:
        raise Refusal("openpgp.hash", f"the OpenPGP signature rests on {signature.hash_name}, which proves nothing")
    if signature.has_unknown_demand:
        raise Refusal("openpgp.demand", "the OpenPGP signature demands something that is not known")


def _check_standing(certificate: PgpCertificate, key: PgpKey, signature: PgpSignature, now: datetime) -> None:
    """Refuse a key that was withdrawn, has expired, or is not bound to its owner as one that signs."""
    bound = dict(certificate.subkeys)
    about = [read_signature(row) for row in (*certificate.about, *bound.get(key, ()))]
    if any(row.kind in REVOCATIONS for row in about):
        raise Refusal("openpgp.revoked", "its owner has withdrawn the key that signed it")
    if not key.is_primary and not any(_binds(certificate.primary, key, row) for row in about):
        raise Refusal("openpgp.subkey", "the key that signed it is not bound to its owner as one that signs")
    periods = [row.subpackets.get(KEY_EXPIRES_AFTER, b"") for row in about]
    life_s = max((int.from_bytes(period) for period in periods), default=0)
    made_s = int.from_bytes(key.body[1:5])
    moment = int(now.timestamp())
    if life_s and made_s + life_s < moment:
        end = datetime.fromtimestamp(made_s + life_s, UTC).date().isoformat()
        raise Refusal("openpgp.expired", f"the key that signed it has expired on {end}")
    life = int.from_bytes(signature.subpackets.get(EXPIRES_AFTER, b""))
    if life and signature.made_s + life < moment:
        raise Refusal("openpgp.expired", "the OpenPGP signature has expired")


def _binds(primary: PgpKey, subkey: PgpKey, row: PgpSignature) -> bool:
    flags = row.subpackets.get(KEY_FLAGS, b"\0")
    if row.kind != SUBKEY_BINDING or not flags or not flags[0] & MAY_SIGN or row.hash_name not in STRONG:
        return False
    try:
        _check_values(primary.public_key(), row, row.covered(primary.hashed + subkey.hashed))
    except Refusal:
        return False
    return True


def _check_values(public: PublicKey, signature: PgpSignature, covered: bytes) -> None:
    digest = hashlib.new(signature.hash_name, covered).digest()
    if not hmac.compare_digest(digest[:2], signature.left):
        raise Refusal("signature.invalid", "the content is not what was signed")
    values = Window.of(signature.values)
    if public.name.startswith("rsa"):
        number, _end = number_at(values, 0)
        size = int(public.name.split("-")[2]) // 8
        verify_pkcs1(public, signature.hash_name, covered, number.to_bytes(size))
        return
    if signature.algorithm == 27:
        public.verify(digest, bytes(values.take(0, 64)))
        return
    r, place = number_at(values, 0)
    s, _end = number_at(values, place)
    if public.name == "ed25519":
        public.verify(digest, r.to_bytes(32) + s.to_bytes(32))
        return
    if public.algorithm.hash_name != signature.hash_name:
        raise Refusal("openpgp.hash", f"a {public.name} key does not sign with {signature.hash_name}")
    public.verify_digest(digest, low_s(public.name, _der(r, s)))


def _der(r: int, s: int) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    return encode_dss_signature(r, s)
