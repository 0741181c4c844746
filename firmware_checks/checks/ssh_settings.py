"""Do the settings of SSH let in somebody whom they should not?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.exposure.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from firmware_checks.observers.service_settings import OpenSetting, Service
from toolkit.core.findings import Finding, Severity


def _run(check: Check, inventory: Inventory, profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory, profile))


def _rows(inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Row]:
    for seen in inventory.observed(OpenSetting):
        if seen.what.service is Service.SSH:
            yield (Severity.HIGH if seen.what.is_grave else Severity.MEDIUM), seen.what.words, seen.evidence


_WEAK = {"etc/ssh/sshd_config": b"PermitRootLogin yes\nPermitEmptyPasswords yes\n"}
_HARDENED = {
    "etc/ssh/sshd_config": (
        b"#PermitRootLogin yes\nPermitRootLogin prohibit-password\nPermitEmptyPasswords no\nProtocol 2\n"
    )
}


CHECK = Check(
    name="ssh-settings",
    question="Do the settings of SSH let in somebody whom they should not?",
    title="SSH is set up to let too many in",
    remedy=(
        "The settings allow a login as the superuser, without a password, or with a broken protocol: "
        "guessing one password is then enough to own the device. Allow TCP port 22 from the service "
        "computer only and ask the manufacturer for safe settings."
    ),
    severity_rule="High when accounts without a password are let in, medium otherwise.",
    controls=Controls(
        fda=("A",),
        iec_62443=(
            "CR 1.1",
            "CR 7.6",
        ),
        iec_81001=("5.7",),
        cra=(
            "I.2b",
            "I.2d",
        ),
        mds2=(
            "AUTH",
            "SAHD",
        ),
        cwe=(
            "250",
            "258",
        ),
    ),
    run=_run,
    weak_example=lambda: archive_of(_WEAK),
    hardened_example=lambda: archive_of(_HARDENED),
)
