"""The list of devices that a hospital's maintenance system (CMMS) writes out as CSV, read without guessing silently.

Only the five columns that are needed are kept; whatever else stands in the file, such as names of patients, is
neither kept nor shown.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from dataclasses import dataclass
from itertools import islice
from typing import Annotated

import msgspec
from msgspec import Meta

from toolkit.core.errors import InputError, LimitExceeded

__all__ = ["Asset", "AssetList", "BrokenRow", "folded", "read_assets"]

MOST_BYTES = 64 << 20
MOST_ASSETS = 500_000
LONGEST_CELL = 200
"""Characters of a cell that are kept; no name or version is longer."""
_LINES_OF_A_ROW = 20
"""So many lines a quoted cell may span; beyond that its closing quote is missing."""
_DELIMITERS = ";,\t"

_COLUMNS = {
    "tag": (
        "asset tag", "asset", "asset number", "asset no", "asset id", "tag", "tag number", "equipment id",
        "equipment no", "equipment number", "inventory number", "control number", "numero d inventaire",
        "no inventaire", "n inventaire", "code equipement", "numero equipement", "immatriculation",
        "numero de inventario", "n inventario", "inventario", "no inventario", "codigo de equipo", "codigo equipo",
        "codigo", "etiqueta", "numero de activo", "activo",
    ),
    "serial": (
        "serial", "serial number", "serial no", "sn", "s n", "numero de serie", "no de serie", "n de serie",
        "n serie", "no serie", "num serie", "serie",
    ),
    "manufacturer": (
        "manufacturer", "make", "maker", "brand", "mfr", "mfg", "vendor", "manufacturer name", "fabricant",
        "marque", "constructeur", "fournisseur", "fabricante", "marca", "proveedor",
    ),
    "model": (
        "model", "model name", "model no", "model number", "product", "device", "device model", "modele", "type",
        "nom du modele", "produit", "designation", "modelo", "producto", "equipo", "nombre del modelo",
    ),
    "version": (
        "version", "software version", "firmware version", "sw version", "fw version", "firmware", "software",
        "release", "version logicielle", "version logiciel", "version du logiciel", "version firmware",
        "version micrologiciel", "logiciel", "micrologiciel", "version de software", "version software",
        "version del software", "version de firmware", "version del firmware",
    ),
    "location": (
        "location", "department", "dept", "ward", "site", "room", "unit", "emplacement", "localisation", "lieu",
        "service", "unite", "batiment", "salle", "ubicacion", "departamento", "servicio", "sala", "unidad", "lugar",
    ),
}  # fmt: skip
"""Names of the columns in English, French and Spanish, folded; the first that is there counts."""


class Asset(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One device of the hospital."""

    row: Annotated[int, Meta(description="Line of the file where it stands, from 1.")]
    tag: Annotated[str, Meta(description="Asset tag, or the serial number where there is none; may be empty.")]
    manufacturer: Annotated[str, Meta(description="Maker as written; may be empty.")]
    model: Annotated[str, Meta(description="Model as written.")]
    version: Annotated[str | None, Meta(description="Software version as written; null when it is not known.")]
    location: Annotated[str, Meta(description="Where it stands; may be empty.")]


class BrokenRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A row that could not be read and is not answered."""

    row: Annotated[int, Meta(description="Line of the file where it begins, from 1.")]
    problem: Annotated[str, Meta(description="What is wrong; never what stands in it.")]


@dataclass(frozen=True, slots=True)
class AssetList:
    """The devices of a file, and the rows that could not be read."""

    assets: tuple[Asset, ...]
    broken: tuple[BrokenRow, ...]


def folded(text: str) -> str:
    """Return ``text`` without accents and punctuation, in lower case, with single blanks."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return re.sub(r"[^0-9a-z]+", " ", "".join(char for char in plain if not unicodedata.combining(char))).strip()


def read_assets(data: bytes) -> AssetList:
    """Read a CSV file; raise ``InputError`` when its first row names no column of models."""
    if len(data) > MOST_BYTES:
        raise LimitExceeded("size of the list", f"a list of devices of more than {MOST_BYTES} bytes")
    lines = _decoded(data).splitlines(keepends=True)
    start = next((index for index, line in enumerate(lines) if line.strip(" ;,\t\r\n")), 0)
    delimiter, columns, width = _header(lines[start] if lines else "")
    assets: list[Asset] = []
    broken: list[BrokenRow] = []
    at = start + 1
    while at < len(lines):
        row, taken = _row(lines, at, delimiter)
        problem = row if isinstance(row, str) else _problem(row, columns, width)
        if problem:
            broken.append(BrokenRow(row=at + 1, problem=problem))
        elif any(cell.strip() for cell in row):
            assets.append(_asset(at + 1, list(row), columns))
        at += 1 if problem else taken
        if len(assets) + len(broken) > MOST_ASSETS:
            raise LimitExceeded("devices", f"a list of more than {MOST_ASSETS} devices")
    return AssetList(tuple(assets), tuple(broken))


def _decoded(data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _header(line: str) -> tuple[str, dict[str, int], int]:
    """Return delimiter, place of each column that is known, and number of columns."""
    best: tuple[str, dict[str, int], int] = (",", {}, 0)
    for delimiter in _DELIMITERS:
        cells = [folded(cell) for cell in next(csv.reader([line], delimiter=delimiter), [])]
        columns = {
            column: cells.index(name) for column, names in _COLUMNS.items() for name in reversed(names) if name in cells
        }
        if len(columns) > len(best[1]):
            best = delimiter, columns, len(cells)
    if "model" not in best[1]:
        raise InputError(
            "the first row of the list of devices names no column of models; needed are columns such as "
            "manufacturer, model, version, asset tag, location"
        )
    return best


def _row(lines: list[str], at: int, delimiter: str) -> tuple[list[str] | str, int]:
    """Return the cells of the row at ``at``, or what is wrong with it; and how many lines it takes."""
    reader = csv.reader(islice(lines, at, at + _LINES_OF_A_ROW), delimiter=delimiter, strict=True)
    try:
        cells = next(reader)
    except csv.Error:
        return "a quotation mark is missing or stands in the wrong place", 1
    return cells, reader.line_num


def _problem(cells: list[str], columns: dict[str, int], width: int) -> str:
    if not any(cell.strip() for cell in cells):
        return ""
    if any(cell.strip() for cell in cells[width:]):
        return f"{len(cells)} cells, but the first row names {width} columns"
    if len(cells) <= columns["model"] or not cells[columns["model"]].strip():
        return "it names no model"
    return ""


def _asset(row: int, cells: list[str], columns: dict[str, int]) -> Asset:
    def cell(column: str) -> str:
        place = columns.get(column)
        if place is None or place >= len(cells):
            return ""
        return " ".join("".join(char if char.isprintable() else " " for char in cells[place]).split())[:LONGEST_CELL]

    version = cell("version")
    return Asset(
        row=row,
        tag=cell("tag") or cell("serial"),
        manufacturer=cell("manufacturer"),
        model=cell("model"),
        version=version if any(char.isalnum() for char in version) and folded(version) not in _NO_VERSION else None,
        location=cell("location"),
    )


_NO_VERSION = frozenset(
    ["unknown", "n a", "na", "none", "inconnu", "inconnue", "desconocido", "desconocida", "tbd", "nc", "sin dato"]
)
