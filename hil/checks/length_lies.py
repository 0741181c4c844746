"""P2: lengths that are not true do no harm: neither a line that is too long nor a count of more than there is."""

from __future__ import annotations

from typing import Final

from firmware_checks.controls import NOT_APPLICABLE, Controls
from hil.bench_check import BenchCheck, Session
from hil.demo_client import applies, is_alive, reply, restart
from hil.demo_console import LONGEST_LINE_BYTES
from hil.level import EvidenceLevel
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity

LENGTHS: Final = (LONGEST_LINE_BYTES, LONGEST_LINE_BYTES + 1, 2 * LONGEST_LINE_BYTES, 1024, 5000)
COUNTS: Final = (26, 64, 255, 256, 65535, 65536)
"""One more than the log has, and where numbers of 8 and 16 bits end."""


def _run(session: Session) -> Outcome:
    for length in LENGTHS:
        session.device.send(b"x" * length + b"\r")
        session.device.wait(session.device.reply_timeout_s)
        if not is_alive(session):
            return failed(f"no answer any more after a line of {length} bytes", b"x" * length)
    for count in COUNTS:
        answer = reply(session, b"log %d" % count)
        if not answer.startswith(b"!"):
            return failed(f"{count} characters of a shorter log were given", answer)
    return passed(f"lines of up to {LENGTHS[-1]} bytes and counts of up to {COUNTS[-1]} were refused", answer)


CHECK = BenchCheck(
    name="length-lies",
    id="P2",
    question="Are lines that are too long and counts that are too large refused?",
    title="A wrong length stops the device or makes it give away its memory.",
    remedy=(
        "Ask the manufacturer for firmware that checks lengths; until then connect the device to nothing but "
        "what the maker supplies."
    ),
    severity=Severity.CRITICAL,
    controls=Controls(
        fda=("D",),
        iec_62443=("CR 3.5",),
        iec_81001=("5.7",),
        cra=("I.2f", "I.2h"),
        mds2=NOT_APPLICABLE,
        cwe=("125", "787"),
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=60,
    applies=applies,
    run=_run,
    clean_up=restart,
    good_devices=("medemu://demo-pump",),
    weak_devices=(
        "medemu://demo-pump?weak=hangs-on-long-line",
        "medemu://demo-pump?weak=length-bug",
    ),
)
