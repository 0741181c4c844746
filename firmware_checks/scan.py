"""The main job: one image file in, one report out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check
from firmware_checks.component_index import load_indexed_rules
from firmware_checks.component_rules import ComponentRule
from firmware_checks.coverage import coverage_of
from firmware_checks.fact_collection import FactCollector
from firmware_checks.fact_reader import Content, FactReader
from firmware_checks.fingerprints.collector import FingerprintCollector
from firmware_checks.fingerprints.shipped import packs_at_hand
from firmware_checks.format_index import load_formats
from firmware_checks.fusion import EvidenceOfImage, fuse
from firmware_checks.identity import Identities
from firmware_checks.image import Image, open_image
from firmware_checks.inventory import Inventory
from firmware_checks.observation_collection import ObservationCollector
from firmware_checks.observer import Observer
from firmware_checks.opener import Opener
from firmware_checks.patterns.native import best_engine
from firmware_checks.region import Program, Region
from firmware_checks.span import Span
from firmware_checks.structure.programs import architectures
from firmware_checks.vulnerabilities.cvss import can_score
from toolkit import __version__
from toolkit.core.cache import NO_CACHE, Cache
from toolkit.core.findings import Finding, Severity
from toolkit.core.limits import Budget, Limits
from toolkit.core.registry import discover
from toolkit.report.model import DataVersions, ImageSummary, RegionKind, Report, Subject, Tool

if TYPE_CHECKING:
    from firmware_checks.fingerprints.pack import Pack
    from firmware_checks.vulnerabilities.assessment import VulnerabilityData

__all__ = ["Scanner"]

NOT_LOOKED_UP = "Known vulnerabilities (CVE) of the components were not looked up, as it was asked for."
LOOKED_UP = (
    "Known vulnerabilities (CVE) were looked up for the components that were named, in data that is not complete: a "
    "component that was not recognised, or a vulnerability that is not in the data, is not in this report."
)
NOT_SCORED = (
    "Scores of vulnerabilities are those that were published: the optional part 'cvss', which computes them for the "
    "ways into this device, is not installed."
)
NOT_EXAMINED = (
    "Whether the device verifies an update before installing it can only be proven on the device.",
    "Nothing was run: behaviour, radio links and network services of the device were not examined.",
)

Progress = Callable[[int, int], None]
"""Hears how many bytes of how many are done."""


class Scanner:
    """Formats, rules and checks loaded once; scans any number of images.

    What takes time to prepare is taken from ``kept`` and left there for the next time. ``own_packs`` are signature
    packs that are used beside those that are installed. Without ``vulnerability_data`` nothing is looked up.
    """

    def __init__(
        self,
        *,
        profile: DeviceProfile | None = None,
        limits: Limits = Limits(),  # noqa: B008  # frozen
        kept: Cache = NO_CACHE,
        own_packs: Sequence[Pack] = (),
        vulnerability_data: VulnerabilityData | None = None,
    ) -> None:
        self.profile = profile
        self.vulnerability_data = vulnerability_data
        self.own_packs = own_packs
        self.limits = limits
        self.engine = best_engine(kept)
        self.formats = load_formats()
        self.checks = discover("firmware_checks.checks", attribute="CHECK", kind=Check, group="medharden.checks")
        indexed = load_indexed_rules()
        self.rules: Sequence[ComponentRule] = indexed.rules
        self._rules_sha256 = indexed.sha256
        self.identities = Identities(self.rules)
        self.fact_readers = discover(
            "firmware_checks.facts", attribute="READER", kind=FactReader, group="medharden.facts"
        )
        self.observers = discover(
            "firmware_checks.observers", attribute="OBSERVER", kind=Observer, group="medharden.observers"
        )

    def scan(self, path: Path, on_progress: Progress = lambda _done, _total: None) -> Report:
        """Return the report on the file at ``path``; raise ``InputError`` when it cannot be read."""
        return self.examine(path, on_progress)[1]

    def examine(self, path: Path, on_progress: Progress = lambda _done, _total: None) -> tuple[Inventory, Report]:
        """Return what is known about the file at ``path``, and the report on it."""
        with open_image(path, self.limits) as image:
            inventory = self._assessed(self.take_inventory(image, on_progress))
        return inventory, self._report(inventory)

    def take_inventory(self, image: Image, on_progress: Progress = lambda _done, _total: None) -> Inventory:
        """Open ``image`` and return all that is known about it before anything is judged."""
        done = 0

        def advance(size: int) -> None:
            nonlocal done
            done += size
            image.release_pages()
            on_progress(min(done, 2 * image.size), 2 * image.size)  # once to hash, once to search

        subject = Subject(name=image.name, size=image.size, sha256=image.sha256(advance))
        patterns = [pattern for rule in self.rules for pattern in rule.patterns]
        budget = Budget(self.limits, image.size)
        opener = Opener(self.formats, patterns, budget, advance, engine=self.engine)
        collector = FactCollector(self.fact_readers, self.identities, opener.unread.defect)
        observations = ObservationCollector(self.observers, self.engine, opener.unread.defect)
        contents: dict[str, Content] = {}

        def on_content(span: Span) -> None:
            content = contents[span.path] = Content(span, search=observations.search)
            collector.collect(content)

        def on_regions(span: Span, regions: Sequence[Region]) -> None:
            fingerprints.collect(regions)
            observations.collect(contents.pop(span.path), regions)

        opener.on_content, opener.on_regions, opener.on_entry = on_content, on_regions, observations.note
        fingerprints = FingerprintCollector(budget, opener.unread.defect, self.own_packs)
        on_content(image.span)
        roots = tuple(opener.explore(image.span))
        on_regions(image.span, roots)
        regions = tuple(_walk(roots))
        collector.see(regions)
        seen = EvidenceOfImage(
            hits=opener.hits,
            regions=regions,
            files=collector.files,
            version_sets=fingerprints.version_sets,
        )
        return Inventory(
            subject=subject,
            image=_summary(roots),
            roots=roots,
            components=fuse(seen, self.rules, self.identities),
            coverage=coverage_of(roots, opener.unread.rows(), budget.hits.sentences()),
            files=collector.files,
            entries=observations.entries,
            fixes=tuple(fingerprints.fixes),
            observations=observations.seen,
            day=self.vulnerability_data.day if self.vulnerability_data is not None else None,
        )

    def _assessed(self, inventory: Inventory) -> Inventory:
        """Return ``inventory`` with what is known against its components, where that was asked for."""
        asked = self.vulnerability_data
        if asked is None:
            return inventory
        from firmware_checks.vulnerabilities.assessment import assessment_of

        return replace(inventory, assessment=assessment_of(inventory, self.profile, asked))

    def judge(self, inventory: Inventory) -> list[Finding]:
        """Return what all checks find, worst first."""
        findings = [f for check in self.checks.values() for f in self._run(check, inventory)]
        return sorted(findings, key=lambda f: (-f.severity.rank, f.check, f.detail))

    def _run(self, check: Check, inventory: Inventory) -> list[Finding]:
        findings = list(check.run(check, inventory, self.profile))
        most = self.limits.findings_per_check
        if len(findings) <= most:
            return findings
        findings.sort(key=lambda f: -f.severity.rank)
        return [*findings[:most], check.finding(Severity.INFO, f"and {len(findings) - most} more of the same kind")]

    def _report(self, inventory: Inventory) -> Report:
        known = inventory.assessment
        report = Report(
            tool=Tool(name="medharden", version=__version__),
            data=self._data(inventory),
            subject=inventory.subject,
            image=inventory.image,
            coverage=inventory.coverage,
            regions=tuple(row for root in inventory.roots for row in root.records()),
            components=inventory.components,
            findings=tuple(self.judge(inventory)),
            not_examined=(*_looked_up(is_known=known is not None), *NOT_EXAMINED),
        )
        if known is None:
            return report
        return msgspec.structs.replace(
            report,
            vulnerabilities=known.vulnerabilities,
            support=known.support,
            steps=known.steps,
            answers=known.answers,
            unused_decisions=known.unused_decisions,
        )

    def _data(self, inventory: Inventory) -> DataVersions:
        asked, known = self.vulnerability_data, inventory.assessment
        packs, packs_sha256 = packs_at_hand(self.own_packs)
        return DataVersions(
            component_rules=len(self.rules),
            component_rules_sha256=self._rules_sha256,
            formats=len(self.formats),
            checks=len(self.checks),
            signature_packs=packs,
            signature_packs_sha256=packs_sha256,
            profile=self.profile.id if self.profile else None,
            profile_sha256=self.profile.digest if self.profile else None,
            vulnerabilities=known.data if known is not None else (),
            day=asked.day.isoformat() if asked is not None else None,
            triage_sha256=asked.triage.sha256 if asked is not None and asked.triage is not None else None,
        )


def _looked_up(is_known: bool) -> tuple[str, ...]:  # a predicate of one answer
    """Say whether vulnerabilities were looked up, and what about them was not told."""
    if not is_known:
        return (NOT_LOOKED_UP,)
    return (LOOKED_UP,) if can_score() else (LOOKED_UP, NOT_SCORED)


def _walk(roots: Iterable[Region]) -> Iterable[Region]:
    for root in roots:
        yield from root.walk()


def _summary(roots: Sequence[Region]) -> ImageSummary:
    """Describe the image by its main program: the largest application, else the largest program of all."""
    outermost = next((r.format for r in roots if r.kind not in (RegionKind.PADDING, RegionKind.UNKNOWN)), "unknown")
    programs = [(r, r.program) for r in _walk(roots) if r.program is not None]
    if not programs:
        return ImageSummary(format=outermost)
    region, program = max(programs, key=_weight)
    known = architectures()
    return ImageSummary(
        format=outermost,
        arch=program.arch,
        arch_title=known[program.arch].title if program.arch in known else None,
        load_address=region.span.address if program.load_address is None else program.load_address,
        entry_address=program.entry_address,
        mcu_family=program.mcu_family,
        mcu_family_confidence=program.mcu_family_confidence,
    )


def _weight(candidate: tuple[Region, Program]) -> tuple[bool, bool, int]:
    region, program = candidate
    supporting = program.role in ("bootloader", "softdevice", "mbr")
    return (not supporting, program.load_address is not None, region.span.size)
