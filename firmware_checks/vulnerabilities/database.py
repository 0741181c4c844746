"""Asking the database of vulnerabilities."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple, Self

from firmware_checks.vulnerabilities.record import Configuration, SourceKind, vulnerability_name, vulnerability_number
from firmware_checks.vulnerabilities.rows import unpacked_tree
from firmware_checks.vulnerabilities.tables import (
    CONDITIONAL,
    CONFIGURATION_SHIFT,
    MOST_NODES,
    SOURCES,
    open_for_reading,
)
from firmware_checks.vulnerabilities.versions import SchemeName, version_key

__all__ = [
    "CONDITIONAL",
    "SOURCE_NAMES",
    "AffectedRow",
    "Database",
    "FeedAge",
    "StoredCycle",
    "StoredProduct",
    "place_of",
]

SOURCE_NAMES = {kind.value: kind.name.lower() for kind in SourceKind}
_QUESTION = f"""
SELECT a.record, a.node, a.range, a.attributes, r.score, r.is_authority,
       r.origin, CASE WHEN r.is_authority THEN 0 ELSE EXISTS (
           SELECT 1 FROM authority n WHERE n.vulnerability = a.record / {SOURCES} AND n.product = a.product) END,
       e.added, s.probability, r.text, r.cvss, r.cwes
FROM affected a
JOIN record r ON r.id = a.record
LEFT JOIN exploited e ON e.vulnerability = a.record / {SOURCES}
LEFT JOIN epss s ON s.vulnerability = a.record / {SOURCES}
WHERE a.product = ? AND r.status <> 3"""  # noqa: S608  # the number is ours
_OF_VERSION = f"{_QUESTION} AND a.low <= ? AND a.high > ?"


class StoredProduct(NamedTuple):
    """A product that the database knows."""

    id: int
    part: str
    vendor: str
    name: str
    scheme: SchemeName

    @property
    def label(self) -> str:
        """Part, vendor and product."""
        return f"{self.part}:{self.vendor}:{self.name}"


class AffectedRow(NamedTuple):
    """One range of one record that holds the version asked for."""

    record: int
    node: int
    range: str
    attributes: str | None
    score: float | None
    is_authority: bool
    origin: str | None
    is_outranked: bool
    """Whether others than the makers say it, and the makers say something about this vulnerability too."""
    exploited_since: str | None
    epss: float | None
    text: str | None
    cvss: str | None
    """Scores, vectors and who gave them, as JSON."""
    cwes: str | None
    """Numbers of CWE with commas between."""


@cache
def place_of(node: int) -> str:
    """Return configuration and node as they are counted in the record."""
    return f"{node >> CONFIGURATION_SHIFT}/{node >> 1 & MOST_NODES}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedAge:
    """One file that was imported, and the day of its data."""

    kind: str
    title: str
    date: str
    imported: str


class StoredCycle(NamedTuple):
    """A line of versions of a product of endoflife.date."""

    product: str
    cycle: str
    end_of_support: str
    end_of_paid_support: str


class Database:
    """A database made by ``medharden db``; close it after use."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db = open_for_reading(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def products(self, vendor: str, name: str) -> list[StoredProduct]:
        """Return the products of a vendor under a name; more than one where their part differs."""
        rows = self._db.execute("SELECT * FROM product WHERE name = ? AND vendor = ?", (name, vendor))
        return [
            StoredProduct(number, part, owner, label, SchemeName(scheme)) for number, part, owner, label, scheme in rows
        ]

    def products_named(self, name: str) -> list[StoredProduct]:
        """Return the products of any vendor under a name."""
        rows = self._db.execute("SELECT * FROM product WHERE name = ? ORDER BY id", (name,))
        return [
            StoredProduct(number, part, owner, label, SchemeName(scheme)) for number, part, owner, label, scheme in rows
        ]

    def affected(self, product: StoredProduct, version: str | None) -> list[AffectedRow]:
        """Return the ranges that hold ``version`` of ``product``; all of them when it is None."""
        if version is None:
            rows = self._db.execute(_QUESTION, (product.id,))
        else:
            key = version_key(version, product.scheme)
            rows = self._db.execute(_OF_VERSION, (product.id, key, key))
        return list(map(AffectedRow._make, rows))

    def configuration(self, row: AffectedRow) -> Configuration:
        """Return the configuration that ``row`` is part of."""
        found = self._db.execute(
            "SELECT tree FROM configuration WHERE record = ? AND number = ?",
            (row.record, row.node >> CONFIGURATION_SHIFT),
        ).fetchone()
        return unpacked_tree(found[0])

    def source_files(self, name: str) -> tuple[str, ...]:
        """Return the files of the source that the records name as touched by the correction of a CVE.

        Names that were read from a description are marked; see ``named_files``.
        """
        number = vulnerability_number(name)
        if number is None:
            return ()
        question = "SELECT files FROM source_file WHERE record BETWEEN ? AND ?"
        rows = self._db.execute(question, (number * SOURCES, number * SOURCES + SOURCES - 1))
        return tuple(sorted({file for (packed,) in rows for file in zlib.decompress(packed).decode().split("\n")}))

    def cycles(self, names: list[str]) -> list[StoredCycle]:
        """Return the lines of versions of the products that go by one of ``names``."""
        question = (
            "SELECT DISTINCT c.product, c.cycle, c.end_of_support, c.end_of_paid_support "
            "FROM cycle_name n JOIN cycle c USING (product) WHERE n.name = ? ORDER BY c.product, c.cycle"
        )
        rows = [StoredCycle._make(row) for name in names for row in self._db.execute(question, (name,))]
        return list(dict.fromkeys(rows))

    def name_of(self, vulnerability: int) -> str:
        """Return the name of a vulnerability."""
        if vulnerability > 0:
            return vulnerability_name(vulnerability)
        found = self._db.execute("SELECT name FROM other_name WHERE number = ?", (vulnerability,)).fetchone()
        return str(found[0])

    def feeds(self) -> list[FeedAge]:
        """Return what was imported, and how old it is."""
        rows = self._db.execute("SELECT kind, title, date, imported FROM feed ORDER BY kind, title")
        return [FeedAge(kind=kind, title=title, date=date, imported=imported) for kind, title, date, imported in rows]

    def counts(self) -> dict[str, int]:
        """Return how many rows there are of each kind."""
        tables = {
            "vulnerabilities": "record",
            "ranges": "affected",
            "products": "product",
            "exploited": "exploited",
            "scores": "epss",
            "cycles": "cycle",
            "advisories": "advisory",
        }
        count = "SELECT count(*) FROM "
        return {label: self._db.execute(count + table).fetchone()[0] for label, table in tables.items()}
