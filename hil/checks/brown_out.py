"""R3: dips of the supply, short and long, leave a device that answers."""

from __future__ import annotations

from typing import Final

from firmware_checks.controls import NOT_APPLICABLE, Controls
from hil.bench_check import BenchCheck, Session
from hil.demo_client import applies, is_alive, needs_power, reply, restart
from hil.level import EvidenceLevel
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity

DIPS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""IEC 60601-1-2 asks for dips of half a period (10 ms) and more; a plug that bounces makes shorter ones."""
START_S: Final = 1.0
HALF_A_LINE: Final = b"statu"


def _run(session: Session) -> Outcome:
    before = reply(session, b"version")
    for number, dip_s in enumerate(DIPS_S, start=1):
        for started in (b"", HALF_A_LINE):
            if started:
                session.device.send(started)
            else:
                reply(session, b"status")
            session.device.power_cycle(dip_s)
            heard = session.device.wait(START_S)
            if not is_alive(session):
                return failed(f"no answer any more after its supply was away for {dip_s * 1000:g} ms", heard)
        session.progress(number / len(DIPS_S))
    after = reply(session, b"version")
    if after != before:
        return failed("another version runs after dips of the supply", after)
    return passed(f"it answers after dips of {DIPS_S[0] * 1000:g} to {DIPS_S[-1] * 1000:g} ms")


CHECK = BenchCheck(
    name="brown-out",
    id="R3",
    question="Does the device start anew after a dip of its supply?",
    title="A short dip of the supply stops the device.",
    remedy=("Use the device on a supply that is backed up; ask the manufacturer for a supervisor of the supply."),
    severity=Severity.HIGH,
    controls=Controls(
        fda=("F",), iec_62443=("CR 7.4",), iec_81001=("5.7",), cra=("I.2h",), mds2=NOT_APPLICABLE, cwe=("1247",)
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=120,
    applies=applies,
    precondition=needs_power,
    run=_run,
    clean_up=restart,
    good_devices=("medemu://demo-pump",),
    weak_devices=("medemu://demo-pump?weak=brown-out",),
)
