"""C7: no secret word stands in for a log-in."""

from __future__ import annotations

from typing import Final

from firmware_checks.controls import Controls
from hil.bench_check import BenchCheck, Session
from hil.demo_client import applies, reply, restart
from hil.errors import NotTested
from hil.level import EvidenceLevel
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity

WORDS: Final = (
    b"service",
    b"service-mode",
    b"factory",
    b"factory-mode",
    b"engineering",
    b"+++",
    b"unlock",
    b"maintenance",
)


def _run(session: Session) -> Outcome:
    reply(session, b"logout")
    if not reply(session, b"nonce").startswith(b"!"):
        raise NotTested("what needs a log-in is obeyed without one anyway")
    for word in WORDS:
        reply(session, word)
        answer = reply(session, b"nonce")
        if not answer.startswith(b"!"):
            return failed(f"after {word.decode()} what needs a log-in was obeyed without one", answer)
    return passed(f"{len(WORDS)} secret words opened nothing", answer)


CHECK = BenchCheck(
    name="service-mode",
    id="C7",
    question="Do secret words of service modes open nothing?",
    title="A secret word opens the device without a password.",
    remedy=("Ask the manufacturer for firmware without back doors; until then keep the connector out of reach."),
    severity=Severity.CRITICAL,
    controls=Controls(
        fda=("A",), iec_62443=("CR 1.1", "EDR 2.13"), iec_81001=("5.7",), cra=("I.2d",), mds2=("AUTH",), cwe=("912",)
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=30,
    applies=applies,
    run=_run,
    clean_up=restart,
    good_devices=("medemu://demo-pump",),
    weak_devices=("medemu://demo-pump?weak=service-mode",),
)
