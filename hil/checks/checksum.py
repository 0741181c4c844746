"""P1: a message with a wrong check value is not obeyed."""

from __future__ import annotations

from typing import Final

from firmware_checks.controls import NOT_APPLICABLE, Controls
from hil.bench_check import BenchCheck, Session
from hil.demo_client import applies, reply
from hil.demo_console import line_with_checksum
from hil.errors import NotTested
from hil.level import EvidenceLevel
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity

QUESTION: Final = b"status"


def _run(session: Session) -> Outcome:
    right = line_with_checksum(QUESTION).removesuffix(b"\r")
    if not reply(session, right).startswith(b"="):
        raise NotTested("a message with the right check value is refused too")
    value = int(right[-2:], 16)
    for bit in range(8):
        answer = reply(session, b"%s*%02X" % (QUESTION, value ^ 1 << bit))
        if answer.startswith(b"="):
            return failed(f"obeyed although bit {bit} of the check value was wrong", answer)
    return passed("refused with each of the 8 bits of the check value wrong", answer)


CHECK = BenchCheck(
    name="checksum",
    id="P1",
    question="Are messages with a wrong check value refused?",
    title="Damaged messages are obeyed.",
    remedy=("Keep the cable short and shielded; ask the manufacturer for firmware that looks at its check values."),
    severity=Severity.HIGH,
    controls=Controls(
        fda=("D",), iec_62443=("CR 3.1",), iec_81001=("5.7",), cra=("I.2f",), mds2=NOT_APPLICABLE, cwe=("354",)
    ),
    changes_device=False,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=30,
    applies=applies,
    run=_run,
    good_devices=("medemu://demo-pump",),
    weak_devices=("medemu://demo-pump?weak=bad-checksum",),
)
