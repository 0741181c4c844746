"""The signature packs at hand: ours, those of installed third parties, and files that a user names."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from firmware_checks.fingerprints.pack import HEADER, Pack, read_pack
from toolkit.core.errors import InputError
from toolkit.core.registry import may_be_extended
from toolkit.core.window import Window

__all__ = ["GROUP", "SUFFIX", "load_pack", "packs_at_hand", "shipped_packs"]

GROUP = "medharden.fingerprints"
"""Entry points that name packages with signature packs in them."""
SUFFIX = ".mdsig"


@cache
def shipped_packs() -> Sequence[Pack]:
    """Return our packs and those of installed third parties."""
    return tuple(load_pack(path) for path in _files())


def packs_at_hand(own: Iterable[Pack] = ()) -> tuple[int, str]:
    """Return how many packs there are, ``own`` included, and a SHA-256 that changes when any of them does.

    Only their first bytes are read: what they hold is checked when there is a program to compare with it.
    """
    rows = [(path.name, _first_bytes(path)) for path in _files()] + [(pack.source, pack.header) for pack in own]
    digest = hashlib.sha256()
    for name, header in rows:
        digest.update(name.encode("utf-8") + b"\0" + header)
    return len(rows), digest.hexdigest() if rows else ""


def _first_bytes(path: Path) -> bytes:
    with suppress(OSError), path.open("rb") as file:
        return file.read(HEADER.size)
    return b""


def load_pack(path: Path) -> Pack:
    """Return the pack in the file at ``path``, which stays mapped as long as the pack is used."""
    try:
        with path.open("rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:  # ValueError: the file is empty
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read: {reason}") from error
    return read_pack(Window.of(data), path.name)


def _files() -> Iterator[Path]:
    for folder in (resources.files("firmware_checks.fingerprints") / "packs", *_folders_of_others()):
        with suppress(FileNotFoundError):
            files = [f for f in folder.iterdir() if f.name.endswith(SUFFIX)]
            yield from (Path(str(f)) for f in sorted(files, key=lambda f: f.name))


def _folders_of_others() -> Iterator[Traversable]:
    if may_be_extended(GROUP):
        from importlib.metadata import entry_points  # 20 ms that nobody without plug-ins need pay

        yield from (resources.files(entry.load()) for entry in sorted(entry_points(group=GROUP), key=lambda e: e.name))
