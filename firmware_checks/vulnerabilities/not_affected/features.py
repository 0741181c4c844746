"""Libraries and servers: the part that holds the fault was left out of this build.

A part is taken for absent only where texts can be read at all (a text that every build holds is there), where each
program that carries the product is whole, and where none of them holds what every build with the part holds. Of a part
that may stand in a file of its own, nothing in the image may hold it, all of the image must have been read, and no
program in it may be packed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from firmware_checks.component_rules import EVIDENCE_PER_COMPONENT
from firmware_checks.inventory import Inventory
from firmware_checks.observation_collection import MOST_OF_ALL
from firmware_checks.observer import Seen
from firmware_checks.observers.feature_texts import PACKED, FeatureText
from firmware_checks.vulnerabilities.feature_facts import Feature, ProductFeatures, features_of
from firmware_checks.vulnerabilities.not_affected.reason import AbsentFeature, Excuse, Fault, Known
from toolkit.report.model import Component, Confidence
from toolkit.report.vulnerability import Justification

__all__ = ["ProgramTexts", "absent_features", "feature_not_built", "programs_with_texts"]

_Texts = Mapping[str, Seen[FeatureText]]


@dataclass(frozen=True, slots=True)
class ProgramTexts:
    """The texts of parts that were seen in the programs of an image."""

    by_path: Mapping[str, _Texts] = field(default_factory=dict)
    """By file and text; of a file that is no whole program the pieces count together, and none of it as whole."""
    programs: frozenset[str] = frozenset()
    """All programs of the image, whatever they hold."""

    @property
    def are_all_plain(self) -> bool:
        """Whether nothing in the image is packed, so that its texts could not be read."""
        return not any(PACKED in held for held in self.by_path.values())


def programs_with_texts(inventory: Inventory) -> ProgramTexts:
    """Return which program of the image holds which texts; nothing where some may not have been kept."""
    if sum(map(len, inventory.observations.values())) >= MOST_OF_ALL:
        return ProgramTexts()
    found: dict[str, dict[str, Seen[FeatureText]]] = {}
    for seen in inventory.observed(FeatureText):
        known = found.setdefault(seen.path, {}).setdefault(seen.what.text, seen)
        if not seen.what.is_whole:
            found[seen.path][known.what.text] = seen
    return ProgramTexts(found, frozenset(path for path, facts in inventory.files.items() if facts.is_elf))


def absent_features(component: Component, texts: ProgramTexts, *, is_all_read: bool) -> tuple[AbsentFeature, ...]:
    """Return the parts that the programs of ``component`` were built without."""
    product = features_of(component.name)
    if product is None:
        return ()
    carriers = {path: held for path, held in texts.by_path.items() if not held.keys().isdisjoint(product.witnesses)}
    callers = {path for path, held in texts.by_path.items() if not held.keys().isdisjoint(product.callers)}
    own = {seen.path for seen in component.evidence} & texts.programs
    if own.isdisjoint(carriers) or not own <= carriers.keys() | callers:
        return ()
    if len(component.evidence) < EVIDENCE_PER_COMPONENT:  # else the component may be in programs that are not named
        carriers = {path: held for path, held in carriers.items() if path in own}
    if not all(seen.what.is_whole for held in carriers.values() for seen in held.values()):
        return ()
    return tuple(_absent(product, carriers, texts, is_all_read=is_all_read))


def _absent(
    product: ProductFeatures, carriers: Mapping[str, _Texts], texts: ProgramTexts, *, is_all_read: bool
) -> Iterator[AbsentFeature]:
    for feature in product.feature:
        programs = texts.by_path if feature.is_apart else carriers
        marks = {*feature.traces, *feature.exports}
        if any(not held.keys().isdisjoint(marks) for held in programs.values()):
            continue
        if feature.is_apart and not (is_all_read and texts.are_all_plain):
            continue
        if feature.exports and not all(_is_library_of(product, held) for held in carriers.values()):
            continue  # a program keeps no names of functions that were linked into it
        shown = [_shown(feature, path, held) for path, held in carriers.items()]
        if None not in shown:
            is_said = bool(feature.says_off or feature.exports)
            lines = tuple(line for line in shown if line is not None)
            yield AbsentFeature(feature.name, feature.title, lines, Confidence.MEDIUM if is_said else Confidence.LOW)


def _is_library_of(product: ProductFeatures, held: _Texts) -> bool:
    return any(seen.what.soname.startswith(product.libraries) for seen in held.values())


def _shown(feature: Feature, path: str, held: _Texts) -> str | None:
    """Return what shows that the program at ``path`` is without the part; None when nothing does."""
    if feature.says_off:
        said = next((held[text] for text in feature.says_off if text in held), None)
        return None if said is None else f"{path} at {said.evidence.offset:#x}: {said.what.text!r}"
    wanted = ", ".join(repr(text) for text in (*feature.traces, *feature.exports))
    return f"{path}, read to its end, holds no {wanted}, which every build with {feature.title} holds"


def feature_not_built(fault: Fault, known: Known) -> Excuse | None:
    """Return why the part that holds the fault is not there."""
    for feature in known.absent_features:
        if feature.name in fault.features:
            return Excuse(
                Justification.CODE_NOT_PRESENT,
                f"this build has no {feature.title}, where the fault is",
                feature.evidence,
                feature.confidence,
            )
    return None
