"""Update archives of Android, as many bedside monitors and pumps with a touch screen take them."""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from firmware_checks.format import ImageFormat, Opened
from firmware_checks.formats.zip import MAGICS, archive_facts, archive_problems, entry_of
from firmware_checks.readers.entry_names import visible
from firmware_checks.readers.zip_archive import LOCAL_MAGIC, Archive, read_archive
from firmware_checks.readers.zip_member import read_member
from firmware_checks.span import Span
from signing.android_ota import FOOTER_BYTES, WholeFileSignature, covered_bytes, is_intact, read_footer
from signing.published_keys import publisher_of
from signing.refusal import Refusal
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.report.model import Fact, RegionKind

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

__all__ = ["FORMAT", "built_update", "signed_update"]

METADATA, SCRIPT = "META-INF/com/android/metadata", "META-INF/com/google/android/updater-script"
MARKS: Final = (b"META-INF/com/android/", b"META-INF/com/google/android/")
MOST_TEXT_BYTES = 1 << 18
DIRECTORY_REACH_BYTES = 4 << 20
"""How far before the end of the file the names of its entries are looked for."""
TAIL_BYTES = (1 << 16) + 22
FACTS: Final = {
    "pre-device": "pre_device",
    "pre-build": "pre_build",
    "post-build": "post_build",
    "ota-type": "update_type",
}
"""Source: Android releasetools, ota_metadata.proto and ``WriteMetadata``."""


@dataclass(frozen=True, slots=True)
class _Reader:
    span: Span
    archive: Archive
    limits: Limits

    def text(self, name: str) -> str:
        """Return what stands in the entry ``name``; empty when it is not there or cannot be read."""
        member = next((member for member in self.archive.members if member.name == name), None)
        if member is None:
            return ""
        try:
            return read_member(self.span.window, member, MOST_TEXT_BYTES).decode("utf-8", "replace")
        except (FormatError, LimitExceeded):
            return ""

    def facts(self) -> dict[str, Fact]:
        """Return for which device it is, what it leads to, and who signed it."""
        said = dict(line.split("=", 1) for line in self.text(METADATA).splitlines() if "=" in line)
        script = self.text(SCRIPT)
        facts: dict[str, Fact] = {name: visible(said[key]) for key, name in FACTS.items() if said.get(key)}
        stamp = said.get("post-timestamp", "")
        if stamp.isdecimal() and len(stamp) <= 12:
            facts["post_timestamp"] = int(stamp)
        facts["downgrade_allowed"] = said.get("ota-downgrade", "").strip() == "yes"
        if script:
            facts["script_asks_for_model"] = "ro.product.device" in script or "ro.build.product" in script
            facts["script_asks_for_age"] = "ro.build.date.utc" in script
        return facts | self._signature()

    def _signature(self) -> dict[str, Fact]:
        view = self.span.window.view
        try:
            found = read_footer(bytes(view[max(0, self.archive.size - TAIL_BYTES) : self.archive.size]))
        except Refusal as refusal:
            return {"signed": True, "signature_problem": str(refusal)}
        if found is None:
            return {"signed": False}
        intact = is_intact(view[: covered_bytes(self.archive.size, found)], found)
        facts: dict[str, Fact] = {"signed": True, "signature_hash": found.hash_name, **_signer(found)}
        return facts if intact is None else {**facts, "signature_intact": intact}


def _signer(found: WholeFileSignature) -> dict[str, Fact]:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from cryptography.x509 import load_der_x509_certificate

    try:
        certificate: Certificate = load_der_x509_certificate(found.certificate)
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        subject = certificate.subject.rfc4514_string()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return {}
    key_id = hashlib.sha256(key).hexdigest()
    publisher = publisher_of(key_id)
    facts: dict[str, Fact] = {"signer_subject": visible(subject), "signer_key_sha256": key_id}
    return facts if publisher is None else {**facts, "published_test_key": publisher}


def _open(span: Span, limits: Limits) -> Opened:
    window = span.window
    if not window.starts_with(LOCAL_MAGIC):
        raise FormatError(f"no zip archive at {window.origin:#x}")
    end = bytes(window.view[-DIRECTORY_REACH_BYTES:])
    if not any(mark in end for mark in MARKS):
        raise FormatError(f"the zip archive at {window.origin:#x} is no update of Android")
    archive = read_archive(window, limits)
    names = {member.name for member in archive.members}
    if METADATA not in names and SCRIPT not in names:
        raise FormatError(f"the zip archive at {window.origin:#x} is no update of Android")
    return Opened(
        size=archive.size,
        kind=RegionKind.CONTAINER,
        title="Android update",
        facts={**_archive_facts(archive), **_Reader(span, archive, limits).facts()},
        entries=tuple(entry_of(window, member) for member in archive.members),
        problems=archive_problems(archive),
    )


def _archive_facts(archive: Archive) -> dict[str, Fact]:
    """Return what is worth knowing about the archive; its comment is the signature, and no text."""
    return {name: fact for name, fact in archive_facts(archive).items() if name != "comment"}


def built_update(metadata: str, script: str = "") -> bytes:
    """Return a small update without a signature that says ``metadata`` and is installed by ``script``."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo(METADATA), metadata)
        if script:
            archive.writestr(zipfile.ZipInfo(SCRIPT), script)
        archive.writestr(zipfile.ZipInfo("system.img"), bytes(64) + b"monitor 1.2")
    return file.getvalue()


def signed_update(update: bytes, certificate_pem: bytes, private_value: int) -> bytes:
    """Return ``update`` with a signature of the P-256 key of ``private_value``, whose certificate is given."""
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
    from cryptography.x509 import load_pem_x509_certificate

    key, certificate = derive_private_key(private_value, SECP256R1()), load_pem_x509_certificate(certificate_pem)
    options = [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.NoAttributes]
    builder = pkcs7.PKCS7SignatureBuilder().set_data(update[:-2]).add_signer(certificate, key, SHA256())
    message = builder.sign(Encoding.DER, options)
    comment = message + struct.pack("<H2sH", len(message) + FOOTER_BYTES, b"\xff\xff", len(message) + FOOTER_BYTES)
    return update[:-2] + struct.pack("<H", len(comment)) + comment


FORMAT = ImageFormat(
    name="android-update",
    title="Android update",
    source="Android bootable/recovery (install/verifier.cpp) and build/releasetools (ota_from_target_files)",
    limits="Updates whose payload is a chain of operations (payload.bin) are not taken apart further.",
    open=_open,
    magics=MAGICS[:1],
    whole_file_only=True,
    try_order=-10,
    example=lambda: built_update(
        "ota-type=BLOCK\npre-device=monitor\npost-build=acme/monitor/1.2\npost-timestamp=1767225600\n"
    ),
)
