"""Does the device verify who made an update before it installs it?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from firmware_checks.observers.update_scripts import Proof, Source, UpdateInstall
from toolkit.core.findings import Finding, Severity


def _run(check: Check, inventory: Inventory, profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory, profile))


def _rows(inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Row]:
    for seen in inventory.observed(UpdateInstall):
        if seen.what.proof is not Proof.SIGNATURE:
            words = f"{seen.what.tool} installs from {seen.what.source.value}; {seen.what.proof.value}"
            yield _severity(seen.what), words, seen.evidence


def _severity(install: UpdateInstall) -> Severity:
    if install.proof is Proof.CHECKSUM:
        return Severity.MEDIUM
    return Severity.CRITICAL if install.source is Source.CLEAR else Severity.HIGH


_WEAK = {"opt/bin/update.sh": (b"#!/bin/sh\nmount /dev/sda1 /mnt/usb\ntar xf /mnt/usb/update.tar -C /\n")}
_HARDENED = {
    "opt/bin/update.sh": (
        b"#!/bin/sh\n"
        b"mount /dev/sda1 /mnt/usb\n"
        b"gpgv --keyring /etc/key /mnt/usb/update.tar.sig /mnt/usb/update.tar || exit 1\n"
        b"tar xf /mnt/usb/update.tar -C /\n"
    )
}


CHECK = Check(
    name="update-not-verified",
    question="Does the device verify who made an update before it installs it?",
    title="Updates are installed without verifying who made them",
    remedy=(
        "Whoever can hand the device a file, over the network or on a USB stick, can replace its software "
        "and so what it does to a patient. Install only files from the manufacturer's own channel, lock "
        "the ports for sticks, and ask for updates that are signed and verified."
    ),
    severity_rule=(
        "Critical when the file comes over the network unencrypted, high otherwise; medium when at least a "
        "checksum is compared."
    ),
    controls=Controls(
        fda=(
            "D",
            "H",
        ),
        iec_62443=(
            "CR 3.4",
            "EDR 3.10",
        ),
        iec_81001=("6.3",),
        cra=(
            "I.2c",
            "I.2f",
        ),
        mds2=(
            "CSUP",
            "SAHD",
        ),
        cwe=(
            "494",
            "345",
        ),
    ),
    run=_run,
    weak_example=lambda: archive_of(_WEAK),
    hardened_example=lambda: archive_of(_HARDENED),
)
