"""Making a database of vulnerabilities beside the one in use, and putting it in its place when it is whole.

The old database stays as it is until the new one is written and synced; then one rename puts the new one there.
Whatever stops the program before leaves the old one untouched. All files of one import count, or none.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from firmware_checks.vulnerabilities.feed import (
    CsafAdvisory,
    Cycle,
    Epss,
    Feed,
    FeedHead,
    Item,
    KnownExploited,
    Member,
    UnknownFeed,
    feed_of,
    feeds,
    members,
)
from firmware_checks.vulnerabilities.knowledge import KnowledgeBase
from firmware_checks.vulnerabilities.named_files import named_files
from firmware_checks.vulnerabilities.record import Record, SourceKind, vulnerability_number
from firmware_checks.vulnerabilities.rows import AffectedRows
from firmware_checks.vulnerabilities.tables import FORMAT, SCHEMA, SOURCES, Schemes, open_for_building
from toolkit.core.errors import FormatError, InputError

__all__ = ["Imported", "build"]

TEXT_CHARACTERS = 300
"""What a report shows of a description; it names the source for the rest."""
DAY_CHARACTERS = len("2026-11-24")
BATCH = 10_000
"""Rows handed to the database at a time."""


@dataclass(slots=True)
class Imported:
    """What one file brought."""

    path: str
    kind: str = ""
    date: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    """Items by kind, and ``older``: what was there already, in the same or a newer state."""

    def count(self, what: str) -> None:
        """Add one of ``what``."""
        self.counts[what] = self.counts.get(what, 0) + 1


def build(
    database: Path,
    files: Iterable[Path],
    knowledge: KnowledgeBase,
    *,
    today: str,
    tell: Callable[[str], None] = lambda _: None,
) -> list[Imported]:
    """Add ``files`` to ``database``, which is made when it is not there; all of them or none.

    Raises ``InputError`` with the name of the file that is broken; the database then is what it was. ``tell`` is
    called with the name of each file before it is read.
    """
    building = database.with_name(f".{database.name}.building")
    connection = _start(database, building)
    try:
        builder = _Builder(connection, Schemes.of(knowledge), today)
        done = []
        for path in files:
            tell(path.name)
            done.append(builder.add(path))
        connection.execute("COMMIT")
        connection.close()
        _put_in_place(building, database)
    except sqlite3.Error as error:
        raise InputError(f"{building}: cannot be written: {error}") from error
    finally:
        connection.close()
        building.unlink(missing_ok=True)
    return done


def _start(database: Path, building: Path) -> sqlite3.Connection:
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        _clear_away(building)
        if database.exists():
            shutil.copyfile(database, building)
        return open_for_building(building)
    except (OSError, sqlite3.Error) as error:
        raise InputError(f"{database}: cannot be written: {error}") from error


def _clear_away(building: Path) -> None:
    """Remove what an import left that was stopped; raise ``InputError`` when one is at work in it."""
    if not building.exists():
        return
    try:
        open_for_building(building).close()
    except sqlite3.DatabaseError as error:  # half a database cannot be opened either, and nobody is at work in it
        if error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise InputError(f"{building}: another import is at work") from error
    building.unlink()


def _put_in_place(building: Path, database: Path) -> None:
    try:
        with building.open("r+b") as file:
            os.fsync(file.fileno())
        building.replace(database)
    except OSError as error:
        raise InputError(f"{database}: cannot be written: {error.strerror or error}") from error


class _Builder:
    def __init__(self, connection: sqlite3.Connection, schemes: Schemes, today: str) -> None:
        self._db = connection
        self._today = today
        self._feeds = feeds()
        self._prepare()
        self._modified: dict[int, str] = dict(connection.execute("SELECT id, modified FROM record"))
        self._others: dict[str, int] = {n: i for i, n in connection.execute("SELECT number, name FROM other_name")}
        self._dates: dict[str, str] = dict(connection.execute("SELECT kind, max(date) FROM feed GROUP BY kind"))
        self._affected = AffectedRows(connection, schemes)
        self._records: list[tuple[object, ...]] = []
        self._is_newest = True

    def _prepare(self) -> None:
        if self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone() is None:
            for statement in SCHEMA.split(";"):
                self._db.execute(statement)
            self._db.execute("INSERT INTO meta VALUES ('format', ?)", (FORMAT,))
        if self._db.execute("SELECT value FROM meta WHERE key = 'format'").fetchone() != (FORMAT,):
            raise InputError("the database was made by another version of medharden; import into a new one")

    def add(self, path: Path) -> Imported:
        """Add what ``path`` holds, also inside archives."""
        done = Imported(path.name)
        for member in members(path):
            is_whole_file = member.name == path.name
            where = f"{path}" if is_whole_file else f"{path}: {member.name}"
            try:
                feed = feed_of(member, self._feeds)
                self._add_member(feed, member, done)
            except UnknownFeed as error:
                if is_whole_file:
                    raise InputError(f"{where}: {error}") from error
            except FormatError as error:
                raise InputError(f"{where}: {error}; nothing was imported") from error
        if not done.counts:
            raise InputError(f"{path}: holds no vulnerability data we know")
        self._flush()
        row = (done.kind, path.name, done.date, self._today)
        self._db.execute("INSERT OR REPLACE INTO feed VALUES (?, ?, ?, ?)", row)
        self._dates[done.kind] = max(done.date, self._dates.get(done.kind, ""))
        return done

    def _add_member(self, feed: Feed, member: Member, done: Imported) -> None:
        newest = ""
        for item in feed.read(member):
            if isinstance(item, FeedHead):
                done.kind, done.date = item.kind, max(item.date, done.date)
                self._is_newest = item.date >= self._dates.get(item.kind, "")
            elif isinstance(item, Record):
                newest = max(newest, item.modified[:DAY_CHARACTERS])
                done.count(self._add_record(item, feed.source or SourceKind.NVD))
            else:
                done.count(self._add_other(item))
        done.date = done.date or newest  # records without a head are as old as the newest of them

    def _number(self, name: str) -> int:
        number = vulnerability_number(name)
        if number is None:
            number = self._others.get(name)
        if number is None:
            number = self._others[name] = -1 - len(self._others)
            self._db.execute("INSERT INTO other_name VALUES (?, ?)", (number, name))
        return number

    def _add_record(self, record: Record, source: SourceKind) -> str:
        vulnerability = self._number(record.name)
        number = vulnerability * SOURCES + source
        before = self._modified.get(number)
        if before is not None and before >= record.modified:
            return "older"
        if before is not None:
            self._replace(number)
        self._modified[number] = record.modified
        self._store(record, number)
        if record.is_authority:
            rows = [(vulnerability, product) for product in self._affected.products_of(record)]
            self._db.executemany("INSERT OR IGNORE INTO authority VALUES (?, ?)", rows)
        self._affected.add(record, number)
        return "records"

    def _replace(self, number: int) -> None:
        self._affected.forget(number)
        self._db.execute("DELETE FROM source_file WHERE record = ?", (number,))
        self._db.execute("DELETE FROM authority WHERE vulnerability = ?", (number // SOURCES,))

    def _store(self, record: Record, number: int) -> None:
        score = max((cvss.score for cvss in record.cvss), default=None)
        self._records.append(
            (
                number,
                record.status,
                record.is_authority,
                score,
                record.published,
                record.modified,
                msgspec.json.encode(record.cvss).decode() if record.cvss else None,
                ",".join(map(str, record.cwes)) or None,
                record.origin or None,
                record.text[:TEXT_CHARACTERS] or None,
            )
        )
        if names := record.source_files or named_files(record):
            files = zlib.compress("\n".join(names).encode(), 1)
            self._db.execute("INSERT OR REPLACE INTO source_file VALUES (?, ?)", (number, files))
        if len(self._records) > BATCH:
            self._write_records()

    def _write_records(self) -> None:
        self._db.executemany("INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", self._records)
        self._records.clear()

    def _flush(self) -> None:
        self._write_records()
        self._affected.flush()

    def _add_other(self, item: Item) -> str:
        if isinstance(item, Epss):
            self._insert("epss", (self._number(item.name), item.probability, item.percentile))
            return "scores"
        if isinstance(item, KnownExploited):
            row = (self._number(item.name), item.added, item.due, item.ransomware, item.title, item.action)
            self._insert("exploited", row)
            return "exploited"
        if isinstance(item, Cycle):
            self._add_cycle(item)
            return "cycles"
        assert isinstance(item, CsafAdvisory)  # noqa: S101  # for the type checker: there is no other
        self._add_advisory(item)
        return "advisories"

    def _insert(self, table: str, row: tuple[object, ...]) -> None:
        """Add a row; one that is there stays when the file is older than what there is."""
        word = "REPLACE" if self._is_newest else "IGNORE"
        self._db.execute(f"INSERT OR {word} INTO {table} VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608  # names of our own tables

    def _add_cycle(self, cycle: Cycle) -> None:
        row = (cycle.product, cycle.cycle, cycle.label, cycle.released, cycle.end_of_support)
        self._insert("cycle", (*row, cycle.end_of_paid_support, cycle.latest))
        for name in {cycle.product, *cycle.identifiers}:
            self._db.execute("INSERT OR IGNORE INTO cycle_name VALUES (?, ?)", (name, cycle.product))

    def _add_advisory(self, advisory: CsafAdvisory) -> None:
        there = self._db.execute("SELECT released FROM advisory WHERE id = ?", (advisory.id,)).fetchone()
        if there is not None and there[0] > advisory.released:
            return
        row = (advisory.id, advisory.title, advisory.publisher, advisory.released, advisory.url)
        self._db.execute("INSERT OR REPLACE INTO advisory VALUES (?, ?, ?, ?, ?)", row)
        self._db.execute("DELETE FROM advisory_product WHERE advisory = ?", (advisory.id,))
        rows = [(advisory.id, number, *product) for number, product in enumerate(advisory.products)]
        self._db.executemany("INSERT INTO advisory_product VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
