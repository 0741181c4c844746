"""Writing what is in an image to a folder, so that nothing gets out of that folder and nothing in it is trusted.

Links are not made and not followed, devices neither: a text file says what stood there. No file gets rights from the
image. Names that could do harm are refused, names that a system could not hold are changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from firmware_checks.listing import Row
from toolkit.app.safe_names import SafeNames, parts_of, refusal
from toolkit.core.errors import InputError
from toolkit.core.files import write_whole
from toolkit.report.model import Unread

__all__ = ["MANIFEST", "Extraction"]

MANIFEST = "medharden-extract.json"
PART = "medharden-extract.part"
STUBS = {
    "symbolic-link": "link",
    "hard-link": "link",
    "character-device": "device",
    "block-device": "device",
    "pipe": "pipe",
    "socket": "socket",
}
"""What is written instead, by kind: ``name.link.txt``."""


class Extracted(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the manifest: what of the image went to which file."""

    path: str
    type: str
    file: str
    size: int
    sha256: str


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the manifest: what was not written, and why."""

    path: str
    reason: str


@dataclass(slots=True)
class Extraction:
    """Writes rows of a listing to ``folder``, which must be new or empty."""

    folder: Path
    extracted: list[Extracted] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    folders: int = 0
    _names: SafeNames = field(default_factory=lambda: SafeNames((MANIFEST, PART)))
    _files: dict[str, str] = field(default_factory=dict)
    """By path in the image: the file it went to."""

    def __post_init__(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            occupied = any(self.folder.iterdir())
        except OSError as error:
            raise InputError(f"{self.folder}: cannot be used: {error.strerror or error}") from error
        if occupied:
            raise InputError(f"{self.folder}: is not empty; name a new folder, so that nothing is overwritten")

    def write(self, row: Row) -> None:
        """Write what ``row`` stands for, or note why not."""
        reason = refusal(row.name)
        if reason:
            self.refused.append(Refused(path=row.path, reason=reason))
            return
        parts = (*self._around(row), *parts_of(row.name))
        try:
            self._write(row, parts)
        except OSError as error:
            self.refused.append(Refused(path=row.path, reason=f"cannot be written: {error.strerror or error}"))

    def _around(self, row: Row) -> tuple[str, ...]:
        """Return the folders for the containers around ``row``: that of ``a/b.zip`` is ``a/b.zip!``."""
        folders: tuple[str, ...] = ()
        for name in row.inside:
            *above, last = parts_of(name) or ("_",)
            folders = (*folders, *above, f"{last}!")
        return folders

    def _write(self, row: Row, parts: tuple[str, ...]) -> None:
        if row.kind == "folder":
            self.folder.joinpath(*self._names.folder(parts)).mkdir(parents=True, exist_ok=True)
            self.folders += 1
        elif row.content is not None:
            self._put(row, parts or ("_",), row.content)
        elif row.kind == "hard-link":
            self._copy(row, parts or ("_",))
        elif row.kind in STUBS:
            self._stub(row, parts or ("_",))

    def _copy(self, row: Row, parts: tuple[str, ...]) -> None:
        """Write the content of the file that a hard link stands for, when that was written; else say what it is."""
        source = self._files.get(f"{row.container}!{row.entry.target}") if row.entry is not None else None
        if source is None:
            self._stub(row, parts)
        else:
            self._put(row, parts, self.folder.joinpath(source).read_bytes())

    def _stub(self, row: Row, parts: tuple[str, ...]) -> None:
        entry = row.entry
        target = f" to {entry.target}" if entry is not None and entry.target else ""
        device = f" {entry.device[0]}, {entry.device[1]}" if entry is not None and entry.device is not None else ""
        text = f"{row.kind}{target}{device}\n".encode("utf-8", "replace")
        self._put(row, (*parts[:-1], f"{parts[-1]}.{STUBS[row.kind]}.txt"), text)

    def _put(self, row: Row, parts: tuple[str, ...], content: bytes | memoryview) -> None:
        """Write a file in one go: it is there whole or not at all."""
        place = self._names.file(parts)
        file = self.folder.joinpath(*place)
        file.parent.mkdir(parents=True, exist_ok=True)
        part = self.folder / PART
        try:
            part.write_bytes(content)
            if file.exists() or file.is_symlink():
                raise FileExistsError(None, "something of that name is there already")
            part.rename(file)
        finally:
            part.unlink(missing_ok=True)
        name = "/".join(place)
        self._files[row.path] = name
        digest = row.sha256 if row.sha256 and content is row.content else hashlib.sha256(content).hexdigest()
        self.extracted.append(Extracted(path=row.path, type=row.kind, file=name, size=len(content), sha256=digest))

    def finish(self, image: str, unread: Sequence[Unread], limits_hit: Sequence[str]) -> bytes:
        """Write the account of what was written and what was not to the folder, and return it: JSON."""
        account = {
            "image": image,
            "files": self.extracted,
            "refused": self.refused,
            "unread": unread,
            "limits_hit": limits_hit,
        }
        manifest = msgspec.json.format(msgspec.json.encode(account)) + b"\n"
        write_whole(self.folder / MANIFEST, manifest)
        return manifest
