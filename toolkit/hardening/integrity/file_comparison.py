"""Two volumes compared, thing by thing: what was added, removed, changed, and given to others."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from firmware_checks.format import EntryKind
from toolkit.hardening.integrity.autoruns import Autorun
from toolkit.hardening.integrity.baseline import BaselineFile, BaselineVolume
from toolkit.hardening.integrity.drift import Change, DriftRow
from toolkit.hardening.integrity.patterns import is_mutable
from toolkit.hardening.subject import FileKind

__all__ = ["Comparison", "compare_volumes", "paired"]

LEAST_SHARED: Final = 0.5
"""Two volumes whose paths differ are the same one when they share this part of their names."""
MADE_BY_TOOLS: Final = ("lost+found",)
"""Folders that a file system has, packed or not, as long as nothing is in them."""
SET_ID: Final = 0o6000
ANYBODY_WRITES: Final = 0o002


@dataclass(slots=True)
class Comparison:
    """What was found, while comparing."""

    mutable: Sequence[str]
    carriers: Collection[str] = ()
    """Paths of files that hold a volume which is compared itself: packing it again changes their bytes."""
    rows: list[DriftRow] = field(default_factory=list)
    not_compared: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    compared: int = 0
    expected: int = 0

    def add(self, change: Change, path: str, detail: str, **more: object) -> None:
        """Add a difference."""
        self.rows.append(DriftRow(change=change, path=path, detail=detail, **more))  # type: ignore[arg-type]


def paired(
    old: Sequence[BaselineVolume], new: Sequence[BaselineVolume]
) -> Iterator[tuple[BaselineVolume | None, BaselineVolume | None]]:
    """Yield volumes that are the same one in both images, by their path or by what they hold; else one alone."""
    left = list(new)
    alone: list[BaselineVolume] = []
    for volume in old:
        same = next((other for other in left if other.path == volume.path), None)
        if same is None or not _is_alike(volume, same):
            alone.append(volume)
            continue
        left.remove(same)
        yield volume, same
    for volume in alone:
        best = max(left, key=lambda other: _shared(volume, other), default=None)
        if best is not None and _shared(volume, best) >= LEAST_SHARED:
            left.remove(best)
            yield volume, best
        else:
            yield volume, None
    for volume in left:
        yield None, volume


def _is_alike(old: BaselineVolume, new: BaselineVolume) -> bool:
    """Tell whether volumes of one path are the same one: always, but when an image was wrapped in an archive."""
    return _shared(old, new) > 0 or not old.files or not new.files


def _shared(old: BaselineVolume, new: BaselineVolume) -> float:
    first, second = {file.name for file in old.files}, {file.name for file in new.files}
    return len(first & second) / max(1, len(first | second))


def compare_volumes(old: BaselineVolume, new: BaselineVolume, comparison: Comparison) -> None:
    """Compare two volumes that are the same one."""
    before = {file.name: file for file in old.files}
    after = {file.name: file for file in new.files}
    _Volumes(old, new, comparison).compare(before, after)
    _compare_autoruns(old, new, comparison)


class _Volumes:
    """One pair of volumes."""

    def __init__(self, old: BaselineVolume, new: BaselineVolume, comparison: Comparison) -> None:
        self.comparison = comparison
        self.label = f"{new.path}!" if new.path else ""
        self.hives = {row.hive for row in old.autoruns} & {row.hive for row in new.autoruns}
        self.has_attributes = any(file.attributes for file in new.files) or not any(f.attributes for f in old.files)
        self.folders_before = _folders(old.files)
        self.folders_after = _folders(new.files)

    def compare(self, before: Mapping[str, BaselineFile], after: Mapping[str, BaselineFile]) -> None:
        if not self.has_attributes:
            self.comparison.not_compared.append(
                f"{self.label or 'the dump'}: extended attributes (capabilities): the dump holds none at all, "
                "the baseline does; read the device in a way that keeps them"
            )
        for name, file in before.items():
            self.comparison.compared += 1
            other = after.get(name)
            if other is not None:
                self._compare(file, other)
            elif not self._is_implied(file, self.folders_after):
                self._told(Change.REMOVED, file, "it is not there any more", old=_what(file))
        for name, file in after.items():
            if name not in before and not self._is_implied(file, self.folders_before):
                self._told(Change.ADDED, file, "it is not in the baseline", new=_what(file))

    @staticmethod
    def _is_implied(file: BaselineFile, folders: frozenset[str]) -> bool:
        """Tell whether a folder is there without being told, or is made by every tool."""
        if file.kind is not EntryKind.FOLDER:
            return False
        return file.name in folders or file.name in MADE_BY_TOOLS

    def _compare(self, old: BaselineFile, new: BaselineFile) -> None:
        self._compare_content(old, new)
        if old.mode is not None and new.mode is not None and old.mode != new.mode:
            detail = f"rights {old.mode:04o} became {new.mode:04o}{_alarming(old.mode, new.mode)}"
            self._told(Change.RE_MODED, new, detail, old=f"{old.mode:04o}", new=f"{new.mode:04o}")
        owners = [(a, b) for a, b in ((old.uid, new.uid), (old.gid, new.gid)) if a is not None and b is not None]
        if any(a != b for a, b in owners):
            before, after = f"{old.uid}:{old.gid}", f"{new.uid}:{new.gid}"
            self._told(Change.RE_OWNED, new, f"owner {before} became {after}", old=before, new=after)
        if self.has_attributes and old.attributes != new.attributes:
            names = sorted(
                n for n in old.attributes.keys() | new.attributes if old.attributes.get(n) != new.attributes.get(n)
            )
            before, after = (";".join(f"{n}={f.attributes.get(n, '')}" for n in names) for f in (old, new))
            self._told(Change.ATTRIBUTES, new, f"other {', '.join(names)}", old=before, new=after)

    def _compare_content(self, old: BaselineFile, new: BaselineFile) -> None:
        if old.kind is not new.kind:
            self._told(
                Change.CHANGED, new, f"a {old.kind.value} became a {new.kind.value}", old=_what(old), new=_what(new)
            )
        elif old.kind is EntryKind.SYMBOLIC_LINK and old.target != new.target:
            self._told(Change.CHANGED, new, "the link leads elsewhere", old=old.target, new=new.target)
        elif old.device is not None and new.device is not None and old.device != new.device:
            self._told(Change.CHANGED, new, "it stands for another device", old=_what(old), new=_what(new))
        elif old.kind is EntryKind.FILE:
            self._compare_files(old, new)

    def _compare_files(self, old: BaselineFile, new: BaselineFile) -> None:
        path = f"{self.label}{new.name}"
        if not old.sha256 and old.size:
            self.comparison.not_compared.append(f"{path}: its content could not be read for the baseline")
        elif not new.sha256 and new.size:
            self.comparison.not_compared.append(f"{path}: its content cannot be read in the dump")
        elif old.sha256 != new.sha256 and (old.size or new.size):
            how = self._otherwise_compared(path, new)
            if how:
                self.comparison.notes.append(f"{path}: {how}")
                return
            self._told(Change.CHANGED, new, _content_change(old, new), old=old.sha256, new=new.sha256)

    def _otherwise_compared(self, path: str, file: BaselineFile) -> str:
        """Return how a file of other bytes is compared, where it is not by these."""
        if file.name in self.hives:
            return "compared by what it starts, not by its bytes"
        return "packed differently; what is in it was compared" if path in self.comparison.carriers else ""

    def _told(self, change: Change, file: BaselineFile, detail: str, *, old: str = "", new: str = "") -> None:
        """Add a difference, unless it is one that is expected there."""
        may_run = file.code.is_code or bool(file.mode and file.mode & SET_ID) or file.device is not None
        if not may_run and is_mutable(f"/{file.name}", self.comparison.mutable) and change in EXPECTED:
            self.comparison.expected += 1
            return
        self.comparison.add(
            change, f"{self.label}{file.name}", detail, old=old, new=new, may_run=may_run, sha256=file.sha256
        )


EXPECTED: Final = (Change.ADDED, Change.REMOVED, Change.CHANGED)
"""What may happen to data at a place that may change; rights and owners may not."""


def _folders(files: Sequence[BaselineFile]) -> frozenset[str]:
    """Return the folders that paths go through."""
    found: set[str] = set()
    for file in files:
        folder = file.name.rpartition("/")[0]
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return frozenset(found)


def _what(file: BaselineFile) -> str:
    """Return what a thing is, in a few words."""
    if file.kind is EntryKind.FILE:
        kind = "file" if file.code is FileKind.OTHER else file.code.value
        return f"{kind}, {file.size} bytes, {file.sha256 or 'not read'}"
    if file.device is not None:
        return f"{file.kind.value} {file.device[0]}, {file.device[1]}"
    return f"{file.kind.value}{f' to {file.target}' if file.target else ''}"


def _alarming(old: int, new: int) -> str:
    gained = new & ~old
    words = [
        word
        for bits, word in ((SET_ID, "it now runs as its owner"), (ANYBODY_WRITES, "anybody may write it"))
        if gained & bits
    ]
    return f": {', '.join(words)}" if words else ""


def _content_change(old: BaselineFile, new: BaselineFile) -> str:
    kind = "content" if new.code is FileKind.OTHER else new.code.value
    size = f", {old.size} bytes became {new.size}" if old.size != new.size else ""
    build = ", another build" if old.build_id and new.build_id and old.build_id != new.build_id else ""
    same = ", though it claims to be the same build" if old.build_id and old.build_id == new.build_id else ""
    return f"other {kind}{size}{build}{same}"


def _compare_autoruns(old: BaselineVolume, new: BaselineVolume, comparison: Comparison) -> None:
    before = {(row.hive, row.key, row.value): row for row in old.autoruns}
    after = {(row.hive, row.key, row.value): row for row in new.autoruns}
    for place in sorted(before.keys() | after):
        one, two = before.get(place), after.get(place)
        if one is None or two is None or one.data != two.data:
            path = f"{new.path}!{place[0]}" if new.path else place[0]
            detail = f"{place[1]}: {place[2]} {_autorun_change(one, two)}"
            data = [row.data if row is not None else "" for row in (one, two)]
            comparison.add(Change.AUTORUN, path, detail, old=data[0], new=data[1], may_run=True)


def _autorun_change(old: Autorun | None, new: Autorun | None) -> str:
    return "is new" if old is None else "is gone" if new is None else "is another one"
