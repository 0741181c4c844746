"""A bill of materials instead of an image: its components go the same way, and a report of the same form comes out."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import msgspec

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check
from firmware_checks.inventory import Inventory
from firmware_checks.sbom.reading import read_sbom
from firmware_checks.sbom.record import Sbom, SbomComponent
from firmware_checks.vulnerabilities.assessment import VulnerabilityData, assessment_of
from firmware_checks.vulnerabilities.identification import Identifier
from firmware_checks.vulnerabilities.knowledge import shipped_knowledge
from firmware_checks.vulnerabilities.lookup import component_named
from toolkit import __version__
from toolkit.core.errors import InputError
from toolkit.core.findings import Evidence, Finding
from toolkit.core.registry import discover
from toolkit.report.model import Component, Confidence, Coverage, DataVersions, ImageSummary, Report, Subject, Tool

__all__ = ["CHECKS", "assess_sbom", "components_of", "formatted_cpe"]

CHECKS = ("forbidden-component", "vulnerable-component", "known-exploited", "component-unsupported")
"""Checks that ask about components alone; the others need the image."""
NOT_EXAMINED = (
    "The image was not there: the list of components is what its author says, and was taken as it is.",
    "Known vulnerabilities (CVE) were looked up for the components that are listed, in data that is not complete.",
    "Nothing that only the image shows was looked at: signatures, passwords, debug ports, options of the kernel.",
)
_NOTHING = Coverage(
    total_bytes=0,
    recognised_bytes=0,
    padding_bytes=0,
    encrypted_bytes=0,
    unknown_bytes=0,
    unread_bytes=0,
    recognised_ratio=0.0,
)
_CPE_2_2 = re.compile(r"cpe:/[aho]:")
_SPECIAL = re.compile(r"[^A-Za-z0-9._~-]")
CPE_FIELDS = 11
"""From the part to ``other``. Source: NIST IR 7695, section 6.2."""


def assess_sbom(path: Path, profile: DeviceProfile | None, asked: VulnerabilityData) -> Report:
    """Return the report on the components that the file lists; raise ``InputError`` when it cannot be read."""
    sbom, data = read_sbom(path)
    components = components_of(sbom, path.name)
    if not components:
        raise InputError(f"{path}: lists no component")
    inventory = Inventory(
        subject=Subject(name=path.name, size=len(data), sha256=hashlib.sha256(data).hexdigest()),
        image=ImageSummary(format=f"{sbom.format} {sbom.version}"),
        roots=(),
        components=components,
        coverage=_NOTHING,
    )
    known = assessment_of(inventory, profile, asked)
    checks = [check for name, check in _checks().items() if name in CHECKS]
    return Report(
        tool=Tool(name="medharden", version=__version__),
        data=DataVersions(
            component_rules=0,
            component_rules_sha256=hashlib.sha256().hexdigest(),
            formats=0,
            checks=len(checks),
            profile=profile.id if profile is not None else None,
            profile_sha256=profile.digest if profile is not None else None,
            vulnerabilities=known.data,
            day=asked.day.isoformat(),
            triage_sha256=asked.triage.sha256 if asked.triage is not None else None,
        ),
        subject=inventory.subject,
        image=inventory.image,
        coverage=inventory.coverage,
        regions=(),
        components=components,
        vulnerabilities=known.vulnerabilities,
        support=known.support,
        steps=known.steps,
        answers=known.answers,
        unused_decisions=known.unused_decisions,
        findings=tuple(_findings(checks, replace(inventory, assessment=known), profile)),
        not_examined=NOT_EXAMINED,
    )


def _checks() -> dict[str, Check]:
    return discover("firmware_checks.checks", attribute="CHECK", kind=Check, group=None)


def _findings(checks: list[Check], inventory: Inventory, profile: DeviceProfile | None) -> list[Finding]:
    findings = [finding for check in checks for finding in check.run(check, inventory, profile)]
    return sorted(findings, key=lambda finding: (-finding.severity.rank, finding.check, finding.detail))


def components_of(sbom: Sbom, file_name: str) -> tuple[Component, ...]:
    """Return the parts as components, each once; what the document is about is one where it has an identifier."""
    primary = sbom.primary
    about = [primary] if primary is not None and (primary.purl or primary.cpe) else []
    identifier = Identifier(shipped_knowledge())
    parts = (part for part in (*about, *sbom.components) if part.name)
    return tuple(dict.fromkeys(_component(part, file_name, identifier) for part in parts))


def _component(part: SbomComponent, file_name: str, identifier: Identifier) -> Component:
    component = Component(
        name=_short_name(part),
        title=part.name,
        category=part.kind or "component",
        version=part.version or None,
        purl=part.purl or None,
        cpe=formatted_cpe(part.cpe),
        confidence=Confidence.CERTAIN,
        evidence=(Evidence(path=file_name, excerpt=" ".join(filter(None, (part.name, part.version)))),),
    )
    known = identifier.identify(component).known
    return component if known is None else msgspec.structs.replace(component, name=known.name)


def _short_name(part: SbomComponent) -> str:
    """Return the name by which data has it: that of the package URL, else the last part of the name."""
    if part.purl.startswith("pkg:"):
        return component_named(part.purl, None).name or part.name
    return part.name.rpartition("/")[2] or part.name


def formatted_cpe(name: str) -> str | None:
    """Return a CPE name in the form of version 2.3; the older form ``cpe:/a:vendor:product:version`` is turned."""
    if not _CPE_2_2.match(name):
        return name or None
    fields = [unquote(field) for field in name.removeprefix("cpe:/").split(":")][:CPE_FIELDS]
    written = [_SPECIAL.sub(r"\\\g<0>", field) or "*" for field in fields]
    return ":".join(("cpe:2.3", *written, *["*"] * (CPE_FIELDS - len(written))))
