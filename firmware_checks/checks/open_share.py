"""Does the device share folders with everybody?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from firmware_checks.observers.service_settings import OpenSetting, Service
from toolkit.core.findings import Finding, Severity


def _run(check: Check, inventory: Inventory, profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory, profile))


def _rows(inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Row]:
    for seen in inventory.observed(OpenSetting):
        if seen.what.service is Service.SHARE:
            yield (Severity.HIGH if seen.what.is_grave else Severity.MEDIUM), seen.what.words, seen.evidence


_WEAK = {
    "etc/exports": b"/data *(rw,no_root_squash)\n",
    "etc/samba/smb.conf": b"[data]\n path=/data\n guest ok = yes\n",
}
_HARDENED = {
    "etc/exports": b"# /data *(rw)\n/data 10.0.0.9(ro)\n",
    "etc/samba/smb.conf": (
        b"[global]\n map to guest = bad user\n[printers]\n guest ok = yes\n[data]\n guest ok = no\n"
    ),
}


CHECK = Check(
    name="open-share",
    question="Does the device share folders with everybody?",
    title="Folders of the device are shared with everybody",
    remedy=(
        "Whoever is in the hospital network can read what is in these folders, which may be patient data, "
        "and where writing is allowed replace programs. Block TCP ports 139, 445 and 2049 at the device's "
        "network port and ask the manufacturer for shares that ask who is there."
    ),
    severity_rule=(
        "High when everybody may write or no password is asked for, medium when everybody may read or SMB "
        "version 1 is offered."
    ),
    controls=Controls(
        fda=(
            "A",
            "E",
        ),
        iec_62443=("CR 2.1",),
        iec_81001=("5.7",),
        cra=(
            "I.2d",
            "I.2j",
        ),
        mds2=("SAHD",),
        cwe=(
            "732",
            "306",
        ),
    ),
    run=_run,
    weak_example=lambda: archive_of(_WEAK),
    hardened_example=lambda: archive_of(_HARDENED),
)
