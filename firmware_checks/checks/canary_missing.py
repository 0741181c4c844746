"""Do programs notice when their stack is overwritten?"""

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


_UNBOUNDED = frozenset({"gets", "strcpy", "strcat", "sprintf", "vsprintf"})


def _rows(inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Row]:
    for seen in inventory.observed(Hardening):
        what = seen.what
        if not what.has_canary and what.is_program and not _UNBOUNDED.isdisjoint(what.risky):
            words = "programs call functions that do not look at lengths, and have no stack canary"
            yield (Severity.MEDIUM if what.is_on_network else Severity.LOW), words, seen.evidence


CHECK = Check(
    name="canary-missing",
    question="Do programs notice when their stack is overwritten?",
    title="Programs do not notice when their stack is overwritten",
    remedy=(
        "Data that is longer than a program expects can overwrite where it continues, and nothing stops "
        "it. Ask the manufacturer for a release built with stack protection; until then let only known "
        "computers send data to the device."
    ),
    severity_rule=(
        "Medium when such a program takes data from the network and calls functions that do not look at "
        "lengths, low otherwise."
    ),
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
            "121",
        ),
    ),
    run=_run,
    weak_example=lambda: archive_of({"usr/bin/pumpd": example_program()}),
    hardened_example=lambda: archive_of({"usr/bin/pumpd": example_program(names="strncpy\x00recv\x00")}),
)
