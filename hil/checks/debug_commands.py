"""C3: words of debug shells lead nowhere without a log-in."""

from __future__ import annotations

from typing import Final

from firmware_checks.controls import Controls
from hil.bench_check import BenchCheck, Session
from hil.demo_client import applies, reply, restart
from hil.level import EvidenceLevel
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity

WORDS: Final = (
    b"help",
    b"?",
    b"sh",
    b"shell",
    b"debug",
    b"dbg",
    b"mem",
    b"mem 20000000",
    b"md 20000000",
    b"peek 20000000",
    b"dump",
    b"read 20000000",
    b"printenv",
    b"ps",
    b"tasks",
    b"test",
    b"root",
    b"admin",
)
"""Of boot loaders, real-time systems and field reports; all of them only read."""


def _run(session: Session) -> Outcome:
    reply(session, b"logout")
    for word in WORDS:
        answer = reply(session, word)
        if not answer.startswith(b"!"):
            return failed(f"{word.decode()} was obeyed without a log-in", answer)
    return passed(f"{len(WORDS)} debug commands were refused", answer)


CHECK = BenchCheck(
    name="debug-commands",
    id="C3",
    question="Does the console refuse debug commands from somebody who has not logged in?",
    title="A debug command is open to anybody on the line.",
    remedy=("Ask the manufacturer for firmware without debug commands; until then keep the connector out of reach."),
    severity=Severity.HIGH,
    controls=Controls(
        fda=("B",),
        iec_62443=("CR 1.1", "EDR 2.13"),
        iec_81001=("5.7",),
        cra=("I.2d", "I.2j"),
        mds2=("AUTH", "SAHD"),
        cwe=("489",),
    ),
    changes_device=False,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=30,
    applies=applies,
    run=_run,
    clean_up=restart,
    good_devices=("medemu://demo-pump",),
    weak_devices=("medemu://demo-pump?weak=debug-shell",),
)
