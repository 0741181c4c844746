"""Does the program of a microcontroller use the unit that protects its memory?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check
from firmware_checks.controls import Controls
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from firmware_checks.observers.microcontroller_guards import MemoryGuards, example_firmware
from toolkit.core.findings import Finding, Severity

FEWEST_FUNCTIONS = 30
"""Smaller programs are examples and boot stubs."""
MPU_CTRL = 0xE000_ED94


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory))


def _rows(inventory: Inventory) -> Iterator[Row]:
    for seen in inventory.observed(MemoryGuards):
        what = seen.what
        if what.functions >= FEWEST_FUNCTIONS and what.is_wide and not what.uses_mpu:
            words = "no register of the memory protection unit is written, where the processor has one"
            yield Severity.LOW, words, seen.evidence


CHECK = Check(
    name="mpu-unused",
    question="Does the program of a microcontroller use the unit that protects its memory?",
    title="The memory protection of the microcontroller is not used",
    remedy=(
        "One mistake anywhere in the program, such as in what reads a cable or radio, can change any part of its "
        "memory, the part that doses or measures too. Ask the manufacturer how critical parts are kept apart, and for "
        "tests with malformed data; by itself this is no way in."
    ),
    severity_rule="Low: it makes other weaknesses worse, and some processors have no such unit.",
    controls=Controls(
        fda=("D", "G"), iec_62443=("CR 3.4", "EDR 3.2"), iec_81001=("5.5",), cra=("I.2k",), mds2=("SAHD",),
        cwe=("1260", "693"),
    ),
    run=_run,
    weak_example=example_firmware,
    hardened_example=lambda: example_firmware(words=(MPU_CTRL, 0x2000_0000)),
)  # fmt: skip
