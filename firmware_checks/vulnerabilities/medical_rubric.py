"""How much worse or better a vulnerability is in this medical device: CVSS with what its profile says.

In the spirit of MITRE's rubric for CVSS in medical devices, each metric is asked in terms of care: which data, which
therapy, which alarm. The questions are our own words. What the profile states is taken; what it does not state is
taken as the worst, so that a profile can only make a device look safer than no profile. A function without side
effects: the same profile gives the same answers. Sources: MITRE, Rubric for Applying CVSS to Medical Devices (October
2020, qualified by the FDA as a development tool); FIRST, CVSS v3.1 specification, sections 2 and 4; v4.0, sections 2
and 3; v2, section 2.3; CERT/CC, SSVC, human_impact_1_0_0 and system_exposure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from device_profiles.schema import DeviceProfile, Interface
from device_profiles.vocabulary import (
    Authentication,
    EvidenceStatus,
    Harm,
    InterfaceType,
    PatientData,
    Purpose,
    Reach,
    Therapy,
)
from firmware_checks.vulnerabilities.cvss import Vector
from toolkit.report.vulnerability import Answer, HumanImpact
from toolkit.report.wording import Label

__all__ = ["REACHES", "VECTOR_REACH", "Device", "device_of", "reach_of", "vector_here"]

REACHES = (Reach.CASE_OPEN, Reach.BENCH, Reach.BEDSIDE, Reach.NEARBY, Reach.NETWORK, Reach.INTERNET)
"""From the nearest to the farthest."""
VECTOR_REACH = {"N": Reach.NETWORK, "A": Reach.NEARBY, "L": Reach.CASE_OPEN, "P": Reach.CASE_OPEN}
"""How wide a way in an attack vector asks for. L means a program that already runs on the device."""
_NARROWED = {Reach.NEARBY: "A", Reach.BEDSIDE: "P", Reach.BENCH: "P", Reach.CASE_OPEN: "P"}
_USUAL_REACH = {
    InterfaceType.ETHERNET: Reach.NETWORK,
    InterfaceType.WIFI: Reach.NETWORK,
    InterfaceType.CELLULAR: Reach.INTERNET,
    InterfaceType.MODEM: Reach.INTERNET,
    InterfaceType.BLE: Reach.NEARBY,
    InterfaceType.BLUETOOTH_CLASSIC: Reach.NEARBY,
    InterfaceType.RF_PROPRIETARY: Reach.NEARBY,
    InterfaceType.INFRARED: Reach.NEARBY,
    InterfaceType.DEBUG_PORT: Reach.CASE_OPEN,
}
_HARMS = tuple(Harm)
_IMPACTS = {
    Therapy.NONE: "low low medium medium very_high",
    Therapy.MONITORING: "low low high high very_high",
    Therapy.DIAGNOSTIC: "low low high high very_high",
    Therapy.THERAPEUTIC: "medium medium high high very_high",
    Therapy.LIFE_SUSTAINING: "very_high very_high very_high very_high very_high",
}
"""SSVC's table of human impact, by harm. Harm is its safety impact: negligible, marginal, critical, critical,
catastrophic; therapy its mission impact: degraded, support crippled (twice), essential function fails, all fails."""
_DAMAGE = dict(zip(Harm, ("N", "L", "LM", "MH", "H"), strict=True))
"""Collateral damage potential of CVSS 2 by harm."""
_REMEMBERED = {PatientData.NONE: "L", PatientData.TRANSIENT: "M", PatientData.PERSISTENT: "H"}
_WEIGHTS = {"L": "low", "M": "medium", "H": "high"}
_OPEN_DOORS = (Authentication.NONE, Authentication.SHARED_SECRET)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What decides how urgent a vulnerability is in one device."""

    is_known: bool
    """Whether there is a profile."""
    interfaces: tuple[Interface, ...]
    reach: Reach | None
    """The farthest place from which it can be used; None when nobody has said."""
    human_impact: HumanImpact
    needs_no_rights: bool
    """Whether its farthest connection obeys everybody, or everybody who knows one password for all devices."""
    can_injure: bool
    damage: str
    requirements: Mapping[str, str]
    """CR, IR and AR: how much secrecy, right data and uninterrupted work matter; L, M or H."""
    answers: tuple[Answer, ...]
    replace_by: str | None = None
    """Day by which it must go, as the profile says."""


