"""Does the device make sure that it talks to the right server?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from firmware_checks.observers.update_scripts import UncheckedServer
from toolkit.core.findings import Finding, Severity


def _run(check: Check, inventory: Inventory, profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory, profile))


def _rows(inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Row]:
    for seen in inventory.observed(UncheckedServer):
        yield Severity.MEDIUM, f"{seen.what.tool} is told not to verify the server", seen.evidence


_WEAK = {"opt/bin/send.sh": (b"#!/bin/sh\ncurl -k https://10.0.0.9/upload -d @/data/trend\n")}
_HARDENED = {
    "opt/bin/send.sh": (
        b"#!/bin/sh\n"
        b"# curl -k https://10.0.0.9/\n"
        b"curl --cacert /etc/ca.pem https://10.0.0.9/upload\n"
        b"wget https://10.0.0.9/k\n"
    )
}


CHECK = Check(
    name="server-not-verified",
    question="Does the device make sure that it talks to the right server?",
    title="The device does not verify which server it talks to",
    remedy=(
        "The connection is encrypted, but to whom is not checked: a computer in between can pretend to be "
        "the server, read patient data and hand out false software. Ask the manufacturer for software that "
        "verifies the server's certificate."
    ),
    severity_rule="Medium: somebody has to get in between the device and the server.",
    controls=Controls(
        fda=(
            "A",
            "C",
        ),
        iec_62443=(
            "CR 1.9",
            "CR 3.1",
        ),
        iec_81001=("5.7",),
        cra=(
            "I.2d",
            "I.2e",
        ),
        mds2=("TXIG",),
        cwe=(
            "295",
            "297",
        ),
    ),
    run=_run,
    weak_example=lambda: archive_of(_WEAK),
    hardened_example=lambda: archive_of(_HARDENED),
)
