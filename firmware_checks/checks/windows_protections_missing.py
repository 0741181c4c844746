"""Were programs for Windows built without the protections Windows offers?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from firmware_checks.observers.windows_protections import WindowsProtections, example_program
from toolkit.core.findings import Evidence, Finding, Severity


def _run(check: Check, inventory: Inventory, profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory, profile))


def _rows(inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Row]:
    for seen in inventory.observed(WindowsProtections):
        what = seen.what
        if what.is_driver and not what.is_signed:
            yield Severity.MEDIUM, "drivers carry no signature", seen.evidence
        if not what.is_driver and not what.has_no_execute:
            yield Severity.MEDIUM, "data of programs can be run (no DEP)", seen.evidence
        if not what.is_driver and not what.is_movable:
            yield Severity.LOW, "programs are always loaded at the same place (no ASLR)", seen.evidence
        if not what.is_driver and not what.is_managed:
            yield from _of_machine_code(what, seen.evidence)


def _of_machine_code(what: WindowsProtections, place: Evidence) -> Iterator[Row]:
    if not what.has_safe_handlers:
        yield Severity.LOW, "handlers of errors can be replaced in memory (no SafeSEH)", place
    if not what.is_guarded:
        yield Severity.LOW, "calls can be led to any place in memory (no Control Flow Guard)", place


CHECK = Check(
    name="windows-protections-missing",
    question="Were programs for Windows built without the protections Windows offers?",
    title="Programs for Windows are built without protections",
    remedy=(
        "A mistake in such a program is easier to use for somebody who sends it prepared data, and a "
        "driver without a signature can be swapped unnoticed. Ask the manufacturer for a release built "
        "with these protections; by itself this is no way in."
    ),
    severity_rule="Medium for a driver without a signature or a program whose data can be run, low otherwise.",
    controls=Controls(
        fda=(
            "D",
            "G",
        ),
        iec_62443=("CR 3.4",),
        iec_81001=("5.5",),
        cra=("I.2k",),
        mds2=("SAHD",),
        cwe=("693",),
    ),
    run=_run,
    weak_example=lambda: archive_of({"app/pump.exe": example_program()}),
    hardened_example=lambda: archive_of({"app/pump.exe": example_program(0x4540)}),
)
