"""T1: answers come within the time that the protocol promises."""

from __future__ import annotations

from typing import Final

from firmware_checks.controls import NOT_APPLICABLE, Controls
from hil.bench_check import BenchCheck, Session
from hil.demo_client import applies, reply
from hil.level import EvidenceLevel
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity

MOST_S: Final = 0.1
"""What the console protocol promises."""
TIMES: Final = 50


def _run(session: Session) -> Outcome:
    clock = session.device.transport.clock
    slowest_s = 0.0
    for _ in range(TIMES):
        start_s = clock.now_s()
        reply(session, b"status")
        slowest_s = max(slowest_s, clock.now_s() - start_s)
    detail = f"the slowest of {TIMES} answers took {slowest_s * 1000:.1f} ms, {MOST_S * 1000:g} ms are promised"
    return passed(detail) if slowest_s <= MOST_S else failed(detail)


CHECK = BenchCheck(
    name="response-time",
    id="T1",
    question="Does every answer come in time?",
    title="Answers come later than the protocol promises.",
    remedy=("Do not build alarms on this line; ask the manufacturer for the time it promises."),
    severity=Severity.MEDIUM,
    controls=Controls(
        fda=("F",), iec_62443=("CR 7.1",), iec_81001=("5.7",), cra=("I.2h",), mds2=NOT_APPLICABLE, cwe=("1050",)
    ),
    changes_device=False,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=60,
    applies=applies,
    run=_run,
    good_devices=("medemu://demo-pump",),
    weak_devices=("medemu://demo-pump?weak=slow-answer",),
)
