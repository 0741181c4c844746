"""P6: a set-command that was overheard does nothing a second time."""

from __future__ import annotations

from firmware_checks.controls import Controls
from hil.bench_check import BenchCheck, Session
from hil.demo_client import applies, log_in, reply, restart
from hil.demo_console import PASSWORD, set_command
from hil.errors import NotTested
from hil.level import EvidenceLevel
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity


def _run(session: Session) -> Outcome:
    log_in(session)
    if reply(session, b"set backlight 20").startswith(b"="):
        raise NotTested("set-commands need no proof, so anybody can send one")
    nonce = reply(session, b"nonce").removeprefix(b"=")
    line = set_command(b"backlight", 20, nonce=nonce, password=PASSWORD).removesuffix(b"\r")
    if not reply(session, line).startswith(b"="):
        raise NotTested("a good set-command was refused, so there is none to replay")
    answer = reply(session, line)
    if answer.startswith(b"="):
        return failed("the same set-command was obeyed twice", answer)
    return passed("the second time the set-command was refused", answer)


CHECK = BenchCheck(
    name="replay",
    id="P6",
    question="Is a set-command refused when it is sent a second time?",
    title="A recorded set-command can be sent again.",
    remedy=("Keep the line out of reach; ask the manufacturer for set-commands that are good once."),
    severity=Severity.HIGH,
    controls=Controls(
        fda=("C",),
        iec_62443=("CR 3.1", "CR 3.8"),
        iec_81001=("5.7",),
        cra=("I.2d", "I.2f"),
        mds2=("NAUT", "TXIG"),
        cwe=("294",),
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=30,
    applies=applies,
    run=_run,
    clean_up=restart,
    good_devices=("medemu://demo-pump",),
    weak_devices=("medemu://demo-pump?weak=replayable-set",),
)
