"""Functions that were recognised in a program as they were before a correction, or after it.

Function fingerprints know some corrections of which no version number tells, because distributions and makers mend an
old version. The corrected form of the function rules its vulnerability out; the old form shows that it is there,
whatever the version says. See ``firmware_checks.fingerprints``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from firmware_checks.inventory import Inventory
from firmware_checks.region import Region
from firmware_checks.vulnerabilities.judgement import OWN
from toolkit.report.model import Component, Confidence
from toolkit.report.vulnerability import Justification, Match, MatchStatus, Provenance

if TYPE_CHECKING:
    from firmware_checks.fingerprints.collector import FixFact

__all__ = ["FunctionForms", "ProgramPlace", "function_forms", "judged_by_functions"]

RECORD = "function fingerprints"


@dataclass(frozen=True, slots=True)
class ProgramPlace:
    """Where a program of a raw image stands: bytes ``[start, end)`` of the file at ``path``."""

    path: str
    start: int
    end: int

    def holds(self, path: str, offset: int | None) -> bool:
        """Return whether a place of evidence is in the program."""
        return path == self.path and offset is not None and self.start <= offset < self.end


@dataclass(frozen=True, slots=True)
class FunctionForms:
    """What is known of corrections in the programs of an image."""

    facts: Sequence[FixFact] = ()
    programs: Sequence[ProgramPlace] = ()


def function_forms(inventory: Inventory) -> FunctionForms:
    """Return what functions of the image show of corrections."""
    return FunctionForms(inventory.fixes, tuple(_programs(inventory.regions())) if inventory.fixes else ())


def _programs(regions: Iterable[Region]) -> Iterator[ProgramPlace]:
    for region in regions:
        if region.program is not None:
            start, end = region.span.extent
            yield ProgramPlace(region.span.path, start, end)


def judged_by_functions(matches: Iterable[Match], component: Component, forms: FunctionForms) -> tuple[Match, ...]:
    """Return ``matches`` in their order, judged by the functions that hold them; one that no data names comes last."""
    facts = _facts_of(component, forms)
    judged = [_judged(match, facts.pop(match.id, ()), component, forms) for match in matches]
    judged += [_unnamed(name, rows, component) for name, rows in sorted(facts.items()) if not _is_mended(rows)]
    return tuple(judged)


def _facts_of(component: Component, forms: FunctionForms) -> dict[str, list[FixFact]]:
    """Return what is known of the programs that ``component`` was seen in, by name of the vulnerability."""
    paths = {seen.path for seen in component.evidence}
    found: dict[str, list[FixFact]] = defaultdict(list)
    for fact in forms.facts:
        if fact.component == component.name and fact.evidence.path in paths:
            found[fact.vulnerability].append(fact)
    return found


def _is_mended(facts: Iterable[FixFact]) -> bool:
    return all(fact.is_fixed for fact in facts)


def _judged(match: Match, facts: Sequence[FixFact], component: Component, forms: FunctionForms) -> Match:
    if not facts:
        return match
    if not _is_mended(facts):
        return _affected(match, [fact for fact in facts if not fact.is_fixed])
    if match.status is MatchStatus.NOT_AFFECTED or not _is_shown_everywhere(facts, component, forms):
        return match
    return msgspec.structs.replace(
        match,
        status=MatchStatus.NOT_AFFECTED,
        justification=Justification.CODE_NOT_PRESENT,
        confidence=Confidence.MEDIUM,
        reason=f"it is mended in this build though the version does not say so: {_names(facts)} in its corrected form",
        evidence=tuple(map(_shown, facts)),
    )


def _affected(match: Match, facts: Sequence[FixFact]) -> Match:
    """Return ``match`` as affected: the function is there as it was before the correction."""
    return msgspec.structs.replace(
        match,
        status=MatchStatus.AFFECTED,
        justification=None,
        confidence=Confidence.HIGH,
        reason=f"{match.reason}; {_names(facts)} in its vulnerable form",
        evidence=(*match.evidence, *map(_shown, facts)),
    )


def _unnamed(name: str, facts: Sequence[FixFact], component: Component) -> Match:
    old = [fact for fact in facts if not fact.is_fixed]
    said = Provenance(source=OWN, record=RECORD, product=component.name, range="-")
    return Match(
        id=name,
        status=MatchStatus.AFFECTED,
        confidence=Confidence.MEDIUM,
        reason=f"no range names this version, but {_names(old)} in its vulnerable form",
        evidence=tuple(map(_shown, old)),
        range="-",
        versions=(component.version,) if component.version is not None else (),
        provenance=(said,),
    )


def _is_shown_everywhere(facts: Iterable[FixFact], component: Component, forms: FunctionForms) -> bool:
    """Return whether each program in which ``component`` was seen shows the correction.

    Evidence that stands in no program of a file counts for all programs of that file.
    """
    mended = {program for program in forms.programs for fact in facts if _is_in(fact, program)}
    by_path: Mapping[str, list[ProgramPlace]] = defaultdict(list)
    for program in forms.programs:
        by_path[program.path].append(program)
    for seen in component.evidence:
        there = by_path.get(seen.path, [])
        holding = [program for program in there if program.holds(seen.path, seen.offset)] or there
        if not holding or not mended.issuperset(holding):
            return False
    return True


def _is_in(fact: FixFact, program: ProgramPlace) -> bool:
    return program.holds(fact.evidence.path, fact.evidence.offset)


def _names(facts: Sequence[FixFact]) -> str:
    names = list(dict.fromkeys(f"{fact.function}()" for fact in facts))
    return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} there"


def _shown(fact: FixFact) -> str:
    place = fact.evidence
    at = "" if place.offset is None else f" at {place.offset:#x}"
    address = "" if place.address is None else f" (address {place.address:#x})"
    form = "corrected" if fact.is_fixed else "vulnerable"
    return f"{place.path}{at}{address}: {fact.function}() is the same instruction by instruction as the {form} form"
