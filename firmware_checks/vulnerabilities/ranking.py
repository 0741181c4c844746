"""What to do first: the vulnerabilities of a device in the order in which they may harm a patient.

The decision is that of CISA's tree of SSVC: exploitation, automatable, technical impact, mission and well-being. The
answers come from published data and from the device profile, in the spirit of the MITRE rubric for applying CVSS to
medical devices, which asks for each metric what it means for therapy, diagnosis and monitoring; its questions are not
reproduced. Sources: CISA, Stakeholder-Specific Vulnerability Categorization Guide (November 2022), with the table as
published in CERTCC/SSVC, data/csv/cisa/cisa_coordinator_2_0_3.csv; MITRE, Rubric for Applying CVSS to Medical Devices
(October 2020).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from device_profiles.schema import DeviceProfile, Interface
from device_profiles.vocabulary import Harm, InterfaceType, Reach, Therapy
from firmware_checks.vulnerabilities.cvss import Vector, parse_vector
from toolkit.report.vulnerability import Decision, Exploitation, Match, MatchStatus, Wellbeing

__all__ = [
    "LIKELY",
    "Decision",
    "Exploitation",
    "Ranked",
    "Wellbeing",
    "decide",
    "rank",
    "wellbeing_of",
    "widest_reach",
]

LIKELY = 0.1
"""EPSS from here on counts as a public way to use it. Our own choice: no source of public exploits is at hand."""
_TOTAL_SCORE = 9.0


_TREE = {
    (Exploitation.NONE, False, False): "track track track",
    (Exploitation.NONE, False, True): "track track track*",
    (Exploitation.NONE, True, False): "track track attend",
    (Exploitation.NONE, True, True): "track track attend",
    (Exploitation.PUBLIC, False, False): "track track track*",
    (Exploitation.PUBLIC, False, True): "track track* attend",
    (Exploitation.PUBLIC, True, False): "track track attend",
    (Exploitation.PUBLIC, True, True): "track track* attend",
    (Exploitation.ACTIVE, False, False): "track track attend",
    (Exploitation.ACTIVE, False, True): "track attend act",
    (Exploitation.ACTIVE, True, False): "attend attend act",
    (Exploitation.ACTIVE, True, True): "attend act act",
}
"""By exploitation, automatable and total impact: the decision for low, medium and high well-being impact."""
_REACHES = (Reach.CASE_OPEN, Reach.BENCH, Reach.BEDSIDE, Reach.NEARBY, Reach.NETWORK, Reach.INTERNET)
_VECTOR_REACH = {"N": Reach.NETWORK, "A": Reach.NEARBY, "L": Reach.BEDSIDE, "P": Reach.CASE_OPEN}
_REACH_VECTOR = {Reach.NEARBY: "A", Reach.BEDSIDE: "L", Reach.BENCH: "P", Reach.CASE_OPEN: "P"}
_USUAL_REACH = {
    InterfaceType.ETHERNET: Reach.NETWORK,
    InterfaceType.WIFI: Reach.NETWORK,
    InterfaceType.CELLULAR: Reach.INTERNET,
    InterfaceType.MODEM: Reach.INTERNET,
    InterfaceType.BLE: Reach.NEARBY,
    InterfaceType.BLUETOOTH_CLASSIC: Reach.NEARBY,
    InterfaceType.RF_PROPRIETARY: Reach.NEARBY,
    InterfaceType.DEBUG_PORT: Reach.CASE_OPEN,
}
_REACH_WORDS = {
    Reach.INTERNET: "from the internet",
    Reach.NETWORK: "over the hospital network",
    Reach.NEARBY: "by radio from nearby",
    Reach.BEDSIDE: "by somebody at the bedside",
    Reach.BENCH: "by somebody with the device on a bench",
    Reach.CASE_OPEN: "by somebody who opens the case",
}
_THERAPY_WORDS = {
    Therapy.NONE: "the device does its job",
    Therapy.MONITORING: "the patient is watched",
    Therapy.DIAGNOSTIC: "results are right",
    Therapy.THERAPEUTIC: "the treatment is right",
    Therapy.LIFE_SUSTAINING: "the patient is kept alive",
}
_DECISION_ACTIONS = {
    Decision.ACT: "Now: take the device off the network or out of use until it is mended",
    Decision.ATTEND: "Before the next routine service: shield or close the way in",
    Decision.TRACK_CLOSELY: "With the next update, and look again each month",
    Decision.TRACK: "With the next routine update",
}


class Ranked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One vulnerability of a device with what to do about it."""

    match: Match
    decision: Annotated[Decision, Meta(description="How soon to act, in the words of SSVC.")]
    exploitation: Annotated[Exploitation, Meta(description="What is known of its use in attacks.")]
    automatable: Annotated[bool, Meta(description="Whether a program could use it on many devices at once.")]
    total: Annotated[bool, Meta(description="Whether it gives full control, or nobody knows.")]
    wellbeing: Annotated[Wellbeing, Meta(description="What is at stake for patients.")]
    reachable: Annotated[
        bool | None, Meta(description="Whether the device has a way in as wide as it asks for; null when not known.")
    ]
    score: Annotated[
        float | None, Meta(description="CVSS 3 base score with this device's widest way in; else the published score.")
    ]
    sentence: Annotated[str, Meta(description="What it means, in words.")]
    action: Annotated[str, Meta(description="What to do.")]


def decide(exploitation: Exploitation, *, automatable: bool, total: bool, wellbeing: Wellbeing) -> Decision:
    """Return CISA's decision."""
    row = _TREE[exploitation, automatable, total].split()
    return Decision(row[list(Wellbeing).index(wellbeing)])


