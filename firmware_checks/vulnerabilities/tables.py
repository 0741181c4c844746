"""The tables of the database, and how it is opened."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from firmware_checks.vulnerabilities.cpe import ANY, NONE, Cpe
from firmware_checks.vulnerabilities.knowledge import KnowledgeBase
from firmware_checks.vulnerabilities.versions import SchemeName
from toolkit.core.errors import InputError

__all__ = [
    "ATTRIBUTES",
    "CONDITIONAL",
    "CONFIGURATION_SHIFT",
    "FORMAT",
    "MOST_NODES",
    "SCHEMA",
    "SOURCES",
    "Schemes",
    "attributes_of",
    "open_for_building",
    "open_for_reading",
]

FORMAT = "1"
"""Changes when the tables or the keys of versions do; a database of another format is imported anew."""
SOURCES = 16
"""The number of a record is that of its vulnerability times this, plus that of its source."""
CONFIGURATION_SHIFT, MOST_NODES, CONDITIONAL = 9, 255, 1
"""``node`` of a row is the number of its configuration, of its node, and whether all of the configuration counts."""
CACHE_KIBIBYTES = 65_536
MAPPED_BYTES = 1 << 29
"""So much of a database is read in place, which saves the first question a tenth of its time."""

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE feed (kind TEXT, title TEXT, date TEXT, imported TEXT, PRIMARY KEY (kind, title)) WITHOUT ROWID;
CREATE TABLE product (
    id INTEGER PRIMARY KEY, part TEXT, vendor TEXT, name TEXT, scheme TEXT, UNIQUE (name, vendor, part));
CREATE TABLE record (
    id INTEGER PRIMARY KEY, status INTEGER, is_authority INTEGER, score REAL, published TEXT, modified TEXT,
    cvss TEXT, cwes TEXT, origin TEXT, text TEXT);
CREATE TABLE source_file (record INTEGER PRIMARY KEY, files BLOB);
CREATE TABLE other_name (number INTEGER PRIMARY KEY, name TEXT UNIQUE);
CREATE TABLE affected (
    product INTEGER, low BLOB, high BLOB, record INTEGER, row INTEGER, node INTEGER, range TEXT, attributes TEXT,
    PRIMARY KEY (product, low, record, row)) WITHOUT ROWID;
CREATE TABLE configuration (record INTEGER, number INTEGER, tree BLOB, PRIMARY KEY (record, number)) WITHOUT ROWID;
CREATE TABLE authority (vulnerability INTEGER, product INTEGER, PRIMARY KEY (vulnerability, product)) WITHOUT ROWID;
CREATE TABLE exploited (
    vulnerability INTEGER PRIMARY KEY, added TEXT, due TEXT, ransomware INTEGER, title TEXT, action TEXT);
CREATE TABLE epss (vulnerability INTEGER PRIMARY KEY, probability REAL, percentile REAL);
CREATE TABLE cycle (
    product TEXT, cycle TEXT, label TEXT, released TEXT, end_of_support TEXT, end_of_paid_support TEXT, latest TEXT,
    PRIMARY KEY (product, cycle)) WITHOUT ROWID;
CREATE TABLE cycle_name (name TEXT, product TEXT, PRIMARY KEY (name, product)) WITHOUT ROWID;
CREATE TABLE advisory (id TEXT PRIMARY KEY, title TEXT, publisher TEXT, released TEXT, url TEXT) WITHOUT ROWID;
CREATE TABLE advisory_product (
    advisory TEXT, row INTEGER, vulnerability TEXT, status TEXT, vendor TEXT, product TEXT, version TEXT,
    PRIMARY KEY (advisory, row)) WITHOUT ROWID;
"""
"""``affected``: versions whose key is at or after ``low`` and before ``high``. ``node``: number of the configuration
times 512, of the node in it times 2, plus 1 where the whole ``configuration`` must be looked at."""

ATTRIBUTES = ("edition", "language", "software_edition", "target_software", "target_hardware", "other")
"""Fields of a CPE name that narrow down which edition is meant; in ``affected`` as ``field=value`` lines."""


@dataclass(frozen=True, slots=True)
class Schemes:
    """How the versions of each product are ordered."""

    by_product: Mapping[tuple[str, str], SchemeName]

    @classmethod
    def of(cls, knowledge: KnowledgeBase) -> Schemes:
        """Return the schemes that ``knowledge`` gives to vendors' products."""
        from firmware_checks.vulnerabilities.cpe import parse_cpe

        found: dict[tuple[str, str], SchemeName] = {}
        for product in knowledge.products:
            for name in product.cpes:
                cpe = parse_cpe(f"cpe:2.3:{name}")
                found[cpe.vendor, cpe.product] = product.scheme
        return cls(found)

    def scheme(self, vendor: str, product: str) -> SchemeName:
        """Return the scheme of a product; of one that is not known each number counts."""
        return self.by_product.get((vendor, product), SchemeName.DASHED)


def attributes_of(cpe: Cpe) -> str | None:
    """Return which edition is meant, as lines; None when any."""
    if (
        cpe.edition == cpe.language == cpe.software_edition == cpe.target_software == ANY
        and cpe.target_hardware == cpe.other == ANY
    ):
        return None
    values = ((name, getattr(cpe, name)) for name in ATTRIBUTES)
    return "\n".join(f"{name}={value}" for name, value in values if value not in (ANY, NONE)) or None


def open_for_building(path: Path) -> sqlite3.Connection:
    """Open a database that nobody else sees yet: quick, and useless after a power cut."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=0)
    try:
        connection.executescript(
            f"PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; "
            f"PRAGMA cache_size=-{CACHE_KIBIBYTES}; PRAGMA temp_store=FILE; BEGIN EXCLUSIVE;"
        )
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Open a database; raise ``InputError`` when there is none, or one of another format."""
    if not path.is_file():
        raise InputError(f"{path}: there is no database of vulnerabilities; medharden db import makes one")
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        connection.execute(f"PRAGMA cache_size=-{CACHE_KIBIBYTES}")
        connection.execute(f"PRAGMA mmap_size={MAPPED_BYTES}").fetchone()
        row = connection.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()
    except sqlite3.Error as error:
        connection.close()
        raise InputError(f"{path}: this is no database of vulnerabilities: {error}") from error
    if row is None or row[0] != FORMAT:
        connection.close()
        raise InputError(f"{path}: made by another version of medharden; import the data again")
    return connection
