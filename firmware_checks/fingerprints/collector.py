"""Looks at the programs of an image while their bytes are held, and keeps which libraries are in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from firmware_checks.fusion import VersionSet
from firmware_checks.region import Program, Region
from firmware_checks.span import Span
from toolkit.core.findings import Evidence
from toolkit.core.limits import Budget
from toolkit.report.model import Confidence, RegionKind

if TYPE_CHECKING:
    from firmware_checks.fingerprints.components import FixState, FoundComponent
    from firmware_checks.fingerprints.matching import Index
    from firmware_checks.fingerprints.pack import Pack

__all__ = ["FingerprintCollector", "FixFact"]

PROCESSORS = ("arm-cortex-m", "avr")
"""Those of ``identify.READERS``, which is imported only when there is such a program."""
SMALLEST_BYTES = 1024
HIGH_STRENGTH = 5.0
"""As much as five long functions that are the same instruction by instruction."""
MOST_EVIDENCE = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class FixFact:
    """A function that a security fix changes is in the image, as it was before the fix or after."""

    component: str
    """Name of the component rule."""
    vulnerability: str
    is_fixed: bool
    function: str
    """Name in the component's sources."""
    evidence: Evidence
    """Where the function is."""


@dataclass(slots=True)
class FingerprintCollector:
    """Collects version sets; reads packs and imports what it needs only when there is a program to look at.

    ``on_defect`` hears of programs that could not be looked at, such as with a damaged pack; ``own_packs`` are used
    beside those that are installed.
    """

    budget: Budget
    on_defect: Callable[[str, Span, Exception], None]
    own_packs: Sequence[Pack] = ()
    version_sets: list[VersionSet] = field(default_factory=list)
    fixes: list[FixFact] = field(default_factory=list)
    """What is known about fixes of which no version number tells."""
    _indexes: dict[str, Index] = field(default_factory=dict)
    """By processor."""

    def collect(self, regions: Iterable[Region]) -> None:
        """Look at the programs among ``regions`` and below them."""
        for region in regions:
            program = region.program
            if program is not None and _is_code(region, program):
                self._examine(region.held, program)
            else:
                self.collect(region.children)

    def _examine(self, span: Span, program: Program) -> None:
        from firmware_checks.fingerprints.identify import examine
        from firmware_checks.fingerprints.matching import Index
        from firmware_checks.fingerprints.shipped import shipped_packs

        try:
            index = self._indexes.get(program.arch)
            if index is None:
                packs = [pack for pack in (*shipped_packs(), *self.own_packs) if pack.meta.arch == program.arch]
                index = self._indexes[program.arch] = Index(packs)
            found = examine(span, program, self.budget, index)
        except Exception as error:  # noqa: BLE001  # a defect here must not hide the rest of the image
            self.on_defect("function fingerprints", span, error)
            return
        self.version_sets += [_version_set(span, component) for component in found if not component.toolchain]
        self.fixes += [_fix_fact(span, component.name, fix) for component in found for fix in component.fixes]


def _is_code(region: Region, program: Program) -> bool:
    return (
        program.arch in PROCESSORS
        and region.kind is RegionKind.PROGRAM
        and not region.decoded
        and isinstance(region.span, Span)
        and region.span.size >= SMALLEST_BYTES
    )


def _version_set(span: Span, component: FoundComponent) -> VersionSet:
    rows = [_fix_fact(span, component.name, fix).evidence for fix in component.fixes]
    for found in component.functions[: max(0, MOST_EVIDENCE - len(rows))]:
        how = "the same instructions" if found.exact else f"{found.alike:.0%} alike"
        rows.append(_evidence(span, found.function.start, f"{found.text}(): {how}"))
    sure = component.strength >= HIGH_STRENGTH
    return VersionSet(
        name=component.name,
        likelihoods=dict(component.likelihoods),
        evidence=tuple(rows),
        confidence=Confidence.HIGH if sure else Confidence.MEDIUM,
    )


def _fix_fact(span: Span, component: str, fix: FixState) -> FixFact:
    said = f"{fix.function}(): {fix.vulnerability} {'fixed' if fix.fixed else 'not fixed'}"
    return FixFact(
        component=component,
        vulnerability=fix.vulnerability,
        is_fixed=fix.fixed,
        function=fix.function,
        evidence=_evidence(span, fix.start, said),
    )


def _evidence(span: Span, offset: int, said: str) -> Evidence:
    return msgspec.structs.replace(span.evidence(offset), excerpt=said)
