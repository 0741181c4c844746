"""R1: a device whose program hangs starts anew by itself, in time."""

from __future__ import annotations

from typing import Final

from firmware_checks.controls import NOT_APPLICABLE, Controls
from hil.bench_check import BenchCheck, Session
from hil.demo_client import applies, is_alive, log_in, reply, restart
from hil.errors import NotTested
from hil.level import EvidenceLevel
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity

MOST_S: Final = 5.0


def _run(session: Session) -> Outcome:
    log_in(session)
    if not reply(session, b"hang").startswith(b"="):
        raise NotTested("the program cannot be made to hang, so nothing can be learnt")
    heard = session.device.wait(MOST_S)
    if not is_alive(session):
        return failed(f"no answer {MOST_S:g} s after the program began to hang", heard)
    return passed(f"it answers again within {MOST_S:g} s", heard)


CHECK = BenchCheck(
    name="watchdog",
    id="R1",
    question="Does the device start anew by itself when its program hangs?",
    title="A program that hangs stays so: nothing starts it anew.",
    remedy=("Do not leave the patient alone with this device; ask the manufacturer for a watchdog."),
    severity=Severity.CRITICAL,
    controls=Controls(
        fda=("F",),
        iec_62443=("CR 7.1", "CR 7.4"),
        iec_81001=("5.7",),
        cra=("I.2h",),
        mds2=NOT_APPLICABLE,
        cwe=("1247",),
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=30,
    applies=applies,
    run=_run,
    clean_up=restart,
    good_devices=("medemu://demo-pump",),
    weak_devices=("medemu://demo-pump?weak=no-watchdog",),
)
