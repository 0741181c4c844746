"""The volumes of an image, from the rows of its listing: which of them is a root file system, and of what.

What is inside a file of a root file system (a compressed manual page, an archive of resources) is no volume of its own:
the digest of the file covers it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from firmware_checks.format import Entry, EntryKind
from firmware_checks.listing import Row
from toolkit.hardening.file_notes import kind_by_name, read_note
from toolkit.hardening.subject import FileKind, SubjectFile, System, Volume

__all__ = ["ImageVolumes", "is_root_file_system", "volumes_of"]

UNIX_FOLDERS: Final = frozenset({"bin", "sbin", "lib", "etc", "usr", "dev", "proc", "var", "init", "linuxrc"})
LEAST_UNIX_FOLDERS: Final = 3
WINDOWS_SIGNS: Final = ("windows/system32/", "winnt/system32/")
"""Other Windows systems, such as CE, have no such folder."""


@dataclass(slots=True)
class ImageVolumes:
    """All volumes of an image, and where the content of each file can be read again."""

    volumes: tuple[Volume, ...]
    entries: Mapping[tuple[str, str], tuple[Entry, str]]
    """By volume and name: the entry, and its path in listings."""


@dataclass(slots=True)
class _Draft:
    path: str
    rows: list[Row] = field(default_factory=list)


def volumes_of(rows: Iterable[Row]) -> ImageVolumes:
    """Return the volumes of the image that ``rows`` list."""
    drafts: dict[str, _Draft] = {}
    for row in rows:
        if row.entry is not None:
            path = "!".join(row.inside)
            drafts.setdefault(path, _Draft(path)).rows.append(row._replace(content=None))
    kept = [draft for draft in drafts.values() if draft.rows]
    stripped = {draft.path: _top_folder([row.name for row in draft.rows]) for draft in kept}
    systems = {draft.path: _system(_names(draft.rows, stripped[draft.path])) for draft in kept}
    inside = {path: {row.name for row in drafts[path].rows} for path, system in systems.items() if system is not None}
    outer = [draft for draft in kept if not any(_is_within(draft.path, root, names) for root, names in inside.items())]
    volumes = tuple(
        Volume(path=d.path, system=systems[d.path], files=tuple(_files(d, stripped[d.path]))) for d in outer
    )
    entries = {
        (d.path, _stripped(row.name, stripped[d.path])): (row.entry, row.path)
        for d in outer
        for row in d.rows
        if row.entry is not None
    }
    return ImageVolumes(volumes, entries)


def is_root_file_system(entries: Sequence[Entry]) -> bool:
    """Tell whether a container with these entries is the root file system of a device."""
    names = [entry.name for entry in entries]
    top = _top_folder(names)
    return _system(_stripped(name, top) for name in names) is not None


def _is_within(path: str, root: str, names: Collection[str]) -> bool:
    """Tell whether the volume ``path`` is inside one of the files ``names`` of the volume ``root``."""
    if path == root or not (root == "" or path.startswith(f"{root}!")):
        return False
    return path[len(root) :].lstrip("!").partition("!")[0] in names


def _top_folder(names: Sequence[str]) -> str:
    """Return the one folder that all of ``names`` are in, where a root file system was packed with its folder."""
    plain = [name.strip("/") for name in names]
    tops = {name.partition("/")[0] for name in plain if name not in ("", ".")}
    if len(tops) != 1:
        return ""
    top = f"{tops.pop()}/"
    below = [name.removeprefix(top) for name in plain if name.startswith(top)]
    return top if _system(below) is not None else ""


def _stripped(name: str, top: str) -> str:
    """Return ``name`` as it is below the top folder, without dots and slashes around it."""
    plain = name.strip("/")
    while plain.startswith("./"):
        plain = plain[2:].lstrip("/")
    if plain in (".", top.rstrip("/")):
        return ""
    return plain.removeprefix(top)


def _names(rows: Iterable[Row], top: str) -> Iterator[str]:
    return (_stripped(row.name, top) for row in rows)


def _system(names: Iterable[str]) -> System | None:
    """Return of which system a volume with these names is the root; None when it does not look like one."""
    tops: set[str] = set()
    for name in names:
        tops.add(name.partition("/")[0])
        if name.lower().startswith(WINDOWS_SIGNS):
            return System.WINDOWS
    return System.LINUX if len(tops & UNIX_FOLDERS) >= LEAST_UNIX_FOLDERS else None


def _files(draft: _Draft, top: str) -> Iterator[SubjectFile]:
    for row in draft.rows:
        name = _stripped(row.name, top)
        if name and row.entry is not None:
            yield _file(row, row.entry, draft.path, name, top)


def _file(row: Row, entry: Entry, volume: str, name: str, top: str) -> SubjectFile:
    note = read_note(row.note)
    kind = note.kind
    if kind is FileKind.OTHER and entry.kind is EntryKind.FILE and row.size:
        kind = kind_by_name(name)
    is_hard_link = entry.kind is EntryKind.HARD_LINK
    return SubjectFile(
        volume=volume,
        name=name,
        kind=entry.kind,
        size=row.size,
        mode=entry.mode,
        uid=entry.uid,
        gid=entry.gid,
        target=_stripped(entry.target, top) if is_hard_link else entry.target,
        device=entry.device,
        extended=entry.extended,
        sha256=row.sha256,
        file_kind=kind,
        arch=note.arch,
        build_id=note.build_id,
    )
