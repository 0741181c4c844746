"""Do programs that take data from the network call functions that are easily misused?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from firmware_checks.observers.hardening import Hardening, example_program
from toolkit.core.findings import Evidence, Finding, Severity


def _run(check: Check, inventory: Inventory, profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory, profile))


def _rows(inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Row]:
    for seen in inventory.observed(Hardening):
        what = seen.what
        if not what.is_on_network or not what.is_program:
            continue
        place = Evidence(path=seen.path, offset=seen.evidence.offset, excerpt=", ".join(what.risky))
        if "gets" in what.risky:
            yield Severity.MEDIUM, "programs on the network call gets, which can never be used safely", place
        if not {"system", "popen"}.isdisjoint(what.risky):
            yield Severity.LOW, "programs on the network start commands through the shell", place
        if not {"strcpy", "strcat", "sprintf", "vsprintf"}.isdisjoint(what.risky) and not what.has_fortify:
            yield Severity.LOW, "programs on the network copy texts without looking at lengths", place


CHECK = Check(
    name="risky-calls",
    question="Do programs that take data from the network call functions that are easily misused?",
    title="Programs on the network call functions that are easily misused",
    remedy=(
        "What the network sends may reach a function that starts commands or does not look at lengths; "
        "whether it does cannot be told from the file alone. Ask the manufacturer for the results of tests "
        "with malformed data, and let only known computers send data to the device."
    ),
    severity_rule=(
        "Medium for a function that can never be used safely, low for one that starts commands or does not "
        "look at lengths."
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
            "676",
            "78",
            "134",
        ),
    ),
    run=_run,
    weak_example=lambda: archive_of({"usr/bin/pumpd": example_program(names="gets\x00recv\x00system\x00")}),
    hardened_example=lambda: archive_of(
        {"usr/bin/pumpd": example_program(names="fgets\x00recv\x00execve\x00strlcpy\x00")}
    ),
)
