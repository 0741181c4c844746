"""Signatures of whoever published a file, and who is said to have made them: OpenPGP, Authenticode, signed messages."""

from __future__ import annotations

import enum
import hashlib
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from firmware_checks.fact_reader import Content
from firmware_checks.observer import Observation, Observer
from firmware_checks.readers.entry_names import visible
from toolkit.core.window import Window

if TYPE_CHECKING:
    from signing.openpgp.signature import PgpSignature

__all__ = ["OBSERVER", "PublisherSignature", "SignatureState", "SignatureWay", "SigningKey", "is_outer", "signed_name"]

MOST_BYTES: Final = 1 << 20
MOST_OF_ONE_FILE: Final = 20
NEW_HEADER_AT, OPTIONAL_AT, CERTIFICATE_ROW, ROW_BYTES = 0x3C, 24, 4, 8
DIRECTORIES_AT: Final = {0x10B: 96, 0x20B: 112}
"""Magic of the optional header and where its directories start. Source: Microsoft PE Format."""
ARMOUR, CLEAR = b"-----BEGIN PGP ", b"-----BEGIN PGP SIGNED"
_BESIDE = re.compile(r"(?i)\.(?:asc|sig|sign|gpg|pgp|p7s|p7m|cms)$")
_KEY = re.compile(r"(?i)\.(?:asc|gpg|pgp|pub|key)$")
_INSIDE = re.compile(r"(?i)^META-INF/[^/]{1,80}\.(?:RSA|DSA|EC)$")
_SYSTEM = re.compile(r"^(?:\./)?(?:usr|etc|bin|sbin|lib|var|boot|dev|proc|opt|home|root|system)/")
DEEPEST: Final = 2
"""Containers around a signature that is still one of the update."""
_DEBIAN = ("_gpgorigin", "_gpgmaint", "_gpgbuilder")


class SignatureWay(enum.StrEnum):
    """How a signature is made."""

    OPENPGP = "OpenPGP"
    CLEAR_TEXT = "OpenPGP, around a text"
    AUTHENTICODE = "Authenticode"
    MESSAGE = "CMS"


