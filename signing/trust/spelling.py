"""The only spelling of metadata that a package may have: what we would write, byte for byte."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from securesystemslib.signer import Key
from tuf.api.metadata import Metadata

from signing.refusal import Refusal
from signing.strict.json_text import strict_json
from signing.trust.metadata_set import Spelling
from signing.trust.tuf_keys import check_signature, public_of, register

__all__ = ["STRICT", "metadata_bytes", "parse_object", "pretty_bytes"]


def parse_object(data: bytes) -> Mapping[str, Any]:
    """Return the JSON object in ``data``; refuse what two readers could understand differently."""
    content = strict_json(data)
    if not isinstance(content, dict):
        raise Refusal("json.type", "a JSON object is expected here")
    return content


def metadata_bytes(metadata: Metadata[Any]) -> bytes:
    """Return the file for ``metadata``: compact, names sorted, signatures sorted by key."""
    metadata.signatures = dict(sorted(metadata.signatures.items()))
    return metadata.to_bytes()


def pretty_bytes(document: object) -> bytes:
    """Return a JSON document of ours that people read too: indented, names sorted, one line end."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def _check_document(data: bytes, metadata: Metadata[Any]) -> None:
    if metadata.unrecognized_fields:
        raise Refusal("trust.unsigned-field", "something stands beside what is signed, where anybody could have put it")
    order = list(metadata.signatures)
    if order != sorted(order) or metadata.to_bytes() != data:
        raise Refusal("json.canonical", "the metadata is not written the one way that is accepted")


def _check_signatures(metadata: Metadata[Any], used: frozenset[str]) -> None:
    unused = set(metadata.signatures) - used
    if unused:
        raise Refusal("trust.signature", f"there is a signature that does not count, by {min(unused)[:16]}")


def _halves(key: Key) -> frozenset[str]:
    return public_of(key).halves


STRICT: Final = Spelling(
    parse=parse_object,
    check_signature=check_signature,
    halves=_halves,
    check_document=_check_document,
    check_signatures=_check_signatures,
)
"""For packages and ceremonies. Everything a byte could say besides is refused."""

register()
