"""Mender artifacts: one signature over the manifest, which holds the SHA-256 of every other part.

Source: mender-artifact, Documentation/artifact-format-v3.md, "manifest.sig"; its signing in Go, ``artifact/signer.go``.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable

from signing.algorithms.ecdsa import low_s
from signing.classic_rsa import verify_pkcs1
from signing.key import PublicKey
from signing.policy import Policy
from signing.refusal import Refusal, fail_closed

__all__ = ["verify_manifest"]

NUMBER_BYTES = 32
"""Each of the two numbers of a signature over P-256."""


def verify_manifest(manifest: bytes, signature: bytes, keys: Iterable[PublicKey], policy: Policy) -> PublicKey:
    """Return which of ``keys`` signed ``manifest``; ``signature`` is the file ``manifest.sig``. Else ``Refusal``."""
    with fail_closed("mender.signature", "Mender artifact"):
        try:
            value = base64.b64decode(signature.strip(), validate=True)
        except binascii.Error as error:
            raise Refusal("mender.signature", "the signature of the artifact is not base64") from error
        for key in keys:
            if _is_by(key, manifest, value):
                policy.check_key(key)
                return key
    raise Refusal("signature.unknown-key", "the artifact is not signed by a key that is trusted")


def _is_by(key: PublicKey, manifest: bytes, value: bytes) -> bool:
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    try:
        if key.name.startswith("rsa"):
            verify_pkcs1(key, "sha256", manifest, value)
            return True
        if key.name == "ecdsa-p256-sha256" and len(value) == 2 * NUMBER_BYTES:
            r, s = (int.from_bytes(half) for half in (value[:NUMBER_BYTES], value[NUMBER_BYTES:]))
            key.verify(manifest, low_s(key.name, encode_dss_signature(r, s)))
            return True
    except Refusal:
        pass
    return False
