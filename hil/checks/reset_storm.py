"""R2: power that comes and goes does not keep the device from starting."""

from __future__ import annotations

from typing import Final

from firmware_checks.controls import NOT_APPLICABLE, Controls
from hil.bench_check import BenchCheck, Session
from hil.demo_client import applies, is_alive, needs_power, restart
from hil.level import EvidenceLevel
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity

BROKEN_STARTS: Final = (1, 2, 5, 10, 20)
OFF_S: Final = 0.01
MOST_ON_S: Final = 0.1
"""The power goes before the device is ready."""


def _run(session: Session) -> Outcome:
    for number, broken in enumerate(BROKEN_STARTS, start=1):
        for _ in range(broken):
            session.device.power_cycle(OFF_S)
            session.device.wait(session.random.uniform(0.0, MOST_ON_S))
        session.device.power_cycle()
        heard = session.device.wait(1.0)
        if not is_alive(session):
            return failed(f"it does not start after {broken} starts that were broken off", heard)
        session.progress(number / len(BROKEN_STARTS))
    return passed(f"it starts after up to {BROKEN_STARTS[-1]} starts that were broken off", heard)


CHECK = BenchCheck(
    name="reset-storm",
    id="R2",
    question="Does the device start after power that came and went many times?",
    title="Power that comes and goes keeps the device from starting.",
    remedy=("Use the device on a supply that is backed up; ask the manufacturer for a fix of the start."),
    severity=Severity.HIGH,
    controls=Controls(
        fda=("F",), iec_62443=("CR 7.4",), iec_81001=("5.7",), cra=("I.2h",), mds2=NOT_APPLICABLE, cwe=("460",)
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=120,
    applies=applies,
    precondition=needs_power,
    run=_run,
    clean_up=restart,
    good_devices=("medemu://demo-pump",),
    weak_devices=("medemu://demo-pump?weak=reset-storm",),
)
