"""S5: the device does not give its firmware back over DFU. Source: DFU 1.1, 6.2."""

from __future__ import annotations

from typing import Final

from firmware_checks.controls import Controls
from hil.bench_check import BenchCheck, Session
from hil.level import EvidenceLevel
from hil.protocols.dfu import Attributes, Request
from hil.usb_client import ask, dfu_applies, dfu_interface, replug
from hil.usb_model import Setup
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity

CLASS_IN: Final = 0xA1
MOST_BYTES: Final = 64
FIRST_BLOCKS: Final = 3
"""Some loaders use the first block numbers for something else, as DfuSe does."""


def _run(session: Session) -> Outcome:
    interface, descriptor = dfu_interface(session)
    size = min(descriptor.transfer_bytes, MOST_BYTES)
    for block in range(FIRST_BLOCKS):
        data = ask(session, Setup(CLASS_IN, Request.UPLOAD, block, interface.number, size))
        if data:
            return failed(f"block {block} of its firmware came back, {len(data)} bytes", data)
    claims = descriptor.can(Attributes.CAN_UPLOAD)
    return passed(f"UPLOAD is refused{', although the device says that it can' if claims else ''}")


CHECK = BenchCheck(
    name="usb-upload",
    id="S5",
    question="Does the device keep its firmware to itself?",
    title="Whoever plugs in a cable can read the firmware, and the keys in it.",
    remedy=(
        "Take it that keys in devices of this kind are known; ask the manufacturer for a boot loader that gives "
        "nothing back."
    ),
    severity=Severity.MEDIUM,
    controls=Controls(
        fda=("D",), iec_62443=("CR 4.1",), iec_81001=("5.7",), cra=("I.2e",), mds2=("CONF",), cwe=("1191",)
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=60,
    applies=dfu_applies,
    run=_run,
    clean_up=replug,
    good_devices=("medusb://demo-pump",),
    weak_devices=("medusb://demo-pump?weak=upload-open",),
)
