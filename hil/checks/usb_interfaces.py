"""S2: a USB device has the interfaces that its profile expects, and no others."""

from __future__ import annotations

from firmware_checks.controls import Controls
from hil.bench_check import BenchCheck, Session
from hil.level import EvidenceLevel
from hil.usb_client import applies, configurations
from hil.usb_descriptors import interfaces_in, unexpected
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity


def _precondition(session: Session) -> str:
    return "" if session.interface.usb.classes is not None else "the profile does not say which interfaces it expects"


def _run(session: Session) -> Outcome:
    expected = session.interface.usb.classes or ()
    found = [interface for configuration in configurations(session) for interface in interfaces_in(configuration)]
    strangers = unexpected(found, expected)
    if strangers:
        return failed(f"not expected: {'; '.join(map(str, strangers))}")
    return passed(f"{len(found)} interfaces, all of them expected: {', '.join(expected)}")


CHECK = BenchCheck(
    name="usb-interfaces",
    id="S2",
    question="Does the device have no USB interface but those it is known to have?",
    title="The device has a USB interface that is in no manual.",
    remedy=(
        "Allow the device only the interfaces it needs on the computers it is connected to (device "
        "control of the system), and ask the manufacturer what the other one is for."
    ),
    severity=Severity.HIGH,
    controls=Controls(
        fda=("A",), iec_62443=("CR 7.7", "EDR 2.13"), iec_81001=("5.7",), cra=("I.2j",), mds2=("SAHD",), cwe=("1242",)
    ),
    changes_device=False,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=30,
    applies=applies,
    precondition=_precondition,
    run=_run,
    good_devices=("medusb://demo-pump",),
    weak_devices=(
        "medusb://demo-pump?weak=hidden-keyboard",
        "medusb://demo-pump?weak=hidden-storage",
        "medusb://demo-pump?weak=hidden-debug-port",
    ),
)
