"""The allow-list as plain tables, for whatever program of your own has to read it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

import msgspec

from firmware_checks.controls import NOT_APPLICABLE, Controls
from toolkit.core.findings import Finding
from toolkit.hardening.application_control.allowed import (
    AllowedFile,
    allowed_files,
    learning_findings,
    nothing_to_allow,
    unlisted,
)
from toolkit.hardening.part import Group, HardeningPart, PackFile
from toolkit.hardening.subject import HardeningSubject

__all__ = ["PART"]

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet would calculate a cell that starts so."""
COLUMNS = ("path", "kind", "size", "sha256", "build_id", "mode", "exact_name", "seen_in")


class _Allowed(msgspec.Struct, frozen=True, kw_only=True):
    path: str
    kind: str
    size: int
    sha256: str
    build_id: str
    mode: str | None
    exact_name: bool
    seen_in: tuple[str, ...]


class _List(msgspec.Struct, frozen=True, kw_only=True):
    format: str
    image: str
    image_sha256: str
    profile: str
    profile_sha256: str
    day: str
    allowed: tuple[_Allowed, ...]
    not_read: tuple[str, ...]
    """Files that may be executed but could not be read, and are therefore not allowed."""


def _row(file: AllowedFile) -> _Allowed:
    return _Allowed(
        path=file.path,
        kind=file.kind,
        size=file.size,
        sha256=file.sha256,
        build_id=file.build_id,
        mode=None if file.mode is None else f"{file.mode:04o}",
        exact_name=file.has_exact_name,
        seen_in=file.seen_in,
    )


def _build(subject: HardeningSubject) -> Iterator[PackFile]:
    rows = tuple(map(_row, allowed_files(subject)))
    document = _List(
        format="medharden-allow-list-1",
        image=subject.image_name,
        image_sha256=subject.image_sha256,
        profile=subject.profile.id,
        profile_sha256=subject.profile.digest,
        day=subject.day.isoformat(),
        allowed=rows,
        not_read=tuple(sorted(file.path for file in unlisted(subject))),
    )
    data = msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
    yield PackFile(path="allow-list.json", data=data, consumer="any program: JSON")
    yield PackFile(path="allow-list.csv", data=_csv(rows).encode(), consumer="a spreadsheet or any program: CSV, UTF-8")


def _csv(rows: Iterable[_Allowed]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in rows:
        cells = msgspec.to_builtins(row)
        cells["seen_in"] = "; ".join(row.seen_in)
        writer.writerow([_cell(cells[name]) for name in COLUMNS])
    return out.getvalue()


def _cell(value: object) -> str:
    text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _findings(subject: HardeningSubject) -> Iterator[Finding]:
    yield from learning_findings(subject)


PART = HardeningPart(
    name="allow-list",
    title="List of everything the device may execute",
    group=Group.APPLICATION_CONTROL,
    what=(
        "Every program, library, script and kernel module of the image with its SHA-256. By itself it stops nothing: "
        "it is for a program of yours, for a comparison after an incident, and for whoever watches over the device."
    ),
    source="RFC 8259 (JSON), RFC 4180 (CSV)",
    applies=nothing_to_allow,
    build=_build,
    findings=_findings,
    apply=(
        "Give the list to whoever runs the program that reads it.",
        "Make a new list after every update of the device.",
    ),
    bench_test=(
        "Read the storage of a bench device that runs the same software version.",
        "Compare it: every program on it must stand in the list with the same SHA-256.",
    ),
    take_back=("Delete the list; nothing on the device knows of it.",),
    controls=Controls(
        fda=("D",), iec_62443=("CR 3.4", "EDR 3.2"), iec_81001=("5.3",), cra=("I.2f",), mds2=("MLDP", "SAHD"),
        cwe=NOT_APPLICABLE,
    ),
)  # fmt: skip
