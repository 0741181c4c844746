"""Files of minisign and signify: a comment that nothing vouches for, and a line of base64."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from signing.key import PublicKey, read_public_key
from signing.refusal import Refusal
from toolkit.core.errors import InputError

__all__ = ["Numbered", "decoded_line", "has_plain_text", "numbered", "read_trusted_key"]

UNTRUSTED: Final = b"untrusted comment: "
NUMBER_BYTES: Final = 8
ED25519_SPKI: Final = bytes.fromhex("302a300506032b6570032100")
"""SubjectPublicKeyInfo of an Ed25519 key up to its 32 bytes. Source: RFC 8410, 10.1."""
MOST_COMMENT_BYTES: Final = 1000
"""signify and minisign take 1024 with what stands before it."""
MOST_BYTES: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class Numbered:
    """Two letters that name the algorithm, the number of the key, and a key or signature."""

    letters: bytes
    number: bytes
    value: bytes


def has_plain_text(comment: bytes) -> bool:
    """Tell whether a comment is one that all programs read: not empty, not long, no control characters."""
    return 0 < len(comment) <= MOST_COMMENT_BYTES and all(byte >= 0x20 for byte in comment)


def decoded_line(line: bytes) -> bytes:
    """Return what a line of base64 stands for; ``Refusal`` unless it is the one spelling of it."""
    try:
        data = base64.b64decode(line, validate=True)
    except ValueError as error:
        raise Refusal("signature.malformed", "a line of a signature file is not base64") from error
    if base64.b64encode(data) != line:
        raise Refusal("signature.malformed", "a line of a signature file is not in its one spelling")
    return data


def numbered(comment: bytes, line: bytes, value_bytes: int) -> Numbered:
    """Return the content of the first two lines of a file."""
    if not comment.startswith(UNTRUSTED) or not has_plain_text(comment.removeprefix(UNTRUSTED)):
        raise Refusal("signature.malformed", "the file does not start with an untrusted comment")
    data = decoded_line(line)
    if len(data) != 2 + NUMBER_BYTES + value_bytes:
        raise Refusal("signature.size", f"{len(data)} bytes are no signature or key of this kind")
    return Numbered(data[:2], data[2 : 2 + NUMBER_BYTES], data[2 + NUMBER_BYTES :])


def read_trusted_key(path: Path) -> tuple[PublicKey, bytes | None]:
    """Return a public key from a PEM, minisign or signify file, and the number the latter two give it."""
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not text.startswith(UNTRUSTED):
        return read_public_key(path), None
    lines = text.split(b"\n")
    if len(lines) != 3 or lines[2]:
        raise Refusal("key.malformed", f"{path}: a minisign or signify key has two lines")
    found = numbered(lines[0], lines[1], 32)
    if found.letters != b"Ed":
        raise Refusal("key.unknown", f"{path}: a key of an unknown kind")
    return PublicKey.from_encoded(ED25519_SPKI + found.value), found.number
