"""Is a component missing that the device's profile expects?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile, ExpectedComponent, Platform
from firmware_checks.check import Check, archive_of, profile_with
from firmware_checks.controls import NOT_APPLICABLE, Controls
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from toolkit.core.findings import Evidence, Finding, Severity


def _run(check: Check, inventory: Inventory, profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory, profile))


def _rows(inventory: Inventory, profile: DeviceProfile | None) -> Iterator[Row]:
    names = {component.name for component in inventory.components}
    for expected in profile.platform.expected_components if profile is not None else ():
        if expected.id not in names:
            yield Severity.LOW, f"{expected.id} was not found", Evidence(path=inventory.subject.name)


CHECK = Check(
    name="component-missing",
    question="Is a component missing that the device's profile expects?",
    title="A component is missing that the device should have",
    remedy=(
        "Either the file is for another device or release, or the component could not be recognised. "
        "Compare model and release with the label of the device before the file is installed."
    ),
    severity_rule="Low: the component may be there and not be recognised.",
    controls=Controls(
        fda=("H",), iec_62443=("CR 7.8",), iec_81001=("5.7",), cra=("I.2f",), mds2=("SBOM",), cwe=NOT_APPLICABLE
    ),
    run=_run,
    weak_example=lambda: archive_of({"readme.txt": b"nothing here\n"}),
    hardened_example=lambda: b"\0BusyBox v1.31.1 (2020-01-01 00:00:00 UTC) multi-call binary.\n\0",
    example_profile=lambda: profile_with(Platform(expected_components=(ExpectedComponent(id="busybox"),))),
)
