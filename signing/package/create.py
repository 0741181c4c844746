"""Makes update packages, and adds approvals to them.

Equal input gives equal bytes: names are sorted, nothing depends on the clock but the time that is passed in, and the
number of a release stands in for TUF's version numbers.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final

import msgspec
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from signing.key import Signer
from signing.package.archive import Archive, Source, write_archive
from signing.package.documents import provenance
from signing.package.release import (
    FILES,
    MOST_RELEASE_BYTES,
    RELEASE_NAME,
    Count,
    File,
    Line,
    Purpose,
    Release,
    Requirement,
    Slug,
    VersionText,
    decode_release,
    encode_release,
)
from signing.package.release import Address as AddressField
from signing.refusal import Refusal, fail_closed
from signing.trust.folder import TrustFolder
from signing.trust.metadata_set import MOST_BYTES
from signing.trust.spelling import metadata_bytes, parse_object
from signing.trust.tuf_keys import TufSigner
from signing.unit import TIME_FORMAT, time_of
from signing.verified import require_digest
from signing.verify import NOTE, people_of
from toolkit.core.errors import InputError

__all__ = ["Spec", "add_approval", "create", "read_spec", "sign_archive"]

CHUNK_BYTES: Final = 1 << 20
MOST_SPEC_BYTES: Final = 1 << 20
TOP_FILES: Final = ("timestamp", "snapshot")
LONGEST_WAIT: Final = timedelta(days=1)
"""How far ahead of ours the clock of the one who made a package may be."""


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Immutable; every name must be known."""


class FileSpec(_Table, frozen=True, kw_only=True):
    """One file to be packed; ``path`` is as seen from the description."""

    path: str
    purpose: Purpose
    name: str | None = None
    component: Slug | None = None
    version: VersionText | None = None
    security_counter: Count | None = None
    slot: Slug | None = None
    load_address: AddressField | None = None


class Provenance(_Table, frozen=True, kw_only=True):
    """Where the payloads come from, in words that somebody can check."""

    builder: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9+.-]*:[!-~]+\Z")]
    """URI of who or what built or received them."""
    build_type: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9+.-]*:[!-~]+\Z")]
    parameters: dict[str, Line] = {}


class Spec(_Table, frozen=True, kw_only=True):
    """The description of a release that people write, as TOML."""

    vendor: Line
    model: Slug
    version: VersionText
    label: Line | None = None
    hardware_revisions: tuple[Line, ...]
    regions: tuple[Slug, ...]
    minimum_bootloader: VersionText | None = None
    requires: tuple[Requirement, ...] = ()
    provenance: Provenance
    files: tuple[FileSpec, ...]


@dataclass(frozen=True, slots=True)
class _Packed:
    """A file of the release with where its content comes from."""

    file: File
    source: Source


def read_spec(path: Path) -> Spec:
    """Return the description in the file ``path``."""
    try:
        with path.open("rb") as file:
            text = file.read(MOST_SPEC_BYTES + 1)[:MOST_SPEC_BYTES].decode("utf-8-sig")
        return msgspec.convert(tomllib.loads(text), Spec)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: {error}") from error


def create(output: BinaryIO, spec: Spec, base: Path, folder: TrustFolder, moment: datetime, number: int) -> Release:
    """Write a package for ``spec`` that nobody has signed yet, with the metadata of the repository ``folder``.

    ``number`` counts the releases of the model in this repository; a device never goes back to a lower one.
    """
    packed = [_pack(file, base) for file in spec.files]
    paper = _provenance_of(spec, [one.file for one in packed])
    packed.append(paper)
    release = Release(
        vendor=spec.vendor,
        model=spec.model,
        version=spec.version,
        label=spec.label,
        released=f"{moment.astimezone(UTC):{TIME_FORMAT}}",
        hardware_revisions=spec.hardware_revisions,
        regions=spec.regions,
        minimum_bootloader=spec.minimum_bootloader,
        requires=spec.requires,
        files=tuple(one.file for one in packed),
    )
    statement = encode_release(release)
    decode_release(statement)
    sources = {one.source.name: one.source for one in packed}
    section = _section(folder, release, statement, moment, number)
    write_archive(output, [*section, *_content(release, statement, sources)])
    return release


def add_approval(
    output: BinaryIO, archive: Archive, folder: TrustFolder, moment: datetime, number: int, *, examined: str
) -> Release:
    """Write ``archive`` anew with a section of the repository ``folder`` over the very same files, not yet signed.

    A section of that repository that is there already is replaced. ``examined`` is the SHA-256 of the statement that
    somebody has looked at; a stick may hold another one by now.
    """
    release, statement = _release_in(archive, examined)
    section = _section(folder, release, statement, moment, number)
    prefix = f"{folder.plan().repository}/"
    kept = [archive.source(name) for name in list(archive.members)[1:] if not name.startswith(prefix)]
    metadata = [source for source in kept if not source.name.startswith(FILES)]
    files = [source for source in kept if source.name.startswith(FILES)]
    write_archive(output, [*metadata, *section, *files])
    return release


