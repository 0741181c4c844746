"""Unpacks a verified update into a new folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from signing.refusal import Refusal
from signing.verified import VerifiedUpdate, require_verified
from toolkit.core.errors import InputError

__all__ = ["extract"]


def extract(update: VerifiedUpdate, folder: Path, *, original_names: bool = False) -> Iterator[Path]:
    """Write each file of ``update`` into the new ``folder`` and yield its path; a link in the way is never followed.

    The content is hashed again on its way, and nothing of a file is seen under its name before all of it is there.
    """
    genuine = require_verified(update)
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise InputError(f"{folder}: a new folder is needed: {error.strerror or error}") from error
    for file in genuine.release.files:
        path = folder / (_plain(file.original_name) if original_names and file.original_name else file.name)
        part = folder / f".{file.name}.part"
        with genuine.private_copy(file) as content, part.open("xb") as output:
            shutil.copyfileobj(content, output)
        if path.exists() or path.is_symlink():
            raise InputError(f"{path} is there already")
        part.replace(path)
        yield path


def _plain(name: str) -> str:
    """Return ``name`` if it is that of a file and nothing else."""
    if name != Path(name).name or name in ("", ".", "..") or set(name) & set('<>:"|?*\\/'):
        raise Refusal("package.name", f"the original name {name[:60]!r} cannot be held safely by every system")
    return name
