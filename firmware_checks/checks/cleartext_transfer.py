"""Does the device fetch or send files in a way that can be read and changed on the way?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.exposure.known_projects import is_of_known_project
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from firmware_checks.observers.remote_addresses import RemoteAddress
from toolkit.core.findings import Finding, Severity


def _run(check: Check, inventory: Inventory, profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory, profile))


def _rows(inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Row]:
    for seen in inventory.observed(RemoteAddress):
        if seen.what.is_clear and seen.what.use:
            is_known = is_of_known_project(inventory, seen.path)
            worth = Severity.HIGH if seen.what.is_software else Severity.MEDIUM
            yield (Severity.LOW if is_known else worth), f"{seen.what.host}: {seen.what.use}", seen.evidence


_WEAK = {"opt/bin/update.sh": (b"#!/bin/sh\nwget http://updates.pump-maker.com/fw/pump.bin\n")}
_HARDENED = {
    "opt/bin/update.sh": (
        b"#!/bin/sh\n"
        b"# wget http://updates.pump-maker.com/fw/pump.bin\n"
        b"wget https://updates.pump-maker.com/fw/pump.bin\n"
        b"wget http://localhost/fw.bin\n"
        b"echo see http://www.pump-maker.com/help\n"
    )
}


CHECK = Check(
    name="cleartext-transfer",
    question="Does the device fetch or send files in a way that can be read and changed on the way?",
    title="Files travel without protection",
    remedy=(
        "Whoever is on the way between the device and the other computer can read what is sent, and "
        "replace software before the device gets it. Keep this traffic on a network of its own and ask the "
        "manufacturer for encrypted and verified transfers."
    ),
    severity_rule="High when software is fetched this way, medium otherwise; low in a program of a known project.",
    controls=Controls(
        fda=(
            "C",
            "E",
        ),
        iec_62443=(
            "CR 3.1",
            "CR 4.1",
        ),
        iec_81001=("5.7",),
        cra=(
            "I.2e",
            "I.2f",
        ),
        mds2=(
            "TXCF",
            "TXIG",
        ),
        cwe=(
            "319",
            "494",
        ),
    ),
    run=_run,
    weak_example=lambda: archive_of(_WEAK),
    hardened_example=lambda: archive_of(_HARDENED),
)
