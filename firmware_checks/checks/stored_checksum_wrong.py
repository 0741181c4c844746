"""Does every check value in the file fit the bytes it protects?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check
from firmware_checks.controls import Controls
from firmware_checks.formats import dfu_suffix
from firmware_checks.inventory import Inventory
from toolkit.core.findings import Finding, Severity


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    for region in inventory.regions():
        for value in region.integrity:
            if not value.valid:
                detail = (
                    f"{region.title}: {value.algorithm} over {value.covers} is {value.computed}, "
                    f"the file says {value.stored}"
                )
                yield check.finding(Severity.HIGH, detail, region.span.evidence(0))


def _damaged() -> bytes:
    data = bytearray(dfu_suffix.FORMAT.example())
    data[0] ^= 1
    return bytes(data)


CHECK = Check(
    name="stored-checksum-wrong",
    question="Does every check value in the file fit the bytes it protects?",
    title="A check value in the file does not fit its content",
    remedy=(
        "Do not install the file: it was damaged or changed. Fetch it again from the manufacturer and compare digests."
    ),
    severity_rule="High: the file is not what its maker wrote.",
    controls=Controls(
        fda=("D",), iec_62443=("CR 3.4",), iec_81001=("6.3",), cra=("I.2f",), mds2=("CSUP",), cwe=("353",)
    ),
    run=_run,
    weak_example=_damaged,
    hardened_example=dfu_suffix.FORMAT.example,
)
