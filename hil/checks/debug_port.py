"""D1: the debug port lets nobody into the processor. It is knocked at only: nothing is halted, written or unlocked."""

from __future__ import annotations

from firmware_checks.controls import Controls
from hil.bench_check import BenchCheck, Session
from hil.debug_probe import PortState
from hil.errors import NotTested
from hil.level import EvidenceLevel
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity


def _precondition(session: Session) -> str:
    return "" if session.device.probe.name else "no probe is connected to the debug port (--probe)"


def _run(session: Session) -> Outcome:
    state = session.device.probe.state()
    detail = f"the debug port {state.value}"
    if state is PortState.SILENT:
        raise NotTested(f"{detail}; try the same wiring on a board that is known to be open")
    return passed(detail) if state is PortState.CLOSED else failed(detail)


CHECK = BenchCheck(
    name="debug-port",
    id="D1",
    question="Does the debug port keep strangers out of the processor?",
    title="Who opens the case can attach a debugger to the processor.",
    remedy=(
        "Ask the manufacturer for devices with a closed debug port, and for a seal that shows when the case was "
        "opened; keep the device where nobody is alone with it."
    ),
    severity=Severity.HIGH,
    controls=Controls(
        fda=("A",), iec_62443=("EDR 2.13",), iec_81001=("5.3",), cra=("I.2j",), mds2=("PLOK",), cwe=("1191",)
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=60,
    precondition=_precondition,
    run=_run,
    good_devices=("medemu://demo-pump",),
    weak_devices=("medemu://demo-pump?weak=debug-port-open",),
)
