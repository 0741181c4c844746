"""Signed messages (CMS, also known as PKCS #7): who signed, with which certificate, and the hash that was signed.

Nothing is verified here: that needs to know whom the device trusts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from firmware_checks.readers.der import OCTETS, OID, SEQUENCE, SET, Element, context, element_at, oid_bytes
from firmware_checks.readers.entry_names import visible
from toolkit.core.errors import FormatError
from toolkit.core.window import Window
from toolkit.report.model import Fact

__all__ = ["DATA", "HASHES", "MESSAGE_DIGEST", "SIGNED_DATA", "SignedMessage", "read_signed_message"]

SIGNED_DATA, DATA = oid_bytes("1.2.840.113549.1.7.2"), oid_bytes("1.2.840.113549.1.7.1")
MESSAGE_DIGEST = oid_bytes("1.2.840.113549.1.9.4")
HASHES: Final = {
    oid_bytes("1.3.14.3.2.26"): "sha1",
    oid_bytes("2.16.840.1.101.3.4.2.1"): "sha256",
    oid_bytes("2.16.840.1.101.3.4.2.2"): "sha384",
    oid_bytes("2.16.840.1.101.3.4.2.3"): "sha512",
}
"""Source: RFC 5754, 2; RFC 3370, 2.1."""
MOST_CERTIFICATES = 32
CERTIFICATES, SIGNED_ATTRIBUTES = context(0), context(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedMessage:
    """One signed message; of several signers the first."""

    size: int
    content: bytes | None
    """What was signed, where it stands in the message; None where it stands elsewhere."""
    algorithm: str
    """Hash of what was signed; empty when it is one that we do not know."""
    digest: bytes
    """Its value, which the signature protects; empty when it is not there."""
    certificates: tuple[bytes, ...]
    issuer_and_serial: bytes
    """Which certificate is the signer's, as the message says it."""

    def facts(self) -> dict[str, Fact]:
        """Return the names in the signer's certificate, and how many certificates there are."""
        facts: dict[str, Fact] = {"certificates": len(self.certificates)}
        for data in self.certificates:
            if self.issuer_and_serial and _issuer_and_serial(data) == self.issuer_and_serial:
                return facts | _certificate_facts(data)
        return facts


def read_signed_message(window: Window, place: int) -> SignedMessage:
    """Read the message at ``place``. Source: RFC 5652, 3 and 5.1."""
    outer = element_at(window, place, SEQUENCE)
    kind, holder, *_ = _fields(outer, 2)
    if kind.tag != OID or kind.data() != SIGNED_DATA or holder.tag != context(0):
        raise FormatError(f"no signed message at {window.origin + place:#x}")
    signed = element_at(window, holder.content, SEQUENCE)
    _version, _algorithms, encapsulated, *rest = _fields(signed, 3)
    certificates = next((field for field in rest if field.tag == CERTIFICATES), None)
    signers = next((field for field in rest if field.tag == SET), None)
    algorithm, digest, identifier = _signer(signers)
    return SignedMessage(
        size=outer.end - outer.start,
        content=_content(encapsulated),
        algorithm=algorithm,
        digest=digest,
        certificates=() if certificates is None else tuple(_certificates(certificates)),
        issuer_and_serial=identifier,
    )


def _fields(element: Element, least: int) -> list[Element]:
    children = list(element.children())
    if len(children) < least:
        raise FormatError(f"fields are missing in the element at {element.window.origin + element.start:#x}")
    return children


def _content(encapsulated: Element) -> bytes | None:
    _kind, *holders = _fields(encapsulated, 1)
    return element_at(holders[0].window, holders[0].content, OCTETS).data() if holders else None


def _certificates(field: Element) -> Iterator[bytes]:
    for number, certificate in enumerate(field.children()):
        if number < MOST_CERTIFICATES and certificate.tag == SEQUENCE:
            yield certificate.whole()


def _signer(signers: Element | None) -> tuple[str, bytes, bytes]:
    """Return hash algorithm, hash and certificate of the first signer. Source: RFC 5652, 5.3."""
    first = None if signers is None else next(signers.children(), None)
    if first is None:
        return "", b"", b""
    _version, identifier, algorithm, *rest = _fields(first, 3)
    name = HASHES.get(_fields(algorithm, 1)[0].data(), "")
    attributes = next((field for field in rest if field.tag == SIGNED_ATTRIBUTES), None)
    digest = b"" if attributes is None else _digest(attributes)
    return name, digest, identifier.data() if identifier.tag == SEQUENCE else b""


def _digest(attributes: Element) -> bytes:
    for attribute in attributes.children():
        kind, values, *_ = _fields(attribute, 2)
        if kind.data() == MESSAGE_DIGEST:
            return element_at(values.window, values.content, OCTETS).data()
    return b""


def _issuer_and_serial(certificate: bytes) -> bytes:
    """Return issuer and serial number of a certificate, as a signer refers to it; empty where it is impossible.

    Source: RFC 5280, 4.1: version, serial number, signature algorithm, issuer.
    """
    try:
        body = _fields(element_at(Window.of(certificate), 0), 1)[0]
        serial, _algorithm, issuer, *_ = _fields_after_version(body)
    except FormatError:
        return b""
    number = int.from_bytes(serial.data(), "big", signed=True)
    return issuer.whole() + serial.whole() if number > 0 else b""


def _fields_after_version(body: Element) -> list[Element]:
    fields = _fields(body, 4)
    return fields[1:] if fields[0].tag == context(0) else fields


def _certificate_facts(data: bytes) -> dict[str, Fact]:
    from cryptography import x509

    try:
        certificate = x509.load_der_x509_certificate(data)
        names = (certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string())
        until = certificate.not_valid_after_utc.isoformat()
    except (ValueError, x509.InvalidVersion):
        return {}
    return {"signer_subject": visible(names[0]), "signer_issuer": visible(names[1]), "signer_valid_until": until}
