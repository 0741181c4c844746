"""The baseline: everything with a name in an image, or every page of a microcontroller's memory, signed.

Times, order, padding and compression are not part of it: the same files packed by another tool have the same baseline.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from firmware_checks.format import EntryKind
from signing.envelope import SignedKind, opened_envelope, pack_envelope
from signing.key import PublicKey, Signer
from signing.refusal import fail_closed
from toolkit import __version__
from toolkit.hardening.integrity.autoruns import Autorun, autoruns_of
from toolkit.hardening.integrity.memory_pages import BaselineMemory, memory_baseline
from toolkit.hardening.raw_areas import RawArea
from toolkit.hardening.subject import FileKind, HardeningSubject, SubjectFile, System, Volume
from toolkit.report.model import Tool, Unread

__all__ = [
    "BASELINE",
    "Baseline",
    "BaselineFile",
    "BaselineVolume",
    "baseline_of",
    "file_record",
    "pack_baseline",
    "verified_baseline",
]

BASELINE: Final = SignedKind(
    payload_type="application/vnd.medharden.baseline+json",
    title="baseline",
    rules="baseline",
    most_bytes=256 << 20,
)
FORMAT: Final = "medharden-baseline-1"


class BaselineFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One file, folder, link or device; what the container does not say is left out."""

    name: Annotated[str, Meta(description="Path in the volume, without / at its start.")]
    kind: EntryKind
    size: int | None = None
    sha256: Annotated[str, Meta(description="Of the content; empty where it could not be read.")] = ""
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    target: str = ""
    device: tuple[int, int] | None = None
    attributes: Annotated[dict[str, str], Meta(description="Extended attributes in hexadecimal.")] = {}
    code: Annotated[FileKind, Meta(description="What it is to who may execute it.")] = FileKind.OTHER
    build_id: str = ""


class BaselineVolume(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file system or archive."""

    path: Annotated[str, Meta(description="Containers around it; empty for the image itself.")]
    system: System | None
    files: tuple[BaselineFile, ...]
    autoruns: tuple[Autorun, ...] = ()


class Baseline(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an image held, for the device of a profile."""

    format: Annotated[str, Meta(pattern=f"^{FORMAT}$")]
    tool: Tool
    day: str
    image: str
    contents_sha256: Annotated[str, Meta(description="Of all that is below, however the image was packed.")]
    profile: str
    profile_sha256: str
    system: System
    mutable_paths: tuple[str, ...]
    mutable_regions: tuple[str, ...]
    volumes: tuple[BaselineVolume, ...] = ()
    areas: Annotated[tuple[RawArea, ...], Meta(description="What lies outside of all volumes.")] = ()
    memory: tuple[BaselineMemory, ...] = ()
    unread: Annotated[tuple[Unread, ...], Meta(description="What of the image could not be read.")] = ()
    limits_hit: tuple[str, ...] = ()
    problems: Annotated[tuple[Unread, ...], Meta(description="What is wrong with containers of the image.")] = ()


def baseline_of(subject: HardeningSubject) -> Baseline:
    """Return the baseline of ``subject``."""
    policy = subject.profile.policy.integrity
    volumes = tuple(_volume(subject, volume) for volume in subject.volumes)
    memory = memory_baseline(subject)
    contents = msgspec.json.encode((volumes, tuple(subject.areas), memory))
    return Baseline(
        format=FORMAT,
        tool=Tool(name="medharden", version=__version__),
        day=subject.day.isoformat(),
        image=subject.image_name,
        contents_sha256=hashlib.sha256(contents).hexdigest(),
        profile=subject.profile.id,
        profile_sha256=subject.profile.digest,
        system=subject.system,
        mutable_paths=policy.mutable_paths or (),
        mutable_regions=policy.mutable_regions or (),
        volumes=volumes,
        areas=tuple(subject.areas),
        memory=memory,
        unread=tuple(subject.unread),
        limits_hit=tuple(subject.limits_hit),
        problems=tuple(subject.problems),
    )


def pack_baseline(baseline: Baseline, signer: Signer) -> bytes:
    """Return the signed file of ``baseline``: the same bytes each time, where the signature algorithm is so."""
    return pack_envelope(msgspec.json.encode(baseline), BASELINE, signer)


def verified_baseline(data: bytes, keys: tuple[PublicKey, ...]) -> tuple[Baseline, PublicKey]:
    """Return the baseline in ``data`` and which of ``keys`` has signed it; ``Refusal`` if none, for whatever reason."""
    opened = opened_envelope(data, BASELINE, keys)
    with fail_closed("baseline.malformed", "baseline"):
        return msgspec.json.decode(opened.payload, type=Baseline), opened.key


def _volume(subject: HardeningSubject, volume: Volume) -> BaselineVolume:
    by_name = {file.name: file for file in volume.files}
    return BaselineVolume(
        path=volume.path,
        system=volume.system,
        files=tuple(sorted((file_record(file, by_name) for file in volume.files), key=lambda file: file.name)),
        autoruns=autoruns_of(subject, volume),
    )


def file_record(file: SubjectFile, by_name: dict[str, SubjectFile]) -> BaselineFile:
    """Return the record of ``file``; a hard link is told as the file it stands for.

    Which of several names is the file and which are the links to it depends on the order in which they were packed.
    """
    meant = by_name.get(file.target, file) if file.kind is EntryKind.HARD_LINK else file
    is_link = meant.kind is EntryKind.SYMBOLIC_LINK
    return BaselineFile(
        name=file.name,
        kind=meant.kind,
        size=meant.size if meant.kind is EntryKind.FILE else None,
        sha256=meant.sha256,
        mode=None if is_link else meant.mode,  # the rights of a link mean nothing, and tools write what they like
        uid=meant.uid,
        gid=meant.gid,
        target=meant.target if is_link else "",
        device=meant.device,
        attributes={name: value.hex() for name, value in sorted(meant.extended.items())},
        code=meant.file_kind,
        build_id=meant.build_id,
    )
