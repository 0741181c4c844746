"""D2: the flash cannot be read through the debug port. A few words are read, and nothing is written or unlocked."""

from __future__ import annotations

from typing import Final

from device_profiles.vocabulary import RegionUse
from firmware_checks.controls import Controls
from hil.bench_check import BenchCheck, Session
from hil.debug_probe import PortState
from hil.errors import NotTested
from hil.level import EvidenceLevel
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity

READ_BYTES: Final = 64
ERASED: Final = (0x00, 0xFF)


def _precondition(session: Session) -> str:
    return "" if session.device.probe.name else "no probe is connected to the debug port (--probe)"


def _flash_start(session: Session) -> int:
    """Return where the profile says that the program begins; else 0, where a Cortex-M takes its first two words."""
    regions = [region for region in session.profile.platform.memory_map if region.use is RegionUse.APPLICATION]
    return regions[0].start if regions else 0


def _run(session: Session) -> Outcome:
    address = _flash_start(session)
    data = session.device.probe.read(address, READ_BYTES)
    if data is not None and len(set(data) - set(ERASED)) > 1:
        return failed(f"{len(data)} bytes of the program were read at {address:#x}")
    if data is not None:
        return passed(f"what is read at {address:#x} is all zeros or ones, as a protected memory gives")
    if session.device.probe.state() is PortState.SILENT:
        raise NotTested(f"the debug port {PortState.SILENT.value}")
    return passed(f"the debug port gives nothing of the memory at {address:#x}")


CHECK = BenchCheck(
    name="flash-read-out",
    id="D2",
    question="Does the debug port keep the program to itself?",
    title="Who opens the case can read the program, and the keys in it, through the debug port.",
    remedy=(
        "Ask the manufacturer for devices with read-out protection; take it that keys in devices of this kind are "
        "known, and accept nothing that only such a key proves."
    ),
    severity=Severity.HIGH,
    controls=Controls(
        fda=("D",), iec_62443=("EDR 2.13", "CR 4.1"), iec_81001=("5.3",), cra=("I.2e",), mds2=("PLOK",), cwe=("1191",)
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=60,
    precondition=_precondition,
    run=_run,
    good_devices=("medemu://demo-pump",),
    weak_devices=("medemu://demo-pump?weak=flash-readable",),
)