def sign_archive(
    output: BinaryIO,
    archive: Archive,
    folder: TrustFolder,
    signers: Sequence[Signer],
    moment: datetime,
    *,
    examined: str | None = None,
) -> list[str]:
    """Write ``archive`` anew with the signatures of ``signers`` on all that they may sign; return what was done.

    Before anything is signed every file is hashed and held against the statement, and the metadata against what
    ``folder`` would say of it at the time it names: nobody signs what is not there, or what was changed on its way.
    """
    repository = folder.plan().repository.value
    release, statement = _release_in(archive, examined)
    root = folder.published_root()
    people = people_of(root)
    told = [_check_section(archive, folder, release, statement, moment)]
    _check_files(archive, release)
    changed: dict[str, Metadata[Any]] = {}
    for role in (*TOP_FILES, release.model):
        name = f"{repository}/{role}.json"
        metadata = _metadata(archive, name)
        allowed = set(_keys_of(archive, root, repository, role))
        for signer in signers:
            key_id = signer.public.key_id
            if key_id in allowed:
                metadata.sign(TufSigner(signer), append=True)
                told.append(f"{role} of the {repository} signed by {people.get(key_id, key_id[:16])}")
        changed[name] = metadata
    if len(told) == 1:
        raise Refusal("trust.key", f"none of these keys may sign for {release.model} in the {repository}")
    write_archive(output, [_replaced(archive, name, changed) for name in list(archive.members)[1:]])
    return told


def _pack(spec: FileSpec, base: Path) -> _Packed:
    path = base / spec.path
    name = spec.name if spec.name is not None else path.name.lower()
    digest = hashlib.sha256()
    size = 0
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    file = File(
        name=name,
        purpose=spec.purpose,
        sha256=digest.hexdigest(),
        size=size,
        component=spec.component,
        version=spec.version,
        security_counter=spec.security_counter,
        slot=spec.slot,
        load_address=spec.load_address,
        original_name=path.name if path.name != name else None,
    )
    return _Packed(file, Source(name, size, lambda: path.open("rb")))


def _provenance_of(spec: Spec, files: Iterable[File]) -> _Packed:
    payloads = [file for file in files if file.purpose.is_payload]
    told = spec.provenance
    data = provenance(payloads, builder=told.builder, build_type=told.build_type, parameters=told.parameters)
    name = "provenance.json"
    file = File(name=name, purpose=Purpose.PROVENANCE, sha256=hashlib.sha256(data).hexdigest(), size=len(data))
    return _Packed(file, Source(name, len(data), lambda: BytesIO(data)))


def _content(release: Release, statement: bytes, sources: Mapping[str, Source]) -> Iterator[Source]:
    yield _bytes_source(f"{FILES}{release.folder}{RELEASE_NAME}", statement)
    for file in release.files:
        source = sources[file.name]
        yield Source(f"{FILES}{release.folder}{file.name}", source.size, source.open)


def _bytes_source(name: str, data: bytes) -> Source:
    return Source(name, len(data), lambda: BytesIO(data))


def _section(folder: TrustFolder, release: Release, statement: bytes, moment: datetime, number: int) -> list[Source]:
    """Return the metadata of one repository for one release; only root and targets are signed yet."""
    root = folder.published_root()
    targets = folder.targets()
    if targets is None:
        raise InputError(
            f"{folder.path}: there is no targets file yet; finish the ceremony with: medharden trust merge"
        )
    days = _days(root, targets.signed)
    if release.model not in days:
        raise InputError(
            f"{folder.path}: nobody may release updates for {release.model}; add it to the plan and rotate"
        )
    at = moment.astimezone(UTC).replace(microsecond=0)
    expiry = {role: at + timedelta(days=days[role]) for role in (*TOP_FILES, release.model)}
    own = Targets(number, None, expiry[release.model], _targets_of(release, statement))
    meta = {"targets.json": MetaFile(targets.signed.version), f"{release.model}.json": MetaFile(number)}
    snapshot = Snapshot(number, None, expiry["snapshot"], meta)
    timestamp = Timestamp(number, None, expiry["timestamp"], MetaFile(number))
    timestamp.unrecognized_fields[NOTE] = {"signed": f"{at:{TIME_FORMAT}}"}
    prefix = f"{folder.plan().repository}/"
    found = [_bytes_source(f"{prefix}{n}.root.json", data) for n, data in enumerate(folder.roots(), 1)]
    for role, signed in (("timestamp", timestamp), ("snapshot", snapshot)):
        found.append(_bytes_source(f"{prefix}{role}.json", metadata_bytes(Metadata(signed))))
    found.append(_bytes_source(f"{prefix}targets.json", folder.read("targets.json")))
    found.append(_bytes_source(f"{prefix}{release.model}.json", metadata_bytes(Metadata(own))))
    return found


