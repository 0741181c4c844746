"""RAUC bundles: a file system with a CMS signature behind it, over all of it or over the root of its hash tree."""

from __future__ import annotations

import configparser
import hashlib
import hmac
from typing import Final

from signing.cms import read_signed_data
from signing.image import Fact, ImageTrust, SignedImageFormat, VerifiedImage
from signing.refusal import Refusal

__all__ = ["IMAGE"]

SQUASHFS_MAGIC: Final = b"hsqs"
SIZE_BYTES: Final = 8
MOST_SIGNATURE_BYTES: Final = 64 << 10
BLOCK_BYTES: Final = 4096


def _verify(image: bytes, signature: bytes, trust: ImageTrust) -> VerifiedImage:  # noqa: ARG001  # it is inside
    size = int.from_bytes(image[-SIZE_BYTES:], "big")
    start = len(image) - SIZE_BYTES - size
    if not 0 < size <= MOST_SIGNATURE_BYTES or start < BLOCK_BYTES or start % BLOCK_BYTES:
        raise Refusal("rauc.signature-size", "the size of the signature at the end of the bundle is impossible")
    signed = read_signed_data(image[start : start + size])
    payload = image[:start]
    facts: dict[str, Fact] = {"sha256": hashlib.sha256(payload).hexdigest()}
    if signed.content is None:
        key = signed.verify(payload, trust)
        facts["bundle_format"] = "plain"
    else:
        key = signed.verify(signed.content, trust)
        facts |= _verity_facts(signed.content, payload)
    return VerifiedImage(format="rauc", key_ids=(key.key_id,), algorithms=(key.name,), facts=facts)


def _verity_facts(manifest: bytes, payload: bytes) -> dict[str, Fact]:
    """Return what the verified manifest says, after the whole bundle was found to be what it means."""
    parser = configparser.ConfigParser(interpolation=None, strict=True, delimiters=("=",), comment_prefixes=("#",))
    parser.read_string(manifest.decode("utf-8"))
    bundle = parser["bundle"]
    if bundle.get("format") != "verity":
        raise Refusal("rauc.format", "the bundle is encrypted or of a format that is not known")
    tree_bytes = int(bundle["verity-size"])
    data_bytes = len(payload) - tree_bytes
    if tree_bytes <= 0 or tree_bytes % BLOCK_BYTES or data_bytes <= 0:
        raise Refusal("rauc.verity", "the hash tree of the bundle has an impossible size")
    salt, root = bytes.fromhex(bundle["verity-salt"]), bytes.fromhex(bundle["verity-hash"])
    computed_root, tree = _hash_tree(payload[:data_bytes], salt)
    if not hmac.compare_digest(root, computed_root) or payload[data_bytes:] != tree:
        raise Refusal("rauc.verity", "the bundle is not what its signed root hash was made of")
    update = parser["update"]
    named = {name: update[name] for name in ("compatible", "version", "build") if name in update}
    return {"bundle_format": "verity", **named}


def _hash_tree(data: bytes, salt: bytes) -> tuple[bytes, bytes]:
    """Return root hash and tree of dm-verity, top level first. Source: Linux Documentation, dm-verity, version 1."""
    levels: list[bytes] = []
    level = data
    while len(level) > BLOCK_BYTES or not levels:
        digests = b"".join(
            hashlib.sha256(salt + level[at : at + BLOCK_BYTES]).digest() for at in range(0, len(level), BLOCK_BYTES)
        )
        level = digests + bytes(-len(digests) % BLOCK_BYTES)
        levels.append(level)
    return hashlib.sha256(salt + level).digest(), b"".join(reversed(levels))


IMAGE = SignedImageFormat(
    name="rauc",
    title="RAUC bundle",
    source="RAUC documentation, Bundle Formats; RFC 5652; Linux Documentation, device-mapper/verity",
    is_detached=False,
    recognise=lambda image, _signature: image[:4] == SQUASHFS_MAGIC and _has_signature(image),
    verify=_verify,
)


def _has_signature(image: bytes) -> bool:
    size = int.from_bytes(image[-SIZE_BYTES:], "big")
    return 0 < size <= min(MOST_SIGNATURE_BYTES, len(image)) and image[-SIZE_BYTES - size : -SIZE_BYTES][:1] == b"0"
