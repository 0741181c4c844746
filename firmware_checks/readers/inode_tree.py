"""From numbered objects and the folders that name them to entries with paths, as flash file systems store both.

Folders may name each other in circles, name one object twice or be named by nobody: every folder is walked once.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

from firmware_checks.format import Entry, EntryKind
from firmware_checks.readers.entry_names import name_problems, visible
from toolkit.core.limits import Limits
from toolkit.core.problems import Problems

__all__ = ["Inode", "InodeTree", "TreeWalk", "kind_of_mode", "safe_name", "wide_device"]

PATH_CHARACTERS = 4096
"""Longest path Linux takes (PATH_MAX); what lies deeper could not have been used there either."""

_ORDINARY: Final = re.compile(rb"[A-Za-z0-9_][A-Za-z0-9_.+=@%,-]{0,253}")
"""What nearly all names are made of; nothing is to be said about those."""
KINDS: Final = {
    stat.S_IFREG: EntryKind.FILE,
    stat.S_IFDIR: EntryKind.FOLDER,
    stat.S_IFLNK: EntryKind.SYMBOLIC_LINK,
    stat.S_IFCHR: EntryKind.CHARACTER_DEVICE,
    stat.S_IFBLK: EntryKind.BLOCK_DEVICE,
    stat.S_IFIFO: EntryKind.PIPE,
    stat.S_IFSOCK: EntryKind.SOCKET,
}


def kind_of_mode(mode: int) -> EntryKind | None:
    """Return what the type bits of a Unix mode say; None for none of the seven."""
    return KINDS.get(stat.S_IFMT(mode))


def wide_device(number: int) -> tuple[int, int]:
    """Return major and minor number of a device from 32 bits. Source: Linux include/linux/kdev_t.h, new_decode_dev."""
    return number >> 8 & 0xFFF, number & 0xFF | number >> 12 & 0xFFF00


def _nothing(_most_bytes: int) -> bytes:
    return b""


class Inode(NamedTuple):
    """An object of a file system without its name; fields as in ``Entry``."""

    kind: EntryKind
    read: Callable[[int], bytes] = _nothing
    packed_bytes: int = 0
    unpacked_bytes: int = 0
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    modified_s: int | None = None
    target: str = ""
    device: tuple[int, int] | None = None
    extended: Mapping[str, bytes] = MappingProxyType({})
    offset: int | None = None


class InodeTree(Protocol):
    """A file system as its folders see it."""

    def children(self, folder: int) -> Iterable[tuple[bytes, int]]:
        """Return the names in ``folder`` and the numbers of what they stand for, in a fixed order."""

    def inode(self, number: int) -> Inode:
        """Return the object ``number``; what is missing of it raises only when it is read."""


@dataclass(slots=True)
class TreeWalk:
    """Walks ``tree`` from one or several folders and collects the entries."""

    tree: InodeTree
    limits: Limits
    problems: Problems
    entries: list[Entry] = field(default_factory=list)
    cut: bool = False
    """More entries than ``limits`` allows: one more than that was collected, and the walk ended."""
    walked: set[int] = field(default_factory=set)
    """Folders whose names were read."""
    _paths: dict[int, str] = field(default_factory=dict)

    def walk(self, root: int, prefix: str = "") -> None:
        """Add everything below folder ``root``; ``prefix`` stands before the names."""
        self.walked.add(root)
        stack = [self._named(root, prefix)]
        while stack and not self.cut:
            step = next(stack[-1], None)
            if step is None:
                stack.pop()
                continue
            number, path = step
            if self._add(number, path):
                self.walked.add(number)
                stack.append(self._named(number, f"{path}/"))

    def _named(self, folder: int, prefix: str) -> Iterator[tuple[int, str]]:
        for raw_name, number in self.tree.children(folder):
            name = safe_name(raw_name, self.problems)
            if len(prefix) + len(name) > PATH_CHARACTERS:
                self.problems.add(f"a path is longer than {PATH_CHARACTERS} characters and was not followed", name)
                continue
            yield number, prefix + name

    def _add(self, number: int, path: str) -> bool:
        """Add one entry; tell whether it is a folder to go into."""
        if len(self.entries) >= self.limits.entries + 1:
            self.cut = True
            return False
        inode = self.tree.inode(number)
        if number in self.walked:
            self.problems.add("a folder is named by more than one folder, or contains itself", path)
            return False
        if inode.kind is not EntryKind.FOLDER and number in self._paths:
            self.entries.append(_entry(path, inode, link_to=self._paths[number]))
            return False
        self._paths[number] = path
        self.entries.append(_entry(path, inode))
        return inode.kind is EntryKind.FOLDER


def safe_name(raw_name: bytes, problems: Problems) -> str:
    """Return one name of a folder as text that cannot be taken for a path; what is odd in it is told."""
    if _ORDINARY.fullmatch(raw_name):
        return raw_name.decode("ascii")
    text = raw_name.decode("utf-8", "surrogateescape")
    shown = visible(raw_name.decode("utf-8", "backslashreplace")).replace("/", "\\x2f")
    for problem in name_problems(text):
        problems.add(problem, shown)
    if "/" in text:
        problems.add("name has slashes, which no folder can hold", shown)
    return shown


def _entry(path: str, inode: Inode, link_to: str | None = None) -> Entry:
    is_file = inode.kind is EntryKind.FILE and link_to is None
    return Entry(
        name=path,
        packed_bytes=inode.packed_bytes if is_file else 0,
        unpacked_bytes=inode.unpacked_bytes if is_file else 0,
        read=inode.read if is_file else _nothing,
        kind=inode.kind if link_to is None else EntryKind.HARD_LINK,
        mode=inode.mode,
        uid=inode.uid,
        gid=inode.gid,
        modified_s=inode.modified_s,
        target=inode.target if link_to is None else link_to,
        device=inode.device,
        extended=inode.extended,
        offset=inode.offset,
    )
