"""What a check is: a question to an inventory, and what to say when the answer is bad."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from device_profiles.schema import DeviceProfile, Platform, Safety
from device_profiles.schema import Evidence as ProfileEvidence
from device_profiles.vocabulary import EvidenceStatus, Harm, Kind, Therapy
from firmware_checks.controls import Controls
from firmware_checks.inventory import Inventory
from toolkit.core.findings import Evidence, Finding, Severity

__all__ = ["Check", "archive_of", "profile_with"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One question. ``title`` and ``remedy`` are fixed sentences, so that reports can be translated."""

    name: str
    question: str
    title: str
    remedy: str
    severity_rule: str
    """How severe a finding is, and why."""
    controls: Controls
    """Rows of regulations and standards this check gives evidence for."""
    run: Callable[[Check, Inventory, DeviceProfile | None], Iterator[Finding]]
    weak_example: Callable[[], bytes]
    """Build an image on which the check must fire."""
    hardened_example: Callable[[], bytes]
    """Build its twin on which the check must be silent."""
    example_profile: Callable[[], DeviceProfile] | None = None
    """Build the device profile both twins are compared with, for a check that needs one."""

    def finding(self, severity: Severity, detail: str, *evidence: Evidence) -> Finding:
        """Return a finding of this check."""
        return Finding(
            check=self.name,
            title=self.title,
            severity=severity,
            detail=detail,
            remedy=self.remedy,
            controls=self.controls.rows(),
            evidence=evidence,
        )


def profile_with(platform: Platform) -> DeviceProfile:
    """Return a made-up device that has ``platform``, for the twins of a check that compares with a profile."""
    return DeviceProfile(
        schema_version="1.0",
        id="made-up-device",
        kind=Kind.MODEL,
        title="A made-up device",
        safety=Safety(therapy=Therapy.NONE, worst_case_harm=Harm.NEGLIGIBLE),
        platform=platform,
        evidence=(ProfileEvidence(fields=("platform", "safety"), status=EvidenceStatus.ASSUMED, source="made up"),),
    )


def archive_of(files: Mapping[str, bytes], *, modes: Mapping[str, int] = MappingProxyType({})) -> bytes:
    """Return a tar archive with ``files`` by path, for the twins of a check that looks at files; 0644 unless told."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(content), modes.get(path, 0o644)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()
