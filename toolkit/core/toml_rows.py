"""Facts kept as one TOML file per row, and an index that makes many of them quick to read.

Reading TOML takes half a millisecond a file, which hundreds of files turn into what a person waits for. Beside the
files of a folder may stand ``index.json``, which says the same and is read at once. A row of it counts only while the
digest of its file is the same: the index can be late but never wrong.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TypeVar

import msgspec

from toolkit.core.errors import RuleError

__all__ = ["INDEX", "TomlFile", "index_text", "read_files", "read_rows"]

INDEX = "index.json"
Row = TypeVar("Row")


class _Indexed(msgspec.Struct, frozen=True):
    sha256: str
    content: msgspec.Raw


@dataclass(frozen=True, slots=True)
class TomlFile:
    """One file; ``content`` is the same as JSON when the index knows it."""

    name: str
    data: bytes
    content: bytes | None = None

    def decode(self, kind: type[Row]) -> Row:
        """Return the row; raise ``RuleError`` with the file and field that is wrong."""
        try:
            if self.content is not None:
                return msgspec.json.decode(self.content, type=kind)
            return msgspec.convert(tomllib.loads(self.data.decode("utf-8")), kind)
        except (msgspec.ValidationError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise RuleError(f"{self.name}: {error}") from error


def read_files(folder: Traversable | Path) -> Iterator[TomlFile]:
    """Yield the TOML files in ``folder`` by name."""
    index = folder.joinpath(INDEX)
    known = msgspec.json.decode(index.read_bytes(), type=dict[str, _Indexed]) if index.is_file() else {}
    for file in _toml_files(folder):
        data = file.read_bytes()
        row = known.get(file.name)
        fresh = row is not None and row.sha256 == hashlib.sha256(data).hexdigest()
        yield TomlFile(file.name, data, bytes(row.content) if row is not None and fresh else None)


def read_rows(folder: Traversable | Path, kind: type[Row]) -> tuple[Row, ...]:
    """Return the rows in ``folder`` by file name; raise ``RuleError`` with the file and field that is wrong."""
    return tuple(file.decode(kind) for file in read_files(folder))


def index_text(folder: Traversable | Path) -> bytes:
    """Return what the index of ``folder`` must hold for the files as they are."""
    rows: dict[str, _Indexed] = {}
    for file in _toml_files(folder):
        data = file.read_bytes()
        content = msgspec.json.encode(tomllib.loads(data.decode("utf-8")))
        rows[file.name] = _Indexed(hashlib.sha256(data).hexdigest(), msgspec.Raw(content))
    lines = (f"{msgspec.json.encode(name).decode()}:{msgspec.json.encode(row).decode()}" for name, row in rows.items())
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode("utf-8")


def _toml_files(folder: Traversable | Path) -> list[Traversable | Path]:
    return sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
