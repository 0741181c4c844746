"""Do programs that take data from the network run commands, or fill patterns, that they put together?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from firmware_checks.observers.call_sites import BuiltArgument, example_caller
from toolkit.core.findings import Finding, Severity

FIXED_TEXT = b"\x48\x8d\x3d\x10\x00\x00\x00"
"""``lea rdi, [rip+16]``: a text in the file."""


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory))


def _rows(inventory: Inventory) -> Iterator[Row]:
    for seen in inventory.observed(BuiltArgument):
        words = f"{seen.what.function} is called with a {seen.what.kind.value} that was put together in memory"
        yield Severity.MEDIUM, words, seen.evidence


CHECK = Check(
    name="command-from-data",
    question="Do programs that take data from the network run commands, or fill patterns, that they put together?",
    title="Programs on the network run commands that they put together",
    remedy=(
        "If a part of the command comes from the network, whoever sends it decides what the device runs. That cannot "
        "be told from the file alone: ask the manufacturer for tests with data that hold special characters, and let "
        "only known computers send data to the device."
    ),
    severity_rule="Medium: the place of the call is seen, but not where the text comes from.",
    controls=Controls(
        fda=("D", "G"), iec_62443=("CR 3.5",), iec_81001=("5.5",), cra=("I.2k",), mds2=("SAHD",), cwe=("78", "134")
    ),
    run=_run,
    weak_example=lambda: archive_of({"usr/bin/pumpd": example_caller()}),
    hardened_example=lambda: archive_of({"usr/bin/pumpd": example_caller(FIXED_TEXT)}),
)