def reach_of(interface: Interface) -> Reach:
    """Return where somebody must be to use ``interface``: as stated, else what is usual for its kind."""
    return interface.reach or _USUAL_REACH.get(interface.type, Reach.BEDSIDE)


def device_of(profile: DeviceProfile | None) -> Device:
    """Return what decides in the device that ``profile`` describes; the worst of everything when there is none."""
    if profile is None:
        return Device(
            is_known=False,
            interfaces=(),
            reach=None,
            human_impact=HumanImpact.VERY_HIGH,
            needs_no_rights=True,
            can_injure=True,
            damage="H",
            requirements={"CR": "H", "IR": "H", "AR": "H"},
            answers=tuple(_assumed(*row) for row in _UNKNOWN),
        )
    safety, reach = profile.safety, max(map(reach_of, profile.interfaces), key=REACHES.index, default=None)
    needs = {"CR": _secrecy(profile), "IR": _right_data(profile), "AR": _uninterrupted(profile)}
    impact = _IMPACTS[safety.therapy].split()[_HARMS.index(safety.worst_case_harm)]
    farthest = [each for each in profile.interfaces if reach_of(each) is reach]
    needs_no_rights = any(each.authentication in (None, *_OPEN_DOORS) for each in farthest) or not farthest
    lifecycle = profile.lifecycle
    return Device(
        is_known=True,
        interfaces=profile.interfaces,
        reach=reach,
        human_impact=HumanImpact[impact.upper()],
        needs_no_rights=needs_no_rights,
        can_injure=_HARMS.index(safety.worst_case_harm) >= _HARMS.index(Harm.SERIOUS),
        damage=_DAMAGE[safety.worst_case_harm],
        requirements=needs,
        answers=_answers(profile, reach, farthest, needs, HumanImpact[impact.upper()]),
        replace_by=lifecycle.end_of_life or lifecycle.end_of_support,
    )


def vector_here(vector: Vector, device: Device) -> Vector:
    """Return the published ``vector`` with the metrics of the environment that ``device`` is."""
    changed = dict(device.requirements)
    if vector.version == 2:
        return vector.with_metrics({"CDP": device.damage, **changed})
    needed = VECTOR_REACH.get(vector.metrics["AV"])
    if device.reach is not None and needed is not None and REACHES.index(device.reach) < REACHES.index(needed):
        changed["MAV"] = _NARROWED[device.reach]
    if device.needs_no_rights and vector.metrics["PR"] == "L":
        changed["MPR"] = "N"
    if vector.version == 4 and device.can_injure:
        changed |= {f"MS{name}": "S" for name in "IA" if vector.metrics[f"V{name}"] != "N"}
    return vector.with_metrics(changed)


def _secrecy(profile: DeviceProfile) -> str:
    data = profile.data
    if data.patient_data is None or data.secrets is None or data.secrets:
        return "H"
    return _REMEMBERED[data.patient_data]


def _right_data(profile: DeviceProfile) -> str:
    safety = profile.safety
    if safety.therapy in (Therapy.THERAPEUTIC, Therapy.LIFE_SUSTAINING):
        return "H"
    if safety.worst_case_harm in (Harm.CRITICAL, Harm.CATASTROPHIC):
        return "H"
    return "L" if safety.therapy is Therapy.NONE and safety.worst_case_harm is not Harm.SERIOUS else "M"


def _uninterrupted(profile: DeviceProfile) -> str:
    safety = profile.safety
    can_injure = _HARMS.index(safety.worst_case_harm) >= _HARMS.index(Harm.SERIOUS)
    if safety.therapy is Therapy.LIFE_SUSTAINING or (can_injure and _gives_alarms(profile)):
        return "H"
    if safety.therapy is Therapy.THERAPEUTIC and can_injure:
        return "H"
    return "L" if safety.therapy is Therapy.NONE and not can_injure else "M"


def _gives_alarms(profile: DeviceProfile) -> bool:
    return any(
        Purpose.ALARM in (each.purposes or ()) or each.type is InterfaceType.NURSE_CALL for each in profile.interfaces
    )


