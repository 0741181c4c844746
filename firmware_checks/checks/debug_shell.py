"""Does a microcontroller of the device carry a command line for developers?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from firmware_checks.observers.debug_shells import DebugShell
from toolkit.core.findings import Finding, Severity


def _run(check: Check, inventory: Inventory, profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory, profile))


def _rows(inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Row]:
    for seen in inventory.observed(DebugShell):
        yield Severity.MEDIUM, seen.what.shell, seen.evidence


CHECK = Check(
    name="debug-shell",
    question="Does a microcontroller of the device carry a command line for developers?",
    title="A command line for developers was left in the software",
    remedy=(
        "Whoever connects to the serial pins, or to whatever the command line is reached through, may read "
        "and change memory and settings. Seal the case, keep service connectors covered, and ask the "
        "manufacturer how the command line is switched off."
    ),
    severity_rule="Medium: its texts are there; whether it can be reached shows only on the bench.",
    controls=Controls(
        fda=(
            "A",
            "D",
        ),
        iec_62443=(
            "EDR 2.13",
            "CR 7.7",
        ),
        iec_81001=("5.7",),
        cra=("I.2j",),
        mds2=("SAHD",),
        cwe=(
            "489",
            "1191",
        ),
    ),
    run=_run,
    weak_example=lambda: archive_of({"pump.bin": bytes(64) + b"\0uart:~$ \0" + bytes(64)}),
    hardened_example=lambda: archive_of({"pump.bin": bytes(64) + b"\0uart: no shell, FreeRTOS command\0" + bytes(64)}),
)
