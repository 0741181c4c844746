"""Does an update say that an older version may replace a newer one?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from firmware_checks.observers.downgrade_switches import DowngradeSwitch
from toolkit.core.findings import Finding, Severity


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory))


def _rows(inventory: Inventory) -> Iterator[Row]:
    for seen in inventory.observed(DowngradeSwitch):
        yield Severity.MEDIUM, f"{seen.what.tool} is told to take older versions ({seen.what.switch})", seen.evidence
    for region in inventory.regions():
        if region.facts.get("downgrade_allowed") is True:
            words = f"{region.title}: it says of itself that it leads back to an older version"
            yield Severity.MEDIUM, words, region.span.evidence(0)


CHECK = Check(
    name="downgrade-wanted",
    question="Does an update say that an older version may replace a newer one?",
    title="An older version may replace a newer one",
    remedy=(
        "An old release with known weaknesses can be put back, by mistake or on purpose. Keep track of the installed "
        "version yourselves, refuse older files, and ask the manufacturer why this one goes back."
    ),
    severity_rule="Medium: whoever can install must hold a genuine old release, which often is public.",
    controls=Controls(
        fda=("H",), iec_62443=("EDR 3.10",), iec_81001=("6.3",), cra=("I.2c",), mds2=("CSUP",), cwe=("1328",)
    ),
    run=_run,
    weak_example=lambda: archive_of({"update.sh": b"#!/bin/sh\nopkg install --force-downgrade /mnt/usb/*.ipk\n"}),
    hardened_example=lambda: archive_of(
        {"update.sh": b"#!/bin/sh\n# never opkg --force-downgrade\necho no downgrade\nopkg install /mnt/usb/*.ipk\n"}
    ),
)
