"""What every bench check owes: it finds its weakness, passes the good device, and says what it is for."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import hil.checks
from device_profiles.loader import load
from firmware_checks.controls import COLUMNS
from hil.bench_check import BenchCheck, checks
from hil.device import Device, interface_of
from hil.model import models
from hil.run import CheckRun, RunOptions
from hil.transport import make_transport
from hil.usb_model import usb_models
from hil.verdict import Result
from toolkit.core.errors import MissingExtra

CHECKS = checks()
EACH = pytest.mark.parametrize("name", list(CHECKS))


def judged(check: BenchCheck, url: str) -> tuple[Result, str]:
    transport = make_transport(url)
    kind = (models() if transport.url.scheme == "medemu" else usb_models())[transport.url.place]
    profile = load(kind.profile)
    device = Device(profile, transport, interface_of(profile, kind.interface))
    try:
        device.connect()
    except MissingExtra as error:
        pytest.skip(str(error))
    run = CheckRun(device, RunOptions(seed=1))
    run.run([check])
    (verdict,) = run.verdicts
    return verdict.result, f"{verdict.detail} {verdict.clean_up}".strip()


CASES = [
    pytest.param(name, url, wanted, id=f"{name}-{url}")
    for name, check in CHECKS.items()
    for wanted, urls in ((Result.PASS, check.good_devices), (Result.FAIL, check.weak_devices))
    for url in urls
    if url.startswith(("medemu://", "medusb://"))  # the others have tests of their own, which need their emulators
]


@pytest.mark.parametrize(("name", "url", "wanted"), CASES)
def test_a_check_finds_its_weakness_and_passes_the_good_device(name: str, url: str, wanted: Result) -> None:
    result, detail = judged(CHECKS[name], url)
    assert result is wanted, detail


@EACH
def test_a_check_has_a_device_on_which_it_must_pass_and_one_on_which_it_must_fail(name: str) -> None:
    assert CHECKS[name].good_devices
    assert CHECKS[name].weak_devices


@EACH
def test_a_check_says_what_it_asks_what_is_wrong_and_what_to_do(name: str) -> None:
    check = CHECKS[name]
    assert check.question.endswith("?")
    assert check.title.endswith(".")
    assert check.remedy.endswith(".")
    assert all(getattr(check.controls, column) for column in COLUMNS)
    assert len(check.controls.fda) == 1
    assert 0 < check.most_seconds <= 3600


def test_a_file_is_called_as_its_check() -> None:
    for module in pkgutil.iter_modules(hil.checks.__path__):
        check = importlib.import_module(f"hil.checks.{module.name}").CHECK
        assert check.name == module.name.replace("_", "-")


def test_numbers_of_the_catalogue_are_given_once_and_in_its_order() -> None:
    ids = [check.id for check in CHECKS.values()]
    assert len(set(ids)) == len(ids)
    assert [i[0] for i in ids] == sorted((i[0] for i in ids), key="UCPRDST".index)
