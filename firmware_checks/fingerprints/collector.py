"""Looks at every Cortex-M program of an image while its bytes are held, and keeps which libraries are in it."""

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

__all__ = ["FingerprintCollector"]

CORTEX_M = "arm-cortex-m"
SMALLEST_BYTES = 1024
HIGH_STRENGTH = 5.0
"""As much as five long functions that are the same instruction by instruction."""
MOST_EVIDENCE = 10


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
    fixes: list[FixState] = field(default_factory=list)
    """What is known about fixes of which no version number tells."""
    _index: Index | None = None

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
            self._index = self._index or Index([*shipped_packs(), *self.own_packs])
            found = examine(span, program, self.budget, self._index)
        except Exception as error:  # noqa: BLE001  # a defect here must not hide the rest of the image
            self.on_defect("function fingerprints", span, error)
            return
        self.version_sets += [_version_set(span, component) for component in found if not component.toolchain]
        self.fixes += [fix for component in found for fix in component.fixes]


def _is_code(region: Region, program: Program) -> bool:
    return (
        program.arch == CORTEX_M
        and region.kind is RegionKind.PROGRAM
        and not region.decoded
        and isinstance(region.span, Span)
        and region.span.size >= SMALLEST_BYTES
    )


def _version_set(span: Span, component: FoundComponent) -> VersionSet:
    rows = [
        _evidence(span, fix.start, f"{fix.function}(): {fix.vulnerability} {'fixed' if fix.fixed else 'not fixed'}")
        for fix in component.fixes
    ]
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


def _evidence(span: Span, offset: int, said: str) -> Evidence:
    return msgspec.structs.replace(span.evidence(offset), excerpt=said)
