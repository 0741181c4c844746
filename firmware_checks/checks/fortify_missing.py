"""Do programs that take data from the network check lengths where the compiler could have them checked?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from firmware_checks.observers.hardening import Hardening, example_program
from toolkit.core.findings import Finding, Severity

CALLS = "libc.so.6\0recv\0"


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory))


def _rows(inventory: Inventory) -> Iterator[Row]:
    for seen in inventory.observed(Hardening):
        what = seen.what
        if what.is_on_network and what.is_program and what.could_fortify and not what.has_fortify:
            yield Severity.LOW, "programs on the network were built without FORTIFY", seen.evidence


CHECK = Check(
    name="fortify-missing",
    question="Do programs that take data from the network check lengths where the compiler could have them checked?",
    title="Programs on the network were built without checks of lengths",
    remedy=(
        "Data from the network that are too long, or a text that is taken for a pattern, are not noticed by the "
        "program itself. Let only known computers send data to the device, and ask the manufacturer for a release "
        "built with these checks (FORTIFY); by itself this is no way in."
    ),
    severity_rule="Low: it takes a mistake in the program to make use of it.",
    controls=Controls(
        fda=("D", "G"), iec_62443=("CR 3.4", "CR 3.5"), iec_81001=("5.5",), cra=("I.2k",), mds2=("SAHD",),
        cwe=("120", "134"),
    ),
    run=_run,
    weak_example=lambda: archive_of({"usr/bin/pumpd": example_program(names=f"{CALLS}sprintf\0")}),
    hardened_example=lambda: archive_of({"usr/bin/pumpd": example_program(names=f"{CALLS}sprintf\0__sprintf_chk\0")}),
)  # fmt: skip
