"""U14: a device that refuses an update says so to a host that asks; dfu-util 0.11 prints Done whatever it is told.

The image that is sent has one wrong bit. Our own client believes GETSTATUS and nothing else; what is judged is whether
the device tells it the truth. Source: DFU 1.1, 6.1.2 and appendix A.
"""

from __future__ import annotations

from typing import Final

from firmware_checks.controls import Controls
from hil.bench_check import BenchCheck, Session
from hil.demo_client import log_in
from hil.demo_console import PROTOCOL
from hil.dfu_client import DfuClient, DfuError
from hil.errors import NotTested
from hil.level import EvidenceLevel
from hil.protocols.dfu import Request
from hil.usb_client import ask, dfu_applies, dfu_interface, reconnected, replug
from hil.usb_model import Setup
from hil.usb_models.dfu_loader import sealed
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity

CLASS_OUT: Final = 0x21
AT_RUN_TIME: Final = 1
IMAGE: Final = "image"


def _precondition(session: Session) -> str:
    if IMAGE in session.files or not session.device.level.is_real:
        return ""
    return "no good image to spoil: name one with --file image=PATH"


def _spoilt_image(session: Session) -> bytes:
    path = session.files.get(IMAGE)
    image = bytearray(sealed(b"demo pump firmware " * 40) if path is None else path.read_bytes())
    if not image:
        raise NotTested(f"{path} is empty")
    image[len(image) // 2] ^= 1
    return bytes(image)


def _into_loader(session: Session) -> None:
    """Bring the device into its boot loader, with a log-in where it has a console."""
    interface, descriptor = dfu_interface(session)
    if interface.protocol != AT_RUN_TIME:
        return
    if session.interface.protocol == PROTOCOL:
        log_in(session)
    ask(session, Setup(CLASS_OUT, Request.DETACH, descriptor.detach_timeout_ms, interface.number, 0))
    reconnected(session)
    if dfu_interface(session)[0].protocol == AT_RUN_TIME:
        raise NotTested("the device does not go into its boot loader")


def _run(session: Session) -> Outcome:
    _into_loader(session)
    interface, descriptor = dfu_interface(session)
    transport = session.device.transport
    client = DfuClient(transport.usb_device, descriptor, transport.clock, interface.number)
    try:
        last = client.download(_spoilt_image(session))
    except DfuError as error:
        return passed(f"the device told of its refusal: {error}")
    return failed(f"an update with a wrong bit ends in {last.state.name} with status {last.status.name}, as a good one")


CHECK = BenchCheck(
    name="update-refusal-told",
    id="U14",
    question="Does the device say so when it refuses an update?",
    title="The device says that all is well after an update that it must have refused.",
    remedy=(
        "After each update look at the version that the device itself shows; do not believe the tool that brought it."
    ),
    severity=Severity.HIGH,
    controls=Controls(
        fda=("H",), iec_62443=("EDR 3.10",), iec_81001=("6.3",), cra=("I.2c",), mds2=("CSUP",), cwe=("393", "347")
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=600,
    applies=dfu_applies,
    precondition=_precondition,
    run=_run,
    clean_up=replug,
    good_devices=("medusb://demo-pump",),
    weak_devices=("medusb://demo-pump?weak=refuses-silently", "medusb://demo-pump?weak=accepts-unsigned"),
)
