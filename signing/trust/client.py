"""Follows a TUF repository that lives elsewhere: on a stick, on a share, behind a web server.

What is believed is kept in a folder, one file a role under its plain name, and every root that ever counted. A file is
written there only after it was verified, whole, and never through a link. How bytes are fetched is not known here.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final, Protocol
from urllib.parse import quote

from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import Key, Signature
from tuf.api.metadata import TargetFile

from signing.refusal import Refusal
from signing.trust.metadata_set import HIGHEST_VERSION, MOST_BYTES, SameVersion, Spelling, TrustedMetadata
from signing.trust.spelling import parse_object

__all__ = ["PLAIN", "Client", "Fetch", "NotThere"]

MOST_ROOTS: Final = 256
CHUNK_BYTES: Final = 1 << 20

HASHES: Final[Mapping[str, Callable[[], Hasher]]] = MappingProxyType(
    {
        "sha256": hashlib.sha256,
        "sha384": hashlib.sha384,
        "sha512": hashlib.sha512,
        "sha3_256": hashlib.sha3_256,
        "blake2b-256": lambda: hashlib.blake2b(digest_size=32),
    }
)
"""Digests that may vouch for a file; weak ones are refused, also beside a strong one."""

Fetch = Callable[[str], Iterator[bytes]]
"""(path, as in a URL) -> content piece by piece; raises ``NotThere`` when the repository has no such file."""


class Hasher(Protocol):
    """Makes a digest piece by piece."""

    def update(self, data: bytes, /) -> None:
        """Take the next piece."""

    def hexdigest(self) -> str:
        """Return the digest of all pieces."""


class NotThere(Exception):  # nothing is wrong by itself: it ends the search for newer roots
    """The repository has no such file."""


def _check_signature(key: Key, signature: Signature, payload: bytes) -> None:
    try:
        key.verify_signature(signature, payload)
    except UnverifiedSignatureError as error:
        raise Refusal("signature.invalid", f"the signature of {key.keyid[:16]} does not fit") from error


PLAIN: Final = Spelling(
    parse=parse_object,
    check_signature=_check_signature,
    halves=lambda key: frozenset({f"{key.keytype} {key.scheme} {key.keyval.get('public')}"}),
    highest_version=HIGHEST_VERSION,
)
"""For repositories that other programs write: all of TUF, but still no JSON with two meanings."""


class Client:
    """One repository as seen from ``folder``, at ``moment``."""

    def __init__(self, folder: Path, fetch: Fetch, moment: datetime, spelling: Spelling = PLAIN) -> None:
        self._folder = folder
        self._fetch = fetch
        self._trusted = TrustedMetadata.from_root(self._local("root"), spelling, moment)

    def refresh(self) -> None:
        """Bring root, timestamp, snapshot and targets up to date; raise ``Refusal`` when they cannot be believed."""
        self._update_roots()
        self._update_timestamp()
        self._update_snapshot()
        self._load("targets", "root")

    def find(self, path: str) -> TargetFile:
        """Return what is vouched for as the target ``path``."""
        found = self._trusted.find(path, self._load)
        if found is None:
            raise Refusal("trust.not-listed", f"nobody vouches for the target {path[:80]!r}")
        return found.file

    def download(self, target: TargetFile, fetch: Fetch, folder: Path) -> Path:
        """Return the file of ``target`` in ``folder``, always verified; it is fetched unless it is there already."""
        final = folder / quote(target.path, safe="")
        if _is_whole(final, target):
            return final
        _keep(final, self._verified(target, fetch))
        return final

    def _verified(self, target: TargetFile, fetch: Fetch) -> Iterator[bytes]:
        """Yield the content of ``target``; refuse at its end, or as soon as it is too long."""
        hashers = _hashers(target)
        size = 0
        for chunk in fetch(self._target_url(target)):
            size += len(chunk)
            if size > target.length:
                raise Refusal(
                    "package.size", f"{target.path} is longer than the {target.length} bytes that were signed"
                )
            for hasher in hashers.values():
                hasher.update(chunk)
            yield chunk
        if size != target.length or any(h.hexdigest() != target.hashes[name] for name, h in hashers.items()):
            raise Refusal("package.digest", f"{target.path} is not what was signed")

    def _target_url(self, target: TargetFile) -> str:
        folder, slash, name = target.path.rpartition("/")
        if not self._trusted.root.consistent_snapshot:
            return target.path
        return f"{folder}{slash}{next(iter(target.hashes.values()))}.{name}"

    # 5.3 -------------------------------------------------------------------------------------------------------------

    def _update_roots(self) -> None:
        for _ in range(MOST_ROOTS):
            version = self._trusted.root.version + 1
            try:
                data = self._remote(f"{version}.root", MOST_BYTES["root"])
            except NotThere:
                return
            self._trusted.update_root(data)
            self._remember(f"root_history/{version}.root", data)
            self._remember("root", data)

    # 5.4 -------------------------------------------------------------------------------------------------------------

    def _update_timestamp(self) -> None:
        known = self._local("timestamp")
        if known:
            _try(lambda: self._trusted.update_timestamp(known))  # an expired one still says what must not come back
        data = self._remote("timestamp", MOST_BYTES["timestamp"])
        try:
            self._trusted.update_timestamp(data)
        except SameVersion:
            return
        self._remember("timestamp", data)

    # 5.5 -------------------------------------------------------------------------------------------------------------

    def _update_snapshot(self) -> None:
        known = self._local("snapshot")
        remembered = self._trusted.recall_snapshot(known) if known else None
        if remembered is not None and _try(lambda: self._trusted.keep_snapshot(remembered)):
            return
        meta = self._trusted.snapshot_meta()
        name = f"{meta.version}.snapshot" if self._trusted.root.consistent_snapshot else "snapshot"
        data = self._remote(name, meta.length or MOST_BYTES["snapshot"])
        self._trusted.update_snapshot(data, remembered=remembered)
        self._remember("snapshot", data)

    # 5.6 -------------------------------------------------------------------------------------------------------------

    def _load(self, role: str, delegator: str) -> None:
        known = self._local(quote(role, safe=""))
        if known and _try(lambda: self._trusted.update_targets(known, role, delegator)):
            return
        meta = self._trusted.meta_of(role)
        file = quote(role, safe="")
        name = f"{meta.version}.{file}" if self._trusted.root.consistent_snapshot else file
        data = self._remote(name, meta.length or MOST_BYTES["targets"])
        self._trusted.update_targets(data, role, delegator)
        self._remember(file, data)

    # Where things lie ------------------------------------------------------------------------------------------------

    def _remote(self, name: str, most_bytes: int) -> bytes:
        found = bytearray()
        for chunk in self._fetch(f"{name}.json"):
            found += chunk
            if len(found) > most_bytes:
                raise Refusal("trust.size", f"{name}.json is longer than {most_bytes} bytes")
        return bytes(found)

    def _local(self, name: str) -> bytes:
        path = self._folder / f"{name}.json"
        try:
            with path.open("rb") as file:
                return file.read(MOST_BYTES["targets"] + 1)
        except FileNotFoundError:
            return b""

    def _remember(self, name: str, data: bytes) -> None:
        _keep(self._folder / f"{name}.json", iter((data,)))


def _try(step: Callable[[], object]) -> bool:
    """Tell whether ``step`` went through; what was kept from before may no longer count, which is no error."""
    try:
        step()
    except Refusal:
        return False
    return True


def _hashers(target: TargetFile) -> dict[str, Hasher]:
    unknown = sorted(set(target.hashes) - set(HASHES))
    if unknown or not target.hashes:
        raise Refusal("trust.hash", f"{target.path} is vouched for by digests that do not count: {', '.join(unknown)}")
    return {name: HASHES[name]() for name in target.hashes}


def _is_whole(path: Path, target: TargetFile) -> bool:
    if path.is_symlink() or not path.is_file() or path.stat().st_size != target.length:
        return False
    hashers = _hashers(target)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            for hasher in hashers.values():
                hasher.update(chunk)
    return all(hasher.hexdigest() == target.hashes[name] for name, hasher in hashers.items())


def _keep(path: Path, chunks: Iterator[bytes]) -> None:
    """Write ``chunks`` to ``path`` whole or not at all; a link that lies there is replaced, not followed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
