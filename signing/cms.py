"""CMS signatures (RFC 5652), of which exactly the shape is taken that signing tools for firmware write."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

from signing.algorithms.ecdsa import low_s
from signing.certificates import checked_signer_key
from signing.classic_rsa import verify_pkcs1
from signing.image import ImageTrust
from signing.key import PublicKey
from signing.refusal import Refusal
from signing.strict.der import INTEGER, OBJECT, OCTETS, SEQUENCE, SET, Element, context, strict_der

__all__ = ["SignedData", "read_signed_data"]


def _oid(text: str) -> bytes:
    return bytes.fromhex(text)


SIGNED_DATA: Final = _oid("2a864886f70d010702")
DATA: Final = _oid("2a864886f70d010701")
CONTENT_TYPE, MESSAGE_DIGEST, SIGNING_TIME = (_oid(f"2a864886f70d0109{n}") for n in ("03", "04", "05"))
OTHER_ATTRIBUTES: Final = (SIGNING_TIME, _oid("2a864886f70d01090f"), _oid("2a864886f70d010934"))
"""Signing time, S/MIME capabilities, algorithm protection: may be there once each."""
HASHES: Final = {
    _oid("608648016503040201"): "sha256",
    _oid("608648016503040202"): "sha384",
    _oid("608648016503040203"): "sha512",
}
RSA: Final = _oid("2a864886f70d010101")
RSA_WITH: Final = {
    _oid("2a864886f70d01010b"): "sha256",
    _oid("2a864886f70d01010c"): "sha384",
    _oid("2a864886f70d01010d"): "sha512",
}
RSA_PSS: Final = _oid("2a864886f70d01010a")
ECDSA_WITH: Final = {_oid("2a8648ce3d040302"): "sha256", _oid("2a8648ce3d040303"): "sha384"}
VERSION_1, NULL = b"\x02\x01\x01", b"\x05\x00"
PSS_SHA256: Final = bytes.fromhex(
    "3034a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300d06096086480165030402010500a203020120"
)
"""Parameters of PSS with SHA-256 throughout and a salt of 32 bytes, as OpenSSL writes them. Source: RFC 4055, 3.1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signer:
    issuer_and_serial: bytes
    hash_name: str
    attributes: Element
    algorithm: list[Element]
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedData:
    """A CMS signature taken apart, nothing of it believed yet."""

    content: bytes | None
    """None when the signature is detached."""
    certificates: tuple[bytes, ...]
    signer: _Signer

    def verify(self, content: bytes, trust: ImageTrust) -> PublicKey:
        """Return the key that signed ``content``, or raise ``Refusal``."""
        signer = self.signer
        certificate = self._signer_certificate(trust.certificates)
        others = tuple(der for der in self.certificates if der != certificate)
        key = checked_signer_key(certificate, others, trust.certificates, trust.now, trust.policy)
        digest = hashlib.new(signer.hash_name, content).digest()
        if not hmac.compare_digest(_stated_digest(signer.attributes), digest):
            raise Refusal("cms.digest", "the content is not what was signed")
        signed = bytes((SET,)) + signer.attributes.encoded[1:]  # RFC 5652, 5.4: as a SET, not as [0]
        _check_signature(key, signer, signed)
        return key

    def _signer_certificate(self, roots: tuple[bytes, ...]) -> bytes:
        found = [
            der for der in {*self.certificates, *roots} if _issuer_and_serial(der) == self.signer.issuer_and_serial
        ]
        if len(found) != 1:
            raise Refusal("cms.signer", "the certificate of the signer is missing, or there is more than one")
        return found[0]


def read_signed_data(encoded: bytes) -> SignedData:
    """Return the parts of a CMS signature with one signer; ``Refusal`` for any other shape."""
    outer = strict_der(encoded, SEQUENCE).children()
    if len(outer) != 2 or outer[0].expect(OBJECT).content != SIGNED_DATA:
        raise Refusal("cms.structure", "this is no CMS signature")
    fields = strict_der(outer[1].expect(context(0)).content, SEQUENCE).children()
    if len(fields) < 4:
        raise Refusal("cms.structure", "a CMS signature lacks fields")
    content = _content(fields[2].expect(SEQUENCE))
    if [field.tag for field in fields[3:]] not in ([context(0), SET], [SET]):
        raise Refusal("cms.structure", "a CMS signature holds fields that do not belong there")
    certificates = fields[3].children() if fields[3].tag == context(0) else []
    signers = fields[-1].children()
    if len(signers) != 1:
        raise Refusal("cms.signers", f"a CMS signature has {len(signers)} signers; exactly one is accepted")
    signer = _signer(signers[0].expect(SEQUENCE))
    hashes = [_hash_name(algorithm) for algorithm in fields[1].expect(SET).children()]
    if fields[0].encoded != VERSION_1 or hashes != [signer.hash_name]:
        raise Refusal("cms.structure", "a CMS signature is of another version, or announces other hashes")
    return SignedData(
        content=content,
        certificates=tuple(certificate.expect(SEQUENCE).encoded for certificate in certificates),
        signer=signer,
    )


