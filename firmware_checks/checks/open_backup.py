"""Is there a backup that is not encrypted?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.inventory import Inventory
from firmware_checks.observers.backups import Backup
from toolkit.core.findings import Finding, Severity


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    for seen in inventory.observed(Backup):
        severity = Severity.HIGH if seen.what.names_patients else Severity.MEDIUM
        yield check.finding(severity, seen.evidence.excerpt, seen.evidence)


CHECK = Check(
    name="open-backup",
    question="Is there a backup that is not encrypted?",
    title="A backup is not encrypted",
    remedy=(
        "Whoever finds the medium or the file can read all that was backed up. Keep it locked away, encrypt "
        "media that leave the device, and ask the manufacturer for encrypted backups."
    ),
    severity_rule="High when the backup has a table of patients, else medium: what was backed up can be read.",
    controls=Controls(
        fda=("E",),
        iec_62443=("CR 4.1", "CR 4.2"),
        iec_81001=("5.7",),
        cra=("I.2e", "I.2m"),
        mds2=("MPII", "STCF", "SGUD"),
        cwe=("311", "359"),
    ),
    run=_run,
    weak_example=lambda: archive_of(
        {"media/usb/his.sql": b"-- MySQL dump 10.13\nINSERT INTO `patients` VALUES (1);\n"}
    ),
    hardened_example=lambda: archive_of(
        {"media/usb/his.sql": b"Salted__" + bytes(range(64)), "usr/bin/t": b"#!/bin/sh\n-- MySQL dump\n"}
    ),
)
