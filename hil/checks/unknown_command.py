"""P3: what is no command is refused and not guessed."""

from __future__ import annotations

from typing import Final

from firmware_checks.controls import NOT_APPLICABLE, Controls
from hil.bench_check import BenchCheck, Session
from hil.demo_client import applies, reply, restart
from hil.level import EvidenceLevel
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity

WORDS: Final = (b"idle", b"ID", b"versions", b"status!", b"stopp", b"logoutx", b"statu", b"xyzzy", b"-", b"0")


def _run(session: Session) -> Outcome:
    for word in WORDS:
        answer = reply(session, word)
        if not answer.startswith(b"!"):
            return failed(f"{word.decode()} is no command and was obeyed", answer)
    return passed(f"{len(WORDS)} words that are no commands were refused", answer)


CHECK = BenchCheck(
    name="unknown-command",
    id="P3",
    question="Are unknown commands refused?",
    title="The device obeys words that are no commands.",
    remedy=("Ask the manufacturer for a parser that takes whole words only."),
    severity=Severity.MEDIUM,
    controls=Controls(
        fda=("D",), iec_62443=("CR 3.5",), iec_81001=("5.7",), cra=("I.2f",), mds2=NOT_APPLICABLE, cwe=("20",)
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=30,
    applies=applies,
    run=_run,
    clean_up=restart,
    good_devices=("medemu://demo-pump",),
    weak_devices=("medemu://demo-pump?weak=command-prefix",),
)
