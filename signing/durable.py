"""Small files that survive a pulled plug: after ``replace`` returns, the new content is there for good.

The steps are a seam (``Disk``), so that a test can cut the power between any two of them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from toolkit.core.errors import InputError

__all__ = ["Disk", "SystemDisk", "create", "locked", "replace"]

PRIVATE_MODE = 0o600
FLAGS = getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
"""No line ends are changed on Windows, and no link is followed elsewhere."""


class Disk(Protocol):
    """What a file system does, one step at a time; every method may be the last one before the power fails."""

    def read(self, path: Path) -> bytes | None:
        """Return the content of ``path``; None when there is no such file."""

    def write(self, path: Path, data: bytes) -> None:
        """Write ``data`` to the new private file ``path``, which may not be on the medium yet."""

    def sync(self, path: Path) -> None:
        """Return when the content of ``path`` is on the medium."""

    def rename(self, source: Path, target: Path) -> None:
        """Let ``target`` be what ``source`` was, in one step."""

    def sync_folder(self, folder: Path) -> None:
        """Return when the names in ``folder`` are on the medium."""


class SystemDisk:
    """The file system of this computer."""

    def read(self, path: Path) -> bytes | None:
        """Return the content of ``path``; None when there is no such file."""
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error

    def write(self, path: Path, data: bytes) -> None:
        """Write ``data`` to the file ``path`` that only its owner can read."""
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | FLAGS, PRIVATE_MODE)
        with os.fdopen(handle, "wb") as file:
            file.write(data)

    def sync(self, path: Path) -> None:
        """Return when the content of ``path`` is on the medium."""
        with path.open("r+b") as file:
            os.fsync(file.fileno())

    def rename(self, source: Path, target: Path) -> None:
        """Let ``target`` be what ``source`` was, in one step."""
        source.replace(target)

    def sync_folder(self, folder: Path) -> None:
        """Return when the names in ``folder`` are on the medium; Windows has no such call and writes them through."""
        if sys.platform != "win32":
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def replace(disk: Disk, path: Path, data: bytes) -> None:
    """Let ``path`` hold ``data``: before the return it holds the old content or the new, afterwards the new."""
    temporary = path.with_name(f".{path.name}.new")
    try:
        disk.write(temporary, data)
        disk.sync(temporary)
        disk.rename(temporary, path)
        disk.sync_folder(path.parent)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from error


def create(disk: Disk, path: Path, data: bytes) -> None:
    """Write the new private file ``path``; an existing one is left as it is."""
    if disk.read(path) is not None:
        raise InputError(f"{path} exists already and is left as it is")
    replace(disk, path, data)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file ``path``; ``InputError`` when another process has it. The system frees it if we are killed."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE_MODE)
    except OSError as error:
        raise InputError(f"{path}: cannot be opened: {error.strerror or error}") from error
    try:
        try:
            _lock(handle)
        except OSError as error:
            raise InputError(f"{path}: in use by another program") from error
        yield
    finally:
        os.close(handle)


def _lock(handle: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
