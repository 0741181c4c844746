"""Puts what has one cause together: one finding with a count and the places, not one for each file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from firmware_checks.check import Check
from toolkit.core.findings import Evidence, Finding, Severity

__all__ = ["MOST_EVIDENCE", "Row", "grouped"]

MOST_EVIDENCE = 30
Row = tuple[Severity, str, Evidence]
"""How severe, what it is in words, and where to see it; rows that agree in the first two become one finding."""


def grouped(check: Check, rows: Iterable[Row]) -> Iterator[Finding]:
    """Yield one finding for each severity and wording among ``rows``."""
    groups: dict[tuple[Severity, str], list[Evidence]] = defaultdict(list)
    for severity, words, evidence in rows:
        groups[severity, words].append(evidence)
    for (severity, words), places in groups.items():
        files = len({place.path for place in places})
        more = f" (in {files} files)" if files > 1 else ""
        yield check.finding(severity, words + more, *places[:MOST_EVIDENCE])
