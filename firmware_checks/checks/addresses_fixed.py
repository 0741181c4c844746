"""Are programs loaded at the same place every time, with tables that can be overwritten?"""

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
        if seen.what.is_program and not seen.what.is_movable:
            yield Severity.LOW, "programs are always loaded at the same place (no PIE)", seen.evidence
        if seen.what.relocations == "none" and (seen.what.is_program or ".so" in seen.path):
            yield Severity.LOW, "tables of addresses can be overwritten (no RELRO)", seen.evidence


CHECK = Check(
    name="addresses-fixed",
    question="Are programs loaded at the same place every time, with tables that can be overwritten?",
    title="Programs are easier to take over than they need to be",
    remedy=(
        "An attacker who finds a mistake in such a program knows where everything lies, so the mistake is "
        "easy to use. By itself this is no way in; ask the manufacturer for a release built with PIE and "
        "RELRO."
    ),
    severity_rule="Low: it makes other weaknesses easier to use and is none by itself.",
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
        cwe=("693",),
    ),
    run=_run,
    weak_example=lambda: archive_of({"usr/bin/pumpd": example_program()}),
    hardened_example=lambda: archive_of({"usr/bin/pumpd": b"#!/bin/sh\necho no ELF PIE RELRO\n"}),
)
