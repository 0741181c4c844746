"""The one door to lief: what a Windows program says about itself, which takes a parser of its resources to read.

lief is a large native library that takes 0.3 s to load, so it is fetched only when there is something to ask it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import lief

__all__ = [
    "AuthenticodeDigests",
    "WindowsIdentity",
    "WindowsSignature",
    "authenticode_digests",
    "windows_identity",
    "windows_signature",
]

MOST_CHARACTERS = 200
MOST_SIGNERS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowsIdentity:
    """What the version resource and the signatures of a Windows program state; nothing of it is verified."""

    product: str = ""
    company: str = ""
    version: str = ""
    original_name: str = ""
    signers: tuple[str, ...] = ()


def windows_identity(data: memoryview) -> WindowsIdentity:
    """Return what the PE file ``data`` says about itself; empty where it says nothing or cannot be parsed."""
    import lief

    lief.logging.disable()
    binary = lief.PE.parse(bytes(data))
    if binary is None:
        return WindowsIdentity()
    texts = dict(_version_texts(binary))
    return WindowsIdentity(
        product=texts.get("ProductName", ""),
        company=texts.get("CompanyName", ""),
        version=texts.get("FileVersion") or texts.get("ProductVersion", ""),
        original_name=texts.get("OriginalFilename", ""),
        signers=tuple(sorted(set(_signers(binary))))[:MOST_SIGNERS],
    )


def _version_texts(binary: lief.PE.Binary) -> Iterator[tuple[str, str]]:
    import lief

    manager = binary.resources_manager
    if not isinstance(manager, lief.PE.ResourcesManager):
        return
    for version in manager.version:
        if version.string_file_info is not None:
            for table in version.string_file_info.children:
                for entry in table.entries:
                    yield entry.key, entry.value[:MOST_CHARACTERS]


def _signers(binary: lief.PE.Binary) -> Iterator[str]:
    for signature in binary.signatures:
        for signer in signature.signers:
            if signer.cert is not None:
                subject = signer.cert.subject
                yield (subject if isinstance(subject, str) else subject.decode("latin-1"))[:MOST_CHARACTERS]


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowsSignature:
    """The Authenticode signature of a Windows program: whether it fits these bytes, and who is said to have made it.

    Whether the chain of certificates leads to somebody who is trusted is not decided here.
    """

    is_intact: bool | None
    """None when it is of a kind that cannot be checked."""
    signer: str
    issuer: str
    hash_name: str
    valid_until: str
    """Last day of the signer's certificate, ISO 8601; empty when there is none."""
    has_timestamp: bool
    certificates: tuple[bytes, ...]
    """In DER, the signer's first."""


def windows_signature(data: memoryview) -> WindowsSignature | None:
    """Return the first Authenticode signature of the PE file ``data``; None where there is none or it is no PE."""
    import lief

    lief.logging.disable()
    reading = lief.PE.ParserConfig()
    reading.parse_imports = reading.parse_exports = reading.parse_rsrc = reading.parse_reloc = False
    binary = lief.PE.parse(bytes(data), reading)
    signature = next(iter(binary.signatures), None) if binary is not None else None
    signer = next(iter(signature.signers), None) if signature is not None else None
    if binary is None or signature is None or signer is None:
        return None
    return _signature(binary, signature, signer)


def _signature(binary: lief.PE.Binary, signature: lief.PE.Signature, signer: lief.PE.SignerInfo) -> WindowsSignature:
    import lief

    flags = lief.PE.Signature.VERIFICATION_FLAGS
    found = binary.verify_signature(lief.PE.Signature.VERIFICATION_CHECKS.SKIP_CERT_TIME)  # it would read the clock
    cannot = (flags.UNSUPPORTED_ALGORITHM, flags.CERT_NOT_FOUND, flags.CORRUPTED_CONTENT_INFO)
    is_unknown = any(flag in found for flag in cannot) and flags.BAD_DIGEST not in found
    stamps = (lief.PE.Attribute.TYPE.PKCS9_COUNTER_SIGNATURE, lief.PE.Attribute.TYPE.MS_COUNTER_SIGN)
    certificate = signer.cert
    others = [bytes(row.raw) for row in signature.certificates]
    own = [] if certificate is None else [bytes(certificate.raw)]
    until = [] if certificate is None else list(certificate.valid_to)
    return WindowsSignature(
        is_intact=None if is_unknown else found == flags.OK,
        signer="" if certificate is None else _name(certificate.subject),
        issuer="" if certificate is None else _name(certificate.issuer),
        hash_name=str(signature.digest_algorithm).rpartition(".")[2].replace("_", "").lower(),
        valid_until="-".join(f"{part:02}" for part in until[:3]),
        has_timestamp=any(attribute.type in stamps for attribute in signer.unauthenticated_attributes),
        certificates=(*own, *(row for row in others if row not in own)),
    )


def _name(subject: str | bytes) -> str:
    return (subject if isinstance(subject, str) else subject.decode("latin-1"))[:MOST_CHARACTERS]


@dataclass(frozen=True, slots=True)
class AuthenticodeDigests:
    """What Windows knows a program by: the digests over it without check sum and signature, in hexadecimal."""

    sha1: str
    sha256: str


def authenticode_digests(data: bytes) -> AuthenticodeDigests | None:
    """Return the digests of the PE file ``data``; None where it is none that can be parsed."""
    import lief

    lief.logging.disable()
    reading = lief.PE.ParserConfig()
    reading.parse_imports = reading.parse_exports = reading.parse_rsrc = reading.parse_reloc = False
    binary = lief.PE.parse(data, reading)
    if binary is None:
        return None
    return AuthenticodeDigests(bytes(binary.authentihash_sha1).hex(), bytes(binary.authentihash_sha256).hex())
