"""Makes a lesson of a twin: scans both images and keeps what the case is about."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from firmware_checks.scan import Scanner
from firmware_checks.twin import BenchCase, Twin
from toolkit.core.findings import Finding, Severity
from toolkit.report.lesson import BenchLesson, CaseRow, Lesson
from toolkit.report.model import Report

__all__ = ["bench_lesson", "case_rows", "files_of", "lesson_of"]


def case_rows(twins: Mapping[str, Twin], bench: Mapping[str, BenchCase]) -> list[CaseRow]:
    """Return the list of cases: those with twins by name, then those for the bench."""
    rows = [CaseRow(case=t.name, device=t.device, advisory=t.advisory, has_twin=True) for t in twins.values()]
    rows += [
        CaseRow(case=name, device=case.device, advisory=case.advisory, has_twin=False) for name, case in bench.items()
    ]
    return sorted(rows, key=lambda row: (not row.has_twin, row.case))


def files_of(twin: Twin) -> dict[str, bytes]:
    """Return the two images by path below the folder of the case."""
    return {f"weak/{twin.image}": twin.weak(), f"hardened/{twin.image}": twin.hardened()}


def lesson_of(twin: Twin, scanner: Scanner) -> Lesson:
    """Build both images where only this program sees them, scan them, and return what there is to learn."""
    weak = twin.weak()
    with tempfile.TemporaryDirectory(prefix="medharden-learn-") as folder:
        found = _scanned(Path(folder) / twin.image, weak, scanner)
        hardened = _scanned(Path(folder) / twin.image, twin.hardened(), scanner)
    asked = {expected.check for expected in twin.expected}
    about = tuple(finding for finding in found.findings if finding.check in asked and _is_grave(finding))
    return Lesson(
        case=twin.name,
        device=twin.device,
        advisory=twin.advisory,
        cves=twin.cves,
        container=twin.container,
        image=twin.image,
        size=len(weak),
        mechanism=twin.mechanism,
        for_patient=twin.for_patient,
        difference=twin.difference,
        findings=about,
        further=len(found.findings) - len(about),
        hardened_findings=tuple(finding for finding in hardened.findings if _is_grave(finding)),
    )


def bench_lesson(name: str, case: BenchCase) -> BenchLesson:
    """Return what there is to say about a case that no file shows."""
    return BenchLesson(
        case=name, device=case.device, advisory=case.advisory, reason=case.reason, bench_checks=case.checks
    )


def _scanned(path: Path, image: bytes, scanner: Scanner) -> Report:
    path.write_bytes(image)
    return scanner.scan(path)


def _is_grave(finding: Finding) -> bool:
    return finding.severity.rank >= Severity.MEDIUM.rank
