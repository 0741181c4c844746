"""A folder of unpacked files, listed like an image: for who holds a root file system that is mounted or extracted."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from firmware_checks.format import Entry, EntryKind
from firmware_checks.listing import Row
from firmware_checks.read_ahead import sha256_of
from firmware_checks.readers.entry_names import visible
from firmware_checks.unread import UnreadList
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Budget

__all__ = ["folder_rows"]

KINDS: Final = {
    stat.S_IFREG: EntryKind.FILE,
    stat.S_IFDIR: EntryKind.FOLDER,
    stat.S_IFLNK: EntryKind.SYMBOLIC_LINK,
    stat.S_IFCHR: EntryKind.CHARACTER_DEVICE,
    stat.S_IFBLK: EntryKind.BLOCK_DEVICE,
    stat.S_IFIFO: EntryKind.PIPE,
    stat.S_IFSOCK: EntryKind.SOCKET,
}
MOST_FOLDERS: Final = 200
"""Folders within folders."""


def folder_rows(folder: Path, budget: Budget, unread: UnreadList, note_of: Callable[[bytes], str]) -> Iterator[Row]:
    """Yield a row for everything below ``folder``, sorted by name; links are told and not followed.

    Owners, rights and extended attributes are those of this computer's file system, where it has such.
    """
    yield from _below(folder, "", _Reading(folder.name, budget, unread, note_of), MOST_FOLDERS)


class _Reading:
    """What all files of one folder are read with."""

    def __init__(self, image: str, budget: Budget, unread: UnreadList, note_of: Callable[[bytes], str]) -> None:
        self.image = visible(image)
        self.budget = budget
        self.unread = unread
        self.note_of = note_of

    def row(self, path: Path, name: str) -> Row:
        """Return the row of one thing."""
        status = path.lstat()
        kind = KINDS.get(stat.S_IFMT(status.st_mode), EntryKind.PIPE)
        has_owners = sys.platform != "win32"
        size = status.st_size if kind is EntryKind.FILE else 0
        entry = Entry(
            name=name,
            packed_bytes=size,
            unpacked_bytes=size,
            read=partial(_content, path),
            kind=kind,
            mode=stat.S_IMODE(status.st_mode) if has_owners else None,
            uid=status.st_uid if has_owners else None,
            gid=status.st_gid if has_owners else None,
            modified_s=int(status.st_mtime),
            target=visible(str(path.readlink())) if kind is EntryKind.SYMBOLIC_LINK else "",
            device=_device(status, kind),
            extended=_attributes(path),
        )
        digest, note = self._read(entry) if kind is EntryKind.FILE else ("", "")
        return Row(self.image, (), name, entry, size, sha256=digest, note=note)

    def _read(self, entry: Entry) -> tuple[str, str]:
        try:
            content = entry.read(self.budget.limits.entry_bytes)
        except (FormatError, LimitExceeded) as error:
            self.unread.add(f"{self.image}!{entry.name}", str(error), entry.packed_bytes)
            return "", ""
        return sha256_of(content), self.note_of(content)


def _below(folder: Path, prefix: str, reading: _Reading, depth: int) -> Iterator[Row]:
    try:
        found = sorted(os.scandir(folder), key=lambda thing: os.fsencode(thing.name))
    except OSError as error:
        reading.unread.add(f"{reading.image}!{prefix}", f"the folder cannot be read: {error.strerror or error}", 0)
        return
    for thing in found:
        name = f"{prefix}{visible(thing.name.encode('utf-8', 'surrogateescape').decode('utf-8', 'backslashreplace'))}"
        try:
            reading.budget.spend_entry(name)
        except LimitExceeded as error:
            reading.unread.add(f"{reading.image}!{name}", str(error), 0)
            return
        yield reading.row(Path(thing.path), name)
        if thing.is_dir(follow_symlinks=False):
            if depth == 0:
                reading.unread.add(f"{reading.image}!{name}", f"more than {MOST_FOLDERS} folders deep", 0)
            else:
                yield from _below(Path(thing.path), f"{name}/", reading, depth - 1)


def _content(path: Path, most_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(most_bytes + 1)
    except OSError as error:
        raise FormatError(f"it cannot be read: {error.strerror or error}") from error
    if len(content) > most_bytes:
        raise LimitExceeded("entry_bytes", f"it has more than {most_bytes} bytes")
    return content


def _device(status: os.stat_result, kind: EntryKind) -> tuple[int, int] | None:
    if sys.platform != "win32":
        if kind in (EntryKind.CHARACTER_DEVICE, EntryKind.BLOCK_DEVICE):
            return os.major(status.st_rdev), os.minor(status.st_rdev)
    return None


def _attributes(path: Path) -> dict[str, bytes]:
    """Return the extended attributes; none where this system or file system has no such."""
    found: dict[str, bytes] = {}
    if sys.platform == "linux":
        with suppress(OSError):
            for name in os.listxattr(path, follow_symlinks=False):
                found[name] = os.getxattr(path, name, follow_symlinks=False)
    return found
