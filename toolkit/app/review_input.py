"""What ``medharden review`` and ``medharden diff`` read: two images, scanned in the same way."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from device_profiles.schema import DeviceProfile
    from firmware_checks.difference.examination import Examination
    from firmware_checks.scan import Scanner
    from firmware_checks.vulnerabilities.assessment import VulnerabilityData
    from toolkit.report.accepting import AcceptedRisks

__all__ = ["examined", "scanner_for", "vulnerability_data"]


def vulnerability_data(database: Path | None, triage: Path | None, risks: AcceptedRisks) -> VulnerabilityData:
    """Return what is asked of vulnerabilities; raise ``InputError`` when a file cannot be used."""
    from firmware_checks.vulnerabilities.assessment import VulnerabilityData
    from firmware_checks.vulnerabilities.triage_files import read_triage

    decisions = read_triage(triage) if triage is not None else None
    return VulnerabilityData(day=risks.day, database=database, triage=decisions, accepted=risks.vulnerabilities())


def scanner_for(device: DeviceProfile | None, data: VulnerabilityData) -> Scanner:
    """Return the scanner for both images."""
    from firmware_checks.scan import Scanner
    from toolkit.app.user_cache import user_cache

    return Scanner(profile=device, kept=user_cache(), vulnerability_data=data)


def examined(scanner: Scanner, path: Path, risks: AcceptedRisks) -> Examination:
    """Return what is known of the image at ``path``, digests of its files included, accepted risks set aside."""
    from dataclasses import replace

    from firmware_checks.difference.examination import examine
    from toolkit.app.progress import progress
    from toolkit.report.accepting import settled

    with progress(path) as on_progress:
        found = examine(scanner, path, on_progress=on_progress)
    return replace(found, report=settled(found.report, risks))
