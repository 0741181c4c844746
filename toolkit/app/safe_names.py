"""Names from an image as names of files that every system can hold and that lead nowhere else.

Source of what Windows forbids: Microsoft, "Naming Files, Paths, and Namespaces".
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from firmware_checks.readers.entry_names import SPELLED_OUT

__all__ = ["SafeNames", "parts_of", "refusal"]

MOST_FOLDERS = 100
"""Folders within folders; deeper ones are made by nobody but to harm."""
MOST_BYTES = 180
"""A longer name is cut: with a suffix it must fit 255 bytes."""
CUT_CHARACTERS = 40
FORBIDDEN = frozenset('<>:"|?*\\/')
RESERVED = frozenset(
    {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"} | {f"{port}{n}" for port in ("COM", "LPT") for n in range(10)}
)

_SEPARATORS = re.compile(r"[\\/]")
_DRIVE = re.compile(r"[A-Za-z]:")


def refusal(name: str) -> str:
    """Return why nothing may be written under ``name``; empty when it may."""
    if not name:
        return "its name is empty"
    if "\0" in name or "\\x00" in name:
        return "its name has a NUL, where some programs end it"
    plain = SPELLED_OUT.sub("_", name)  # how readers spell a hidden character; its backslash is none
    if ".." in _SEPARATORS.split(plain):
        return "its name leads out of the folder"
    if plain.startswith(("/", "\\")) or _DRIVE.match(plain):
        return "its name is an absolute path"
    if plain.count("/") > MOST_FOLDERS:
        return f"it is more than {MOST_FOLDERS} folders deep"
    return ""


def parts_of(name: str) -> tuple[str, ...]:
    """Return the folders and the file that ``name`` is made of, each as it may be written; ``.`` stands for none."""
    return tuple(_writable(part) for part in name.split("/") if part not in ("", "."))


def _writable(part: str) -> str:
    """Return ``part`` as a name that every system takes."""
    shown = "".join("_" if c in FORBIDDEN or not c.isprintable() else c for c in part)
    if shown.endswith((".", " ")):
        shown = f"{shown[:-1]}_"
    if shown.partition(".")[0].rstrip().upper() in RESERVED:
        shown = f"_{shown}"
    if len(shown.encode()) > MOST_BYTES:
        shown = f"{shown[:CUT_CHARACTERS]}~{hashlib.sha256(part.encode('utf-8', 'replace')).hexdigest()[:16]}"
    return shown


@dataclass(slots=True)
class SafeNames:
    """Gives each file and folder a name of its own, also where capitals and small letters are the same."""

    reserved: Sequence[str] = ()
    """Names at the top that are not to be given."""
    _folders: dict[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)
    _taken: set[tuple[str, ...]] = field(default_factory=set)
    _counts: dict[tuple[str, ...], int] = field(default_factory=dict)
    """How many were given a name that reads like this one."""

    def __post_init__(self) -> None:
        self._taken = {_folded((name,)) for name in self.reserved}

    def folder(self, parts: tuple[str, ...]) -> tuple[str, ...]:
        """Return the folder that stands for ``parts``: always the same."""
        known = self._folders.get(parts)
        if known is None:
            known = self._new((*self.folder(parts[:-1]), parts[-1])) if parts else ()
            self._folders[parts] = known
        return known

    def file(self, parts: tuple[str, ...]) -> tuple[str, ...]:
        """Return where to write a file called ``parts``: each time another place."""
        return self._new((*self.folder(parts[:-1]), parts[-1]))

    def _new(self, parts: tuple[str, ...]) -> tuple[str, ...]:
        wanted = _folded(parts)
        place = parts
        while _folded(place) in self._taken:
            count = self._counts.get(wanted, 1) + 1
            self._counts[wanted] = count
            stem, dot, suffix = parts[-1].partition(".")
            place = (*parts[:-1], f"{stem}~{count}{dot}{suffix}")
        self._taken.add(_folded(place))
        return place


def _folded(parts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(unicodedata.normalize("NFC", unicodedata.normalize("NFC", part).casefold()) for part in parts)
