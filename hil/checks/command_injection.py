"""C9: a second command in one line does not slip past the log-in."""

from __future__ import annotations

from typing import Final

from firmware_checks.controls import Controls
from hil.bench_check import BenchCheck, Session
from hil.demo_client import applies, reply, restart
from hil.errors import NotTested
from hil.level import EvidenceLevel
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity

SEPARATORS: Final = (b";", b"&", b"&&", b"|", b"||", b"\t", b"`", b"\0")


def _run(session: Session) -> Outcome:
    reply(session, b"logout")
    if not reply(session, b"nonce").startswith(b"!"):
        raise NotTested("what needs a log-in is obeyed without one anyway")
    for separator in SEPARATORS:
        answer = reply(session, b"id" + separator + b"nonce")
        if not answer.startswith((b"!", b"=demo-pump")):
            return failed(f"nonce behind id and {separator!r} was obeyed without a log-in", answer)
    return passed(f"hidden behind {len(SEPARATORS)} separators, what needs a log-in was refused", answer)


CHECK = BenchCheck(
    name="command-injection",
    id="C9",
    question="Is a second command hidden in a line refused?",
    title="A command hidden behind another one is obeyed without a log-in.",
    remedy=(
        "Ask the manufacturer for a parser that takes one command a line; until then keep the connector out of reach."
    ),
    severity=Severity.HIGH,
    controls=Controls(
        fda=("B",), iec_62443=("CR 2.1", "CR 3.5"), iec_81001=("5.7",), cra=("I.2d",), mds2=("AUTH",), cwe=("77",)
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=30,
    applies=applies,
    run=_run,
    clean_up=restart,
    good_devices=("medemu://demo-pump",),
    weak_devices=("medemu://demo-pump?weak=command-injection",),
)
