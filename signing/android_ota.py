"""Updates of Android: a signature over the whole archive, kept in the comment at its end.

Source: Android bootable/recovery, install/verifier.cpp: the last six bytes are the distance of the signature from the
end, ff ff, and the size of the comment; all but the comment and its size is signed, without signed attributes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from signing.certificates import checked_signer_key
from signing.classic_rsa import verify_pkcs1
from signing.image import ImageTrust
from signing.key import PublicKey
from signing.refusal import Refusal, fail_closed
from signing.strict.der import INTEGER, OCTETS, SEQUENCE, Element, context, strict_der

__all__ = ["FOOTER_BYTES", "WholeFileSignature", "covered_bytes", "is_intact", "read_footer", "verify_whole_file"]

FOOTER_BYTES: Final = 6
END_BYTES, COMMENT_SIZE_BYTES = 22, 2
END_MAGIC: Final = b"PK\x05\x06"
HASHES: Final = {
    bytes.fromhex("2b0e03021a"): "sha1",
    bytes.fromhex("608648016503040201"): "sha256",
}
"""Names of hashes. Source: RFC 3370, 2.1; RFC 5754, 2.2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeFileSignature:
    """A signature taken apart, nothing of it believed yet."""

    hash_name: str
    certificate: bytes
    """Of the signer, in DER."""
    signature: bytes
    comment_bytes: int


def read_footer(tail: bytes) -> WholeFileSignature | None:
    """Return the signature at the end of an archive of which ``tail`` are the last 64 KiB; None when there is none.

    ``Refusal`` when there is a mark of one and no signature.
    """
    footer = tail[-FOOTER_BYTES:]
    distance, comment = (int.from_bytes(footer[at : at + 2], "little") for at in (0, 4))
    end = len(tail) - comment - END_BYTES
    if footer[2:4] != b"\xff\xff" or not FOOTER_BYTES < distance <= comment or end < 0:
        return None
    if not tail.startswith(END_MAGIC, end):
        return None
    with fail_closed("android.signature", "Android update"):
        return _read(tail[-distance:-FOOTER_BYTES], comment)


def _read(block: bytes, comment_bytes: int) -> WholeFileSignature:
    size = 4 + int.from_bytes(block[2:4], "big") if block[1:2] == b"\x82" else len(block)
    signed = strict_der(strict_der(block[:size], SEQUENCE).children()[1].content, SEQUENCE).children()
    certificates = [c.expect(SEQUENCE).encoded for field in signed if field.tag == context(0) for c in field.children()]
    signer = signed[-1].children()[0].expect(SEQUENCE).children()
    hash_name = HASHES.get(signer[2].children()[0].content, "")
    if len(certificates) != 1 or signer[0].tag != INTEGER or signer[-1].tag != OCTETS or not hash_name:
        raise Refusal("android.signature", "the signature of the update is of a form that is not known")
    if any(field.tag == context(0) for field in signer):
        raise Refusal("android.signature", "the signature of the update has signed attributes, which recovery refuses")
    return WholeFileSignature(
        hash_name=hash_name, certificate=certificates[0], signature=_octets(signer), comment_bytes=comment_bytes
    )


def _octets(signer: list[Element]) -> bytes:
    return signer[-1].expect(OCTETS).content


def covered_bytes(archive_bytes: int, found: WholeFileSignature) -> int:
    """Return how many bytes from the start of the archive are signed."""
    return archive_bytes - found.comment_bytes - COMMENT_SIZE_BYTES


def is_intact(covered: memoryview, found: WholeFileSignature) -> bool | None:
    """Tell whether the certificate in the archive belongs to a key that signed ``covered``; None if it cannot be told.

    That proves nothing about who made it: the certificate came with the archive.
    """
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
    from cryptography.x509 import load_der_x509_certificate

    kinds: dict[str, Any] = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256()}  # noqa: S303  # it is theirs
    digest = hashlib.new(found.hash_name, covered, usedforsecurity=False).digest()
    prehashed = Prehashed(kinds[found.hash_name])
    try:
        key: Any = load_der_x509_certificate(found.certificate).public_key()
        if hasattr(key, "curve"):
            key.verify(found.signature, digest, ECDSA(prehashed))
        else:
            key.verify(found.signature, digest, PKCS1v15(), prehashed)
    except InvalidSignature:
        return False
    except (ValueError, TypeError, AttributeError, UnsupportedAlgorithm):
        return None
    return True


def verify_whole_file(covered: bytes, found: WholeFileSignature, trust: ImageTrust) -> PublicKey:
    """Return the key that signed ``covered``, whose certificate the user trusts; ``Refusal`` when there is none."""
    with fail_closed("android.signature", "Android update"):
        if found.hash_name != "sha256":
            raise Refusal("android.hash", f"the signature rests on {found.hash_name}, which proves nothing")
        key = checked_signer_key(found.certificate, (), trust.certificates, trust.now, trust.policy)
        if key.name.startswith("rsa"):
            verify_pkcs1(key, found.hash_name, covered, found.signature)
        else:
            from signing.algorithms.ecdsa import low_s

            key.verify(covered, low_s(key.name, found.signature))
        return key
