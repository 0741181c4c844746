"""Everything a Unix file system image lists, whatever is damaged in it: what cannot be read is told and passed over."""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

from firmware_checks.format import Entry, EntryKind
from firmware_checks.readers.inode_tree import Inode, TreeWalk, kind_of_mode
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.problems import Problems
from toolkit.report.model import Fact

__all__ = ["FileSystem", "Listing", "device_of", "list_tree", "told_kind"]

SET_ID = stat.S_ISUID | stat.S_ISGID
COUNTED_AS: Final = {
    EntryKind.FILE: "files",
    EntryKind.FOLDER: "folders",
    EntryKind.SYMBOLIC_LINK: "symbolic_links",
    EntryKind.HARD_LINK: "hard_links",
    EntryKind.CHARACTER_DEVICE: "devices",
    EntryKind.BLOCK_DEVICE: "devices",
    EntryKind.PIPE: "pipes",
    EntryKind.SOCKET: "sockets",
}


class FileSystem(Protocol):
    """What a reader of one file system answers; files are known by a number: an inode, or the place of a header."""

    def names(self, folder: int) -> Iterable[tuple[bytes, int]]:
        """Yield name and number of what is in ``folder``; raise ``FormatError`` where it is damaged.

        All folders together must be bounded by the size of the image, also where they share their blocks.
        """

    def inode(self, number: int) -> Inode:
        """Return the file, folder, link or device ``number``; raise ``FormatError`` when it is damaged."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What is below the root of a file system."""

    entries: tuple[Entry, ...]
    facts: dict[str, Fact]
    """How many there are of each kind."""
    limits_hit: tuple[str, ...]


def list_tree(system: FileSystem, root: int, limits: Limits, problems: Problems) -> Listing:
    """List everything below the folder ``root``."""
    walked: set[int] = set()
    walk = TreeWalk(_Guarded(system, problems, walked), limits, problems, walked=walked)
    walk.walk(root)
    counts = Counter(COUNTED_AS[entry.kind] for entry in walk.entries)
    counts["set_user_or_group_id"] = sum(
        entry.kind is EntryKind.FILE and bool((entry.mode or 0) & SET_ID) for entry in walk.entries
    )
    facts: dict[str, Fact] = {"files": counts.pop("files", 0), "folders": counts.pop("folders", 0)}
    facts |= {name: count for name, count in sorted(counts.items()) if count}
    hits = (f"more than {limits.entries} files and folders, the rest was not listed",) if walk.cut else ()
    return Listing(tuple(walk.entries), facts, hits)


def told_kind(mode: int) -> EntryKind:
    """Return what a Unix mode says a file is; raise ``FormatError`` for a type that does not exist."""
    kind = kind_of_mode(mode)
    if kind is None:
        raise FormatError(f"its mode {mode:#o} is that of no file, folder, link or device")
    return kind


def device_of(number: int) -> tuple[int, int]:
    """Return major and minor number of a device from 16 bits. Source: Linux, include/linux/kdev_t.h, old_decode_dev."""
    return number >> 8 & 0xFF, number & 0xFF


@dataclass(slots=True)
class _Guarded:
    """The file system as a walk needs it: without damage, and without the names of a folder for itself and its own."""

    system: FileSystem
    problems: Problems
    walked: set[int]
    _damaged: set[int] = field(default_factory=set)

    def children(self, folder: int) -> Iterator[tuple[bytes, int]]:
        met: set[bytes] = set()
        try:
            for name, number in self.system.names(folder):
                if name in met:
                    self.problems.add("name is there more than once", name.decode("utf-8", "backslashreplace"))
                elif (name == b"." and number == folder) or (name == b".." and number in self.walked):
                    met.add(name)
                    continue
                met.add(name)
                yield name, number
        except FormatError as error:
            self.problems.add("a folder is damaged and the rest of it was not read", str(error))

    def inode(self, number: int) -> Inode:
        try:
            return self.system.inode(number)
        except FormatError as error:
            reason = str(error)
            if number not in self._damaged:
                self._damaged.add(number)
                self.problems.add("some files could not be read", reason)
            return Inode(kind=EntryKind.FILE, read=partial(_refuse, reason))


def _refuse(reason: str, _most_bytes: int) -> bytes:
    raise FormatError(reason)
