"""signify of OpenBSD: a detached Ed25519 signature over the whole file."""

from __future__ import annotations

import hashlib

from signing.comment_files import numbered
from signing.image import ImageTrust, SignedImageFormat, VerifiedImage
from signing.refusal import Refusal

__all__ = ["IMAGE"]

SIGNATURE_BYTES = 64


def _verify(image: bytes, signature: bytes, trust: ImageTrust) -> VerifiedImage:
    lines = signature.split(b"\n")
    if len(lines) != 3 or lines[2]:
        raise Refusal("signature.malformed", "a signify signature has two lines")
    found = numbered(lines[0], lines[1], SIGNATURE_BYTES)
    if found.letters != b"Ed":
        raise Refusal("algorithm.unknown", "the signature is of an unknown kind")
    key = next((key for key in trust.keys if trust.key_numbers.get(key.key_id) == found.number), None)
    if key is None:
        raise Refusal("signature.unknown-key", "the file is not signed by a key that is trusted")
    trust.policy.check_key(key)
    key.verify(image, found.value)
    return VerifiedImage(
        format="signify",
        key_ids=(key.key_id,),
        algorithms=(key.name,),
        facts={"sha256": hashlib.sha256(image).hexdigest()},
    )


IMAGE = SignedImageFormat(
    name="signify",
    title="file with a signify signature",
    source="OpenBSD signify(1) and usr.bin/signify/signify.c",
    is_detached=True,
    recognise=lambda _image, signature: (
        signature.startswith(b"untrusted comment: ") and b"\ntrusted comment: " not in signature
    ),
    verify=_verify,
    other_cases={
        36: "no version is signed",
        41: "no model is signed",
        46: "there are no further fields",
        55: "there are no certificates",
    },
)