_UNKNOWN: tuple[tuple[str, str, str | None], ...] = (
    ("AV", Label.ASK_NETWORK, "yes"),
    ("AV", Label.ASK_RADIO, "yes"),
    ("AV", Label.ASK_TOUCH, "yes"),
    ("AC", Label.ASK_COMPLEXITY, None),
    ("PR", Label.ASK_LOGIN, "nothing"),
    ("UI", Label.ASK_INTERACTION, None),
    ("S", Label.ASK_SCOPE, None),
    ("C", Label.ASK_PATIENT_DATA, "persistent"),
    ("C", Label.ASK_SECRETS, "yes"),
    ("I", Label.ASK_THERAPY, "life_sustaining"),
    ("A", Label.ASK_ALARMS, "yes"),
    ("Human Impact", Label.ASK_HARM, "catastrophic"),
)


def _assumed(metric: str, question: str, value: str | None) -> Answer:
    if value is None:
        return _published(metric, question)
    return Answer(metric=metric, question=str(question), value=value, because=str(Label.NO_PROFILE), assumed=True)


def _published(metric: str, question: str) -> Answer:
    """Return a question that no fact about a device answers."""
    because = str(Label.NOT_OF_THE_DEVICE)
    return Answer(metric=metric, question=str(question), value=str(Label.AS_PUBLISHED), because=because, assumed=False)


def _answers(
    profile: DeviceProfile,
    reach: Reach | None,
    farthest: Sequence[Interface],
    needs: Mapping[str, str],
    impact: HumanImpact,
) -> tuple[Answer, ...]:
    """Return every question with the answer that ``profile`` gives, and where it comes from."""
    data, safety = profile.data, profile.safety
    ways = profile.interfaces

    def answer(metric: str, question: str, value: str, path: str, *, said: bool = True) -> Answer:
        because, assumed = _because(profile, path) if said else (str(Label.NOT_STATED), True)
        return Answer(metric=metric, question=str(question), value=value, because=because, assumed=assumed)

    def at(*places: Reach) -> str:
        return ", ".join(each.id for each in ways if reach_of(each) in places) or "no"

    asks = ", ".join(f"{each.id}: {each.authentication or 'not known'}" for each in farthest) or "not known"
    return (
        answer("AV", Label.ASK_NETWORK, at(Reach.NETWORK, Reach.INTERNET), "interfaces", said=bool(ways)),
        answer("AV", Label.ASK_RADIO, at(Reach.NEARBY), "interfaces", said=bool(ways)),
        answer("AV", Label.ASK_TOUCH, at(*REACHES[:3]), "interfaces", said=bool(ways)),
        _published("AC", Label.ASK_COMPLEXITY),
        answer("PR", Label.ASK_LOGIN, asks, "interfaces", said=reach is not None and "not known" not in asks),
        _published("UI", Label.ASK_INTERACTION),
        _published("S", Label.ASK_SCOPE),
        answer(
            "C",
            Label.ASK_PATIENT_DATA,
            data.patient_data or "not known",
            "data.patient_data",
            said=data.patient_data is not None,
        ),
        answer(
            "C",
            Label.ASK_SECRETS,
            f"{', '.join(data.secrets or ()) or 'none'} ({_WEIGHTS[needs['CR']]})",
            "data.secrets",
            said=data.secrets is not None,
        ),
        answer("I", Label.ASK_THERAPY, f"{safety.therapy} ({_WEIGHTS[needs['IR']]})", "safety.therapy"),
        answer(
            "A",
            Label.ASK_ALARMS,
            f"{'yes' if _gives_alarms(profile) else 'no'} ({_WEIGHTS[needs['AR']]})",
            "interfaces",
            said=bool(ways),
        ),
        answer("Human Impact", Label.ASK_HARM, f"{safety.worst_case_harm} ({impact})", "safety.worst_case_harm"),
    )


def _because(profile: DeviceProfile, path: str) -> tuple[str, bool]:
    try:
        status = profile.evidence_for(path).status
    except KeyError:
        return str(Label.NOT_STATED), True
    if status is EvidenceStatus.ASSUMED:
        return str(Label.PROFILE_ASSUMES), True
    return str(Label.PROFILE_STATES), False
