"""What to do first: scores and decisions held against the published ones, and the order of a list."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.loader import load
from device_profiles.schema import DeviceProfile, Interface, Sockets
from device_profiles.vocabulary import Authentication, Harm, InterfaceType, PatientData, Purpose, Reach, Therapy
from firmware_checks.vulnerabilities.cvss import parse_vector
from firmware_checks.vulnerabilities.medical_rubric import device_of, vector_here
from firmware_checks.vulnerabilities.ranking import Ranking, decide, first_fixed, order
from firmware_checks.vulnerabilities.steps import steps_of
from firmware_checks.vulnerabilities.support import mended_no_more
from firmware_checks.vulnerabilities.versions import SchemeName
from toolkit.report.model import Component, Confidence
from toolkit.report.vulnerability import (
    ComponentSupport,
    Decision,
    Exploitation,
    Exposure,
    HumanImpact,
    Match,
    MatchStatus,
    Provenance,
    Urgency,
    Vulnerability,
)

WORST = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
WORST_4 = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"


@pytest.mark.parametrize(
    ("vector", "score"),
    [
        (WORST, 9.8),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10.0),
        ("CVSS:3.1/AV:P/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 6.8),
        ("CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", 7.8),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1),
        ("CVSS:3.0/AV:N/AC:H/PR:N/UI:N/S:U/C:N/I:N/A:H", 5.9),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0.0),
        (WORST_4, 9.3),
        ("AV:N/AC:L/Au:N/C:C/I:C/A:C", 10.0),
        ("AV:N/AC:M/Au:N/C:N/I:P/A:N", 4.3),
    ],
)
def test_base_scores_that_first_and_the_nvd_publish(vector: str, score: float) -> None:
    parsed = parse_vector(vector)
    assert parsed is not None
    assert parsed.score == score


@pytest.mark.parametrize(
    ("vector", "automatable"),
    [
        (WORST, True),
        ("AV:N/AC:L/Au:N/C:C/I:C/A:C", True),
        ("AV:N/AC:L/Au:S/C:P/I:P/A:P", False),
        (WORST_4, True),
        (WORST_4.replace("AT:N", "AT:P"), False),
        ("CVSS:4.0/AV:A/AC:L/AT:N/PR:N/UI:N/VC:H/VI:L/VA:H/SC:N/SI:N/SA:N", False),
    ],
)
def test_what_a_vector_says_of_automation(vector: str, automatable: bool) -> None:
    parsed = parse_vector(vector)
    assert parsed is not None
    assert parsed.is_automatable is automatable


@pytest.mark.parametrize(
    "text",
    ["", "CVSS:3.1/AV:N/AC:L", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:Q", "AV:N/AC:L/Au:N/C:C/C:C", "AV:\ud800"],
)
def test_what_is_no_whole_vector_is_none(text: str) -> None:
    assert parse_vector(text) is None


@given(st.text(alphabet="CVS:3.1/ANLPHUR", max_size=60))
def test_no_vector_is_too_strange(text: str) -> None:
    parsed = parse_vector(text)
    assert parsed is None or 0 <= parsed.score <= 10


PUBLISHED = (
    "ddss dsss dsss ssss dsss ssso"  # no attack known: small, controlled, open; each not automatable, automatable
    " dsss ssss dsss ssso ssso ssoo"  # a public way
    " ssoo sooo ssoo oooo sooi ooii"  # used in attacks
)


def test_the_decision_is_that_of_the_published_table_for_those_who_run_devices() -> None:
    """The 72 rows in the order in which CERT/CC publishes them: d defer, s scheduled, o out-of-cycle, i immediate."""
    rows = itertools.product(Exploitation, Exposure, (False, True), HumanImpact)
    found = [decide(used, exposure, automatable=auto, impact=impact) for used, exposure, auto, impact in rows]
    assert "".join(decision.value[0] for decision in found) == PUBLISHED.replace(" ", "")
    assert [decision.rank for decision in Decision] == [0, 1, 2, 3]


def _profile(
    *interfaces: Interface, therapy: Therapy = Therapy.MONITORING, harm: Harm = Harm.CRITICAL
) -> DeviceProfile:
    profile = load("contec-cms8000")
    safety = msgspec.structs.replace(profile.safety, therapy=therapy, worst_case_harm=harm)
    return msgspec.structs.replace(profile, interfaces=interfaces, safety=safety)


def _way(kind: InterfaceType, **more: Any) -> Interface:
    return Interface(id=kind.value, type=kind, **more)


@pytest.mark.parametrize(
    ("therapy", "harm", "expected"),
    [
        (Therapy.MONITORING, Harm.MINOR, "low"),
        (Therapy.NONE, Harm.SERIOUS, "medium"),
        (Therapy.THERAPEUTIC, Harm.NEGLIGIBLE, "medium"),
        (Therapy.DIAGNOSTIC, Harm.SERIOUS, "high"),
        (Therapy.THERAPEUTIC, Harm.CRITICAL, "high"),
        (Therapy.LIFE_SUSTAINING, Harm.MINOR, "very high"),
        (Therapy.NONE, Harm.CATASTROPHIC, "very high"),
    ],
)
def test_what_is_at_stake_follows_therapy_and_harm(therapy: Therapy, harm: Harm, expected: str) -> None:
    assert device_of(_profile(therapy=therapy, harm=harm)).human_impact == expected


def test_the_widest_way_in_counts_and_none_known_is_not_none() -> None:
    serial, wifi = _way(InterfaceType.RS232), _way(InterfaceType.WIFI)
    near = _way(InterfaceType.ETHERNET, reach=Reach.BEDSIDE)
    assert device_of(_profile(serial, wifi)).reach == "network"
    assert device_of(_profile(serial, near)).reach == "bedside"
    assert device_of(_profile()).reach is None


def test_how_much_secrecy_right_data_and_work_matter_follows_the_profile() -> None:
    alarm = _way(InterfaceType.RS232, purposes=(Purpose.ALARM,))
    pump = _profile(alarm, therapy=Therapy.THERAPEUTIC, harm=Harm.SERIOUS)
    scale = _profile(therapy=Therapy.NONE, harm=Harm.NEGLIGIBLE)
    quiet = _profile(therapy=Therapy.THERAPEUTIC, harm=Harm.SERIOUS)
    forgetful = msgspec.structs.replace(
        scale, data=msgspec.structs.replace(scale.data, patient_data=PatientData.NONE, secrets=())
    )
    unknown = msgspec.structs.replace(scale, data=type(scale.data)())
    assert device_of(pump).requirements["IR"] == device_of(pump).requirements["AR"] == "H"
    assert device_of(quiet).requirements["AR"] == "H"
    assert device_of(forgetful).requirements == {"CR": "L", "IR": "L", "AR": "L"}
    assert device_of(unknown).requirements["CR"] == "H"
    middling = _profile(therapy=Therapy.MONITORING, harm=Harm.MINOR)
    assert device_of(middling).requirements["IR"] == device_of(middling).requirements["AR"] == "M"


def _here(vector: str, profile: DeviceProfile | None) -> dict[str, str]:
    parsed = parse_vector(vector)
    assert parsed is not None
    here = vector_here(parsed, device_of(profile))
    assert 0 <= here.score <= 10
    assert here.text.startswith(vector)
    return dict(here.metrics)


def test_a_network_attack_on_a_device_without_one_needs_a_hand_on_it() -> None:
    open_serial = _profile(_way(InterfaceType.RS232, authentication=Authentication.NONE))
    metrics = _here(WORST.replace("PR:N", "PR:L"), open_serial)
    assert (metrics["MAV"], metrics["MPR"]) == ("P", "N")
    radio = _profile(_way(InterfaceType.BLE, authentication=Authentication.MUTUAL_CRYPTO))
    metrics = _here(WORST.replace("PR:N", "PR:L"), radio)
    assert metrics["MAV"] == "A"
    assert "MPR" not in metrics
    assert "MAV" not in _here(WORST, _profile(_way(InterfaceType.CELLULAR)))


def test_version_4_says_that_patients_can_be_hurt_and_version_2_what_damage_follows() -> None:
    assert _here(WORST_4, _profile(harm=Harm.SERIOUS))["MSI"] == "S"
    assert "MSI" not in _here(WORST_4, _profile(harm=Harm.MINOR))
    assert _here("AV:N/AC:L/Au:N/C:C/I:C/A:C", _profile(harm=Harm.SERIOUS))["CDP"] == "LM"


def test_every_metric_is_asked_and_every_answer_says_where_it_comes_from() -> None:
    unknown = device_of(None).answers
    assert {answer.metric for answer in unknown} == {"AV", "AC", "PR", "UI", "S", "C", "I", "A", "Human Impact"}
    stated = device_of(load("contec-cms8000")).answers
    assert [answer.question for answer in stated] == [answer.question for answer in unknown]
    assert {answer.because for answer in stated} == {
        "The device profile states it.",
        "Assumed: the profile takes it as typical of this class of device.",
        "It depends on the vulnerability: its published vector counts.",
    }
    bare = msgspec.structs.replace(_profile(), evidence=())
    for answers in (unknown, device_of(bare).answers, device_of(load("infusion-pump-lvp")).answers):
        assert all(answer.assumed == (answer.value != "as published") for answer in answers)


def _match(name: str, **more: Any) -> Match:
    fields: dict[str, Any] = {
        "status": MatchStatus.AFFECTED,
        "confidence": Confidence.HIGH,
        "reason": "the version is in the range",
        "range": "<2.0",
        "score": 9.8,
        "vector": WORST,
        "provenance": (Provenance(source="nvd", record=name, product="a:x:y", range="<2.0"),),
    }
    return Match(id=name, **{**fields, **more})


def _urgency(match: Match, profile: DeviceProfile | None) -> Urgency:
    urgency = Ranking(device_of(profile)).urgency(match, "Part")
    assert urgency is not None
    return urgency


VECTORS = (
    None,
    WORST,
    WORST.replace("AV:N", "AV:P"),
    WORST.replace("AV:N", "AV:L"),
    WORST_4,
    "AV:N/AC:L/Au:N/C:P/I:P/A:P",
)


@given(
    st.sampled_from(VECTORS),
    st.sampled_from([None, "2024-01-01"]),
    st.sampled_from([None, 0.05, 0.5]),
    st.sampled_from(Therapy),
    st.sampled_from(Harm),
    st.lists(st.sampled_from(InterfaceType), max_size=2, unique=True),
)
def test_a_profile_never_makes_anything_more_urgent_than_no_profile(
    vector: str | None,
    exploited: str | None,
    epss: float | None,
    therapy: Therapy,
    harm: Harm,
    ways: list[InterfaceType],
) -> None:
    match = _match("CVE-1", vector=vector, exploited_since=exploited, epss=epss)
    cautious = _urgency(match, None)
    known = _urgency(match, _profile(*map(_way, ways), therapy=therapy, harm=harm))
    assert known.decision.rank >= cautious.decision.rank
    assert (known.score or 0.0) <= (cautious.score or 0.0)


def test_exploited_over_the_internet_with_critical_harm_is_immediate() -> None:
    urgency = _urgency(_match("CVE-1", exploited_since="2024-05-01"), _profile(_way(InterfaceType.CELLULAR)))
    assert (urgency.decision, urgency.exposure, urgency.reachable) == (Decision.IMMEDIATE, Exposure.OPEN, True)
    assert urgency.sentence == (
        "It applies. It is used in attacks. It can be used from anywhere, or nobody has said that it cannot. "
        "A failure can injure a patient."
    )
    assert urgency.action == (
        "Now, together with the clinicians: take the device off the network or out of use until this is settled. "
        "Ask the manufacturer for firmware with Part 2.0 or later."
    )


def test_a_device_without_a_network_is_not_attacked_over_one() -> None:
    urgency = _urgency(_match("CVE-1"), _profile(_way(InterfaceType.DEBUG_PORT)))
    assert (urgency.automatable, urgency.reachable, urgency.exposure) == (False, False, Exposure.SMALL)
    assert urgency.score is not None
    assert urgency.score < 9.8
    assert "Somebody must stand at the device" in urgency.sentence


def test_the_hospital_network_is_not_the_internet_and_a_local_fault_asks_for_a_foothold() -> None:
    lan = _profile(_way(InterfaceType.ETHERNET))
    assert _urgency(_match("CVE-1"), lan).exposure is Exposure.CONTROLLED
    assert _urgency(_match("CVE-1", vector=WORST.replace("AV:N", "AV:L")), None).exposure is Exposure.CONTROLLED
    assert _urgency(_match("CVE-1", vector=WORST.replace("AV:N", "AV:P")), None).exposure is Exposure.SMALL


def test_without_a_vector_the_published_score_counts_and_the_way_in_is_taken_as_open() -> None:
    urgency = _urgency(_match("CVE-1", score=5.0, vector=None, epss=0.2), _profile())
    assert (urgency.score, urgency.vector, urgency.exploitation) == (5.0, None, Exploitation.PUBLIC)
    assert (urgency.automatable, urgency.reachable, urgency.exposure) == (True, None, Exposure.OPEN)


def test_what_does_not_apply_is_not_urgent_and_what_may_apply_is_to_be_asked() -> None:
    ranking = Ranking(device_of(None))
    assert ranking.urgency(_match("CVE-1", status=MatchStatus.NOT_AFFECTED), "Part") is None
    asked = ranking.urgency(_match("CVE-1", status=MatchStatus.UNDER_INVESTIGATION), "Part")
    assert asked is not None
    assert asked.sentence.startswith("It may apply: not everything that decides is known.")
    assert asked.action.endswith("Ask the manufacturer whether it applies.")


@pytest.mark.parametrize(
    ("text", "version"),
    [("<2.0", "2.0"), (">=1.0 <2.0", "2.0"), (">=1.0 <=2.0", None), ("=1.0", None), ("*", None), (">1.0", None)],
)
def test_the_first_mended_version_is_read_from_the_range(text: str, version: str | None) -> None:
    assert first_fixed(text) == version


def _rows(
    profile: DeviceProfile | None, *matches: Match, component: str = "part", version: str | None = "1.0"
) -> list[Vulnerability]:
    ranking = Ranking(device_of(profile))
    return [
        Vulnerability(
            **{name: getattr(match, name) for name in Match.__struct_fields__},
            component=component,
            component_version=version,
            urgency=ranking.urgency(match, component),
        )
        for match in matches
    ]


def test_the_order_is_decision_then_exploited_then_score_and_nothing_is_dropped() -> None:
    local = WORST.replace("AV:N", "AV:L")
    matches = [
        _match("CVE-6", status=MatchStatus.NOT_AFFECTED, exploited_since="2020-01-01"),
        _match("CVE-4", vector=local),
        _match("CVE-3"),
        _match("CVE-5", status=MatchStatus.UNDER_INVESTIGATION, vector=local),
        _match("CVE-2", epss=0.9),
        _match("CVE-1", exploited_since="2024-05-01"),
    ]
    wanted = [f"CVE-{number}" for number in range(1, 7)]
    for given_order in (matches, matches[::-1]):
        rows = sorted(_rows(_profile(_way(InterfaceType.CELLULAR)), *given_order), key=order)
        assert [row.id for row in rows] == wanted


def _component(name: str, version: str | None) -> Component:
    return Component(name=name, title=name.title(), category="", version=version, confidence=Confidence.HIGH)


def test_a_line_a_component_says_what_to_update_to_what_to_isolate_and_when_to_replace() -> None:
    wifi = _way(InterfaceType.WIFI, connector="card slot", sockets=Sockets(listen_tcp=(80,), listen_udp=(161,)))
    profile = _profile(wifi, _way(InterfaceType.RS232))
    lifecycle = msgspec.structs.replace(profile.lifecycle, end_of_life="2028-01-01")
    device = device_of(msgspec.structs.replace(profile, lifecycle=lifecycle))
    rows = _rows(
        profile,
        _match("CVE-1", range="<2.9", exploited_since="2024-05-01"),
        _match("CVE-2", range=">=1.0 <2.10-rc1"),
        _match("CVE-3", range="*", status=MatchStatus.UNDER_INVESTIGATION),
    )
    said = ComponentSupport(
        state="ended",
        until="2024-01-01",
        line="*",
        basis="practice",
        source="s",
        component="part",
        component_version="1.0",
    )
    schemes = {"part": SchemeName.GENERIC}
    (step,) = steps_of(sorted(rows, key=order), [_component("part", "1.0")], [said], schemes, device)
    assert (step.affected, step.open, step.exploited, step.first[0]) == (2, 1, 1, "CVE-1")
    assert step.update_to == "2.10"
    assert step.isolate == ("wifi (card slot, TCP 80, UDP 161)",)
    assert (step.unsupported, step.supported_until, step.replace_by) == (True, "2024-01-01", "2028-01-01")
    assert "firmware with Part 2.10 or later. Its makers mend this version no more" in step.action
    assert (
        "Until then close or shield: wifi (card slot, TCP 80, UDP 161). Replace the device by 1 January 2028."
        in step.action
    )


def test_no_port_is_named_where_closing_one_is_no_cure() -> None:
    wifi, local = _way(InterfaceType.WIFI), WORST.replace("AV:N", "AV:L")
    serious, harmless = _profile(wifi), _profile(wifi, harm=Harm.NEGLIGIBLE)
    cases = (
        (serious, _match("CVE-1", vector=local, exploited_since="2024-01-01"), Decision.OUT_OF_CYCLE),
        (harmless, _match("CVE-2", vector=WORST.replace("UI:N", "UI:R")), Decision.DEFER),
    )
    for profile, match, decision in cases:
        (step,) = steps_of(_rows(profile, match), [_component("part", "1.0")], [], {}, device_of(profile))
        assert (step.decision, step.isolate) == (decision, ())


def test_support_that_one_source_still_gives_has_not_ended() -> None:
    def said(state: str, until: str | None = None) -> ComponentSupport:
        return ComponentSupport(
            state=state, until=until, line="*", basis="announced", source=state, component="part", component_version="1"
        )

    assert mended_no_more([said("ended"), said("supported")]) == {}
    ended = mended_no_more([said("ended", "2020-01-01"), said("paid", "2021-01-01"), said("ended")])
    assert ended["part", "1"].until == "2021-01-01"
