"""Discovery by folder and by entry point: adding one thing is adding one file."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TypeVar

from toolkit.core.errors import RuleError

__all__ = ["discover", "may_be_extended", "third_party"]

Thing = TypeVar("Thing")


def discover(package: str, *, attribute: str, kind: type[Thing], group: str | None) -> dict[str, Thing]:
    """Return every ``attribute`` of the modules in ``package`` and of the entry points in ``group``, by its ``name``.

    Each module defines exactly one; names are unique across the folder and all third parties. Without a ``group`` only
    the folder counts.
    """
    folder = importlib.import_module(package)
    found: dict[str, Thing] = {}
    for module_info in sorted(pkgutil.iter_modules(folder.__path__), key=lambda m: m.name):
        module = importlib.import_module(f"{package}.{module_info.name}")
        _add(found, getattr(module, attribute, None), kind, f"{package}.{module_info.name}")
    for thing in third_party(group, kind).values() if group is not None else ():
        _add(found, thing, kind, f"an entry point in {group}")
    return found


def third_party(group: str, kind: type[Thing]) -> dict[str, Thing]:
    """Return what other distributions add by entry points in ``group``, by its ``name``."""
    found: dict[str, Thing] = {}
    if not may_be_extended(group):
        return found
    from importlib.metadata import entry_points  # 30 ms that nobody without plug-ins need pay

    for entry_point in sorted(entry_points(group=group), key=lambda e: e.name):
        _add(found, entry_point.load(), kind, f"entry point {entry_point.value}")
    return found


def may_be_extended(group: str) -> bool:
    """Tell whether an installed distribution names ``group``; also True where that cannot be seen at a glance."""
    if any(hasattr(finder, "find_distributions") and finder is not PathFinder for finder in sys.meta_path):
        return True
    return any(_may_name(Path(place), group.encode()) for place in sys.path)


def _may_name(place: Path, group: bytes) -> bool:
    if not place.is_dir():
        return place.exists()  # an archive
    with os.scandir(place) as things:
        folders = [thing.path for thing in things if thing.name.endswith("-info")]
    texts = (Path(folder, "entry_points.txt") for folder in folders)
    return any(group in text.read_bytes() for text in texts if text.is_file())


def _add(found: dict[str, Thing], thing: object, kind: type[Thing], where: str) -> None:
    if not isinstance(thing, kind):
        raise RuleError(f"{where} defines no {kind.__name__}")
    name: str = thing.name  # type: ignore[attr-defined]  # every registered kind has a name
    if name in found:
        raise RuleError(f"{where} defines {name!r} a second time")
    found[name] = thing
