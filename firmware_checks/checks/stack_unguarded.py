"""Does the program of a microcontroller notice when its stack is overwritten?"""

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


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory))


def _rows(inventory: Inventory) -> Iterator[Row]:
    for seen in inventory.observed(MemoryGuards):
        if seen.what.functions >= FEWEST_FUNCTIONS and not seen.what.has_stack_guard:
            yield Severity.LOW, "no function of the program tests a guard on its stack", seen.evidence


CHECK = Check(
    name="stack-unguarded",
    question="Does the program of a microcontroller notice when its stack is overwritten?",
    title="The microcontroller does not notice when its stack is overwritten",
    remedy=(
        "Data that are too long, from a cable or radio, can make the program do something else instead of stopping "
        "in a safe state. Let only known devices connect, and ask the manufacturer for a release built with stack "
        "protection and for tests with malformed data."
    ),
    severity_rule="Low: it takes a mistake in the program to make use of it.",
    controls=Controls(
        fda=("D", "G"), iec_62443=("CR 3.4", "CR 3.5"), iec_81001=("5.5",), cra=("I.2k",), mds2=("SAHD",),
        cwe=("121", "693"),
    ),
    run=_run,
    weak_example=example_firmware,
    hardened_example=lambda: example_firmware(is_guarded=True),
)  # fmt: skip
