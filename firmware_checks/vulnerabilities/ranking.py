"""What to do first: how soon to act on each vulnerability of a device, in the order in which they may harm a patient.

The decision is that of SSVC for those who run devices: exploitation, exposure, automatable, human impact. The answers
come from published data and from the device profile (``medical_rubric``); without one the worst is assumed. Sources:
CERT/CC, SSVC, data/csv/ssvc/deployer_patch_application_priority_1_0_0.csv, which is held against in the tests; CISA's
list of exploited vulnerabilities; FIRST, EPSS.
"""

from __future__ import annotations

from functools import lru_cache

from device_profiles.vocabulary import Reach
from firmware_checks.vulnerabilities.cvss import Vector, parse_vector
from firmware_checks.vulnerabilities.medical_rubric import REACHES, VECTOR_REACH, Device, vector_here
from toolkit.report.languages import Translator
from toolkit.report.urgency import action_text, applies_text, meaning_text
from toolkit.report.vulnerability import (
    Decision,
    Exploitation,
    Exposure,
    HumanImpact,
    Match,
    MatchStatus,
    Urgency,
    Vulnerability,
)

__all__ = ["LIKELY", "Ranking", "decide", "first_fixed", "order"]

LIKELY = 0.1
"""EPSS from here on counts as a public way to use it. Our own choice: no source of public exploits is at hand."""
_LETTERS = {"d": Decision.DEFER, "s": Decision.SCHEDULED, "o": Decision.OUT_OF_CYCLE, "i": Decision.IMMEDIATE}
_TREE = {
    (Exploitation.NONE, Exposure.SMALL): "ddss dsss",
    (Exploitation.NONE, Exposure.CONTROLLED): "dsss ssss",
    (Exploitation.NONE, Exposure.OPEN): "dsss ssso",
    (Exploitation.PUBLIC, Exposure.SMALL): "dsss ssss",
    (Exploitation.PUBLIC, Exposure.CONTROLLED): "dsss ssso",
    (Exploitation.PUBLIC, Exposure.OPEN): "ssso ssoo",
    (Exploitation.ACTIVE, Exposure.SMALL): "ssoo sooo",
    (Exploitation.ACTIVE, Exposure.CONTROLLED): "ssoo oooo",
    (Exploitation.ACTIVE, Exposure.OPEN): "sooi ooii",
}
"""By exploitation and exposure: the decisions for low to very high human impact, not automatable and automatable."""
_EXPOSURES = tuple(Exposure)
_OF_DEVICE = {Reach.INTERNET: Exposure.OPEN, Reach.NETWORK: Exposure.CONTROLLED, Reach.NEARBY: Exposure.CONTROLLED}
_WIDEST = {"A": Exposure.CONTROLLED, "L": Exposure.CONTROLLED, "P": Exposure.SMALL}
"""From where a vulnerability can be used at most, by its attack vector."""
_ENGLISH = Translator()


def decide(exploitation: Exploitation, exposure: Exposure, *, automatable: bool, impact: HumanImpact) -> Decision:
    """Return the decision of the published table."""
    row = _TREE[exploitation, exposure].split()[automatable]
    return _LETTERS[row[list(HumanImpact).index(impact)]]


class Ranking:
    """Says how urgent vulnerabilities are in one device."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self._here = lru_cache(maxsize=None)(self._scored)
        self._way = lru_cache(maxsize=None)(self._way_in)

    def urgency(self, match: Match, title: str) -> Urgency | None:
        """Return how urgent ``match`` of the component ``title`` is; None when it does not apply."""
        if match.status is MatchStatus.NOT_AFFECTED:
            return None
        here = self._here(match.vector or "")
        exposure, automatable, reachable = self._way(match.vector or "")
        exploitation, impact = _exploitation(match), self.device.human_impact
        decision = decide(exploitation, exposure, automatable=automatable, impact=impact)
        is_certain = match.status is MatchStatus.AFFECTED
        return Urgency(
            decision=decision,
            exploitation=exploitation,
            exposure=exposure,
            automatable=automatable,
            human_impact=impact,
            reachable=reachable,
            score=match.score if here is None or here.score is None else here.score,
            vector=None if here is None else here.text,
            sentence=_sentence(exploitation, exposure, impact, is_certain=is_certain),
            action=_action(decision, title, first_fixed(match.range), is_certain=is_certain),
        )

    def _scored(self, text: str) -> Vector | None:
        vector = parse_vector(text)
        return None if vector is None else vector_here(vector, self.device)

    def _way_in(self, text: str) -> tuple[Exposure, bool, bool | None]:
        """Return from where a vulnerability can be used here, whether by a program, and whether at all."""
        vector, reach = parse_vector(text), self.device.reach
        exposure = Exposure.OPEN if reach is None else _OF_DEVICE.get(reach, Exposure.SMALL)
        is_networked = reach in (None, Reach.NETWORK, Reach.INTERNET)
        if vector is None:
            return exposure, is_networked, None
        asked = vector.metrics["AV"]
        reachable = None if reach is None else REACHES.index(reach) >= REACHES.index(VECTOR_REACH[asked])
        widest = Exposure.SMALL if reachable is False else _WIDEST.get(asked, Exposure.OPEN)
        narrower = min(exposure, widest, key=_EXPOSURES.index)
        return narrower, is_networked and vector.is_automatable, reachable


def order(row: Vulnerability) -> tuple[bool, int, bool, bool, bool, float, float, str, str, str]:
    """Return what sorts vulnerabilities by how soon to act; what does not apply stands last, with its reason."""
    urgency = row.urgency
    return (
        urgency is None,
        urgency.decision.rank if urgency is not None else 0,
        row.exploited_since is None,
        row.status is not MatchStatus.AFFECTED,
        urgency is not None and urgency.reachable is False,
        -((urgency.score if urgency is not None else row.score) or 0.0),
        -(row.epss or 0.0),
        row.component,
        row.component_version or "",
        row.id,
    )


def first_fixed(text: str) -> str | None:
    """Return the version in which a range like ``>=1.0 <2.0`` is mended; None where it names none."""
    before, mark, version = text.rpartition("<")
    is_first_fixed = bool(mark) and not before.endswith("<") and not version.startswith("=")
    return version if is_first_fixed and " " not in version else None


def _exploitation(match: Match) -> Exploitation:
    if match.exploited_since is not None:
        return Exploitation.ACTIVE
    return Exploitation.PUBLIC if (match.epss or 0.0) >= LIKELY else Exploitation.NONE


@lru_cache(maxsize=256)
def _sentence(exploitation: Exploitation, exposure: Exposure, impact: HumanImpact, *, is_certain: bool) -> str:
    applies = applies_text(is_certain=is_certain, say=_ENGLISH)
    return f"{applies} {meaning_text(exploitation, exposure, impact, _ENGLISH)}"


@lru_cache(maxsize=4_096)
def _action(decision: Decision, title: str, update_to: str | None, *, is_certain: bool) -> str:
    return action_text(decision, title, update_to, is_certain=is_certain, say=_ENGLISH)
