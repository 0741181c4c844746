"""Private keys, certificates and the lists of keys that may log in, wherever they stand in a file."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from firmware_checks.credentials.key_files import (
    MOST_KEY_BYTES,
    CertificateFacts,
    certificate_facts,
    private_key_facts,
)
from firmware_checks.fact_reader import Content
from firmware_checks.observer import Observation, Observer
from firmware_checks.patterns.pattern import Pattern
from toolkit.core.errors import FormatError

__all__ = ["OBSERVER", "AuthorizedKey", "Certificate", "PrivateKey"]

MOST_CERTIFICATES = 40
"""In one file; more are a list of authorities that ship with every system."""
_PEM_KEY, _PEM_CERTIFICATE = b"PRIVATE KEY-----", b"-----BEGIN CERTIFICATE-----"
_PATTERNS = (
    Pattern.of("pem", rb"-----BEGIN (?:[A-Z0-9]{2,9} ){0,2}PRIVATE KEY-----(?:\\n|[\r\n ])", anchor=b"-----BEGIN "),
    Pattern.of("certificate", rb"-----BEGIN CERTIFICATE-----[\r\n\\]", anchor=b"-----BEGIN CERTIFICATE"),
    Pattern.of("putty", rb"PuTTY-User-Key-File-[23]: [a-z0-9-]{4,24}\r?\n", anchor=b"PuTTY-User-Key-File-"),
    Pattern.of(
        "der",
        rb"0\x82[\x01-\x0a][\x00-\xff]\x02\x01\x00\x02\x82[\x00-\x04][\x00-\xff]\x00",
        anchor=b"\x02\x01\x00\x02\x82",
    ),
    Pattern.of("der", rb"0\x81[\x80-\xff]\x02\x01\x00\x02\x81[\x00-\xff]", anchor=b"\x02\x01\x00\x02\x81"),
    Pattern.of("der", rb"0\x82[\x00-\x0a][\x00-\xff]\x02\x01\x000[\x0b-\x1f]\x06", anchor=b"\x02\x01\x000"),
    Pattern.of("der", rb"0\x81[\x80-\xff]\x02\x01\x000[\x0b-\x1f]\x06", anchor=b"\x02\x01\x000"),
    Pattern.of("der", rb"0[\x2c-\x7f]\x02\x01\x000[\x05-\x1f]\x06", anchor=b"\x02\x01\x000"),
    Pattern.of("der", rb"0[\x2c-\x7f]\x02\x01\x01\x04[\x20\x30]", anchor=b"\x02\x01\x01\x04"),
    Pattern.of("der", rb"0\x81[\x80-\xff]\x02\x01\x01\x04[\x20\x30\x42]", anchor=b"\x02\x01\x01\x04"),
)  # fmt: skip
_END = re.compile(rb"-----END (?:[A-Z0-9]{2,9} ){0,2}(?:PRIVATE KEY|CERTIFICATE)-----")
_DER_CERTIFICATES = (".cer", ".crt", ".der", ".pem")
_CONTAINERS = (".p12", ".pfx")
_TEST_VECTORS = re.compile(r"(?:^|/)(?:tests?|testdata|testing|doc)/")
_AUTHORIZED = re.compile(
    rb"(?m)^(?!#)(?P<options>[^\r\n]{0,400}?)(?P<kind>ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-nistp\d{3}|sk-\S{1,40})[ \t]+"
    rb"(?P<key>[A-Za-z0-9+/]{40,4096}={0,2})(?:[ \t]+(?P<name>[^\r\n]{1,80}))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateKey(Observation):
    """A private key."""

    form: str
    """How it is written, such as ``PEM`` or ``DER``."""
    algorithm: str
    key_id: str
    """SHA-256 of the public half; empty when a password protects the key."""
    is_protected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate(Observation):
    """A certificate; ``facts`` is what it says."""

    facts: CertificateFacts
    digest: str
    """SHA-256 of how it is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizedKey(Observation):
    """A public key whose owner may log in over SSH."""

    kind: str
    fingerprint: str
    """As ssh-keygen shows it."""
    owner: str


def _read(content: Content) -> Iterator[Observation]:
    if content.name.startswith("authorized_keys"):
        yield from _authorized(content)
    if content.name.endswith(_CONTAINERS):
        yield from _container(content)
    data, end, certificates = content.span.window.view, -1, 0
    if content.name.endswith(_DER_CERTIFICATES) and content.head[:1] == b"0":
        yield from _certificate(bytes(data[:MOST_KEY_BYTES]), 0, content)
    for hit in content.hits(_PATTERNS):
        if hit.start < end or (hit.pattern.owner == "certificate" and certificates >= MOST_CERTIFICATES):
            continue
        block = bytes(data[hit.start : hit.start + MOST_KEY_BYTES])
        certificates += hit.pattern.owner == "certificate"
        for what in _READERS[hit.pattern.owner](block, hit.start, content):
            end = hit.start + (_der_bytes(block) if hit.pattern.owner == "der" else len(_whole(block)))
            yield what


