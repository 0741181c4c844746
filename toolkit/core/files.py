"""Writing files so that a pulled plug leaves the old content or the new, never half of it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from toolkit.core.errors import InputError

__all__ = ["write_folder", "write_whole"]


def write_whole(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` through a temporary file beside it, synced and renamed; replaces what was there.

    A device or a pipe, such as ``/dev/null``, is written to and stays what it is; a link is followed.
    """
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            path.write_bytes(data)
            return
        target = path.resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)  # mkstemp makes it private; a report is meant to be handed on
        temporary.replace(target)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_folder(folder: Path, files: Mapping[str, bytes], *, replace: bool = False) -> None:
    """Write ``files``, by path with ``/``, as the new folder ``folder``: it is there with all of them, or not at all.

    What is there already stays, with ``InputError``, unless it is to be ``replace``d as a whole. The paths are the
    caller's to vouch for.
    """
    target = folder.resolve()
    if target.exists() and not replace and not _is_empty(target):
        raise InputError(f"{folder}: is there already; name a new folder, or replace it on purpose with --replace")
    stage: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part"))
        for path, data in files.items():
            write_whole(stage.joinpath(*path.split("/")), data)
        stage.chmod(0o755)  # mkdtemp makes it private; a pack is meant to be handed on
        _put_in_place(stage, target)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror or error}") from error
    finally:
        if stage is not None:
            shutil.rmtree(stage, ignore_errors=True)


def _is_empty(target: Path) -> bool:
    return target.is_dir() and not any(target.iterdir())


def _put_in_place(stage: Path, target: Path) -> None:
    """Rename ``stage`` to ``target``; what stood there goes last, and until then lies beside it."""
    if not target.exists():
        stage.replace(target)
        return
    aside = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=".old"))
    target.replace(aside / target.name)
    stage.replace(target)
    shutil.rmtree(aside, ignore_errors=True)
