"""Backups that are not encrypted: dumps of databases, and archives whose name says what they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from firmware_checks.fact_reader import Content
from firmware_checks.observer import Observation, Observer

__all__ = ["OBSERVER", "Backup"]

SEARCHED_BYTES = 8 << 20
_HEADS = {
    b"-- MySQL dump": "MySQL",
    b"-- MariaDB dump": "MariaDB",
    b"--\n-- PostgreSQL": "PostgreSQL",
    b"PGDMP": "PostgreSQL",
    b"TAPE\0\0": "Microsoft SQL Server",
    b"/*M!999999\\- enab": "MariaDB",
}
_PATIENTS = re.compile(rb"(?i)(?:INTO|COPY|TABLE)[ `\"]{1,3}\w{0,24}patient")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup(Observation):
    """A backup that everybody can open."""

    program: str
    names_patients: bool


def _program(content: Content) -> str | None:
    return next((name for head, name in _HEADS.items() if content.head.startswith(head[:16])), None)


def _read(content: Content) -> Iterator[Observation]:
    program = _program(content) or ""
    view = content.span.window.view[:SEARCHED_BYTES]
    if len(view) < 24:
        return
    names_patients = _PATIENTS.search(view) is not None
    about = ", with a table of patients" if names_patients else ""
    yield Backup(offset=0, excerpt=f"backup of {program}{about}", program=program, names_patients=names_patients)


def _wants(content: Content) -> bool:
    return _program(content) is not None


OBSERVER = Observer(
    name="backups",
    title="Backups of databases that are not encrypted",
    source="manuals of mysqldump and pg_dump; Microsoft Tape Format 1.00a",
    wants=_wants,
    read=_read,
    example=lambda: ("media/usb/his.sql", b"-- MySQL dump 10.13\nINSERT INTO `patients` VALUES (1,'x');\n"),
    shows=1,
)
