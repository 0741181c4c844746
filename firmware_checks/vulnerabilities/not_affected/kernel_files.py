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

__all__ = ["BuiltFile", "KernelFiles", "kernel_files"]

_NUMBERS = re.compile(r"^(\d+)\.(\d+)")


class BuiltFile(NamedTuple):
    """How one file is built in some versions of the kernel."""

    seen: str
    """Digits of the versions this was read in; 1 is the oldest."""
    ways: tuple[tuple[str, ...], ...]
    """Settings that are needed together; any of the ways is enough."""
    modules: frozenset[str]
    """Modules it is part of; empty when it can be built in without the name of a module."""


class KernelFiles:
    """The list, read; a folder is taken apart when a file of it is asked for."""

    def __init__(self, text: str) -> None:
        self.versions: tuple[str, ...] = ()
        """Versions that were read, oldest first."""
        self._settings: dict[str, str] = {}
        self._folders: dict[str, list[list[str]]] = defaultdict(list)
        self._modules: dict[str, set[str]] = defaultdict(set)
        self._read: dict[str, dict[str, list[BuiltFile]]] = {}
        for line in text.splitlines():
            kind, *rest = line.split("\t")
            if kind == "versions":
                self.versions = tuple(rest[0].split())
            elif kind == "settings":
                self._settings |= dict.fromkeys(rest[1].split(), rest[0])
            else:
                self._folders[kind].append(rest)
                for module in rest[1].split():
                    self._modules[module].update(rest[2])

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

    def has_setting(self, name: str, digit: str) -> bool:
        """Return whether the version that ``digit`` stands for has a setting of that name."""
        return digit in self._settings.get(name, "")

    def has_module(self, name: str, digit: str) -> bool:
        """Return whether the version that ``digit`` stands for has a module of that name."""
        return digit in self._modules.get(name, ())

    def floor(self, version: str | None) -> str:
        """Return the digit of the newest version that is not newer than ``version``; empty when there is none."""
        wanted = numbers(version or "")
        fitting = [str(at) for at, each in enumerate(self.versions, 1) if numbers(each) <= wanted]
        return fitting[-1] if fitting else ""


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
