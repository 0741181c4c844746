"""S1: what a USB device says about itself hangs together. A host with a weak parser is attacked with what does not."""

from __future__ import annotations

from firmware_checks.controls import NOT_APPLICABLE, Controls
from hil.bench_check import BenchCheck, Session
from hil.level import EvidenceLevel
from hil.usb_client import DEVICE_BYTES, applies, configurations, descriptor
from hil.usb_descriptors import configuration_problems, device_problems
from hil.usb_host import DEVICE
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity


def _run(session: Session) -> Outcome:
    device = descriptor(session, DEVICE, 0, DEVICE_BYTES) or b""
    problems = list(device_problems(device))
    found = configurations(session)
    for configuration in found:
        problems += configuration_problems(configuration)
    if problems:
        return failed("; ".join(problems[:3]))
    return passed(f"{len(found)} configuration(s) of {sum(map(len, found))} bytes hang together")


CHECK = BenchCheck(
    name="usb-descriptors",
    id="S1",
    question="Do the USB descriptors hang together?",
    title="The device describes itself to the computer in a way that cannot be right.",
    remedy=(
        "Connect the device to computers only that are kept up to date; ask the manufacturer for a fix of the "
        "descriptors."
    ),
    severity=Severity.MEDIUM,
    controls=Controls(
        fda=("F",), iec_62443=("CR 3.5",), iec_81001=("5.7",), cra=("I.2h",), mds2=NOT_APPLICABLE, cwe=("1288",)
    ),
    changes_device=False,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=30,
    applies=applies,
    run=_run,
    good_devices=("medusb://demo-pump",),
    weak_devices=(
        "medusb://demo-pump?weak=zero-length-descriptor",
        "medusb://demo-pump?weak=overlong-descriptor",
    ),
)
