"""R4: noise on the line, or a wrong speed, does not stop the device."""

from __future__ import annotations

from typing import Final

from firmware_checks.controls import NOT_APPLICABLE, Controls
from hil.bench_check import BenchCheck, Session
from hil.demo_client import applies, is_alive, restart
from hil.faults import as_heard_at
from hil.level import EvidenceLevel
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity

BYTES: Final = 2000
BURST: Final = 32
"""Shorter than a line, for which there is a check of its own."""
SETTLE_S: Final = 3.0
SPEEDS: Final = (1_200, 9_600, 57_600, 230_400)
BITS: Final = 10
"""Of one byte on the line."""
USUAL_BAUD: Final = 115_200
TYPED: Final = b"status\rversion\r"


def _at_wrong_speed(session: Session, baud: int) -> None:
    """Say something at ``baud``; over a connection without a speed, what a receiver makes of that."""
    line = session.device.transport.line
    right = session.interface.serial.baud or USUAL_BAUD
    if line is None:
        session.device.send(as_heard_at(TYPED, baud, right) + b"\r")
        return
    right = line.baud
    try:
        line.set_baud(baud)
        session.device.send(TYPED)
        session.device.wait(len(TYPED) * BITS / baud)
    finally:
        line.set_baud(right)


def _run(session: Session) -> Outcome:
    for burst in range(BYTES // BURST):
        session.progress(burst * BURST / BYTES)
        session.device.send(session.random.randbytes(BURST) + b"\r")
    session.device.wait(SETTLE_S)
    if not is_alive(session):
        return failed(f"no answer any more after {BYTES} bytes of noise")
    for baud in SPEEDS:
        _at_wrong_speed(session, baud)
        session.device.wait(SETTLE_S)
        session.device.send(b"\r")  # a line that was begun is another check's matter
        if not is_alive(session):
            return failed(f"no answer any more after bytes at {baud} bits a second")
    return passed(f"it answers after {BYTES} bytes of noise, and after bytes at {len(SPEEDS)} wrong speeds")


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
    most_seconds=60,
    applies=applies,
    run=_run,
    clean_up=restart,
    good_devices=("medemu://demo-pump",),
    weak_devices=("medemu://demo-pump?weak=hangs-on-noise",),
)
