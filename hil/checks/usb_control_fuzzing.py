"""S6: no control request, right or wrong, stops the device.

Tried are standard and class requests that ask (IN), and the two standard ones that choose something and hand nothing
over. Left out are those that write: class requests OUT (DFU downloads among them), SET_ADDRESS, SET_DESCRIPTOR, and all
of the maker's own, which have a check of their own.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Final

from firmware_checks.controls import NOT_APPLICABLE, Controls
from hil.bench_check import BenchCheck, Session
from hil.level import EvidenceLevel
from hil.usb_client import applies, ask, is_alive, needs_power, replug
from hil.usb_host import CLEAR_FEATURE, CONFIGURATION, DEVICE, GET_DESCRIPTOR, INTERFACE, SET_INTERFACE, STRING
from hil.usb_model import Setup
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity

REQUESTS: Final = 600
ASKING: Final = (0x80, 0x81, 0x82, 0xA1, 0xA2)
CHOOSING: Final = ((0x01, SET_INTERFACE), (0x02, CLEAR_FEATURE))
DESCRIPTORS: Final = (DEVICE, CONFIGURATION, STRING, INTERFACE, 6, 7, 0x21, 0x22, 0x29)
"""Those of USB 2.0, and of HID, DFU and hubs."""
EDGES: Final = (0, 1, 2, 8, 0x3F, 0x40, 0x41, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF)


def made_up(chance: random.Random) -> Setup:
    """Return a request: half of them for a descriptor, the others with numbers at the edges of their ranges."""
    length = chance.choice(EDGES)
    if chance.random() < 0.5:
        value = chance.choice(DESCRIPTORS) << 8 | chance.randrange(256)
        return Setup(0x80, GET_DESCRIPTOR, value, chance.choice((0, 0x0409, 0xFFFF)), length)
    value = chance.choice(EDGES)
    if chance.random() < 0.2:
        kind, request = chance.choice(CHOOSING)
        return Setup(kind, request, value, chance.randrange(8), 0)
    return Setup(chance.choice(ASKING), chance.randrange(256), value, chance.choice(EDGES), length)


def shortest(session: Session, setup: Setup) -> Setup:
    """Return a request that still stops the device, with numbers as small as they can be."""
    for name in ("length", "index", "value"):
        for bit in reversed(range(16)):
            smaller = getattr(setup, name) & ~(1 << bit)
            if smaller != getattr(setup, name) and _stops(session, replace(setup, **{name: smaller})):
                setup = replace(setup, **{name: smaller})
    return setup


def _stops(session: Session, setup: Setup) -> bool:
    replug(session)
    ask(session, setup)
    return not is_alive(session)


def _run(session: Session) -> Outcome:
    for number in range(1, REQUESTS + 1):
        setup = made_up(session.random)
        ask(session, setup)
        if not is_alive(session):
            found = shortest(session, setup)
            detail = "no answer any more after one control request, its numbers made as small as they can be"
            return failed(f"{detail}: {found.build().hex(' ')}")
        session.progress(number / REQUESTS)
    return passed(f"alive after each of {REQUESTS} control requests")


CHECK = BenchCheck(
    name="usb-control-fuzzing",
    id="S6",
    question="Does the device live through control requests of all kinds?",
    title="A USB control request stops the device.",
    remedy=(
        "Let nobody plug anything in while the device treats somebody; the request stands in the evidence, ask the "
        "manufacturer for a fix."
    ),
    severity=Severity.HIGH,
    controls=Controls(
        fda=("F",), iec_62443=("CR 3.5", "CR 7.1"), iec_81001=("5.7",), cra=("I.2h",), mds2=NOT_APPLICABLE, cwe=("20",)
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=1200,
    applies=applies,
    precondition=needs_power,
    run=_run,
    clean_up=replug,
    good_devices=("medusb://demo-pump",),
    weak_devices=("medusb://demo-pump?weak=crashes-on-request",),
)
