"""Can data be run as a program, or programs be changed in memory?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from firmware_checks.observers.hardening import Hardening, example_program
from toolkit.core.findings import Finding, Severity


def _run(check: Check, inventory: Inventory, profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory, profile))


def _rows(inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Row]:
    for seen in inventory.observed(Hardening):
        if not seen.what.is_program and ".so" not in seen.path:
            continue
        severity = Severity.HIGH if seen.what.is_on_network and seen.what.is_program else Severity.MEDIUM
        if seen.what.stack_is_code:
            yield severity, "the stack of programs or libraries may be run", seen.evidence
        if seen.what.writes_code:
            yield severity, "parts of programs may be changed and run", seen.evidence


CHECK = Check(
    name="program-memory-open",
    question="Can data be run as a program, or programs be changed in memory?",
    title="Programs run with memory that is both data and code",
    remedy=(
        "One mistake in such a program lets whoever sends it prepared data run commands in the device. "
        "Keep the device on a network of its own and ask the manufacturer for a release built with memory "
        "protection."
    ),
    severity_rule="High when such a program takes data from the network, medium otherwise.",
    controls=Controls(
        fda=(
            "D",
            "G",
        ),
        iec_62443=(
            "CR 3.4",
            "CR 7.1",
        ),
        iec_81001=("5.5",),
        cra=("I.2k",),
        mds2=("SAHD",),
        cwe=(
            "693",
            "119",
        ),
    ),
    run=_run,
    weak_example=lambda: archive_of({"usr/bin/pumpd": example_program()}),
    hardened_example=lambda: archive_of({"usr/bin/pumpd": example_program(stack_flags=6)}),
)
