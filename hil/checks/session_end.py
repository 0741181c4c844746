"""C8: a log-in ends by itself when nobody is there any more."""

from __future__ import annotations

from typing import Final

from firmware_checks.controls import Controls
from hil.bench_check import BenchCheck, Session
from hil.demo_client import applies, log_in, reply, restart
from hil.errors import NotTested
from hil.level import EvidenceLevel
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity

SILENCE_S: Final = 901.0
"""A quarter of an hour is the longest that guidance for clinical systems knows."""


def _run(session: Session) -> Outcome:
    log_in(session)
    session.device.wait(SILENCE_S)
    answer = reply(session, b"nonce")
    if answer.startswith(b"="):
        reply(session, b"logout")
        if reply(session, b"nonce").startswith(b"="):
            raise NotTested("what needs a log-in is obeyed without one anyway")
        return failed(f"still logged in after {SILENCE_S:g} s of silence", answer)
    return passed(f"the log-in has ended after {SILENCE_S:g} s of silence", answer)


CHECK = BenchCheck(
    name="session-end",
    id="C8",
    question="Does a log-in end by itself?",
    title="A log-in never ends.",
    remedy=(
        "Log out, or switch the device off and on, whenever you leave it; ask the manufacturer for a log-in "
        "that ends by itself."
    ),
    severity=Severity.MEDIUM,
    controls=Controls(
        fda=("A",), iec_62443=("CR 2.5", "CR 2.6"), iec_81001=("5.7",), cra=("I.2d",), mds2=("ALOF",), cwe=("613",)
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=1000,
    applies=applies,
    run=_run,
    clean_up=restart,
    good_devices=("medemu://demo-pump",),
    weak_devices=("medemu://demo-pump?weak=login-never-ends",),
)