def _content(element: Element) -> bytes | None:
    parts = element.children()
    if not 1 <= len(parts) <= 2 or parts[0].expect(OBJECT).content != DATA:
        raise Refusal("cms.structure", "what a CMS signature covers is no data")
    return strict_der(parts[1].expect(context(0)).content, OCTETS).content if len(parts) == 2 else None


def _signer(element: Element) -> _Signer:
    fields = element.children()
    if [field.tag for field in fields] != [INTEGER, SEQUENCE, SEQUENCE, context(0), SEQUENCE, OCTETS]:
        raise Refusal("cms.structure", "a signer has no signed attributes, or has fields that do not belong there")
    if fields[0].encoded != VERSION_1:
        raise Refusal("cms.structure", "a signer is of another version")
    return _Signer(
        issuer_and_serial=fields[1].encoded,
        hash_name=_hash_name(fields[2]),
        attributes=fields[3],
        algorithm=fields[4].children(),
        signature=fields[5].content,
    )


def _hash_name(algorithm: Element) -> str:
    """Return the hash that an AlgorithmIdentifier names; its parameters are absent or NULL. Source: RFC 5754, 2."""
    parts = algorithm.expect(SEQUENCE).children()
    name = HASHES.get(parts[0].expect(OBJECT).content) if parts else None
    if name is None or [part.encoded for part in parts[1:]] not in ([], [NULL]):
        raise Refusal("algorithm.unknown", "a CMS signature uses a hash that is not offered")
    return name


def _stated_digest(attributes: Element) -> bytes:
    """Return the digest in the signed attributes, of which each stands there once."""
    found: dict[bytes, Element] = {}
    for attribute in attributes.children():
        parts = attribute.expect(SEQUENCE).children()
        if len(parts) != 2 or parts[0].expect(OBJECT).content in found:
            raise Refusal("cms.attributes", "a signed attribute stands twice or is malformed")
        found[parts[0].content] = parts[1].expect(SET)
    if not {CONTENT_TYPE, MESSAGE_DIGEST} <= set(found) <= {CONTENT_TYPE, MESSAGE_DIGEST, *OTHER_ATTRIBUTES}:
        raise Refusal("cms.attributes", "signed attributes are missing, or not known")
    if strict_der(found[CONTENT_TYPE].content, OBJECT).content != DATA:
        raise Refusal("cms.attributes", "the signed content type is no data")
    return strict_der(found[MESSAGE_DIGEST].content, OCTETS).content


def _check_signature(key: PublicKey, signer: _Signer, signed: bytes) -> None:
    oid, parameters = signer.algorithm[0].expect(OBJECT).content, [part.encoded for part in signer.algorithm[1:]]
    if (oid == RSA or RSA_WITH.get(oid) == signer.hash_name) and parameters == [NULL]:
        verify_pkcs1(key, signer.hash_name, signed, signer.signature)
    elif oid == RSA_PSS and signer.hash_name == "sha256" and parameters == [PSS_SHA256]:
        key.verify(signed, signer.signature)
    elif ECDSA_WITH.get(oid) == signer.hash_name == key.algorithm.hash_name and not parameters:
        key.verify(signed, low_s(key.name, signer.signature))
    else:
        raise Refusal("signature.algorithm", "the algorithm of a CMS signature is not offered, or not the key's")


def _issuer_and_serial(certificate: bytes) -> bytes:
    """Return issuer and serial number of a certificate as CMS names it. Source: RFC 5652, 10.2.4; RFC 5280, 4.1."""
    fields = strict_der(certificate, SEQUENCE).children()[0].expect(SEQUENCE).children()
    start = 1 if fields[0].tag == context(0) else 0
    content = fields[start + 2].expect(SEQUENCE).encoded + fields[start].expect(INTEGER).encoded
    size = len(content)
    length = (
        bytes((size,)) if size < 0x80 else bytes((0x81, size)) if size < 0x100 else b"\x82" + size.to_bytes(2, "big")
    )
    return bytes((SEQUENCE,)) + length + content
