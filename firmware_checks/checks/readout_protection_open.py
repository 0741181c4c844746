"""Do the option bytes in the file leave the device's memory readable through its debug port?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check
from firmware_checks.controls import Controls
from firmware_checks.inventory import Inventory
from toolkit.core.findings import Finding, Severity

SEVERITY = {"open": Severity.MEDIUM, "partly": Severity.LOW}


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    for region in inventory.regions():
        severity = SEVERITY.get(str(region.facts.get("readout_protection")))
        if severity is not None:
            detail = f"{region.title}: {region.facts.get('raw', '')}".rstrip(": ")
            yield check.finding(severity, detail, region.span.evidence(0))


CHECK = Check(
    name="readout-protection-open",
    question="Do the option bytes in the file leave the device's memory readable through its debug port?",
    title="The debug port is left open by this file",
    remedy=(
        "Ask the manufacturer for a release with read-out protection on; until then keep the device's case "
        "closed and sealed, "
        "and treat keys and passwords in it as known."
    ),
    severity_rule="Medium when memory can be read by anybody with a probe, low when only partly.",
    controls=Controls(
        fda=("E",), iec_62443=("EDR 2.13",), iec_81001=("5.7",), cra=("I.2e",), mds2=("PLOK",), cwe=("1191",)
    ),
    run=_run,
    # STM32F4 option bytes at 0x1FFFC000. Source: ST RM0090, 3.9: RDP 0xAA is level 0, 0xCC level 2.
    weak_example=lambda: b":020000041FFFDC\r\n:04C00000FFAA00553E\r\n:00000001FF\r\n",
    hardened_example=lambda: b":020000041FFFDC\r\n:04C00000FFCC00333E\r\n:00000001FF\r\n",
)
