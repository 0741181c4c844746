"""C4: what the device says while it starts gives no secret away."""

from __future__ import annotations

import re
from typing import Final

from firmware_checks.controls import Controls
from hil.bench_check import BenchCheck, Session
from hil.demo_client import applies, needs_power, restart
from hil.level import EvidenceLevel
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity

LISTEN_S: Final = 3.0
SECRETS: Final = re.compile(
    rb"(?:key|password|passwd|secret|token|pin)\s*[=:]\s*\S+|BEGIN [A-Z ]*PRIVATE KEY|/(?:home|root|build|usr/src)/\S+",
    re.IGNORECASE,
)


def _run(session: Session) -> Outcome:
    session.device.power_cycle()
    heard = session.device.wait(LISTEN_S)
    found = SECRETS.search(heard)
    if found is not None:
        return failed("a secret or a path of the maker's computer is printed at start", found[0])
    return passed(f"{len(heard)} bytes were said at start, no secret among them", heard)


CHECK = BenchCheck(
    name="boot-log",
    id="C4",
    question="Is what the device says while it starts free of secrets?",
    title="The device prints secrets while it starts.",
    remedy=(
        "Ask the manufacturer for release firmware that says nothing secret at start; treat the printed "
        "secret as known."
    ),
    severity=Severity.HIGH,
    controls=Controls(
        fda=("E",),
        iec_62443=("CR 4.1", "EDR 2.13"),
        iec_81001=("5.7",),
        cra=("I.2e", "I.2j"),
        mds2=("SAHD",),
        cwe=("532",),
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=30,
    applies=applies,
    precondition=needs_power,
    run=_run,
    clean_up=restart,
    good_devices=("medemu://demo-pump",),
    weak_devices=("medemu://demo-pump?weak=boot-log",),
)
