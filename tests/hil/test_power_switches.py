"""A device is switched by what the bench file names, and what cannot be switched says so."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from hil.errors import BenchError
from hil.power import ManualPower, NoPower, UhubctlPower, power_port
from toolkit.core.errors import InputError


def yes(_sentence: str) -> bool:
    return True


def test_what_cannot_be_switched_says_so() -> None:
    for switch in (NoPower().off, NoPower().on):
        with pytest.raises(BenchError, match="no way to switch this device off"):
            switch()


def test_a_person_is_asked_and_may_say_no() -> None:
    asked: list[str] = []
    answers = [True, True, False]

    def ask(sentence: str) -> bool:
        asked.append(sentence)
        return answers[len(asked) - 1]

    power = ManualPower(ask)
    power.off()
    power.on()
    with pytest.raises(BenchError, match="did not switch the device"):
        power.off()
    assert asked[1] == "Switch the device ON."


def test_a_switch_is_named_in_words() -> None:
    assert power_port("none", yes).name == ""
    assert power_port("manual", yes).name == "manual"
    assert power_port("uhubctl:1-1.4:2", yes).name == "uhubctl:1-1.4:2"


@pytest.mark.parametrize(
    "text", ["", "relay", "uhubctl", "uhubctl:1-1", "uhubctl:1-1:x", "uhubctl:;rm:1", "uhubctl::1"]
)
def test_what_is_no_switch_is_told(text: str) -> None:
    with pytest.raises(InputError, match="is no power switch"):
        power_port(text, yes)


def program(folder: Path, script: str) -> str:
    """Return a stand-in for the program of a hub."""
    if sys.platform == "win32":
        pytest.skip("needs a shell script")
    path = folder / "uhubctl"
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    os.chmod(path, 0o755)  # noqa: PTH101, S103  # a program must be executable
    return str(path)


def test_a_hub_is_switched_by_its_program(tmp_path: Path) -> None:
    power = UhubctlPower("1-1.4", "2", program(tmp_path, f'echo "$@" >> {tmp_path}/said'))
    power.off()
    power.on()
    said = (tmp_path / "said").read_text(encoding="utf-8").splitlines()
    assert said == [f"--location 1-1.4 --ports 2 --action {action}" for action in ("off", "on")]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo warning >&2; echo no such hub >&2; exit 1", "uhubctl:1-1:2: no such hub"),
        ("exit 1", "no reason given"),
    ],
)
def test_a_hub_that_refuses_is_told(tmp_path: Path, script: str, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        UhubctlPower("1-1", "2", program(tmp_path, script)).off()


def test_a_program_that_is_missing_or_cannot_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="is not installed"):
        UhubctlPower("1-1", "2", "no-such-program").off()
    broken = Path(program(tmp_path, ""))
    broken.write_bytes(b"\x7fELF")
    with pytest.raises(BenchError, match="did not switch the port off"):
        UhubctlPower("1-1", "2", str(broken)).off()
