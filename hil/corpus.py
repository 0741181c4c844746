"""Frames that were worth keeping: those a device answered in a new way, and those that stopped it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from toolkit.core.errors import InputError
from toolkit.core.files import write_whole

__all__ = ["Corpus"]

MOST_FRAMES: Final = 500
MOST_FRAME_BYTES: Final = 1 << 16
NAME_DIGITS: Final = 16


class Corpus:
    """A set of frames, in a folder where one is given, so that the next run begins with what this one has found.

    One file a frame: ``crash-`` or ``frame-`` and the first digits of its SHA-256.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self.frames: list[bytes] = [] if folder is None else _read(folder)
        """Those that stopped a device first."""

    def keep(self, frame: bytes) -> None:
        """Keep a frame that was answered in a new way; the first 500 are kept."""
        if len(self.frames) < MOST_FRAMES and frame not in self.frames:
            self.frames.append(frame)
            self._write("frame", frame)

    def keep_crash(self, frame: bytes) -> None:
        """Keep a frame that stops a device."""
        self._write("crash", frame)

    def _write(self, kind: str, frame: bytes) -> None:
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            name = f"{kind}-{hashlib.sha256(frame).hexdigest()[:NAME_DIGITS]}.bin"
            write_whole(self._folder / name, frame)


def _read(folder: Path) -> list[bytes]:
    if not folder.exists():
        return []
    if not folder.is_dir():
        raise InputError(f"{folder}: is no folder")
    paths = sorted([*folder.glob("crash-*.bin")]) + sorted([*folder.glob("frame-*.bin")])
    try:
        return [path.read_bytes() for path in paths[:MOST_FRAMES] if path.stat().st_size <= MOST_FRAME_BYTES]
    except OSError as error:
        raise InputError(f"{folder}: cannot be read: {error.strerror or error}") from error
