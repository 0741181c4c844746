"""What to do first: scores and decisions checked by hand, and the order of a list."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.loader import load
from device_profiles.schema import DeviceProfile, Interface
from device_profiles.vocabulary import Harm, InterfaceType, Reach, Therapy
from firmware_checks.vulnerabilities.cvss import parse_vector
from firmware_checks.vulnerabilities.ranking import (
    Decision,
    Exploitation,
    Ranked,
    Wellbeing,
    decide,
    rank,
    wellbeing_of,
    widest_reach,
)
from toolkit.report.model import Confidence
from toolkit.report.vulnerability import Match, MatchStatus, Provenance

WORST = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"


@pytest.mark.parametrize(
    ("vector", "score"),
    [
        (WORST, 9.8),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10.0),
        ("CVSS:3.1/AV:P/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 6.8),
        ("CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", 7.8),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1),
        ("CVSS:3.0/AV:N/AC:H/PR:N/UI:N/S:U/C:N/I:N/A:H", 5.9),
        ("CVSS:3.1/AV:A/AC:L/PR:N/UI:N/S:U/C:N/I:H/A:N", 6.5),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0.0),
        ("CVSS:3.1/AV:N/AC:L", None),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", None),
        ("AV:N/AC:L/Au:N/C:C/I:C/A:C", None),
    ],
)
def test_base_scores_that_first_and_the_nvd_publish(vector: str, score: float | None) -> None:
    parsed = parse_vector(vector)
    assert parsed is not None
    assert parsed.base_score() == score


@pytest.mark.parametrize(
    ("vector", "automatable", "total"),
    [
        (WORST, True, True),
        ("AV:N/AC:L/Au:N/C:C/I:C/A:C", True, True),
        ("AV:N/AC:L/Au:S/C:P/I:P/A:P", False, False),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", True, True),
        ("CVSS:4.0/AV:A/AC:L/AT:N/PR:N/UI:N/VC:H/VI:L/VA:H/SC:N/SI:N/SA:N", False, False),
    ],
)
def test_what_a_vector_says_of_automation_and_control(vector: str, automatable: bool, total: bool) -> None:
    parsed = parse_vector(vector)
    assert parsed is not None
    assert (parsed.is_automatable, parsed.is_total) == (automatable, total)


@given(st.text(alphabet="CVS:3.1/ANLPHUR", max_size=60))
def test_no_vector_is_too_strange(text: str) -> None:
    parsed = parse_vector(text)
    assert parsed is None or parsed.base_score() is None or 0 <= (parsed.base_score() or 0) <= 10


def test_the_decision_is_that_of_the_published_table() -> None:
    """The 36 rows in the order in which they are published: t track, s track*, a attend, A act."""
    published = "ttt tts tta tta" + " tts tsa tta tsa" + " tta taA aaA aAA"
    letters = {"t": Decision.TRACK, "s": Decision.TRACK_CLOSELY, "a": Decision.ATTEND, "A": Decision.ACT}
    rows = itertools.product(Exploitation, (False, True), (False, True), Wellbeing)
    found = [decide(used, automatable=auto, total=total, wellbeing=well) for used, auto, total, well in rows]
    assert found == [letters[letter] for letter in published.replace(" ", "")]


@pytest.mark.parametrize(
    ("therapy", "harm", "expected"),
    [
        (Therapy.MONITORING, Harm.MINOR, "low"),
        (Therapy.DIAGNOSTIC, Harm.SERIOUS, "medium"),
        (Therapy.THERAPEUTIC, Harm.MINOR, "medium"),
        (Therapy.LIFE_SUSTAINING, Harm.MINOR, "high"),
        (Therapy.NONE, Harm.CATASTROPHIC, "high"),
    ],
)
def test_what_is_at_stake_is_the_worse_of_therapy_and_harm(therapy: Therapy, harm: Harm, expected: str) -> None:
    assert wellbeing_of(therapy, harm) == expected


def test_the_widest_way_in_counts_and_none_known_is_not_none() -> None:
    serial = Interface(id="serial", type=InterfaceType.RS232)
    wifi = Interface(id="wifi", type=InterfaceType.WIFI)
    near = Interface(id="lan", type=InterfaceType.ETHERNET, reach=Reach.BEDSIDE)
    assert widest_reach([serial, wifi]) == "network"
    assert widest_reach([serial, near]) == "bedside"
    assert widest_reach([]) is None


def _profile(*interfaces: InterfaceType, harm: Harm = Harm.CRITICAL) -> DeviceProfile:
    profile = load("contec-cms8000")
    ways = tuple(Interface(id=kind.value, type=kind) for kind in interfaces)
    safety = msgspec.structs.replace(profile.safety, therapy=Therapy.MONITORING, worst_case_harm=harm)
    return msgspec.structs.replace(profile, interfaces=ways, safety=safety)


def _match(name: str, **more: Any) -> Match:
    fields: dict[str, Any] = {
        "status": MatchStatus.AFFECTED,
        "confidence": Confidence.HIGH,
        "reason": "the version is in the range",
        "range": "<2.0",
        "score": 9.8,
        "provenance": (Provenance(source="nvd", record=name, product="a:x:y", range="<2.0"),),
    }
    return Match(id=name, **{**fields, **more})


def _one(match: Match, profile: DeviceProfile, vector: str = WORST) -> Ranked:
    (ranked,) = rank([match], profile, {match.id: vector})
    return ranked


def test_exploited_over_the_network_with_critical_harm_is_act() -> None:
    ranked = _one(_match("CVE-1", exploited_since="2024-05-01"), _profile(InterfaceType.ETHERNET))
    assert (ranked.decision, ranked.score, ranked.reachable) == (Decision.ACT, 9.8, True)
    assert ranked.sentence == (
        "It applies and has been used in attacks since 2024-05-01; the device can be reached over the hospital "
        "network; whether the patient is watched may depend on it, the worst harm is critical."
    )
    assert ranked.action == (
        "Now: take the device off the network or out of use until it is mended; "
        "ask the maker for software with version 2.0 or later of the part."
    )


def test_a_device_without_a_network_is_not_attacked_over_one() -> None:
    ranked = _one(_match("CVE-1"), _profile(InterfaceType.DEBUG_PORT))
    assert (ranked.automatable, ranked.reachable, ranked.score) == (False, False, 6.8)
    assert ranked.decision is Decision.TRACK_CLOSELY
    assert "which can be reached only by somebody who opens the case" in ranked.sentence


def test_an_unknown_way_in_is_taken_as_open() -> None:
    ranked = _one(_match("CVE-1"), _profile())
    assert (ranked.automatable, ranked.reachable, ranked.decision) == (True, None, Decision.ATTEND)
    assert "how the device can be reached is not known" in ranked.sentence


def test_without_a_vector_the_published_score_counts_and_no_score_is_the_worst() -> None:
    profile = _profile(InterfaceType.ETHERNET, harm=Harm.SERIOUS)
    known = _one(_match("CVE-1", score=5.0, epss=0.2), profile, "")
    unknown = _one(_match("CVE-1", score=None), profile, "")
    assert (known.total, known.score, known.exploitation) == (False, 5.0, Exploitation.PUBLIC)
    assert (unknown.total, unknown.score) == (True, None)


def test_an_incomplete_vector_keeps_the_published_score() -> None:
    assert _one(_match("CVE-1", score=4.4), _profile(InterfaceType.WIFI), "CVSS:3.1/AV:N/AC:L").score == 4.4


def test_open_questions_and_inclusive_ranges_have_their_own_action() -> None:
    profile = _profile(InterfaceType.ETHERNET)
    asked = _one(_match("CVE-1", status=MatchStatus.UNDER_INVESTIGATION), profile)
    assert asked.action.endswith("ask the maker whether it applies.")
    assert asked.sentence.startswith("It may apply and is not known to be used in attacks")
    inclusive = _one(_match("CVE-1", range=">=1.0 <=2.0"), profile)
    assert inclusive.action.endswith("ask the maker for software in which it is mended.")


def test_the_order_is_decision_then_exploited_then_score_and_nothing_is_dropped() -> None:
    profile = _profile(InterfaceType.ETHERNET)
    matches = [
        _match("CVE-6", status=MatchStatus.NOT_AFFECTED, exploited_since="2020-01-01"),
        _match("CVE-4", score=5.0),
        _match("CVE-3"),
        _match("CVE-5", status=MatchStatus.UNDER_INVESTIGATION, score=5.0),
        _match("CVE-2", epss=0.9),
        _match("CVE-1", exploited_since="2024-05-01"),
    ]
    vectors = dict.fromkeys(("CVE-1", "CVE-2", "CVE-3", "CVE-6"), WORST)
    wanted = [f"CVE-{number}" for number in range(1, 7)]
    assert [row.match.id for row in rank(matches, profile, vectors)] == wanted
    assert [row.match.id for row in rank(reversed(matches), profile, vectors)] == wanted
    last = rank(matches, profile, vectors)[-1]
    assert (last.decision, last.action) == (Decision.TRACK, "Nothing to do; keep the reason on file.")
