"""Can an attack lead programs on the network to any place in memory?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from firmware_checks.observers.hardening import Hardening, example_program
from toolkit.core.findings import Finding, Severity

IBT = 1


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory))


def _rows(inventory: Inventory) -> Iterator[Row]:
    for seen in inventory.observed(Hardening):
        if seen.what.is_on_network and seen.what.is_program and seen.what.guards_flow is False:
            words = "programs on the network use neither IBT, BTI nor the control flow integrity of Clang"
            yield Severity.INFO, words, seen.evidence


CHECK = Check(
    name="control-flow-open",
    question="Can an attack lead programs on the network to any place in memory?",
    title="Programs on the network do not limit where jumps may lead",
    remedy=(
        "Processors and compilers can stop a program that jumps where it never should; this one was built without. "
        "Most software is built that way: ask the manufacturer for it in the next release, and do not take it for a "
        "way in by itself."
    ),
    severity_rule="Note: few programs have this protection, and it only makes attacks harder.",
    controls=Controls(
        fda=("D", "G"), iec_62443=("CR 3.4",), iec_81001=("5.5",), cra=("I.2k",), mds2=("SAHD",), cwe=("691", "693")
    ),
    run=_run,
    weak_example=lambda: archive_of({"usr/bin/pumpd": example_program()}),
    hardened_example=lambda: archive_of({"usr/bin/pumpd": example_program(properties=IBT)}),
)
