"""Facts kept as one TOML file per row."""

from __future__ import annotations

import tomllib
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TypeVar

import msgspec

from toolkit.core.errors import RuleError

__all__ = ["read_rows"]

Row = TypeVar("Row")


def read_rows(folder: Traversable | Path, kind: type[Row]) -> tuple[Row, ...]:
    """Return the rows in ``folder`` by file name; raise ``RuleError`` with the file and field that is wrong."""
    files = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".toml")), key=lambda entry: entry.name)
    rows: list[Row] = []
    for file in files:
        try:
            rows.append(msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), kind))
        except (msgspec.ValidationError, tomllib.TOMLDecodeError) as error:
            raise RuleError(f"{file.name}: {error}") from error
    return tuple(rows)
