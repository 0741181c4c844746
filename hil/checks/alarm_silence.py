"""P10: nobody silences an alarm over the line without a log-in."""

from __future__ import annotations

from firmware_checks.controls import Controls
from hil.bench_check import BenchCheck, Session
from hil.demo_client import applies, reply, restart
from hil.level import EvidenceLevel
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity


def _run(session: Session) -> Outcome:
    reply(session, b"logout")
    answer = reply(session, b"silence")
    if answer.startswith(b"="):
        return failed("the alarm was silenced by somebody who had not logged in", answer)
    return passed("silencing the alarm was refused", answer)


CHECK = BenchCheck(
    name="alarm-silence",
    id="P10",
    question="Is silencing an alarm refused from somebody who has not logged in?",
    title="Anybody on the line can silence the alarm.",
    remedy=(
        "Keep the connector out of reach and the alarm in earshot; ask the manufacturer for a log-in before "
        "this command."
    ),
    severity=Severity.CRITICAL,
    controls=Controls(
        fda=("A",), iec_62443=("CR 1.1", "CR 2.1"), iec_81001=("5.7",), cra=("I.2d",), mds2=("AUTH",), cwe=("306",)
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=30,
    applies=applies,
    run=_run,
    clean_up=restart,
    good_devices=("medemu://demo-pump",),
    weak_devices=("medemu://demo-pump?weak=open-silence",),
)
