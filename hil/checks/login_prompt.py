"""C1: the console asks for a log-in before it obeys service commands."""

from __future__ import annotations

import re
from typing import Final

from device_profiles.vocabulary import InterfaceType, Purpose
from firmware_checks.controls import Controls
from hil.bench_check import BenchCheck, Session
from hil.errors import NotTested
from hil.level import EvidenceLevel
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity

LINES: Final = frozenset({InterfaceType.RS232, InterfaceType.RS485, InterfaceType.UART, InterfaceType.USB_DEVICE})
SERVICE: Final = frozenset({Purpose.SERVICE, Purpose.DEBUG, Purpose.CONFIGURATION})
LOGIN: Final = re.compile(rb"log[ -]?in|user ?name|password|passcode|PIN\b", re.IGNORECASE)
SHELL: Final = re.compile(rb"[#$>] ?$")
OBEYED: Final = re.compile(rb"^=", re.MULTILINE)
QUESTIONS: Final = (b"\r", b"nonce\r")
"""An empty line, on which a terminal shows its prompt, and a service command of the demo pump that changes nothing."""
SETTLE_S: Final = 0.6


def _applies(session: Session) -> str:
    interface = session.interface
    if interface.type not in LINES:
        return f"{interface.id} is no serial line"
    return "" if SERVICE & set(interface.purposes or ()) else f"{interface.id} is no service or debug console"


def _run(session: Session) -> Outcome:
    heard = b""
    for question in QUESTIONS:
        session.device.drain()
        session.device.send(question)
        heard += session.device.wait(SETTLE_S)
        if LOGIN.search(heard):
            return passed("a log-in is asked for", heard)
        if SHELL.search(heard):
            return failed("a prompt appears without a log-in", heard)
    if OBEYED.search(heard):
        return failed("a service command was obeyed without a log-in", heard)
    raise NotTested("the console shows neither a log-in nor a prompt, and obeys nothing that we know")


CHECK = BenchCheck(
    name="login-prompt",
    id="C1",
    question="Does the console ask for a log-in before it obeys?",
    title="The service console obeys without a log-in.",
    remedy=(
        "Ask the manufacturer for a log-in with a password of each device before any service command; until then keep "
        "the connector out of reach."
    ),
    severity=Severity.HIGH,
    controls=Controls(
        fda=("A",), iec_62443=("CR 1.1", "EDR 2.13"), iec_81001=("5.7",), cra=("I.2d",), mds2=("AUTH",), cwe=("306",)
    ),
    changes_device=False,
    lowest_level=EvidenceLevel.REPLAY,
    most_seconds=10,
    applies=_applies,
    run=_run,
    good_devices=("medemu://demo-pump",),
    weak_devices=("medemu://demo-pump?weak=no-login",),
)
