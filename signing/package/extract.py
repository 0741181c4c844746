"""Unpacks a verified update into a new folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from signing.package.release import File
from signing.refusal import Refusal
from signing.strict.names import check_names
from signing.verified import VerifiedUpdate, require_verified
from toolkit.core.errors import InputError

__all__ = ["extract"]


def extract(update: VerifiedUpdate, folder: Path, *, original_names: bool = False) -> Iterator[Path]:
    """Write each file of ``update`` into the new ``folder`` and yield its path; a link in the way is never followed.

    The content is hashed again on its way, and nothing of a file is seen under its name before all of it is there.
    """
    genuine = require_verified(update)
    names = _names(genuine, original_names=original_names)
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise InputError(f"{folder}: a new folder is needed: {error.strerror or error}") from error
    for file, name in names.items():
        path = folder / name
        part = folder / f".{file.name}.part"
        try:
            with genuine.private_copy(file) as content, part.open("xb") as output:
                shutil.copyfileobj(content, output)
            part.replace(path)
        except OSError as error:
            raise InputError(f"{path}: cannot be written: {error.strerror or error}") from error
        yield path


def _names(update: VerifiedUpdate, *, original_names: bool) -> dict[File, str]:
    """Return what each file is called in the folder; refuse names that a stick or Windows would take for others."""
    names = {file: (file.original_name if original_names else None) or file.name for file in update.release.files}
    if any("/" in name for name in names.values()):
        raise Refusal("name.traversal", "an original name leads into another folder")
    check_names([*names.values(), *(f".{file.name}.part" for file in names)])
    return names
