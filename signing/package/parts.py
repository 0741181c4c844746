"""A package on a FAT32 stick: one file, or parts ``name.mdpkg.001``, ``.002`` ... where one file would be too long."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Final, cast

from toolkit.core.errors import InputError

__all__ = ["FAT32_BYTES", "PartsWriter", "open_package"]

FAT32_BYTES: Final = (4 << 30) - 1
"""Longest file FAT32 can hold."""
MOST_PARTS: Final = 999


@contextmanager
def open_package(path: Path) -> Iterator[BinaryIO]:
    """Open the package at ``path``: the file itself, or its parts one behind the other as if they were one file."""
    paths = [path] if path.is_file() else _parts(path)
    if not paths:
        raise InputError(f"{path}: there is no such package")
    with ExitStack() as stack:
        try:
            files = [stack.enter_context(part.open("rb")) for part in paths]
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
        yield files[0] if len(files) == 1 else cast("BinaryIO", _Joined(files))


def _parts(path: Path) -> list[Path]:
    """Return the parts of ``path`` from 001 on, without a gap."""
    found: list[Path] = []
    for number in range(1, MOST_PARTS + 1):
        part = _part(path, number)
        if not part.is_file():
            break
        found.append(part)
    return found


def _part(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number:03}")


class _Joined(io.RawIOBase):
    """Several files as one seekable stream."""

    def __init__(self, files: Sequence[BinaryIO]) -> None:
        self._files = files
        self._sizes = [file.seek(0, io.SEEK_END) for file in files]
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: sum(self._sizes)}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # narrower than the library's Buffer
        start = 0
        for file, size in zip(self._files, self._sizes, strict=True):
            if self._at < start + size:
                file.seek(self._at - start)
                data = file.read(min(len(buffer), start + size - self._at))
                buffer[: len(data)] = data
                self._at += len(data)
                return len(data)
            start += size
        return 0


class PartsWriter(io.RawIOBase):
    """Writes a package to ``path``, in parts once it outgrows ``part_bytes``; ``commit`` makes it visible."""

    def __init__(self, path: Path, part_bytes: int = FAT32_BYTES) -> None:
        self._path = path
        self._part_bytes = part_bytes
        self._temporary: list[Path] = []
        self._file: BinaryIO | None = None
        self._in_part = 0

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # narrower than the library's Buffer
        """Write all of ``data``."""
        view = memoryview(data)
        while view:
            if self._file is None or self._in_part >= self._part_bytes:
                self._next_part()
            assert self._file is not None  # noqa: S101  # opened in the line above
            piece = view[: self._part_bytes - self._in_part]
            with self._explained():
                self._file.write(piece)
            self._in_part += len(piece)
            view = view[len(piece) :]
        return len(data)

    def commit(self) -> list[Path]:
        """Put what was written in its place, synced, and return the files."""
        self._close_part()
        single = len(self._temporary) == 1
        targets = [self._path if single else _part(self._path, n) for n in range(1, len(self._temporary) + 1)]
        with self._explained():
            for temporary, target in zip(self._temporary, targets, strict=True):
                temporary.replace(target)
            self._temporary = []
            for stale in _parts(self._path) if single else [self._path]:
                stale.unlink(missing_ok=True)
        return targets

    def close(self) -> None:
        """Remove what was not committed."""
        if self._file is not None:
            self._file.close()
            self._file = None
        for temporary in self._temporary:
            temporary.unlink(missing_ok=True)
        self._temporary = []
        super().close()

    def _next_part(self) -> None:
        self._close_part()
        if len(self._temporary) == MOST_PARTS:
            raise InputError(f"{self._path}: more than {MOST_PARTS} parts would be needed")
        temporary = self._path.with_name(f".{self._path.name}.{len(self._temporary) + 1:03}.part")
        with self._explained():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary.unlink(missing_ok=True)  # what an earlier run left, or a link that somebody put there
            self._file = temporary.open("xb")
        self._temporary.append(temporary)
        self._in_part = 0

    def _close_part(self) -> None:
        import os

        if self._file is not None:
            with self._explained():
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
            self._file = None

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say in one line what the medium has to complain about: it is full, or was pulled out."""
        try:
            yield
        except OSError as error:
            raise InputError(f"{self._path}: cannot be written: {error.strerror or error}") from error
