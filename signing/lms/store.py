"""An LMS key in a folder: the encrypted seed, the public tree, and what is used up.

``key.json`` and ``tree.bin`` never change; ``state.json`` does. The witness stands outside of the folder, at best on
another medium, so that a copy of the folder alone cannot sign.
"""

from __future__ import annotations

import base64
import json
import secrets as random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from signing.durable import Disk, create, locked
from signing.key import PublicKey, Secrets, Signer
from signing.lms.parameters import IDENTIFIER_BYTES, Parameters, spki_of, split_public_key, split_spki
from signing.lms.state import Counter, reserve
from signing.private import CheckedSigner
from signing.protection import checked_passphrase, derived_key
from signing.refusal import Refusal
from toolkit.core.errors import InputError

__all__ = ["Place", "create_key", "opened", "public_key"]

FORMAT: Final = "medharden-lms-key-1"
SALT_BYTES, NONCE_BYTES = 16, 12


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key is: its folder, and the witness outside of it."""

    disk: Disk
    folder: Path
    witness: Path

    @property
    def key(self) -> Path:
        """The public key and the encrypted seed."""
        return self.folder / "key.json"

    @property
    def tree(self) -> Path:
        """Every node of the tree below the root, as they are numbered in RFC 8554, 5.3."""
        return self.folder / "tree.bin"

    def counter(self, key_id: str) -> Counter:
        """Return the counter of the key."""
        return Counter(self.disk, key_id, self.folder / "state.json", self.witness)


def create_key(place: Place, parameters: Parameters, secrets: Secrets) -> PublicKey:
    """Make a key; seconds to minutes, it computes all public values of the tree."""
    if place.disk.read(place.key) is not None or place.disk.read(place.witness) is not None:
        raise InputError(f"{place.folder} or {place.witness} exists already and is left as it is")
    passphrase = checked_passphrase(secrets.new(f"lms:{place.folder}"))
    seed, identifier = random.token_bytes(parameters.hash_bytes), random.token_bytes(IDENTIFIER_BYTES)
    tree = _tree(parameters, seed, identifier)
    hss_key = (1).to_bytes(4, "big") + tree.publicKey().serialize()
    public = PublicKey.from_encoded(spki_of(hss_key))
    create(place.disk, place.tree, _nodes(parameters, tree))
    place.counter(public.key_id).start()
    create(place.disk, place.key, _sealed(public, seed, passphrase))  # last: no key, no signature
    return public


def _tree(parameters: Parameters, seed: bytes, identifier: bytes) -> Any:
    from pyhsslms import LmsPrivateKey  # type: ignore[import-untyped]  # it has no types

    types = (code.to_bytes(4, "big") for code in (parameters.tree_type, parameters.one_time_type))
    return LmsPrivateKey(*types, SEED=seed, I=identifier)


def _nodes(parameters: Parameters, tree: Any) -> bytes:
    """Return nodes 2, 3, 4 ... one after the other; each stands in the path of a leaf beside it."""
    leaves = parameters.signatures
    nodes: dict[int, bytes] = {}
    for leaf in range(leaves, 2 * leaves):
        for above, node in enumerate(tree.path(leaf)):
            nodes[(leaf >> above) ^ 1] = node
    return b"".join(nodes[number] for number in range(2, 2 * leaves))


def _sealed(public: PublicKey, seed: bytes, passphrase: str) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    salt, nonce = random.token_bytes(SALT_BYTES), random.token_bytes(NONCE_BYTES)
    sealed = ChaCha20Poly1305(derived_key(passphrase, salt)).encrypt(nonce, seed, public.encoded)
    fields = {"public_key": public.encoded, "salt": salt, "nonce": nonce, "sealed_seed": sealed}
    record = {"format": FORMAT, **{name: base64.b64encode(value).decode() for name, value in fields.items()}}
    return json.dumps(record, indent=1).encode() + b"\n"


def _fields(place: Place) -> dict[str, bytes]:
    data = place.disk.read(place.key)
    if data is None:
        raise InputError(f"{place.folder}: there is no LMS key")
    try:
        record = json.loads(data)
        if record.pop("format") != FORMAT:
            raise InputError(f"{place.key}: this is no LMS key of a version that can be read")
        return {name: base64.b64decode(value, validate=True) for name, value in record.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{place.key}: the key file is damaged") from error


def public_key(place: Place) -> PublicKey:
    """Return the public half; no passphrase needed."""
    return PublicKey.from_encoded(_fields(place).get("public_key", b""))


@contextmanager
def opened(place: Place, secrets: Secrets) -> Iterator[Signer]:
    """Return the signer of the key at ``place``, which no other process can open meanwhile."""
    public = public_key(place)  # before the lock files: a wrong path must not get any
    with locked(place.folder / "lock"), locked(place.witness.with_name(f"{place.witness.name}.lock")):
        place.counter(public.key_id).next()  # a restored backup is told before a passphrase is asked for
        yield LmsSigner(place, public, seed_of(place, public, secrets))


def seed_of(place: Place, public: PublicKey, secrets: Secrets) -> bytes:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    fields = _fields(place)
    key = derived_key(secrets.existing(f"lms:{place.folder}"), fields.get("salt", b""))
    try:
        return ChaCha20Poly1305(key).decrypt(fields["nonce"], fields["sealed_seed"], public.encoded)
    except (InvalidTag, KeyError, ValueError) as error:
        raise InputError(f"{place.folder}: the passphrase does not open it, or the key file is damaged") from error


class LmsSigner(CheckedSigner):
    """Signs with the next free number of an LMS key; the number is given up, for good, before anything is computed."""

    def __init__(self, place: Place, public: PublicKey, seed: bytes) -> None:
        super().__init__(public)
        self._place = place
        self.seed: Final = seed

    def made(self, message: bytes) -> bytes:
        """Return a signature over ``message``, not checked yet."""
        from pyhsslms import LmotsPrivateKey

        hss_key = split_spki(self.public.encoded) or b""
        _levels, parameters = split_public_key(hss_key)
        tree_type, one_time_type, identifier = hss_key[4:8], hss_key[8:12], hss_key[12 : 12 + IDENTIFIER_BYTES]
        nodes = self._place.disk.read(self._place.tree) or b""
        if len(nodes) != parameters.hash_bytes * (2 * parameters.signatures - 2):
            raise Refusal("lms.state-damaged", "the tree of the LMS key is damaged")
        number = reserve(self._place.counter(self.public.key_id), parameters.signatures)
        one_time = LmotsPrivateKey(identifier, number.to_bytes(4, "big"), self.seed, one_time_type).sign(message)
        path = _path(nodes, parameters, number)
        return b"".join((bytes(4), number.to_bytes(4, "big"), one_time, tree_type, path))


def _path(nodes: bytes, parameters: Parameters, number: int) -> bytes:
    """Return the nodes beside the way from leaf ``number`` to the root."""
    size = parameters.hash_bytes
    beside = [((parameters.signatures + number) >> above) ^ 1 for above in range(parameters.height)]
    return b"".join(nodes[size * (node - 2) : size * (node - 1)] for node in beside)
