"""Does Windows log a user in by itself?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from firmware_checks.observers.windows_settings import WindowsGap, WindowsSetting
from toolkit.core.findings import Finding, Severity


def _run(check: Check, inventory: Inventory, profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory, profile))


def _rows(inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Row]:
    for seen in inventory.observed(WindowsSetting):
        if seen.what.gap is WindowsGap.LOGON:
            yield (Severity.HIGH if seen.what.is_grave else Severity.MEDIUM), seen.what.words, seen.evidence


_WEAK = {
    "Windows/default.reg": (
        b"REGEDIT4\r\n"
        b"[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\Winlogon]\r\n"
        b'"AutoAdminLogon"="1"\r\n'
        b'"DefaultPassword"="a9!kite"\r\n'
    )
}
_HARDENED = {
    "Windows/default.reg": (
        b"REGEDIT4\r\n"
        b"[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\Winlogon]\r\n"
        b'"AutoAdminLogon"="0"\r\n'
        b'"DefaultUserName"="nurse"\r\n'
    )
}


CHECK = Check(
    name="windows-automatic-logon",
    question="Does Windows log a user in by itself?",
    title="Windows logs a user in by itself",
    remedy=(
        "Whoever stands at the device is that user, and a password stored readably opens every device of "
        "the same type. Keep the device where visitors cannot reach it and ask the manufacturer which "
        "rights this user has."
    ),
    severity_rule="High when the password is stored readably, medium otherwise.",
    controls=Controls(
        fda=("A",),
        iec_62443=(
            "CR 1.1",
            "CR 1.5",
        ),
        iec_81001=("5.7",),
        cra=("I.2d",),
        mds2=(
            "ALOF",
            "AUTH",
        ),
        cwe=(
            "522",
            "287",
        ),
    ),
    run=_run,
    weak_example=lambda: archive_of(_WEAK),
    hardened_example=lambda: archive_of(_HARDENED),
)