def _days(root: Root, targets: Targets) -> dict[str, int]:
    """Return for how many days signatures count, by role, as root and targets say."""
    with fail_closed("trust.malformed", "days in the root"):
        return {**root.unrecognized_fields[NOTE]["days"], **targets.unrecognized_fields[NOTE]["days"]}


def _targets_of(release: Release, statement: bytes) -> dict[str, TargetFile]:
    known = {RELEASE_NAME: (len(statement), hashlib.sha256(statement).hexdigest())}
    known |= {file.name: (file.size, file.sha256) for file in release.files}
    paths = {f"{release.folder}{name}": facts for name, facts in known.items()}
    return {path: TargetFile(size, {"sha256": digest}, path) for path, (size, digest) in paths.items()}


def _release_in(archive: Archive, examined: str | None) -> tuple[Release, bytes]:
    names = [name for name in archive.members if name.startswith(FILES) and name.endswith(f"/{RELEASE_NAME}")]
    if len(names) != 1:
        raise Refusal("package.release", f"a package has one {RELEASE_NAME}, this one has {len(names)}")
    statement = archive.read(names[0], MOST_RELEASE_BYTES)
    if examined is not None and hashlib.sha256(statement).hexdigest() != examined:
        raise Refusal("package.changed", "the package holds another release than the one that was looked at before")
    return decode_release(statement), statement


def _check_section(archive: Archive, folder: TrustFolder, release: Release, statement: bytes, moment: datetime) -> str:
    """Refuse a section of which ``folder`` would write any word otherwise; return what it says about its age."""
    repository = folder.plan().repository.value
    timestamp = _metadata(archive, f"{repository}/timestamp.json").signed
    with fail_closed("freshness.missing", "time of signing"):
        at = time_of(timestamp.unrecognized_fields[NOTE]["signed"])
    if at > moment + LONGEST_WAIT:
        message = f"it says it was made on {at:%Y-%m-%d}, which has not come yet; set the clock of one of the computers"
        raise Refusal("package.draft", message)
    for source in _section(folder, release, statement, at, timestamp.version):
        with source.open() as file:
            _check_word(archive, folder, source.name, file.read())
    days = f"made on {at:%Y-%m-%d}, fresh until {timestamp.expires:%Y-%m-%d}"
    return f"release {timestamp.version} of the {repository}, {days}"


def _check_word(archive: Archive, folder: TrustFolder, name: str, wanted: bytes) -> None:
    if name.endswith(".root.json"):
        if archive.read(name, MOST_BYTES["root"]) != wanted:
            raise Refusal("trust.root-chain", f"{name} in the package is not that of {folder.path}")
        return
    with fail_closed("trust.malformed", name):
        same = _metadata(archive, name).signed_bytes == Metadata.from_bytes(wanted).signed_bytes
    if not same:
        message = (
            f"{name} says something else than {folder.path} would: it was changed on its way, or is of another plan"
        )
        raise Refusal("package.draft", message)


def _check_files(archive: Archive, release: Release) -> None:
    for file in release.files:
        member = archive.members.get(f"{FILES}{release.folder}{file.name}")
        if member is None:
            raise Refusal("package.missing", f"{file.name} is not in the package")
        digest = hashlib.sha256()
        for chunk in archive.chunks(member):
            digest.update(chunk)
        require_digest(file, digest.hexdigest(), member.size)


def _metadata(archive: Archive, name: str) -> Metadata[Any]:
    with fail_closed("trust.malformed", name):
        return Metadata.from_dict(dict(parse_object(archive.read(name, MOST_BYTES["targets"]))))


def _keys_of(archive: Archive, root: Root, repository: str, role: str) -> list[str]:
    if role in root.roles:
        return list(root.roles[role].keyids)
    targets: Targets = _metadata(archive, f"{repository}/targets.json").signed
    with fail_closed("trust.delegation", f"keys of {role}"):
        return list(targets.get_delegated_role(role).keyids)


def _replaced(archive: Archive, name: str, changed: Mapping[str, Metadata[Any]]) -> Source:
    metadata = changed.get(name)
    return archive.source(name) if metadata is None else _bytes_source(name, metadata_bytes(metadata))
