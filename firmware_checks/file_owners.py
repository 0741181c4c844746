"""Which project makes the program or library of which name: what a file's name says about who made it.

The table has the names that Debian's packages give their files (``benchmarks/collect_file_owners.py`` makes it), as
distributions for devices use the same. A name says nothing about a version.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources

__all__ = [
    "is_project",
    "owner_of_folder",
    "owner_of_library",
    "owner_of_plugin",
    "owner_of_program",
    "owners_of_program",
]

KINDS = ("program", "library", "folder", "plugin", "shared")
_SERIES = re.compile(r"[-_.]?\d+(?:\.\d+)*$")
_FOLDER_SERIES = re.compile(r"[-_.]?\d.*$")
_SERIES_OF = {"library": _SERIES, "folder": _FOLDER_SERIES, "shared": _FOLDER_SERIES}
_SYSTEM = re.compile(r"(?:^|/)(?:lib|lib32|lib64|libexec)/(?:[a-z0-9_]+-linux-[a-z0-9]+/)?([^/]+)/.")


def owner_of_program(name: str) -> str | None:
    """Return the project that makes the program ``name``; None where nobody or several do."""
    owners = owners_of_program(name)
    return owners[0] if len(owners) == 1 else None


def owners_of_program(name: str) -> tuple[str, ...]:
    """Return the projects that make a program called ``name``."""
    return tuple(_table("program").get(name, ()))


def is_project(name: str) -> bool:
    """Tell whether there is a project of that name."""
    return name in _projects()


def owner_of_library(stem: str) -> str | None:
    """Return the project that makes the library ``stem``, a file name up to ``.so``, whatever its series."""
    return _only("library", stem, _SERIES)


def owner_of_folder(name: str) -> str | None:
    """Return the project that has a folder called ``name`` for its programs or data, whatever its series."""
    return _only("folder", name, _FOLDER_SERIES) or _only("shared", name, _FOLDER_SERIES)


def owner_of_plugin(path: str, stem: str) -> str | None:
    """Return the project that makes the file at ``path``, in a folder under ``/usr/lib``, called ``stem``."""
    match = _SYSTEM.search(path)
    return None if match is None else _only("plugin", stem, _SERIES) or _only("folder", match[1], _FOLDER_SERIES)


def _only(kind: str, name: str, series: re.Pattern[str]) -> str | None:
    names = _table(kind)
    owners = names.get(name) or names.get(series.sub("", name)) or []
    return owners[0] if len(owners) == 1 else None


@cache
def _rows() -> list[list[str]]:
    text = (resources.files("firmware_checks") / "file_owners.txt").read_text("utf-8")
    return [line.split("\t") for line in text.splitlines()]


@cache
def _projects() -> frozenset[str]:
    return frozenset(row[0] for row in _rows())


@cache
def _table(kind: str) -> Mapping[str, list[str]]:
    """Return the projects by the names of what they make; of one kind alone, as few images need them all."""
    column = 1 + KINDS.index(kind)
    table: dict[str, list[str]] = {}
    for row in _rows():
        for name in row[column].split():
            table.setdefault(name, []).append(row[0])
    if kind in _SERIES_OF:
        _add_without_series(table, _SERIES_OF[kind])
    return table


def _add_without_series(table: dict[str, list[str]], series: re.Pattern[str]) -> None:
    """Add names without the series that stands at their end; a name that is there already keeps its owner."""
    shorter: dict[str, set[str]] = {}
    for name, projects in table.items():
        trimmed = series.sub("", name)
        if trimmed != name:
            shorter.setdefault(trimmed, set()).update(projects)
    for name, owners in shorter.items():
        table.setdefault(name, sorted(owners))
