"""S4: the device does not go into its boot loader for somebody who has not logged in. Source: DFU 1.1, 5.1."""

from __future__ import annotations

from typing import Final

from firmware_checks.controls import Controls
from hil.bench_check import BenchCheck, Session
from hil.errors import NotTested
from hil.level import EvidenceLevel
from hil.protocols.dfu import Request
from hil.usb_client import ask, dfu_applies, dfu_interface, reconnected, replug
from hil.usb_model import Setup
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity

CLASS_OUT: Final = 0x21
AT_RUN_TIME, IN_LOADER = 1, 2
"""Protocol of the interface. Source: DFU 1.1, 4.1.2 and 4.2.3."""


def _run(session: Session) -> Outcome:
    interface, descriptor = dfu_interface(session)
    if interface.protocol != AT_RUN_TIME:
        raise NotTested("the device is in its boot loader already")
    taken = ask(session, Setup(CLASS_OUT, Request.DETACH, descriptor.detach_timeout_ms, interface.number, 0))
    reconnected(session)
    after, _ = dfu_interface(session)
    if after.protocol == IN_LOADER:
        return failed("DETACH from somebody who has not logged in leads into the boot loader")
    return passed("DETACH was refused" if taken is None else "DETACH was taken, and changed nothing")


CHECK = BenchCheck(
    name="usb-detach",
    id="S4",
    question="Is the way into the boot loader refused to somebody who has not logged in?",
    title="Whoever plugs in a cable can stop the device and bring it into its boot loader.",
    remedy=(
        "Let nobody plug anything in while the device treats somebody; ask the manufacturer for a log-in before "
        "updates."
    ),
    severity=Severity.HIGH,
    controls=Controls(
        fda=("A",), iec_62443=("CR 1.1", "EDR 2.13"), iec_81001=("5.7",), cra=("I.2d",), mds2=("AUTH",), cwe=("306",)
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=60,
    applies=dfu_applies,
    run=_run,
    clean_up=replug,
    good_devices=("medusb://demo-pump",),
    weak_devices=("medusb://demo-pump?weak=detach-open",),
)
