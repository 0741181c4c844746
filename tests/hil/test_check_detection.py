"""The detection table: each weak device fails exactly the check that is for it, and the good one fails none."""

from __future__ import annotations

import pytest

from hil.bench_image import weak_pumps
from hil.detection import EMULATORS, detected, detection_rows, intended, measured
from hil.models.console import WEAKNESSES
from hil.usb_models.demo_pump import WEAKNESSES as USB_WEAKNESSES
from hil.verdict import Result

LEAST_REPEATS = {"qemu": 20, "unicorn": 2}
"""Of each weak pump; on the model all are run here."""


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
    assert rows[0][:3] == ("`medemu://demo-pump`", "nothing", "none")
    usb = [row for row in rows if row[0].startswith("`medusb:")]
    assert len(rows) == 1 + len(WEAKNESSES) + len(usb)
    assert usb[0][:3] == ("`medusb://demo-pump`", "nothing", "none")
    assert len(usb) == 1 + len(USB_WEAKNESSES)
    assert all(row[2].count("`") == 2 for row in rows[1:] if row is not usb[0])


def test_on_each_emulator_every_weak_pump_was_found_each_time_and_the_good_one_never_blamed() -> None:
    found = {(one.emulator, one.weakness): one for one in measured()}
    assert found.keys() == {(emulator, weak) for emulator in EMULATORS for weak in ("", *weak_pumps())}
    assert [one for one in found.values() if one.weakness and one.count != one.repeats] == []
    assert [one for one in found.values() if not one.weakness and one.count] == []
    assert all(one.repeats >= LEAST_REPEATS[one.emulator] for one in found.values() if one.weakness)
