"""One signed file with a whole database, for sites without a network.

A bundle is a tar of three members: ``manifest.json`` says what is inside and of which day, ``signatures.json`` signs
the manifest, ``database.zst`` is the database. Nothing is unpacked before a trusted key has signed the manifest, and
nothing is put in place that the manifest does not name by its digest. Data older than what is there is refused.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import sqlite3
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import msgspec
import zstandard

from firmware_checks.vulnerabilities.database import Database
from firmware_checks.vulnerabilities.tables import open_for_reading
from signing.key import PublicKey, Signer
from signing.policy import Policy
from signing.refusal import Refusal
from toolkit.core.errors import InputError

__all__ = ["Manifest", "export_bundle", "import_bundle", "is_bundle"]

KIND = "medharden-vulnerabilities"
CONTEXT = b"medharden vulnerability data, version 1\n"
"""Stands before the manifest in what is signed, so that no other signature of the same key can be passed off."""
MANIFEST, SIGNATURES, DATABASE = "manifest.json", "signatures.json", "database.zst"
MOST_HEAD_BYTES = 1 << 20
LARGEST_DATABASE_BYTES = 4 << 30
CHUNK_BYTES = 1 << 20
LEVEL = 9


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is inside, and of which day."""

    kind: str
    format: int
    dates: dict[str, str]
    """Newest day of each kind of data."""
    counts: dict[str, int]
    database_bytes: int
    database_sha256: str


class _Signature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    key_id: str
    algorithm: str
    signature: str
    """Base64."""


