"""Names in archives: what is safe to write on any stick and means the same file everywhere."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from signing.refusal import Refusal

__all__ = ["check_names"]

MOST_NAME_BYTES: Final = 255
MOST_PATH_BYTES: Final = 1024
FORBIDDEN: Final = frozenset('<>:"\\|?*')
"""Characters that FAT32 and Windows do not have. Source: Microsoft, Naming Files, Paths, and Namespaces."""
RESERVED: Final = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
INVISIBLE: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})
"""Unicode categories that are not seen, or change the direction of what is: control, format, private, unassigned."""


def check_names(names: Iterable[str]) -> None:
    """Raise ``Refusal`` unless all names are relative, visible, portable, and different on a FAT32 stick."""
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    for name in names:
        _check_path(name)
        for spelled in _parents(name):
            if folders.setdefault(_on_a_stick(spelled), spelled) != spelled:
                raise Refusal("name.collision", f"the folder {spelled[:80]!r} is spelled in two ways in an archive")
        if _on_a_stick(name) in files:
            raise Refusal("name.collision", f"{name[:80]!r} stands twice in an archive, or is the same on a stick")
        files[_on_a_stick(name)] = name
    both = files.keys() & folders.keys()
    if both:
        raise Refusal("name.collision", f"{min(both)[:80]!r} in an archive is a file and a folder")


def _on_a_stick(path: str) -> str:
    return unicodedata.normalize("NFKC", path).casefold()


def _parents(path: str) -> Iterable[str]:
    parts = path.split("/")
    return ("/".join(parts[:count]) for count in range(1, len(parts)))


def _check_path(path: str) -> None:
    shown = path[:80].encode("ascii", "backslashreplace").decode()
    if path.startswith("/") or len(path.encode("utf-8", "surrogatepass")) > MOST_PATH_BYTES:
        raise Refusal("name.absolute", f"{shown!r} in an archive is absolute or too long")
    for part in path.split("/"):
        if part in ("", ".", ".."):
            raise Refusal("name.traversal", f"{shown!r} in an archive leads elsewhere or has an empty part")
        _check_part(part, shown)


def _check_part(part: str, shown: str) -> None:
    if any(unicodedata.category(character) in INVISIBLE for character in part):
        raise Refusal("name.invisible", f"{shown!r} in an archive holds characters that are not seen")
    if FORBIDDEN & set(part) or RESERVED.fullmatch(part) or part[-1] in " ." or part[0] == " ":
        raise Refusal("name.not-portable", f"{shown!r} in an archive cannot be written on every system")
    if len(part.encode()) > MOST_NAME_BYTES or unicodedata.normalize("NFC", part) != part:
        raise Refusal("name.not-portable", f"{shown!r} in an archive is too long or not in one spelling")
