"""C2: no password that stands in manuals and lists opens the device, and trying ends in a lock."""

from __future__ import annotations

from typing import Final

from firmware_checks.controls import Controls
from hil.bench_check import BenchCheck, Session
from hil.demo_client import applies, reply, restart
from hil.errors import NotTested
from hil.level import EvidenceLevel
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity

WRONG: Final = b"not-the-password"
MOST_WRONG: Final = 10
"""IEC 62443-4-2 CR 1.11 leaves the number to the operator; more than ten is none."""
LOCK_S: Final = 61.0
REFUSED: Final = (b"!denied", b"!locked")


def _applies(session: Session) -> str:
    if not session.profile.hil.default_credentials:
        return "the profile names no default passwords (hil.default_credentials)"
    return applies(session)


def _run(session: Session) -> Outcome:
    for number, word in enumerate(session.profile.hil.default_credentials or ()):
        password = word.encode()
        answer = reply(session, b"login " + password, secret=password)
        if answer == b"!locked":  # wait as somebody with time would, so that each one is really tried
            session.device.wait(LOCK_S)
            answer = reply(session, b"login " + password, secret=password)
        if not answer.startswith(b"!"):
            return failed(f"default password number {number + 1} of the profile opened the device", answer)
    for count in range(1, MOST_WRONG + 1):
        answer = reply(session, b"login " + WRONG, secret=WRONG)
        if answer not in REFUSED:
            raise NotTested(f"a wrong password led to {answer.decode('latin-1')}, which is not known")
        if answer == b"!locked":
            return passed(f"no default password works; locked at wrong password number {count} at the latest", answer)
    return failed(f"{MOST_WRONG} wrong passwords one after the other, and none led to a lock", answer)


CHECK = BenchCheck(
    name="default-credentials",
    id="C2",
    question="Are the known default passwords refused, and is trying passwords slowed down?",
    title="The device can be opened with a known password, or by trying passwords.",
    remedy=(
        "Ask the manufacturer for a password of each device and for a lock after a few wrong ones; change "
        "the password where the device lets you."
    ),
    severity=Severity.CRITICAL,
    controls=Controls(
        fda=("A",),
        iec_62443=("CR 1.5", "CR 1.11"),
        iec_81001=("5.7",),
        cra=("I.2b", "I.2d"),
        mds2=("AUTH",),
        cwe=("1392", "307"),
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=300,
    applies=_applies,
    run=_run,
    clean_up=restart,
    good_devices=("medemu://demo-pump",),
    weak_devices=(
        "medemu://demo-pump?weak=default-password",
        "medemu://demo-pump?weak=no-lock-out",
    ),
)
