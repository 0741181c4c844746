"""Names of files inside archives: made visible for a report, and judged by what they could do to a careless program."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["SPELLED_OUT", "name_problems", "unpacked_name", "visible", "was_spelled_out"]

NAME_CHARACTERS = 255
"""What common file systems allow for one name; longer names are cut where they are shown."""
HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
"""Unicode general categories that show nothing or change the direction of what follows."""

SPELLED_OUT = re.compile(r"\\(?:x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})")
"""How ``visible`` spells a hidden character."""

_SEPARATORS = re.compile(r"[\\/]")
_DRIVE = re.compile(r"[A-Za-z]:")
_PACKED_SUFFIXES = {
    ".gz": "", ".tgz": ".tar", ".bz2": "", ".tbz2": ".tar", ".xz": "", ".txz": ".tar", ".lzma": "", ".tlz": ".tar",
    ".zst": "", ".tzst": ".tar", ".lz4": "", ".lzo": "", ".tzo": ".tar", ".z": "", ".taz": ".tar",
}  # fmt: skip


def visible(name: str, *, most_characters: int = NAME_CHARACTERS) -> str:
    r"""Return ``name`` with every hidden character spelled out, so that ``gpj.exe`` cannot be shown as ``exe.jpg``."""
    cut = name if len(name) <= most_characters else name[: most_characters - 1] + "…"
    if _is_plain(cut):
        return cut
    return "".join(_escape(c) if unicodedata.category(c) in HIDDEN_CATEGORIES else c for c in cut)


def was_spelled_out(name: str) -> bool:
    """Tell whether ``name`` may be what ``visible`` made of another one: by hidden characters, or by its length."""
    return SPELLED_OUT.search(name) is not None or any(len(part) >= NAME_CHARACTERS for part in name.split("/"))


def _is_plain(name: str) -> bool:
    """Tell whether ``name`` is printable ASCII: true for most, and quick to see."""
    return name.isascii() and name.isprintable()


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def name_problems(name: str) -> list[str]:
    """Return what a program that trusts ``name`` when it unpacks could be led to do, in words."""
    problems: list[str] = []
    if not name:
        problems.append("name is empty")
    if ".." in _SEPARATORS.split(name):
        problems.append("name leads out of the folder it is unpacked to")
    if name.startswith(("/", "\\")) or _DRIVE.match(name):
        problems.append("name is an absolute path")
    if "\\" in name:
        problems.append("name has backslashes, which only some programs take as folders")
    if not _is_plain(name) and any(unicodedata.category(c) in HIDDEN_CATEGORIES for c in name):
        problems.append("name has hidden characters")
    return problems


def unpacked_name(path: str) -> str:
    """Return the name of what a compressed file holds, from the file's own: ``a.tar`` for ``a.tar.gz``."""
    name = _SEPARATORS.split(path.rpartition("!")[2])[-1]
    stem, dot, suffix = name.rpartition(".")
    replaced = _PACKED_SUFFIXES.get(f"{dot}{suffix}".lower())
    return "content" if replaced is None or not stem else f"{stem}{replaced}"