def export_bundle(database: Path, output: Path, signers: Sequence[Signer], policy: Policy) -> Manifest:
    """Write ``database`` to ``output``, signed by each of ``signers``; the same input gives the same bytes."""
    for signer in signers:
        policy.check_signing_key(signer.public)
    with Database(database) as opened:
        dates, counts = _dates(opened), opened.counts()
    partial = output.with_name(f".{output.name}.part")
    packed = output.with_name(f".{output.name}.zst")
    try:
        size, digest = _pack(database, packed)
        manifest = Manifest(
            kind=KIND, format=1, dates=dates, counts=counts, database_bytes=size, database_sha256=digest
        )
        head = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
        _write(partial, head, _signed(head, signers), packed)
        partial.replace(output)
    except OSError as error:
        raise InputError(f"{output}: cannot be written: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)
        packed.unlink(missing_ok=True)
    return manifest


def _pack(database: Path, packed: Path) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    with (
        database.open("rb") as source,
        packed.open("wb") as file,
        zstandard.ZstdCompressor(level=LEVEL).stream_writer(file, closefd=False) as sink,
    ):
        while chunk := source.read(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
            sink.write(chunk)
    return size, digest.hexdigest()


def _signed(head: bytes, signers: Sequence[Signer]) -> bytes:
    rows = [
        _Signature(
            key_id=signer.public.key_id,
            algorithm=signer.public.name,
            signature=base64.b64encode(signer.sign(CONTEXT + head)).decode(),
        )
        for signer in signers
    ]
    return msgspec.json.encode(rows)


def _write(partial: Path, head: bytes, signatures: bytes, packed: Path) -> None:
    with partial.open("wb") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for name, data in ((MANIFEST, head), (SIGNATURES, signatures)):
                archive.addfile(_member(name, len(data)), io.BytesIO(data))
            with packed.open("rb") as content:
                archive.addfile(_member(DATABASE, packed.stat().st_size), content)
        file.flush()
        os.fsync(file.fileno())


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = size
    return member


def is_bundle(path: Path) -> bool:
    """Tell whether ``path`` begins like a bundle."""
    try:
        with tarfile.open(path, mode="r:") as archive:
            first = archive.next()
            return first is not None and first.name == MANIFEST
    except (OSError, tarfile.TarError):
        return False


def import_bundle(
    bundle: Path, database: Path, keys: Sequence[PublicKey], policy: Policy, *, may_be_older: bool
) -> Manifest:
    """Put the database of ``bundle`` in the place of ``database`` when one of ``keys`` has signed it.

    Raises ``Refusal`` when it is not signed, was changed, or is older than what is there; ``InputError`` when it cannot
    be read. The database then is what it was.
    """
    building = database.with_name(f".{database.name}.bundle")
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(bundle, mode="r:") as archive:
            head = _small(archive, MANIFEST)
            _require_signature(head, _small(archive, SIGNATURES), keys, policy)
            manifest = _manifest(head)
            if not may_be_older:
                _refuse_older(manifest, database)
            content = archive.extractfile(_next(archive, DATABASE))
            assert content is not None  # noqa: S101  # it is a regular file, see _next
            _unpack(content, building, manifest)
        open_for_reading(building).close()
        building.replace(database)
    except (OSError, tarfile.TarError, zstandard.ZstdError, sqlite3.Error) as error:
        raise InputError(f"{bundle}: cannot be read to its end: {error}") from error
    finally:
        building.unlink(missing_ok=True)
    return manifest


def _next(archive: tarfile.TarFile, name: str) -> tarfile.TarInfo:
    member = archive.next()
    if member is None or member.name != name or not member.isreg():
        raise Refusal("package.form", f"the bundle does not hold {name} where it must stand")
    return member


def _small(archive: tarfile.TarFile, name: str) -> bytes:
    member = _next(archive, name)
    content = archive.extractfile(member)
    if content is None or member.size > MOST_HEAD_BYTES:
        raise Refusal("package.form", f"{name} is too large")
    return content.read()


def _require_signature(head: bytes, signatures: bytes, keys: Sequence[PublicKey], policy: Policy) -> None:
    """Return when a trusted key has signed ``head``; a wrong signature of a trusted key is refused at once."""
    try:
        rows = msgspec.json.decode(signatures, type=list[_Signature])
        given = {row.key_id: base64.b64decode(row.signature, validate=True) for row in rows}
    except (msgspec.DecodeError, ValueError) as error:
        raise Refusal("signature.malformed", f"the signatures of the bundle are malformed: {error}") from error
    signed = [key for key in keys if key.key_id in given]
    if not signed:
        raise Refusal("signature.unknown-key", "the bundle is not signed by a key that is trusted")
    for key in signed:
        policy.check_key(key)
        key.verify(CONTEXT + head, given[key.key_id])
    policy.check_together(signed)


def _manifest(head: bytes) -> Manifest:
    try:
        manifest = msgspec.json.decode(head, type=Manifest)
    except msgspec.DecodeError as error:
        raise Refusal("package.form", f"the manifest of the bundle is malformed: {error}") from error
    if manifest.kind != KIND or manifest.format != 1 or not 0 < manifest.database_bytes <= LARGEST_DATABASE_BYTES:
        raise Refusal("package.form", "this is no bundle that this version of medharden can read")
    return manifest


def _refuse_older(manifest: Manifest, database: Path) -> None:
    if not database.exists():
        return
    with Database(database) as opened:
        there: Mapping[str, str] = _dates(opened)
    for kind, day in there.items():
        if manifest.dates.get(kind, "") < day:
            offered = manifest.dates.get(kind) or "none"
            raise Refusal(
                "rollback.version", f"the bundle's {kind} data is older ({offered}) than what is there ({day})"
            )


def _dates(database: Database) -> dict[str, str]:
    dates: dict[str, str] = {}
    for feed in database.feeds():
        dates[feed.kind] = max(feed.date, dates.get(feed.kind, ""))
    return dates


def _unpack(content: IO[bytes], building: Path, manifest: Manifest) -> None:
    digest, size = hashlib.sha256(), 0
    with building.open("wb") as file, zstandard.ZstdDecompressor().stream_reader(content) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            size += len(chunk)
            if size > manifest.database_bytes:
                break
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    if size != manifest.database_bytes or digest.hexdigest() != manifest.database_sha256:
        raise Refusal("package.digest", "the database in the bundle is not the one that was signed")
