"""Were names and source lines for debuggers left in programs?"""

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
        if seen.what.has_debug:
            yield Severity.MEDIUM, "source lines and types are left in (debug_info)", seen.evidence
        elif seen.what.has_symbols and seen.what.is_program:
            yield Severity.LOW, "names of functions are left in (not stripped)", seen.evidence


CHECK = Check(
    name="debug-information-left",
    question="Were names and source lines for debuggers left in programs?",
    title="Information for developers was left in programs",
    remedy=(
        "Names and source lines make it much quicker to find mistakes in the programs and use them. It is "
        "a sign that a test build was released: ask the manufacturer whether this is the release meant for "
        "hospitals."
    ),
    severity_rule="Medium when source lines are left in, low when only names are.",
    controls=Controls(
        fda=(
            "D",
            "E",
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
            "215",
        ),
    ),
    run=_run,
    weak_example=lambda: archive_of({"usr/bin/pumpd": example_program(debug=True)}),
    hardened_example=lambda: archive_of({"usr/bin/pumpd": example_program()}),
)