def _pem(block: bytes, offset: int, _content: Content) -> Iterator[Observation]:
    text = _whole(block)
    if text:
        yield from _key(text, offset, "OpenSSH" if b" OPENSSH " in text[:40] else "PEM")


def _whole(block: bytes) -> bytes:
    """Return the armoured text at the start of ``block``, empty if it has no end; line ends may be written out."""
    end = _END.search(block)
    return block[: end.end()].replace(b"\\n", b"\n").replace(b"\0", b"") + b"\n" if end is not None else b""


def _key(data: bytes, offset: int, form: str) -> Iterator[Observation]:
    try:
        facts = private_key_facts(data)
    except FormatError:
        return
    yield PrivateKey(
        offset=offset,
        excerpt=f"private key ({form}), {facts.kind}, public half {facts.key_id[:16] or 'unknown'}",
        form=form,
        algorithm=facts.kind,
        key_id=facts.key_id,
        is_protected=facts.is_protected,
    )


def _der(block: bytes, offset: int, _content: Content) -> Iterator[Observation]:
    size = _der_bytes(block)
    if 0 < size <= len(block):
        yield from _key(block[:size], offset, "DER")


def _der_bytes(block: bytes) -> int:
    """Return how long the structure at the start is, head included; 0 when it is cut. Source: X.690, 8.1.3."""
    if len(block) < 4:
        return 0
    if block[1] < 0x80:
        return 2 + block[1]
    count = block[1] & 0x7F
    return 2 + count + int.from_bytes(block[2 : 2 + count])


def _putty(block: bytes, offset: int, _content: Content) -> Iterator[Observation]:
    kind, _, rest = block.partition(b"\n")
    is_protected = b"Encryption: none" not in rest[:80]
    algorithm = kind.rpartition(b": ")[2].decode("ascii", "replace").strip()
    yield PrivateKey(
        offset=offset,
        excerpt=f"private key (PuTTY), {algorithm}",
        form="PuTTY",
        algorithm=algorithm,
        key_id="",
        is_protected=is_protected,
    )


def _pem_certificate(block: bytes, offset: int, content: Content) -> Iterator[Observation]:
    text = _whole(block)
    if text:
        yield from _certificate(text, offset, content)


def _certificate(data: bytes, offset: int, _content: Content) -> Iterator[Observation]:
    try:
        facts = certificate_facts(data)
    except FormatError:
        return
    yield Certificate(
        offset=offset,
        excerpt=f"certificate of {facts.subject}, {facts.kind}, valid until {facts.valid_until}",
        facts=facts,
        digest=hashlib.sha256(data).hexdigest(),
    )


_READERS = {"pem": _pem, "der": _der, "putty": _putty, "certificate": _pem_certificate}


def _container(content: Content) -> Iterator[Observation]:
    """Tell of a PKCS #12 file; its three first tags are fixed (RFC 7292, 4)."""
    if content.head[:1] == b"0" and b"\x02\x01\x03" in content.head[:8]:
        yield PrivateKey(
            offset=0,
            excerpt="private key (PKCS #12)",
            form="PKCS #12",
            algorithm="not looked into",
            key_id="",
            is_protected=True,
        )


def _authorized(content: Content) -> Iterator[Observation]:
    text = bytes(content.span.window.view[: 4 * MOST_KEY_BYTES])
    for found in _AUTHORIZED.finditer(text):
        raw = found["key"]
        try:
            digest = hashlib.sha256(base64.b64decode(raw + b"=" * (-len(raw) % 4))).digest()
        except ValueError:
            continue
        fingerprint = "SHA256:" + base64.b64encode(digest).decode().rstrip("=")
        owner = (found["name"] or b"nobody named").decode("utf-8", "replace")
        yield AuthorizedKey(
            offset=found.start(),
            excerpt=f"{found['kind'].decode()} {fingerprint} {owner}",
            kind=found["kind"].decode(),
            fingerprint=fingerprint,
            owner=owner,
        )


def _wants(content: Content) -> bool:
    return _TEST_VECTORS.search(content.path) is None


def _example() -> tuple[str, bytes]:
    der = bytes.fromhex(
        "302e020100300506032b657004220420" + "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
    )  # RFC 8032, 7.1, TEST 1
    armour = b"-----BEGIN PRIVATE KEY-----\n" + base64.b64encode(der) + b"\n-----END PRIVATE KEY-----\n"
    return "etc/keys", armour + b"\0" * 16 + der


OBSERVER = Observer(
    name="key-material",
    title="Private keys, certificates and keys that may log in",
    source="RFC 7468, RFC 5958, RFC 8017, RFC 5915, RFC 7292; PROTOCOL.key of OpenSSH; the manual of PuTTY; sshd(8)",
    wants=_wants,
    read=_read,
    patterns=lambda: _PATTERNS,
    example=_example,
    shows=2,
)
