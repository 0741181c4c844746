"""A folder for what can be made again: prepared data that saves time and is never missed when it is gone."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from pathlib import Path

from toolkit.core.errors import InputError
from toolkit.core.files import write_whole

__all__ = ["NO_CACHE", "Cache"]

KEPT = 8
"""So many entries of one kind stay; rules and versions change, and the old ones would pile up."""
DIGEST_BYTES = 32


class Cache:
    """Keeps entries by kind and key in ``folder``; without a folder it keeps nothing.

    An entry that is damaged, or a folder that others may write to, counts as empty; nothing here ever raises.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder

    def load(self, kind: str, key: str) -> bytes | None:
        """Return what was stored, or None."""
        if self.folder is None or not _is_private(self.folder):
            return None
        try:
            data = self._path(self.folder, kind, key).read_bytes()
        except OSError:
            return None
        content = data[DIGEST_BYTES:]
        return content if hashlib.sha256(content).digest() == data[:DIGEST_BYTES] else None

    def store(self, kind: str, key: str, content: bytes) -> None:
        """Keep ``content``, and let the oldest of its kind go; where that is not possible, go on without."""
        if self.folder is None:
            return
        with contextlib.suppress(OSError, InputError):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if _is_private(self.folder):
                write_whole(self._path(self.folder, kind, key), hashlib.sha256(content).digest() + content)
                self._let_old_go(self.folder, kind)

    @staticmethod
    def _path(folder: Path, kind: str, key: str) -> Path:
        return folder / f"{kind}-{hashlib.sha256(key.encode()).hexdigest()[:32]}.cache"

    @staticmethod
    def _let_old_go(folder: Path, kind: str) -> None:
        entries = sorted(folder.glob(f"{kind}-*.cache"), key=lambda path: path.stat().st_mtime_ns)
        for path in entries[:-KEPT]:
            path.unlink(missing_ok=True)


NO_CACHE = Cache()


def _is_private(folder: Path) -> bool:
    """Tell whether nobody else could have put something into ``folder``: what is loaded from it is believed."""
    if not hasattr(os, "getuid"):
        return True  # Windows: the folders of a user are closed to others
    try:
        found = folder.stat()
    except OSError:
        return False
    return found.st_uid == os.getuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
