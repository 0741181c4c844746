"""P4: a command that needs another one before it is refused alone."""

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
    line = set_command(b"backlight", 20, nonce=b"", password=PASSWORD).removesuffix(b"\r")
    answer = reply(session, line)
    if answer.startswith(b"=") and reply(session, b"set backlight 20 00000000").startswith(b"="):
        raise NotTested("set-commands need no proof at all")
    if answer.startswith(b"="):
        return failed("a set-command that is proven over no nonce was obeyed", answer)
    return passed("without a nonce the set-command was refused", answer)


CHECK = BenchCheck(
    name="order-of-commands",
    id="P4",
    question="Is a set-command without a fresh number refused?",
    title="A set-command works without the number that makes it fresh.",
    remedy=(
        "Ask the manufacturer for firmware that refuses commands out of order; until then keep the connector "
        "out of reach."
    ),
    severity=Severity.HIGH,
    controls=Controls(
        fda=("C",),
        iec_62443=("CR 1.2", "CR 3.1"),
        iec_81001=("5.7",),
        cra=("I.2d", "I.2f"),
        mds2=("NAUT",),
        cwe=("841",),
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=30,
    applies=applies,
    run=_run,
    clean_up=restart,
    good_devices=("medemu://demo-pump",),
    weak_devices=("medemu://demo-pump?weak=empty-nonce",),
)
