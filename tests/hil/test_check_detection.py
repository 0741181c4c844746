"""The detection table: each weak device fails exactly the check that is for it, and the good one fails none."""

from __future__ import annotations

import pytest

from hil.detection import detected, detection_rows, intended
from hil.models.console import WEAKNESSES
from hil.verdict import Result


def test_every_weakness_has_exactly_one_check() -> None:
    assert {weakness: len(intended(weakness)) for weakness in WEAKNESSES} == dict.fromkeys(WEAKNESSES, 1)


@pytest.mark.parametrize("weakness", WEAKNESSES)
def test_a_weak_pump_fails_its_own_check_and_no_other(weakness: str) -> None:
    found = detected(weakness)
    assert {v.check for v in found if v.result is Result.FAIL} == intended(weakness)
    assert not [v.check for v in found if v.result is Result.ERROR]


@pytest.mark.parametrize("seed", range(3))
def test_the_good_pump_passes_every_check_and_is_left_as_it_was(seed: int) -> None:
    found = detected("", seed)
    assert [(v.check, v.detail) for v in found if v.result is not Result.PASS] == []
    assert [(v.check, v.clean_up) for v in found if v.clean_up] == []


def test_two_runs_give_the_same_verdicts() -> None:
    assert detected("") == detected("")


def test_the_table_has_the_good_pump_first_and_each_weak_one_once() -> None:
    rows = list(detection_rows())
    assert rows[0] == ("`medemu://demo-pump`", "nothing", "none")
    assert len(rows) == 1 + len(WEAKNESSES)
    assert all(row[2].count("`") == 2 for row in rows[1:])
