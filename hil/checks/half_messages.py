"""P8: half a message is forgotten after a while and does not spoil the next one."""

from __future__ import annotations

from typing import Final

from firmware_checks.controls import NOT_APPLICABLE, Controls
from hil.bench_check import BenchCheck, Session
from hil.demo_client import applies, reply, restart
from hil.level import EvidenceLevel
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity

MOST_S: Final = 5.0
"""What a device may need to be back in step."""


def _run(session: Session) -> Outcome:
    for half in (b"sta", b"set backl", b"x" * 60):
        session.device.send(half)
        session.device.wait(MOST_S)
        answer = reply(session, b"status")
        if not answer.startswith(b"="):
            return failed(f"{MOST_S:g} s after {len(half)} bytes of a message the next one is not understood", answer)
    return passed(f"back in step within {MOST_S:g} s", answer)


CHECK = BenchCheck(
    name="half-messages",
    id="P8",
    question="Is half a message forgotten in time?",
    title="Half a message spoils the next one, however long ago it was.",
    remedy=("Switch the device off and on after the cable was pulled; ask the manufacturer for a time limit."),
    severity=Severity.MEDIUM,
    controls=Controls(
        fda=("F",), iec_62443=("CR 3.5", "CR 7.1"), iec_81001=("5.7",), cra=("I.2h",), mds2=NOT_APPLICABLE, cwe=("772",)
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=60,
    applies=applies,
    run=_run,
    clean_up=restart,
    good_devices=("medemu://demo-pump",),
    weak_devices=("medemu://demo-pump?weak=keeps-half-line",),
)
