"""R4: noise on the line, or a wrong speed, does not stop the device."""

from __future__ import annotations

from typing import Final

from firmware_checks.controls import NOT_APPLICABLE, Controls
from hil.bench_check import BenchCheck, Session
from hil.demo_client import applies, is_alive, restart
from hil.level import EvidenceLevel
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity

BYTES: Final = 2000
BURST: Final = 32
"""Shorter than a line, for which there is a check of its own."""
SETTLE_S: Final = 3.0


def _run(session: Session) -> Outcome:
    for burst in range(BYTES // BURST):
        session.progress(burst * BURST / BYTES)
        session.device.send(session.random.randbytes(BURST) + b"\r")
    session.device.wait(SETTLE_S)
    if not is_alive(session):
        return failed(f"no answer any more after {BYTES} bytes of noise")
    return passed(f"it answers after {BYTES} bytes of noise")


CHECK = BenchCheck(
    name="line-noise",
    id="R4",
    question="Does the device live through noise on the line?",
    title="Noise on the line stops the device.",
    remedy=("Keep the cable short and shielded; ask the manufacturer for a fix of the receiver."),
    severity=Severity.HIGH,
    controls=Controls(
        fda=("F",), iec_62443=("CR 3.5", "CR 7.1"), iec_81001=("5.7",), cra=("I.2h",), mds2=NOT_APPLICABLE, cwe=("20",)
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=30,
    applies=applies,
    run=_run,
    clean_up=restart,
    good_devices=("medemu://demo-pump",),
    weak_devices=("medemu://demo-pump?weak=hangs-on-noise",),
)
