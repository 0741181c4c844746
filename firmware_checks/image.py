"""The file that is examined, mapped and not read into memory."""

from __future__ import annotations

import hashlib
import mmap
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from firmware_checks.span import Span
from toolkit.core.errors import InputError
from toolkit.core.limits import Limits
from toolkit.core.window import Window

__all__ = ["Image", "open_image", "shown_name"]

HASH_CHUNK_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Image:
    """An open image file. ``name`` is the file's name without folders: reports carry no paths of a machine."""

    name: str
    span: Span
    mapping: mmap.mmap

    @property
    def size(self) -> int:
        """Size in bytes."""
        return self.span.size

    def sha256(self, on_bytes: Callable[[int], None]) -> str:
        """Return the SHA-256 of the whole file; ``on_bytes`` hears how many bytes were done with each step."""
        digest = hashlib.sha256()
        view = self.span.window.view
        for start in range(0, self.size, HASH_CHUNK_BYTES):
            chunk = view[start : start + HASH_CHUNK_BYTES]
            digest.update(chunk)
            on_bytes(len(chunk))
            self.release_pages()
        return digest.hexdigest()

    def release_pages(self) -> None:
        """Let the system take back pages already read, so that a file larger than memory does not fill it."""
        if sys.platform != "win32" and self.size > 64 << 20:
            self.mapping.madvise(mmap.MADV_DONTNEED)


@contextmanager
def open_image(path: Path, limits: Limits) -> Iterator[Image]:
    """Open ``path`` for reading; raise ``InputError`` with one clear line when that cannot be done."""
    size = _usable_size(path, limits)
    name = shown_name(path)
    try:
        with path.open("rb") as file:
            mapping = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        yield Image(name, Span(name, Window.of(mapping)), mapping)
    finally:
        with suppress(BufferError):  # who keeps the region tree keeps the mapping; it goes with the last view
            mapping.close()


def shown_name(path: Path) -> str:
    """Return the name of the file as reports write it; one that is not Unicode could not stand in them."""
    return path.name.encode("utf-8", "replace").decode()


def _usable_size(path: Path, limits: Limits) -> int:
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: cannot be opened: {reason}") from error
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"{path}: is a folder; name the image files in it")
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path}: is not a regular file; save the device's content to a file first")
    if status.st_size == 0:
        raise InputError(f"{path}: the file is empty")
    if status.st_size > limits.input_bytes:
        raise InputError(f"{path}: {status.st_size} bytes is more than the limit of {limits.input_bytes}")
    return status.st_size
