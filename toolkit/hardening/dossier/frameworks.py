"""A table for each control framework: its rows, the checks that look at them, and what these found."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from firmware_checks.check import Check
from firmware_checks.controls import COLUMNS, NOT_APPLICABLE
from toolkit.report.model import Report

__all__ = ["TITLES", "ControlRow", "control_rows"]

TITLES = {
    "fda": "FDA",
    "iec_62443": "IEC 62443-4-2",
    "iec_81001": "IEC 81001-5-1",
    "cra": "EU CRA",
    "mds2": "MDS2",
    "cwe": "CWE",
}
"""How each framework is called."""
_NUMBER = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRow:
    """One row of a framework."""

    framework: str
    row: str
    checks: tuple[str, ...]
    findings: int


def control_rows(checks: Iterable[Check], report: Report) -> tuple[ControlRow, ...]:
    """Return the rows that ``checks`` or findings of ``report`` name, by framework, in the order people number them."""
    looking: dict[tuple[str, str], set[str]] = {}
    for check in checks:
        for name in COLUMNS:
            stated = getattr(check.controls, name)
            for row in () if stated == NOT_APPLICABLE else stated:
                looking.setdefault((name, row), set()).add(check.name)
    found: Counter[tuple[str, str]] = Counter()
    for finding in report.findings:
        for control in finding.controls:
            place = _placed(control)
            if place is not None:
                found[place] += 1
                looking.setdefault(place, set()).add(finding.check)
    order = list(COLUMNS)
    places = sorted(looking, key=lambda place: (order.index(place[0]), _in_order(place[1])))
    return tuple(
        ControlRow(framework=name, row=row, checks=tuple(sorted(looking[name, row])), findings=found[name, row])
        for name, row in places
    )


def _placed(control: str) -> tuple[str, str] | None:
    """Return framework and row of a control as findings show it; None for a framework there is no table for."""
    for name, written in COLUMNS.items():
        start, _, _ = written.partition("{}")
        if control.startswith(start):
            return name, control.removeprefix(start)
    return None


def _in_order(row: str) -> tuple[tuple[int, int, str], ...]:
    """Return what sorts ``CR 1.10`` after ``CR 1.9``."""
    return tuple((1, int(part), "") if part.isdecimal() else (0, 0, part) for part in _NUMBER.split(row))
