"""P7: a flood of messages does not keep the device from its work: it answers, and its therapy goes on."""

from __future__ import annotations

import re
from typing import Final

from firmware_checks.controls import NOT_APPLICABLE, Controls
from hil.bench_check import BenchCheck, Session
from hil.demo_client import applies, is_alive, restart
from hil.demo_console import ANSWER
from hil.level import EvidenceLevel
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity

LINES: Final = 2000
SETTLE_S: Final = 2.0
LEAST_TURNS: Final = 10
"""Half of what the therapy loop turns in ``SETTLE_S``, ten times a second."""
_TURNS = re.compile(rb" turns=(\d{1,12})")


def _run(session: Session) -> Outcome:
    before = _turns(session)
    session.device.send(b"status\r" * LINES)
    heard = session.device.wait(SETTLE_S)
    if not is_alive(session):
        return failed(f"no answer any more after {LINES} questions at once", heard)
    after = _turns(session)
    if before is not None and after is not None and after - before < LEAST_TURNS:
        return failed(f"the therapy loop turned {after - before} times in {SETTLE_S:g} s after the flood", heard)
    answers = len(ANSWER.findall(heard))
    return passed(f"{answers} of {LINES} questions at once were answered, it still answers, and its therapy goes on")


def _turns(session: Session) -> int | None:
    """Return how often the therapy loop has turned; None where the device does not count it."""
    found = _TURNS.findall(session.device.ask(b"status\r", ANSWER).string)
    return int(found[-1]) if found else None


CHECK = BenchCheck(
    name="flood",
    id="P7",
    question="Does the device go on with its work after a flood of messages?",
    title="A flood of messages stops the device.",
    remedy=("Separate the line or network from everything that could flood it; ask the manufacturer for a limit."),
    severity=Severity.HIGH,
    controls=Controls(
        fda=("F",), iec_62443=("CR 7.1",), iec_81001=("5.7",), cra=("I.2h",), mds2=NOT_APPLICABLE, cwe=("770",)
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=30,
    applies=applies,
    run=_run,
    clean_up=restart,
    good_devices=("medemu://demo-pump",),
    weak_devices=("medemu://demo-pump?weak=hangs-in-flood",),
)
