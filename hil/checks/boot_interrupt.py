"""C5: nobody gets into the boot loader by pressing a key while the device starts."""

from __future__ import annotations

from typing import Final

from firmware_checks.controls import Controls
from hil.bench_check import BenchCheck, Session
from hil.demo_client import applies, is_alive, needs_power, restart
from hil.level import EvidenceLevel
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity

KEYS: Final = (b" ", b"\x1b", b"\x03", b"\r")
"""Space, ESC, Ctrl-C, Enter."""
PRESS_EVERY_S: Final = 0.05
PRESSES: Final = 10
LISTEN_S: Final = 2.0


def _run(session: Session) -> Outcome:
    for key in KEYS:
        session.device.power_cycle()
        heard = b""
        for _ in range(PRESSES):
            session.device.send(key)
            heard += session.device.wait(PRESS_EVERY_S)
        heard += session.device.wait(LISTEN_S)
        session.device.send(b"\r")  # ends a line that the keys may have begun
        session.device.wait(PRESS_EVERY_S)
        if not is_alive(session):
            return failed(f"with key {key.hex()} pressed while it starts, the device does not come up", heard)
    return passed(f"it starts as always with each of {len(KEYS)} keys pressed", heard)


CHECK = BenchCheck(
    name="boot-interrupt",
    id="C5",
    question="Does the device start undisturbed when keys are pressed meanwhile?",
    title="Pressing a key while the device starts leads into its boot loader.",
    remedy=(
        "Ask the manufacturer for a boot loader that takes no keys or asks for a password; until then keep "
        "the connector out of reach."
    ),
    severity=Severity.HIGH,
    controls=Controls(
        fda=("D",), iec_62443=("EDR 2.13", "EDR 3.14"), iec_81001=("5.7",), cra=("I.2d",), mds2=("SAHD",), cwe=("1234",)
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=30,
    applies=applies,
    precondition=needs_power,
    run=_run,
    clean_up=restart,
    good_devices=("medemu://demo-pump",),
    weak_devices=("medemu://demo-pump?weak=boot-interrupt",),
)
