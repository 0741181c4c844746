"""Secrets that an image shows, put together so that one cause is one finding."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from firmware_checks.check import Check
from firmware_checks.inventory import Inventory
from firmware_checks.observer import Seen
from firmware_checks.observers.embedded_secrets import Secret, SecretKind
from firmware_checks.observers.patient_records import PatientRecord, RecordKind
from toolkit.core.findings import Finding, Severity

__all__ = ["MOST_EVIDENCE", "findings_by_kind", "findings_of_records", "is_host_key"]

MOST_EVIDENCE = 30
_LIBRARY = re.compile(r"/(?:site-packages|dist-packages|gocode|node_modules|share/perl5?|lib/ruby|lib/swi-prolog)/")
"""Folders of libraries of programming languages, where a word in quotes is most often an example."""

_HOST_KEY = re.compile(r"(?:^|[/!])(?:ssh_host_(?:\w+_)?key|dropbear_\w+_host_key)$")


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
    for seen in inventory.observed(Secret):
        if seen.what.kind in kinds:
            groups[seen.what.what, _LIBRARY.search(seen.path) is not None].append(seen)
    for (what, is_library), rows in groups.items():
        secrets, paths = {row.what.fingerprint for row in rows}, {row.path for row in rows}
        where = "files of libraries of a programming language" if is_library else "files"
        detail = f"{what}: {len(secrets)} different in {len(paths)} {where}, first in {rows[0].path}"
        worth = Severity.LOW if is_library else severity
        yield check.finding(worth, detail, *[row.evidence for row in rows[:MOST_EVIDENCE]])
