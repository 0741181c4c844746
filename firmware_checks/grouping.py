"""Puts what has one cause together: one finding with a count and the places, not one for each file."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from firmware_checks.check import Check
from firmware_checks.inventory import Inventory
from firmware_checks.observer import Seen
from firmware_checks.observers.embedded_secrets import Secret, SecretKind
from firmware_checks.observers.patient_records import PatientRecord, RecordKind
from firmware_checks.observers.windows_settings import WindowsGap, WindowsSetting
from toolkit.core.findings import Evidence, Finding, Severity

__all__ = ["MOST_EVIDENCE", "Row", "findings_by_kind", "findings_of_records", "grouped", "is_host_key"]

MOST_EVIDENCE = 30
Row = tuple[Severity, str, Evidence]
"""How severe, what it is in words, and where to see it; rows that agree in the first two become one finding."""
AUTOMATIC_LOGON = "automatic login"
_LIBRARY = re.compile(r"/(?:site-packages|dist-packages|gocode|node_modules|share/perl5?|lib/ruby|lib/swi-prolog)/")
"""Folders of libraries of programming languages, where a word in quotes is most often an example."""

_HOST_KEY = re.compile(r"(?:^|[/!])(?:ssh_host_(?:\w+_)?key|dropbear_\w+_host_key)$")


def grouped(check: Check, rows: Iterable[Row]) -> Iterator[Finding]:
    """Yield one finding for each severity and wording among ``rows``."""
    groups: dict[tuple[Severity, str], list[Evidence]] = defaultdict(list)
    for severity, words, evidence in rows:
        groups[severity, words].append(evidence)
    for (severity, words), places in groups.items():
        files = len({place.path for place in places})
        more = f" (in {files} files)" if files > 1 else ""
        yield check.finding(severity, words + more, *places[:MOST_EVIDENCE])


def is_host_key(path: str) -> bool:
    """Tell from its name whether a file is the key by which an SSH server shows who it is."""
    return _HOST_KEY.search(path) is not None


def findings_of_records(
    check: Check, inventory: Inventory, kinds: Sequence[RecordKind], severity: Severity
) -> Iterator[Finding]:
    """Yield a finding for each file with records of patients of ``kinds``."""
    groups: dict[tuple[str, RecordKind], list[Seen[PatientRecord]]] = defaultdict(list)
    for seen in inventory.observed(PatientRecord):
        if seen.what.kind in kinds:
            groups[seen.path, seen.what.kind].append(seen)
    for (path, kind), rows in groups.items():
        detail = f"{kind.value}: {sum(row.what.size for row in rows)} in {path}"
        yield check.finding(severity, detail, *[row.evidence for row in rows[:MOST_EVIDENCE]])


def findings_by_kind(
    check: Check, inventory: Inventory, kinds: Sequence[SecretKind], severity: Severity
) -> Iterator[Finding]:
    """Yield a finding for each way in which secrets of ``kinds`` are written; low where only libraries hold them."""
    groups: dict[tuple[str, bool], list[Seen[Secret]]] = defaultdict(list)
    logons = {row.path for row in inventory.observed(WindowsSetting) if row.what.gap is WindowsGap.LOGON}
    for seen in inventory.observed(Secret):
        is_told = seen.what.what == AUTOMATIC_LOGON and seen.path in logons  # by the check of Windows
        if seen.what.kind in kinds and not is_told:
            groups[seen.what.what, _LIBRARY.search(seen.path) is not None].append(seen)
    for (what, is_library), rows in groups.items():
        secrets, paths = {row.what.fingerprint for row in rows}, {row.path for row in rows}
        where = "files of libraries of a programming language" if is_library else "files"
        detail = f"{what}: {len(secrets)} different in {len(paths)} {where}, first in {rows[0].path}"
        worth = Severity.LOW if is_library else severity
        yield check.finding(worth, detail, *[row.evidence for row in rows[:MOST_EVIDENCE]])
