"""The manifest of files that are handed over together: a digest of each, and a signature where there is a key."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from signing.envelope import SignedKind, opened_envelope, pack_envelope
from signing.key import PublicKey, Signer
from signing.refusal import Refusal, fail_closed
from toolkit import __version__
from toolkit.report.model import Tool

__all__ = ["MANIFEST", "Manifest", "ManifestFile", "packed_manifest", "verified_manifest"]

FORMAT: Final = "medharden-manifest-1"
MANIFEST: Final = "manifest.json"
"""Its name beside the files."""
MOST_NAMED: Final = 3


class ManifestFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file beside the manifest."""

    path: str
    size: Annotated[int, Meta(ge=0, description="Bytes.")]
    sha256: Annotated[str, Meta(description="SHA-256, 64 lower-case hexadecimal digits.")]


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that belongs together, and nothing else does."""

    format: Annotated[str, Meta(pattern=f"^{FORMAT}$")]
    tool: Tool
    images: Annotated[tuple[str, ...], Meta(description="SHA-256 of the images that were examined.")]
    files: tuple[ManifestFile, ...]


def packed_manifest(
    files: Mapping[str, bytes], images: Sequence[str], kind: SignedKind, signer: Signer | None
) -> bytes:
    """Return the file that stands beside ``files``, signed where there is a ``signer``."""
    rows = (
        ManifestFile(path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest())
        for path, data in sorted(files.items())
    )
    tool = Tool(name="medharden", version=__version__)
    manifest = Manifest(format=FORMAT, tool=tool, images=tuple(images), files=tuple(rows))
    return pack_envelope(msgspec.json.encode(manifest), kind, signer)


def verified_manifest(
    members: Mapping[str, bytes], kind: SignedKind, keys: Sequence[PublicKey]
) -> tuple[Manifest, PublicKey]:
    """Return the manifest among ``members`` that one of ``keys`` has signed, and the key; ``Refusal`` if none has.

    Every file must be there as the manifest says, and no other.
    """
    with fail_closed(f"{kind.rules}.malformed", kind.title):
        if MANIFEST not in members:
            raise Refusal(f"{kind.rules}.malformed", f"the {kind.title} has no {MANIFEST}")
        opened = opened_envelope(members[MANIFEST], kind, keys)
        manifest = msgspec.json.decode(opened.payload, type=Manifest)
        stated = {row.path: row for row in manifest.files}
        different = sorted(stated.keys() ^ (members.keys() - {MANIFEST}))
        if different:
            named = ", ".join(different[:MOST_NAMED])
            raise Refusal(f"{kind.rules}.changed", f"files are missing or were added to the {kind.title}: {named!a}")
        for path, row in stated.items():
            if hashlib.sha256(members[path]).hexdigest() != row.sha256 or len(members[path]) != row.size:
                raise Refusal(f"{kind.rules}.changed", f"{path!a} is not what was signed")
        return manifest, opened.key
