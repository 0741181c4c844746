"""The pack: every part that applies, its files, and a manifest and a page that say in words what to do with them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from toolkit import __version__
from toolkit.core.errors import InputError, RuleError
from toolkit.core.findings import Finding
from toolkit.hardening.part import Group, HardeningPart, PackFile
from toolkit.hardening.subject import HardeningSubject
from toolkit.report.model import Tool, Unread

__all__ = ["MANIFEST", "Pack", "PackManifest", "PartRecord", "build_pack", "chosen_parts"]

MANIFEST = "manifest.json"
MOST_PACK_BYTES = 1 << 30
_PATH = re.compile(r"(?!\.)[A-Za-z0-9._-]+(/(?!\.)[A-Za-z0-9._-]+)*")


class FileRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One file of the pack."""

    path: str
    size: int
    sha256: str
    consumer: str


class PartRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One part: its files, or why it was not made."""

    name: str
    title: str
    group: Group
    not_made: str = ""
    controls: tuple[str, ...] = ()
    files: tuple[FileRecord, ...] = ()
    findings: tuple[Finding, ...] = ()


class PackManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What the pack holds and what it was made from; the same image, profile and day give the same bytes."""

    format: str
    tool: Tool
    day: str
    image: str
    image_sha256: str
    profile: str
    profile_sha256: str
    system: str
    parts: tuple[PartRecord, ...]
    unread: tuple[Unread, ...]
    limits_hit: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pack:
    """Files by path, and what the manifest says of them."""

    manifest: PackManifest
    files: Mapping[str, bytes]

    @property
    def findings(self) -> Iterator[Finding]:
        """What a person must look at."""
        return (finding for part in self.manifest.parts for finding in part.findings)


def chosen_parts(parts: Mapping[str, HardeningPart], only: Sequence[str]) -> list[HardeningPart]:
    """Return the parts called ``only``, or all, by group and name; raise ``InputError`` for a name there is none of."""
    unknown = [name for name in only if name not in parts]
    if unknown:
        raise InputError(f"there is no part {unknown[0]!r}; `medharden harden --list` shows all of them")
    groups = list(Group)
    chosen = [part for part in parts.values() if not only or part.name in only]
    return sorted(chosen, key=lambda part: (groups.index(part.group), part.name))


def build_pack(subject: HardeningSubject, parts: Iterable[HardeningPart], *, most_bytes: int = MOST_PACK_BYTES) -> Pack:
    """Return the pack, of ``most_bytes`` at most; raise ``RuleError`` when a part names an unsafe file."""
    from toolkit.hardening.readme import readme_html, readme_text

    files: dict[str, bytes] = {}
    made: list[tuple[HardeningPart, PartRecord]] = []
    for part in parts:
        record, built = _built(subject, part)
        files.update(built)
        made.append((part, record))
        if sum(map(len, files.values())) > most_bytes:
            raise InputError(f"the pack is larger than {most_bytes} bytes; make fewer parts with --only")
    manifest = _manifest(subject, [record for _part, record in made])
    files["README.md"] = readme_text(manifest, made).encode()
    files["README.html"] = readme_html(manifest, made).encode()
    files[MANIFEST] = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
    return Pack(manifest, dict(sorted(files.items())))


def _built(subject: HardeningSubject, part: HardeningPart) -> tuple[PartRecord, dict[str, bytes]]:
    reason = part.applies(subject)
    if reason:
        return PartRecord(name=part.name, title=part.title, group=part.group, not_made=reason), {}
    files = sorted((f"{part.name}/{file.path}", file) for file in part.build(subject))
    _check_paths(part, [file for _path, file in files])
    record = PartRecord(
        name=part.name,
        title=part.title,
        group=part.group,
        controls=part.controls.rows(),
        files=tuple(_record(path, file) for path, file in files),
        findings=tuple(part.findings(subject)),
    )
    return record, {path: file.data for path, file in files}


def _check_paths(part: HardeningPart, files: Sequence[PackFile]) -> None:
    seen: set[str] = set()
    for file in files:
        if not _PATH.fullmatch(file.path) or file.path.casefold() in seen:
            raise RuleError(f"part {part.name}: {file.path!r} is no safe name for a file, or stands there twice")
        seen.add(file.path.casefold())


def _record(path: str, file: PackFile) -> FileRecord:
    return FileRecord(
        path=path, size=len(file.data), sha256=hashlib.sha256(file.data).hexdigest(), consumer=file.consumer
    )


def _manifest(subject: HardeningSubject, records: Sequence[PartRecord]) -> PackManifest:
    return PackManifest(
        format="medharden-hardening-pack-1",
        tool=Tool(name="medharden", version=__version__),
        day=subject.day.isoformat(),
        image=subject.image_name,
        image_sha256=subject.image_sha256,
        profile=subject.profile.id,
        profile_sha256=subject.profile.digest,
        system=subject.system.value,
        parts=tuple(records),
        unread=(*subject.unread, *subject.problems),
        limits_hit=tuple(subject.limits_hit),
    )
