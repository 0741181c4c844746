"""Lists of patients in text tables and in databases, and accounts that databases keep."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing

from firmware_checks.credentials.likely import is_likely_password
from firmware_checks.credentials.signs import SecretKind
from firmware_checks.fact_reader import Content
from firmware_checks.observer import Observation, Observer
from firmware_checks.observers.accounts import Account, PasswordScheme, scheme_of
from firmware_checks.observers.embedded_secrets import Secret
from firmware_checks.observers.patient_records import PatientRecord, RecordKind
from toolkit.core.errors import FormatError

__all__ = ["OBSERVER"]

MAGIC = b"SQLite format 3\0"
MOST_DATABASE_BYTES = 64 << 20
MOST_TABLES, MOST_ROWS, MOST_USERS = 200, 10_000, 50
MOST_STEPS = 2000
"""Times that a thousand instructions of the database machine may run for one query."""
_LISTS = (".csv", ".tsv", ".txt", ".dat", ".tab")
_LEAST_COLUMNS = 3
"""Of a file whose name does not say that it is a list."""
_IS_PATIENT = re.compile(r"(?i)patient|\bmrn\b|medical_?record|\bpid\b")
_FIELDS = re.compile(
    r"(?i)(?:^|_)(?:mrn|patient\w*|(?:last|first|family|given|sur|full)_?name|name|dob|birth\w*|date_of_birth|ssn|gender|sex"
    r"|diagnos\w*|ward|bed|weight\w*|height\w*|address|phone)(?:$|_)"
)
_LEAST_FIELDS = 2
_SECRET_FIELD = re.compile(r"(?i)(?:user_?)?(?:pass(?:word|wd)?|pwd|pin)(?:_?hash)?")
_KEY_FIELD = re.compile(r"(?i)(?:key|name|setting|param(?:eter)?|option|property|item)(?:_?name)?")
_VALUE_FIELD = re.compile(r"(?i)(?:setting_?|param_?)?(?:value|val|data|content)")
_SECRET_KEY = re.compile(r"(?i)passw(?:or)?d|passphrase|(?:^|[_.])(?:pwd|pin|psk)$|pin$|psk$|(?:wifi|wlan|wpa)\w*key")
_WIRELESS_KEY = re.compile(r"(?i)psk|passphrase|wifi|wlan|wpa")
_USER_FIELD = re.compile(r"(?i)(?:user|login|account)_?(?:name|id)?|name")


def _read(content: Content) -> Iterator[Observation]:
    if content.head == MAGIC:
        yield from _database(content)
    else:
        yield from _list(content)


def _is_of_patients(name: str, fields: Sequence[str]) -> bool:
    known = sum(_FIELDS.search(field) is not None for field in fields)
    return known >= _LEAST_FIELDS and any(_IS_PATIENT.search(text) for text in (name, *fields))


def _list(content: Content) -> Iterator[Observation]:
    text = bytes(content.span.window.view[: 1 << 20])
    lines = text.splitlines()
    head = lines[0].decode("utf-8", "replace") if lines else ""
    mark = max(",;\t|", key=head.count)
    fields = [field.strip().strip('"').replace(" ", "_") for field in head.split(mark)]
    rows = sum(1 for line in lines[1:] if line.count(mark.encode()) >= len(fields) - 1)
    least = 2 if content.name.lower().endswith((".csv", ".tsv")) else _LEAST_COLUMNS
    yield from _users_in_list(fields, lines, mark, text)
    if len(fields) >= least and rows and _is_of_patients(content.name, fields):
        offset = min(len(text) - 1, text.find(b"\n") + 1)
        yield _record(RecordKind.LIST, offset, rows, f"{len(fields)} columns")


def _users_in_list(fields: list[str], lines: list[bytes], mark: str, text: bytes) -> Iterator[Observation]:
    """Yield the accounts of a list that has a column of users and one of passwords."""
    user = next((index for index, field in enumerate(fields) if _USER_FIELD.fullmatch(field)), None)
    secret = next((index for index, field in enumerate(fields) if _SECRET_FIELD.fullmatch(field)), None)
    if user is None or secret is None:
        return
    for line in lines[1 : MOST_USERS + 1]:
        cells = [cell.strip().strip('"') for cell in line.decode("utf-8", "replace").split(mark)]
        if len(cells) >= len(fields) and cells[secret]:
            yield _account(cells[user], cells[secret], max(0, text.find(line)))


def _record(kind: RecordKind, offset: int, rows: int, what: str) -> PatientRecord:
    return PatientRecord(offset=offset, excerpt=f"{kind.value}: {rows} rows, {what}", kind=kind, size=rows)


def _database(content: Content) -> Iterator[Observation]:
    data = bytearray(content.span.window.view[:MOST_DATABASE_BYTES])
    data[18:20] = b"\x01\x01"  # a journal beside the file is not there. Source: SQLite, "Database File Format", 1.3
    with closing(sqlite3.connect(":memory:")) as base:
        steps = 0

        def step() -> int:
            nonlocal steps
            steps += 1
            return steps > MOST_STEPS

        base.set_progress_handler(step, 1000)
        try:
            base.deserialize(bytes(data))
            base.execute("PRAGMA trusted_schema=OFF")
            for table, fields in _tables(base):
                yield from _of_table(base, table, fields, bytes(data))
        except (sqlite3.Error, MemoryError, UnicodeDecodeError) as error:
            raise FormatError(f"the database cannot be read: {error}") from error


def _tables(base: sqlite3.Connection) -> Iterator[tuple[str, list[str]]]:
    found = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' LIMIT ?"
    for (name,) in base.execute(found, (MOST_TABLES,)).fetchall():
        rows = base.execute("SELECT name FROM pragma_table_info(?)", (name,)).fetchall()
        yield str(name), [str(field) for (field,) in rows]


def _of_table(base: sqlite3.Connection, table: str, fields: list[str], data: bytes) -> Iterator[Observation]:
    quoted = '"' + table.replace('"', '""') + '"'
    offset = max(0, data.find(table.encode()))
    if _is_of_patients(table, fields):
        rows = len(base.execute(f"SELECT 1 FROM {quoted} LIMIT {MOST_ROWS}").fetchall())  # noqa: S608  # quoted above
        if rows:
            yield _record(RecordKind.TABLE, offset, rows, f"table {table[:40]}")
    yield from _named_values(base, quoted, fields, data, offset)
    user = next((field for field in fields if _USER_FIELD.fullmatch(field)), None)
    secret = next((field for field in fields if _SECRET_FIELD.fullmatch(field)), None)
    if user is not None and secret is not None:
        names = ", ".join('"' + field.replace('"', '""') + '"' for field in (user, secret))
        for name, stored in base.execute(f"SELECT {names} FROM {quoted} LIMIT {MOST_USERS}").fetchall():  # noqa: S608
            if isinstance(stored, str) and stored:
                yield _account(str(name), stored, max(offset, data.find(stored.encode("utf-8", "replace"))))


def _named_values(
    base: sqlite3.Connection, quoted: str, fields: list[str], data: bytes, offset: int
) -> Iterator[Observation]:
    """Yield the passwords of a table of settings, which has a column of names and one of values."""
    name = next((field for field in fields if _KEY_FIELD.fullmatch(field)), None)
    value = next((field for field in fields if _VALUE_FIELD.fullmatch(field)), None)
    if name is None or value is None:
        return
    names = ", ".join('"' + field.replace('"', '""') + '"' for field in (name, value))
    for key, stored in base.execute(f"SELECT {names} FROM {quoted} LIMIT {MOST_ROWS}").fetchall():  # noqa: S608
        if not isinstance(key, str) or not isinstance(stored, str):
            continue
        if _SECRET_KEY.search(key) and is_likely_password(stored, quoted=True):
            kind = SecretKind.WIFI_KEY if _WIRELESS_KEY.search(key) else SecretKind.PASSWORD
            place = max(offset, data.find(stored.encode("utf-8", "replace")))
            what = "password in a table of settings" if kind is SecretKind.PASSWORD else "wireless key"
            yield Secret(
                offset=place, excerpt=f"{what}: ********", kind=kind, what=what, user="",
                fingerprint=hashlib.sha256(stored.encode("utf-8", "replace")).hexdigest()[:16], value=stored,
            )  # fmt: skip


def _account(user: str, stored: str, offset: int) -> Account:
    scheme = scheme_of(stored)
    shown = "as it is typed" if scheme is PasswordScheme.OTHER else scheme.value
    return Account(
        offset=offset,
        excerpt=f"{user[:32]}: password {shown}",
        user=user,
        scheme=scheme,
        uid=None,
        shell="",
        stored=stored,
    )


def _wants(content: Content) -> bool:
    return content.head == MAGIC or content.name.lower().endswith(_LISTS)


OBSERVER = Observer(
    name="patient-lists",
    title="Lists of patients and of users in tables and databases",
    source='RFC 4180; "Database File Format" of SQLite',
    wants=_wants,
    read=_read,
    example=lambda: (
        "data/export.csv",
        b"MRN,Last Name,DOB\n4471902,Okonjo,1961-02-14\n4471903,Lindqvist,1972-11-02\n",
    ),
    shows=1,
)
