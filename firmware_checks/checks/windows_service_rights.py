"""Do services of the device's own run with all rights of the computer?"""

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
        if seen.what.gap is WindowsGap.RIGHTS:
            yield Severity.MEDIUM, seen.what.words, seen.evidence


_KEY = b"REGEDIT4\r\n[HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\CopySrv]\r\n"
_PATH = b'"ImagePath"="\\"C:\\\\Program Files\\\\Maker\\\\copy.exe\\""\r\n'
_WEAK = {"Windows/default.reg": _KEY + _PATH + b'"ObjectName"="LocalSystem"\r\n'}
_HARDENED = {
    "Windows/default.reg": _KEY
    + _PATH
    + b'"ObjectName"="NT AUTHORITY\\\\LocalService"\r\n; "ObjectName"="LocalSystem"\r\n'
}


CHECK = Check(
    name="windows-service-rights",
    question="Do services of the device's own run with all rights of the computer?",
    title="A service of the device has all rights of the computer",
    remedy=(
        "Whoever finds a mistake in this service has the whole computer, and not just what the service needs. Ask the "
        "manufacturer to let it run with few rights, and let only the computers that need it reach its port."
    ),
    severity_rule="Medium: it takes a mistake in the service, and then nothing is left to stop it.",
    controls=Controls(
        fda=("B", "D"), iec_62443=("CR 2.1",), iec_81001=("5.7",), cra=("I.2d",), mds2=("AUTH", "SAHD"), cwe=("250",)
    ),
    run=_run,
    weak_example=lambda: archive_of(_WEAK),
    hardened_example=lambda: archive_of(_HARDENED),
)
