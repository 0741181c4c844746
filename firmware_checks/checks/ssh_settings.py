"""Do the settings of SSH let in somebody whom they should not, or allow outdated protection?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from firmware_checks.observers.cipher_settings import WeakSetting
from firmware_checks.observers.service_settings import OpenSetting, Service
from toolkit.core.findings import Finding, Severity

SERVER, VERSION_1 = "sshd_config", "SSH 1"
"""Of the server's file the version of the protocol is told among who is let in."""


def _run(check: Check, inventory: Inventory, profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory, profile))


def _rows(inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Row]:
    for seen in inventory.observed(OpenSetting):
        if seen.what.service is Service.SSH:
            yield (Severity.HIGH if seen.what.is_grave else Severity.MEDIUM), seen.what.words, seen.evidence
    for weak in inventory.observed(WeakSetting):
        allows = [name for name in weak.what.allows if name != VERSION_1 or not weak.path.endswith(SERVER)]
        if weak.what.is_of_ssh and allows:
            yield Severity.MEDIUM, f"SSH allows {', '.join(allows)}", weak.evidence


_WEAK = {"etc/ssh/sshd_config": b"PermitRootLogin yes\nPermitEmptyPasswords yes\nCiphers aes256-ctr,arcfour\n"}
_HARDENED = {
    "etc/ssh/sshd_config": (
        b"#PermitRootLogin yes\nPermitRootLogin prohibit-password\nPermitEmptyPasswords no\nProtocol 2\n"
        b"#Ciphers arcfour\nCiphers aes256-gcm@openssh.com\nMACs -hmac-md5\n"
    )
}


CHECK = Check(
    name="ssh-settings",
    question="Do the settings of SSH let in somebody whom they should not, or allow outdated protection?",
    title="SSH is set up to let too many in, or with outdated protection",
    remedy=(
        "The settings allow a login as the superuser, without a password, or with protection that can be broken: one "
        "guessed password or a listener in the network is then enough to own the device. Allow TCP port 22 from the "
        "service computer only and ask the manufacturer for safe settings."
    ),
    severity_rule="High when accounts without a password are let in, medium otherwise.",
    controls=Controls(
        fda=("A", "C"),
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
        cwe=("250", "258", "327"),
    ),
    run=_run,
    weak_example=lambda: archive_of(_WEAK),
    hardened_example=lambda: archive_of(_HARDENED),
)