class SignatureState(enum.StrEnum):
    """What the file alone shows."""

    FITS = "it fits the bytes it stands in"
    BROKEN = "it does not fit the bytes it stands in"
    OPEN = "whether it fits cannot be told without the key"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherSignature(Observation):
    """One signature; whether whoever made it is to be trusted is another question."""

    way: SignatureWay
    signer: str
    """Name in the certificate, or the fingerprint or id of an OpenPGP key; empty when it names nobody."""
    hash_name: str
    state: SignatureState
    valid_until: str = ""
    """Last day of the certificate, ISO 8601."""
    has_timestamp: bool = False
    published: str = ""
    """Where everybody can get the private half of its key."""
    certificates: tuple[bytes, ...] = field(default=(), repr=False)
    """In DER, the signer's first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey(Observation):
    """A public key of OpenPGP that lies in the image."""

    owner: str
    fingerprints: tuple[str, ...]
    data: bytes = field(repr=False)


def is_outer(path: str) -> bool:
    """Tell whether what stands at ``path`` is of the update itself, and not deep in something it installs."""
    return path.count("!") <= DEEPEST and not _SYSTEM.match(path.rpartition("!")[2])


def signed_name(path: str) -> str:
    """Return the path of what the signature file at ``path`` is beside; empty when its name does not say it."""
    return _BESIDE.sub("", path) if _BESIDE.search(path) else ""


def _read(content: Content) -> Iterator[Observation]:
    if content.head.startswith(b"MZ"):
        yield from _windows(content)
        return
    data = bytes(content.span.window.view[:MOST_BYTES])
    if data.startswith(CLEAR):
        yield from _clear_text(data)
    elif content.head[:1] == b"0" or _INSIDE.search(content.path):
        yield from _message(data)
    elif content.head.startswith(ARMOUR) or content.head[:1] >= b"\x80":
        yield from _openpgp(data)


def _windows(content: Content) -> Iterator[Observation]:
    from firmware_checks.readers.binaries import windows_signature  # what few images need is imported by them alone

    window = content.span.window
    (header,) = struct.unpack("<I", window.take(NEW_HEADER_AT, 4))
    if not window.starts_with(b"PE\0\0", header):
        return
    (magic,) = struct.unpack("<H", window.take(header + OPTIONAL_AT, 2))
    row = header + OPTIONAL_AT + DIRECTORIES_AT.get(magic, 0) + ROW_BYTES * CERTIFICATE_ROW
    place, size = struct.unpack("<II", window.take(row, ROW_BYTES))
    found = windows_signature(window.view) if magic in DIRECTORIES_AT and size and place < window.size else None
    if found is None:
        return
    states = {True: SignatureState.FITS, False: SignatureState.BROKEN, None: SignatureState.OPEN}
    yield PublisherSignature(
        offset=place,
        excerpt=_excerpt(SignatureWay.AUTHENTICODE, found.signer, found.hash_name),
        way=SignatureWay.AUTHENTICODE,
        signer=visible(found.signer),
        hash_name=found.hash_name,
        state=states[found.is_intact],
        valid_until=found.valid_until,
        has_timestamp=found.has_timestamp,
        published=_published(found.certificates[:1]),
        certificates=found.certificates,
    )


def _clear_text(data: bytes) -> Iterator[Observation]:
    from signing.openpgp.packets import clear_text
    from signing.openpgp.signature import signatures_in

    found = clear_text(data)
    if found is not None:
        for signature in signatures_in(found.signature)[:MOST_OF_ONE_FILE]:
            yield _pgp(signature, SignatureWay.CLEAR_TEXT)


def _openpgp(data: bytes) -> Iterator[Observation]:
    from signing.openpgp.keys import certificates
    from signing.openpgp.signature import signatures_in

    for signature in signatures_in(data)[:MOST_OF_ONE_FILE]:
        if signature.kind in (0, 1):
            yield _pgp(signature, SignatureWay.OPENPGP)
    for certificate in certificates(data)[:MOST_OF_ONE_FILE]:
        fingerprints = tuple(key.fingerprint for key in certificate.all_keys())
        yield SigningKey(
            offset=0,
            excerpt=f"public key of {certificate.name}, {fingerprints[0].upper()}",
            owner=certificate.name,
            fingerprints=fingerprints,
            data=data,
        )


def _pgp(signature: PgpSignature, way: SignatureWay) -> PublisherSignature:
    signer = signature.issuer.upper()
    return PublisherSignature(
        offset=0,
        excerpt=_excerpt(way, f"the key {signer}" if signer else "", signature.hash_name),
        way=way,
        signer=signer,
        hash_name=signature.hash_name,
        state=SignatureState.OPEN,
    )


def _message(data: bytes) -> Iterator[Observation]:
    from firmware_checks.readers.cms import read_signed_message

    message = read_signed_message(Window.of(data), 0)
    said = message.facts()
    signer, until = (str(said.get(name, "")) for name in ("signer_subject", "signer_valid_until"))
    yield PublisherSignature(
        offset=0,
        excerpt=_excerpt(SignatureWay.MESSAGE, signer, message.algorithm),
        way=SignatureWay.MESSAGE,
        signer=signer,
        hash_name=message.algorithm,
        state=SignatureState.OPEN,
        valid_until=until[:10],
        published=_published(message.certificates),
        certificates=message.certificates,
    )


def _excerpt(way: SignatureWay, signer: str, hash_name: str) -> str:
    by = f" of {visible(signer)}" if signer else ""
    return f"signature ({way.value}){by}, {hash_name or 'unknown hash'}"


def _published(rows: tuple[bytes, ...]) -> str:
    """Return where the private half of one of these certificates is published; empty when it is not known to be."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from cryptography.x509 import load_der_x509_certificate

    from signing.published_keys import publisher_of

    for row in rows:
        try:
            key = load_der_x509_certificate(row).public_key()
            der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            continue
        publisher = publisher_of(hashlib.sha256(der).hexdigest())
        if publisher is not None:
            return publisher
    return ""


_RULES: Final[tuple[Callable[[Content], bool], ...]] = (
    lambda content: content.head.startswith(b"MZ"),
    lambda content: content.head.startswith(ARMOUR),
    lambda content: content.name in _DEBIAN,
    lambda content: _BESIDE.search(content.name) is not None or _KEY.search(content.name) is not None,
    lambda content: content.head[:1] == b"0" and _INSIDE.search(content.path) is not None,
)


def _wants(content: Content) -> bool:
    return any(rule(content) for rule in _RULES)


def _example() -> tuple[str, bytes]:
    from signing.openpgp.building import armoured, built_signature

    return "pump.bin.asc", armoured("SIGNATURE", built_signature(bytes(range(32)), b"program"))


OBSERVER = Observer(
    name="publisher-signatures",
    title="Signatures of publishers",
    source="RFC 9580 (OpenPGP), RFC 5652 (CMS), Microsoft PE Format and Windows Authenticode Portable Executable "
    "Signature Format; JAR File Specification",
    wants=_wants,
    read=_read,
    example=_example,
    shows=1,
)
