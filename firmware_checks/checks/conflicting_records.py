"""Does the file give the same address two different values?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.address_map import Overlap
from firmware_checks.check import Check
from firmware_checks.controls import NOT_APPLICABLE, Controls
from firmware_checks.inventory import Inventory
from toolkit.core.findings import Evidence, Finding, Severity


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    for region in inventory.regions():
        if region.memory is not None:
            for overlap in region.memory.overlaps:
                yield _finding(check, region.memory.path, overlap)


def _finding(check: Check, path: str, overlap: Overlap) -> Finding:
    values = "different values" if overlap.differs else "the same values"
    return check.finding(
        Severity.HIGH if overlap.differs else Severity.LOW,
        f"addresses {overlap.address:#x} to {overlap.end - 1:#x} are written twice, with {values}",
        Evidence(path=path, offset=overlap.offset, address=overlap.address),
    )


CHECK = Check(
    name="conflicting-records",
    question="Does the file give the same address two different values?",
    title="The file writes the same address twice",
    remedy=(
        "Ask the manufacturer which content is meant: programming tools differ in which value wins, "
        "so a check of the file may see other bytes than the device gets."
    ),
    severity_rule="High when the bytes differ, low when the same bytes are written twice.",
    controls=Controls(
        fda=("D",), iec_62443=("CR 3.4",), iec_81001=("5.7",), cra=("I.2f",), mds2=NOT_APPLICABLE, cwe=("694",)
    ),
    run=_run,
    weak_example=lambda: b":0400000001020304F2\r\n:0400000001020305F1\r\n:00000001FF\r\n",
    hardened_example=lambda: b":0400000001020304F2\r\n:0400040001020305ED\r\n:00000001FF\r\n",
)
