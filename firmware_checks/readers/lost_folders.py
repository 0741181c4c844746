"""Folders that no path leads to, because what named them is damaged or missing: their content may be of interest."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from firmware_checks.format import EntryKind
from firmware_checks.readers.inode_tree import Inode
from toolkit.core.problems import Problems

__all__ = ["LOST", "lost_folders"]


def lost_folders(
    folders: Iterable[int], members: Callable[[int], Iterable[int]], known: Iterable[int], problems: Problems
) -> dict[int, bytes]:
    """Return which of ``folders`` are not reached from ``known``, with a name to show them and all below them under."""
    met: set[int] = set()
    for folder in known:
        _reach(folder, members, met)
    lost: dict[int, bytes] = {}
    for folder in sorted(folders):
        if folder not in met:
            lost[folder] = b"(lost folder %d)" % folder
            problems.add("a folder has lost its name and is shown as (lost folder)", lost[folder].decode())
            _reach(folder, members, met)
    return lost


def _reach(folder: int, members: Callable[[int], Iterable[int]], met: set[int]) -> None:
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        if here not in met:
            met.add(here)
            waiting.extend(members(here))


LOST = Inode(kind=EntryKind.FOLDER)
"""What is left of a lost folder itself."""