def wellbeing_of(therapy: Therapy, harm: Harm) -> Wellbeing:
    """Return what is at stake for patients: the worse of what the device does and what harm it can do."""
    if therapy is Therapy.LIFE_SUSTAINING or harm in (Harm.CRITICAL, Harm.CATASTROPHIC):
        return Wellbeing.HIGH
    return Wellbeing.MEDIUM if therapy is Therapy.THERAPEUTIC or harm is Harm.SERIOUS else Wellbeing.LOW


def widest_reach(interfaces: Iterable[Interface]) -> Reach | None:
    """Return the farthest place from which any interface can be used; None when no interface is known."""
    reaches = [each.reach or _USUAL_REACH.get(each.type, Reach.BEDSIDE) for each in interfaces]
    return max(reaches, key=_REACHES.index, default=None)


def rank(matches: Iterable[Match], profile: DeviceProfile, vectors: Mapping[str, str]) -> list[Ranked]:
    """Return ``matches`` in the order in which to act; ``vectors`` has CVSS vectors by name where they are known.

    Nothing is left out: what does not apply to the device stands at the end with its reason.
    """
    reach = widest_reach(profile.interfaces)
    ranked = [_ranked(match, profile, reach, parse_vector(vectors.get(match.id, ""))) for match in matches]
    return sorted(ranked, key=_urgency)


def _urgency(ranked: Ranked) -> tuple[bool, int, bool, bool, bool, float, float, str]:
    match = ranked.match
    return (
        match.status is MatchStatus.NOT_AFFECTED,
        list(Decision).index(ranked.decision),
        match.exploited_since is None,
        match.status is not MatchStatus.AFFECTED,
        ranked.reachable is False,
        -(ranked.score or 0.0),
        -(match.epss or 0.0),
        match.id,
    )


def _ranked(match: Match, profile: DeviceProfile, reach: Reach | None, vector: Vector | None) -> Ranked:
    needed = _VECTOR_REACH.get(vector.get("AV")) if vector is not None else None
    reachable = None if reach is None or needed is None else _REACHES.index(reach) >= _REACHES.index(needed)
    is_networked = reach in (None, Reach.NETWORK, Reach.INTERNET)
    exploitation = _exploitation(match)
    automatable = is_networked and (vector is None or vector.is_automatable)
    total = vector.is_total if vector is not None else match.score is None or match.score >= _TOTAL_SCORE
    wellbeing = wellbeing_of(profile.safety.therapy, profile.safety.worst_case_harm)
    decision = decide(exploitation, automatable=automatable, total=total, wellbeing=wellbeing)
    if match.status is MatchStatus.NOT_AFFECTED:
        decision = Decision.TRACK
    return Ranked(
        match=match,
        decision=decision,
        exploitation=exploitation,
        automatable=automatable,
        total=total,
        wellbeing=wellbeing,
        reachable=reachable,
        score=_score_here(match, vector, reach, is_reachable=reachable),
        sentence=_sentence(match, profile, reach, exploitation, is_reachable=reachable),
        action=_action(match, decision),
    )


def _exploitation(match: Match) -> Exploitation:
    if match.exploited_since is not None:
        return Exploitation.ACTIVE
    return Exploitation.PUBLIC if (match.epss or 0.0) >= LIKELY else Exploitation.NONE


def _score_here(match: Match, vector: Vector | None, reach: Reach | None, *, is_reachable: bool | None) -> float | None:
    if vector is None or reach is None or vector.version != 3:
        return match.score
    here = vector if is_reachable is not False else vector.with_attack_vector(_REACH_VECTOR[reach])
    score = here.base_score()
    return match.score if score is None else score


def _sentence(
    match: Match, profile: DeviceProfile, reach: Reach | None, exploitation: Exploitation, *, is_reachable: bool | None
) -> str:
    if match.status is MatchStatus.NOT_AFFECTED:
        return f"It does not apply: {match.reason}."
    applies = "It applies" if match.status is MatchStatus.AFFECTED else "It may apply"
    used = {
        Exploitation.ACTIVE: f"has been used in attacks since {match.exploited_since}",
        Exploitation.PUBLIC: "is likely to be used in attacks soon",
        Exploitation.NONE: "is not known to be used in attacks",
    }[exploitation]
    if reach is None:
        way = "how the device can be reached is not known"
    elif is_reachable is False:
        way = f"it asks for a wider way in than the device has, which can be reached only {_REACH_WORDS[reach]}"
    else:
        way = f"the device can be reached {_REACH_WORDS[reach]}"
    safety = profile.safety
    stake = f"whether {_THERAPY_WORDS[safety.therapy]} may depend on it, the worst harm is {safety.worst_case_harm}"
    return f"{applies} and {used}; {way}; {stake}."


def _action(match: Match, decision: Decision) -> str:
    if match.status is MatchStatus.NOT_AFFECTED:
        return "Nothing to do; keep the reason on file."
    if match.status is MatchStatus.UNDER_INVESTIGATION:
        return f"{_DECISION_ACTIONS[decision]}; ask the maker whether it applies."
    first_fixed = match.range.rpartition("<")[2]
    is_exclusive = "<" in match.range and not first_fixed.startswith("=") and " " not in first_fixed
    how = f"ask the maker for software with version {first_fixed} or later of the part" if is_exclusive else (
        "ask the maker for software in which it is mended"
    )  # fmt: skip
    return f"{_DECISION_ACTIONS[decision]}; {how}."
