"""RAUC bundles: a squashfs of images with a signature after it, and in newer ones a tree of hashes between the two."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from firmware_checks.format import ImageFormat, Magic, Opened, Part
from firmware_checks.formats.squashfs import FORMAT as SQUASHFS
from firmware_checks.readers.cms import DATA, HASHES, MESSAGE_DIGEST, SIGNED_DATA, SignedMessage, read_signed_message
from firmware_checks.readers.der import INTEGER, OCTETS, OID, SEQUENCE, SET, context, encoded
from firmware_checks.readers.entry_names import visible
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.report.model import Fact, Integrity, RegionKind

__all__ = ["FORMAT"]

MAGIC = b"hsqs"
BYTES_USED_AT = 40
"""Where the super block of squashfs says how many bytes it takes. Source: Linux, fs/squashfs/squashfs_fs.h."""
BLOCK_BYTES = 4096
"""Block of the squashfs padding and of the tree of hashes."""
HASH_BYTES = 32
SIZE_BYTES = 8
"""Last bytes of a bundle: the size of the signature, big-endian."""
MANIFEST = "manifest.raucm"
MANIFEST_BYTES = 64 << 10
LISTED = 20
FIELDS: Final = {
    ("update", "compatible"): "compatible",
    ("update", "version"): "version",
    ("update", "description"): "description",
    ("update", "build"): "build",
}


@dataclass(frozen=True, slots=True)
class _Manifest:
    """Settings by section and key."""

    values: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def form(self) -> str:
        """Kind of bundle; the oldest does not say what it is."""
        return self.values.get(("bundle", "format"), "plain")

    def facts(self) -> dict[str, Fact]:
        """Return what it says about the update, and the names of its images."""
        facts: dict[str, Fact] = {
            name: visible(self.values[place]) for place, name in FIELDS.items() if place in self.values
        }
        sections = dict.fromkeys(section for section, _key in self.values if section.startswith("image."))
        names = [visible(self.values.get((section, "filename"), section), most_characters=80) for section in sections]
        if names:
            more = (f"and {len(names) - LISTED} more",) if len(names) > LISTED else ()
            facts["images"] = (*names[:LISTED], *more)
        return facts


def _read_manifest(text: str) -> _Manifest:
    values: dict[tuple[str, str], str] = {}
    section = ""
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("[") and stripped.endswith("]"):
            section = stripped[1:-1]
        elif "=" in stripped and not stripped.startswith("#"):
            key, _, value = stripped.partition("=")
            values[section, key.strip()] = value.strip()
    return _Manifest(values)


@dataclass(frozen=True, slots=True)
class _Bundle:
    span: Span
    payload_end: int
    signature: int
    """Where the signature starts: after the tree of hashes, where there is one."""
    message: SignedMessage

    @property
    def end(self) -> int:
        return self.signature + self.message.size + SIZE_BYTES

    def manifest(self, limits: Limits) -> _Manifest:
        """Return the manifest: signed with the bundle in newer ones, a file in the squashfs in plain ones."""
        if self.message.content is not None:
            return _read_manifest(self.message.content[:MANIFEST_BYTES].decode("utf-8", "replace"))
        try:
            opened = SQUASHFS.open(self.span.part(0, self.payload_end), limits)
            file = next((entry for entry in opened.entries if entry.name == MANIFEST), None)
            return _Manifest() if file is None else _read_manifest(file.read(MANIFEST_BYTES).decode("utf-8", "replace"))
        except (FormatError, LimitExceeded):
            return _Manifest()

    def verdicts(self, manifest: _Manifest) -> Iterator[Integrity]:
        """Yield the hashes that the signature protects, each computed again."""
        window, message = self.span.window, self.message
        if message.algorithm and message.digest:
            signed = message.content or window.view[: self.signature]
            computed = hashlib.new(message.algorithm, signed, usedforsecurity=False).hexdigest()
            covers = "content" if message.content is None else "manifest"
            yield _verdict(message.algorithm, covers, message.digest.hex(), computed)
        root = manifest.values.get(("bundle", "verity-hash"), "")
        if root and message.content is not None:
            salt = _from_hex(manifest.values.get(("bundle", "verity-salt"), ""))
            computed = _root_hash(window.view[: self.payload_end], salt)
            yield _verdict("sha256 tree (dm-verity)", "content", visible(root.lower()), computed)


def _verdict(algorithm: str, covers: str, stored: str, computed: str) -> Integrity:
    return Integrity(algorithm=algorithm, covers=covers, stored=stored, computed=computed, valid=stored == computed)


def _from_hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def _root_hash(payload: memoryview, salt: bytes) -> str:
    """Return the root of the tree of hashes over ``payload``: blocks of hashes are hashed until one is left.

    Source: Linux Documentation/admin-guide/device-mapper/verity.rst, version 1 (the salt comes first).
    """
    salted = hashlib.sha256(salt)
    hashes = b"".join(_hashes(payload, salted))
    while len(hashes) > HASH_BYTES:
        level = hashes + bytes(-len(hashes) % BLOCK_BYTES)
        hashes = b"".join(_hashes(memoryview(level), salted))
    return hashes.hex()


def _hashes(data: memoryview, salted: hashlib._Hash) -> Iterator[bytes]:
    for start in range(0, len(data), BLOCK_BYTES):
        state = salted.copy()
        state.update(data[start : start + BLOCK_BYTES])
        yield state.digest()


def _tree_bytes(payload_bytes: int) -> int:
    """Return how large the tree of hashes over ``payload_bytes`` is, without the root."""
    blocks, total = payload_bytes // BLOCK_BYTES, 0
    while blocks > 1:
        blocks = -(-blocks * HASH_BYTES // BLOCK_BYTES)
        total += blocks
    return total * BLOCK_BYTES


def _open(span: Span, limits: Limits) -> Opened:
    bundle = _bundle(span)
    manifest = bundle.manifest(limits)
    facts = {
        "bundle_format": visible(manifest.form),
        **manifest.facts(),
        **bundle.message.facts(),
        "signed": True,
    }
    return Opened(
        size=bundle.end,
        kind=RegionKind.CONTAINER,
        title="RAUC bundle",
        facts=facts,
        integrity=tuple(bundle.verdicts(manifest)),
        parts=tuple(_parts(bundle)),
    )


def _bundle(span: Span) -> _Bundle:
    """Find the signature: right after the squashfs, or after the tree of hashes that belongs to one of this size."""
    window = span.window
    if not window.starts_with(MAGIC):
        raise FormatError(f"no squashfs at {window.origin:#x}")
    used = int.from_bytes(window.take(BYTES_USED_AT, 8), "little")
    payload_end = -(-used // BLOCK_BYTES) * BLOCK_BYTES
    for signature in (payload_end, payload_end + _tree_bytes(payload_end)):
        try:
            message = read_signed_message(window, signature)
            size = int.from_bytes(window.take(signature + message.size, SIZE_BYTES), "big")
        except FormatError:
            continue
        if size == message.size:
            return _Bundle(span, payload_end, signature, message)
    raise FormatError(f"no signature follows the squashfs at {window.origin:#x}")


def _parts(bundle: _Bundle) -> Iterator[Part]:
    yield Part(start=0, end=bundle.payload_end, title="Content", kind=RegionKind.CONTAINER, look_inside=True)
    if bundle.signature > bundle.payload_end:
        yield Part(
            start=bundle.payload_end, end=bundle.signature, title="Hash tree (dm-verity)", kind=RegionKind.METADATA
        )
    yield Part(start=bundle.signature, end=bundle.end, title="Signature (CMS)", kind=RegionKind.METADATA)


def _message(content: bytes) -> bytes:
    """Build a signed message without certificates, whose signature is a row of bytes."""
    sha256 = encoded(SEQUENCE, encoded(OID, next(oid for oid, name in HASHES.items() if name == "sha256")))
    digest = encoded(OCTETS, hashlib.sha256(content).digest())
    signer = encoded(
        SEQUENCE,
        encoded(INTEGER, b"\1"),
        encoded(SEQUENCE, encoded(SEQUENCE), encoded(INTEGER, b"\7")),
        sha256,
        encoded(context(0), encoded(SEQUENCE, encoded(OID, MESSAGE_DIGEST), encoded(SET, digest))),
        sha256,
        encoded(OCTETS, bytes(range(64))),
    )
    encapsulated = encoded(SEQUENCE, encoded(OID, DATA), encoded(context(0), encoded(OCTETS, content)))
    signed = encoded(SEQUENCE, encoded(INTEGER, b"\1"), encoded(SET, sha256), encapsulated, encoded(SET, signer))
    return encoded(SEQUENCE, encoded(OID, SIGNED_DATA), encoded(context(0), signed))


def _example() -> bytes:
    squashfs = SQUASHFS.example()
    payload = squashfs + bytes(-len(squashfs) % BLOCK_BYTES)
    salt = bytes(range(HASH_BYTES))
    manifest = (
        "[update]\ncompatible=pump\nversion=1.2\n[bundle]\nformat=verity\n"
        f"verity-hash={_root_hash(memoryview(payload), salt)}\nverity-salt={salt.hex()}\n"
        f"verity-size={_tree_bytes(len(payload))}\n[image.rootfs]\nfilename=rootfs.img\n"
    )
    message = _message(manifest.encode())
    return payload + bytes(_tree_bytes(len(payload))) + message + len(message).to_bytes(SIZE_BYTES, "big")


FORMAT = ImageFormat(
    name="rauc-bundle",
    title="RAUC bundle",
    source="RAUC 1.8 documentation, Reference: bundle formats and manifest; RFC 5652 (CMS); Linux dm-verity",
    limits="Signature and certificates are told but not verified. Bundles of the format 'crypt' are not recognised.",
    open=_open,
    magics=(Magic(rb"hsqs[\x00-\xff]{24}\x04\x00", anchor=MAGIC),),
    try_order=-10,
    example=_example,
)
