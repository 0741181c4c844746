"""Component rules as a scan loads them: read, checked and decoded once, and kept in an index beside their files.

Reading hundreds of TOML files takes a seventh of a second, a good part of the time that a small image takes. The index
is written by ``python -m firmware_checks.indexes``. It counts only for the files it was made of, told by their names
and sizes; the test suite holds it against their content.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import msgspec

from firmware_checks.component_rules import (
    GROUP,
    ComponentRule,
    load_rules,
    remember_patterns,
    rules_digest,
)
from firmware_checks.patterns import Pattern
from toolkit.core.registry import may_be_extended

__all__ = ["INDEX", "Rules", "index_text", "load_indexed_rules"]

INDEX = "components/index.json"


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules, and the digest of the files that hold them."""

    rules: Sequence[ComponentRule]
    sha256: str


class _Index(msgspec.Struct, frozen=True, kw_only=True):
    files: dict[str, int]
    """Names and sizes in bytes."""
    sha256: str
    rules: tuple[ComponentRule, ...]
    patterns: tuple[Pattern, ...]
    """Of all rules; that their anchors are known saves as much time again."""


def load_indexed_rules(place: Path | None = None) -> Rules:
    """Return what ``load_rules`` does, from the index when it is of the same files and nobody adds rules to ours.

    The index is the one beside the rules, or the one at ``place``.
    """
    index = None if may_be_extended(GROUP) else _read(place or _folder().parent / INDEX)
    if index is None:
        return Rules(load_rules(), rules_digest())
    remember_patterns(index.patterns)
    return Rules(index.rules, index.sha256)


def index_text() -> bytes:
    """Return what the index must hold for the files as they are."""
    rules = tuple(load_rules())
    index = _Index(
        files=_files(_folder()),
        sha256=rules_digest(),
        rules=rules,
        patterns=tuple(pattern for rule in rules for pattern in rule.patterns),
    )
    # a line for each rule and pattern, so that a change is seen where it was made
    return msgspec.json.encode(index).replace(b"},{", b"},\n{") + b"\n"


def _read(place: Path) -> _Index | None:
    try:
        index = msgspec.json.decode(place.read_bytes(), type=_Index)
    except (OSError, msgspec.DecodeError):
        return None
    return index if index.files == _files(_folder()) else None


def _folder() -> Path:
    return Path(str(resources.files(__package__).joinpath("components")))


def _files(folder: Path) -> dict[str, int]:
    if not folder.is_dir():  # inside an archive: no sizes at hand, so the files are read
        return {}
    with os.scandir(folder) as entries:
        sizes = {entry.name: entry.stat().st_size for entry in entries if entry.name.endswith(".toml")}
    return dict(sorted(sizes.items()))
