"""Which settings of Linux build which of its source files, and into which module.

``kernel_files.txt.gz`` is made by ``benchmarks/collect_kernel_files.py`` from the Makefiles of several versions. A file
that does not stand there is always built, or nothing is known of it.
"""

from __future__ import annotations

import gzip
import re
from collections import defaultdict
from functools import cache
from importlib import resources
from typing import NamedTuple

__all__ = ["BuiltFile", "Digits", "KernelFiles", "kernel_files"]

UNKNOWN = "?"
"""Stands for the older files of a file of which nobody can tell where it came from."""
_NUMBERS = re.compile(r"^(\d+)\.(\d+)")


class BuiltFile(NamedTuple):
    """How one file is built in some versions of the kernel."""

    seen: str
    """Digits of the versions this was read in; 1 is the oldest."""
    ways: tuple[tuple[str, ...], ...]
    """Settings that are needed together; any of the ways is enough."""
    modules: frozenset[str]
    """Modules it is part of; empty when it can be built in without the name of a module."""


class Digits(NamedTuple):
    """Versions that were read, beside the one that is asked for."""

    floor: str
    """The newest that is not newer; empty when all are."""
    next: str
    """The one after that, where the version stands between two; else empty."""
    is_read: bool
    """Whether the series itself was read: what it has no setting for cannot be on."""


class KernelFiles:
    """The list, read; a folder is taken apart when a file of it is asked for."""

    def __init__(self, text: str) -> None:
        self.versions: tuple[str, ...] = ()
        """Versions that were read, oldest first."""
        self._settings: dict[str, str] = {}
        self._folders: dict[str, list[list[str]]] = defaultdict(list)
        self._read: dict[str, dict[str, list[BuiltFile]]] = {}
        self._origins: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
        for line in text.splitlines():
            kind, *rest = line.split("\t")
            if kind == "versions":
                self.versions = tuple(rest[0].split())
            elif kind == "settings":
                self._settings |= dict.fromkeys(rest[1].split(), rest[0])
            elif kind == "moved":
                self._origins[rest[0], rest[1]].append((rest[2], f" {rest[3]} "))
            else:
                self._folders[kind].append(rest)

    def built(self, path: str) -> tuple[BuiltFile, ...]:
        """Return how the file ``path`` is built; nothing when that is not known or it always is."""
        folder, _, name = path.rpartition("/")
        if folder not in self._read:
            files: dict[str, list[BuiltFile]] = defaultdict(list)
            for condition, modules, seen, names in self._folders.get(folder, ()):
                ways = tuple(tuple(way.split()) for way in condition.split(","))
                row = BuiltFile(seen, ways, frozenset(modules.split()))
                for each in names.split():
                    files[each].append(row)
            self._read[folder] = dict(files)
        return tuple(self._read[folder].get(name, ()))

    def origins(self, path: str, digit: str) -> tuple[str, ...] | None:
        """Return the files of an older version that hold what ``path`` holds in newer ones; None when nobody knows.

        Ask only about a file that has no row for that version: nothing is returned for one that is new.
        """
        folder, _, name = path.rpartition("/")
        for origins, names in self._origins.get((digit, folder), ()):
            if f" {name} " in names:
                return None if origins == UNKNOWN else tuple(origins.split())
        return ()

    def digits(self, version: str | None) -> Digits:
        """Return which of the versions that were read tell how ``version`` is built."""
        wanted = numbers(version or "")
        older = [str(at) for at, each in enumerate(self.versions, 1) if numbers(each) <= wanted]
        newer = [str(at) for at, each in enumerate(self.versions, 1) if numbers(each) > wanted]
        is_read = bool(older) and numbers(self.versions[int(older[-1]) - 1]) == wanted
        return Digits("".join(older[-1:]), "".join(newer[:1] if not is_read else ()), is_read)

    def has_setting(self, name: str, digit: str) -> bool:
        """Return whether the version that ``digit`` stands for has a setting of that name."""
        return digit in self._settings.get(name, "")


def numbers(version: str) -> tuple[int, ...]:
    """Return the first two numbers of a version."""
    match = _NUMBERS.match(version)
    return (int(match[1]), int(match[2])) if match is not None else ()


@cache
def kernel_files() -> KernelFiles:
    """Return the list that comes with the program."""
    folder = resources.files("firmware_checks").joinpath("vulnerabilities/not_affected")
    packed = folder.joinpath("kernel_files.txt.gz").read_bytes()
    return KernelFiles(gzip.decompress(packed).decode("utf-8"))
