"""minisign: a detached Ed25519 signature with a comment that is signed too."""

from __future__ import annotations

import hashlib

from signing.comment_files import decoded_line, has_plain_text, numbered
from signing.image import ImageTrust, SignedImageFormat, VerifiedImage
from signing.refusal import Refusal

__all__ = ["IMAGE"]

TRUSTED = b"trusted comment: "
WHOLE, HASHED = b"Ed", b"ED"
SIGNATURE_BYTES = 64


def _verify(image: bytes, signature: bytes, trust: ImageTrust) -> VerifiedImage:
    lines = signature.split(b"\n")
    if len(lines) not in (4, 5) or lines[4:] not in ([], [b""]):
        raise Refusal("signature.malformed", "a minisign signature has four lines")
    found = numbered(lines[0], lines[1], SIGNATURE_BYTES)
    if found.letters not in (WHOLE, HASHED):
        raise Refusal("algorithm.unknown", "the signature is of an unknown kind")
    key = next((key for key in trust.keys if trust.key_numbers.get(key.key_id) == found.number), None)
    if key is None:
        raise Refusal("signature.unknown-key", "the file is not signed by a key that is trusted")
    trust.policy.check_key(key)
    if not lines[2].startswith(TRUSTED) or not has_plain_text(lines[2].removeprefix(TRUSTED)):
        raise Refusal("signature.malformed", "the third line is no trusted comment")
    comment = lines[2].removeprefix(TRUSTED)
    key.verify(hashlib.blake2b(image).digest() if found.letters == HASHED else image, found.value)
    key.verify(found.value + comment, decoded_line(lines[3]))
    return VerifiedImage(
        format="minisign",
        key_ids=(key.key_id,),
        algorithms=(key.name,),
        facts={"trusted_comment": comment.decode("utf-8"), "sha256": hashlib.sha256(image).hexdigest()},
    )


IMAGE = SignedImageFormat(
    name="minisign",
    title="file with a minisign signature",
    source="minisign 0.11, src/minisign.c and its manual; jedisct1.github.io/minisign",
    is_detached=True,
    recognise=lambda _image, signature: b"\ntrusted comment: " in signature,
    verify=_verify,
    other_cases={
        36: "no version is signed, except in words",
        41: "no model is signed, except in words",
        46: "there are no further fields",
        55: "there are no certificates",
    },
)
