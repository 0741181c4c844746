"""Turning what a source says about affected products into rows that a database can search."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator

import msgspec

from firmware_checks.vulnerabilities.cpe import ANY, NONE, Cpe, parse_cpe
from firmware_checks.vulnerabilities.kernel_branches import PREFIX, split_by_branch
from firmware_checks.vulnerabilities.record import Configuration, Node, ProductMatch, Record, require_shallow
from firmware_checks.vulnerabilities.tables import CONFIGURATION_SHIFT, MOST_NODES, Schemes, attributes_of
from firmware_checks.vulnerabilities.versions import (
    AFTER_ALL,
    BEFORE_ALL,
    SchemeName,
    any_update,
    just_after,
    version_key,
)
from toolkit.core.errors import FormatError

__all__ = ["AffectedRows", "bounds_of", "packed_tree", "range_text", "unpacked_tree"]

MOST_NAMES = 200_000
"""CPE names that are kept read; a feed repeats them."""
BATCH = 20_000
COMPRESSED_FROM_BYTES = 400
_DOUBT = "doubt"

AffectedRow = tuple[int, bytes, bytes, int, int, int, str, str | None, int]


class AffectedRows:
    """Collects the rows of one file; ``flush`` writes them in the order of the table, which is quick."""

    def __init__(self, connection: sqlite3.Connection, schemes: Schemes) -> None:
        self._db = connection
        self._schemes = schemes
        self._products: dict[tuple[str, str, str], int] = {}
        self._scheme_of: dict[int, SchemeName] = {}
        for number, part, vendor, name, scheme in connection.execute("SELECT * FROM product"):
            self._products[part, vendor, name] = number
            self._scheme_of[number] = SchemeName(scheme)
        self._names: dict[str, tuple[int, Cpe, str | None]] = {}
        self._batch: list[AffectedRow] = []
        self._state = 0
        self._trees: list[tuple[int, int, bytes]] = []
        self._new_products: list[tuple[int, str, str, str, str]] = []
        self._forgotten: list[tuple[int, int]] = []
        connection.execute(
            "CREATE TEMP TABLE staged (product INTEGER, low BLOB, high BLOB, record INTEGER, row INTEGER, "
            "node INTEGER, range TEXT, attributes TEXT, record_state INTEGER)"
        )

    def add(self, record: Record, number: int) -> None:
        """Take the rows of ``record``, which is stored under ``number``."""
        row, self._state = 0, self._state + 1
        for index, configuration in enumerate(record.configurations):
            is_plain = configuration.is_plain
            if not is_plain:
                require_shallow(configuration.nodes)
                self._trees.append((number, index, packed_tree(configuration)))
            for place, node in enumerate(_flat(configuration.nodes)):
                where = index << CONFIGURATION_SHIFT | min(place, MOST_NODES) << 1 | (not is_plain)
                for match in _matches(node):
                    if match.vulnerable and (start := self._start(match)) is not None:
                        self._batch.append((*start[:3], number, row, where, *start[3:], self._state))
                        row += 1
        if len(self._batch) + len(self._trees) > BATCH:
            self._stage()

    def products_of(self, record: Record) -> set[int]:
        """Return the products that ``record`` speaks of."""
        found: set[int] = set()
        for configuration in record.configurations:
            for node in _flat(configuration.nodes):
                found |= {known[0] for match in node.cpe_match if (known := self._named(match.criteria)) is not None}
        return found

    def _start(self, match: ProductMatch) -> tuple[int, bytes, bytes, str, str | None] | None:
        known = self._named(match.criteria)
        if known is None:
            return None
        product, cpe, attributes = known
        low, high = bounds_of(match, cpe, self._scheme_of[product])
        if match.doubt:
            attributes = "\n".join(filter(None, (attributes, f"{_DOUBT}={match.doubt}")))
        return product, low, high, range_text(match, cpe), attributes

    def _named(self, criteria: str) -> tuple[int, Cpe, str | None] | None:
        known = self._names.get(criteria)
        if known is None:
            try:
                cpe = parse_cpe.__wrapped__(criteria)
            except FormatError:
                return None  # a name that nothing can match
            if len(self._names) > MOST_NAMES:
                self._names.clear()
            known = self._names[criteria] = (self._product(cpe), cpe, attributes_of(cpe))
        return known

    def _product(self, cpe: Cpe) -> int:
        number = self._products.get(cpe.product_key)
        if number is None:
            number = self._products[cpe.product_key] = len(self._products) + 1
            scheme = self._scheme_of[number] = self._schemes.scheme(cpe.vendor, cpe.product)
            self._new_products.append((number, *cpe.product_key, scheme.value))
        return number

    def _stage(self) -> None:
        self._db.executemany("INSERT INTO staged VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", self._batch)
        self._db.executemany("INSERT OR REPLACE INTO configuration VALUES (?, ?, ?)", self._trees)
        self._db.executemany("INSERT INTO product VALUES (?, ?, ?, ?, ?)", self._new_products)
        for batch in (self._batch, self._trees, self._new_products):
            batch.clear()

    def flush(self) -> None:
        """Write what was collected."""
        self._stage()
        if self._forgotten:
            self._forget()
        self._db.execute(
            "INSERT INTO affected SELECT product, low, high, record, row, node, range, attributes FROM staged "
            "ORDER BY product, low, record, row"
        )
        self._db.execute("DELETE FROM staged")

    def forget(self, number: int) -> None:
        """Drop the rows that the record ``number`` has had until now."""
        self._stage()
        self._db.execute("DELETE FROM configuration WHERE record = ?", (number,))
        self._forgotten.append((number, self._state))

    def _forget(self) -> None:
        self._db.execute("CREATE TEMP TABLE forgotten (record INTEGER PRIMARY KEY, state INTEGER)")
        self._db.executemany("INSERT OR REPLACE INTO forgotten VALUES (?, ?)", self._forgotten)
        self._db.execute("DELETE FROM affected WHERE record IN (SELECT record FROM forgotten)")
        self._db.execute(
            "DELETE FROM staged WHERE record_state <= (SELECT state FROM forgotten WHERE record = staged.record)"
        )
        self._db.execute("DROP TABLE forgotten")
        self._forgotten.clear()


def _flat(nodes: list[Node]) -> Iterator[Node]:
    for node in nodes:
        yield node
        yield from _flat(node.children)


def _matches(node: Node) -> list[ProductMatch]:
    matches = node.cpe_match
    if len(matches) > 1 and matches[0].criteria.startswith(PREFIX):
        return split_by_branch(matches)
    return matches


def packed_tree(configuration: Configuration) -> bytes:
    """Return a configuration as bytes; a large one is compressed."""
    tree = msgspec.json.encode(configuration)
    return tree if len(tree) < COMPRESSED_FROM_BYTES else zlib.compress(tree, 1)


def unpacked_tree(data: bytes) -> Configuration:
    """Return the configuration that ``data`` stands for."""
    is_plain = data.startswith(b"{")
    return msgspec.json.decode(data if is_plain else zlib.decompress(data), type=Configuration)


def bounds_of(match: ProductMatch, cpe: Cpe, scheme: SchemeName) -> tuple[bytes, bytes]:
    """Return the half-open range of keys of the versions that ``match`` names."""
    if cpe.version not in (ANY, NONE):
        if cpe.update == ANY:
            return any_update(cpe.version, scheme)
        key = version_key(cpe.full_version, scheme)
        return key, just_after(key)
    low, high = BEFORE_ALL, AFTER_ALL
    if match.version_start_including is not None:
        low = version_key(match.version_start_including, scheme)
    elif match.version_start_excluding is not None:
        low = just_after(version_key(match.version_start_excluding, scheme))
    if match.version_end_excluding is not None:
        high = version_key(match.version_end_excluding, scheme)
    elif match.version_end_including is not None:
        high = just_after(version_key(match.version_end_including, scheme))
    return low, high


def range_text(match: ProductMatch, cpe: Cpe) -> str:
    """Return the range as people write it: ``>=1.0 <1.5``, ``=4.2.8-p10``, ``*`` for all, ``-`` for not said."""
    if cpe.version not in (ANY, NONE):
        return f"={cpe.full_version}"
    if match.version_start_including is not None and match.version_start_including == match.version_end_including:
        return f"={match.version_end_including}"
    bounds = (
        (">=", match.version_start_including),
        (">", match.version_start_excluding),
        ("<", match.version_end_excluding),
        ("<=", match.version_end_including),
    )
    text = " ".join([f"{sign}{bound}" for sign, bound in bounds if bound is not None])
    return text or cpe.full_version
