"""P9: a command that changes a setting is refused from somebody who has not logged in."""

from __future__ import annotations

from typing import Final

from firmware_checks.controls import Controls
from hil.bench_check import BenchCheck, Session
from hil.demo_client import applies, restart
from hil.demo_console import ANSWER
from hil.level import EvidenceLevel
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity

HARMLESS: Final = b"set backlight 20\r"
"""A setting that matters to nobody; what is asked is whether anybody may change one."""


def _run(session: Session) -> Outcome:
    session.device.ask(b"logout\r", ANSWER)
    answer = session.device.ask(HARMLESS, ANSWER)
    if answer[1] == b"=":
        return failed("a setting was changed by somebody who had not logged in", HARMLESS + answer[0])
    return passed("the set-command was refused", answer[0])


CHECK = BenchCheck(
    name="set-without-authentication",
    id="P9",
    question="Are set-commands refused from somebody who has not logged in?",
    title="Anybody on the line can change settings.",
    remedy=(
        "Ask the manufacturer for set-commands that prove who sends them; until then keep the connector out of reach "
        "and separate the network it leads to."
    ),
    severity=Severity.CRITICAL,
    controls=Controls(
        fda=("A",), iec_62443=("CR 1.2", "CR 2.1"), iec_81001=("5.7",), cra=("I.2d",), mds2=("NAUT",), cwe=("306",)
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=10,
    applies=applies,
    run=_run,
    clean_up=restart,
    good_devices=("medemu://demo-pump",),
    weak_devices=("medemu://demo-pump?weak=unauthenticated-set",),
)
