"""C6: a BREAK on the line, alone or with a SysRq key, opens nothing. Source: Linux, admin-guide/sysrq.rst."""

from __future__ import annotations

from typing import Final

from firmware_checks.controls import Controls
from hil.bench_check import BenchCheck, Session
from hil.demo_client import applies, is_alive, restart
from hil.level import EvidenceLevel
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity

BREAK_S: Final = 0.25
"""Longer than a byte at any speed in use, and as long as terminal programs hold it."""
LISTEN_S: Final = 0.5
HELP: Final = b"h"
"""The key that asks Linux for the list of its SysRq commands; it does nothing else."""
DURING_START_S: Final = (0.0, 0.05, 0.15)


def _precondition(session: Session) -> str:
    return "" if session.device.transport.line is not None else "this connection cannot send a BREAK"


def _break(session: Session, key: bytes = b"") -> bytes:
    """Send a BREAK and a key, and return what the device says to that."""
    line = session.device.transport.line
    assert line is not None  # noqa: S101  # the precondition; for the type checker
    session.device.drain()
    line.send_break(BREAK_S)
    heard = session.device.wait(LISTEN_S)
    if key:
        session.device.send(key)
        heard += session.device.wait(LISTEN_S)
        session.device.send(b"\r")
        session.device.wait(LISTEN_S)
    return heard


def _run(session: Session) -> Outcome:
    for key in (b"", HELP):
        heard = _break(session, key)
        if heard or not is_alive(session):
            return failed("it says something, or no longer obeys, after a BREAK while it runs", heard)
    if not session.device.power.is_automatic:
        return passed("a BREAK while it runs opens nothing; starting was not tried, nothing here can switch it")
    for number, moment_s in enumerate(DURING_START_S, start=1):
        session.device.power_cycle()
        session.device.wait(moment_s)
        heard = _break(session)
        if not is_alive(session):
            return failed(f"it does not start after a BREAK {moment_s:g} s after its power came", heard)
        session.progress(number / len(DURING_START_S))
    return passed("a BREAK opens nothing, while it runs and while it starts")


CHECK = BenchCheck(
    name="line-break",
    id="C6",
    question="Does a BREAK on the line open nothing?",
    title="A BREAK on the serial line opens a monitor program.",
    remedy=("Keep the connector out of reach, and ask the manufacturer for firmware that passes a BREAK over."),
    severity=Severity.HIGH,
    controls=Controls(
        fda=("A",), iec_62443=("CR 1.1", "EDR 2.13"), iec_81001=("5.7",), cra=("I.2j",), mds2=("SAHD",), cwe=("1244",)
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=60,
    applies=applies,
    precondition=_precondition,
    run=_run,
    clean_up=restart,
    good_devices=("medemu://demo-pump",),
    weak_devices=("medemu://demo-pump?weak=break-monitor",),
)
