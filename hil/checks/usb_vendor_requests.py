"""S3: no vendor request gives anything to a stranger. Only IN requests are tried: those ask, and hand nothing over."""

from __future__ import annotations

from typing import Final

from firmware_checks.controls import Controls
from hil.bench_check import BenchCheck, Session
from hil.level import EvidenceLevel
from hil.usb_client import applies, ask, is_alive, needs_power, replug
from hil.usb_model import Setup
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity

VENDOR_IN: Final = (0xC0, 0xC1)
"""To the device, and to its interface 0."""
REQUESTS: Final = 256
ASKED_BYTES: Final = 64
SHOWN: Final = 8


def _run(session: Session) -> Outcome:
    answered: dict[str, bytes] = {}
    for number in range(REQUESTS):
        for kind in VENDOR_IN:
            answer = ask(session, Setup(kind, number, 0, 0, ASKED_BYTES))
            if answer:
                answered[f"{kind:02x}/{number:02x}"] = answer
        session.progress((number + 1) / REQUESTS)
    if not is_alive(session):
        return failed("it does not answer any more after vendor requests")
    if answered:
        first = next(iter(answered.values()))
        return failed(f"{len(answered)} vendor request(s) are answered: {', '.join(list(answered)[:SHOWN])}", first)
    return passed(f"{REQUESTS * len(VENDOR_IN)} vendor requests, none of them answered")


CHECK = BenchCheck(
    name="usb-vendor-requests",
    id="S3",
    question="Are all vendor requests refused?",
    title="A request of the maker gives data to whoever knows its number.",
    remedy=("Connect the device only to computers that you trust; ask the manufacturer what the request is for."),
    severity=Severity.HIGH,
    controls=Controls(
        fda=("A",), iec_62443=("CR 1.1", "CR 7.7"), iec_81001=("5.7",), cra=("I.2d",), mds2=("SAHD",), cwe=("1242",)
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=300,
    applies=applies,
    precondition=needs_power,
    run=_run,
    clean_up=replug,
    good_devices=("medusb://demo-pump",),
    weak_devices=("medusb://demo-pump?weak=memory-request",),
)
