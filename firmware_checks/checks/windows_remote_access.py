"""Do settings of Windows open the device to the network?"""

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
        if seen.what.gap is WindowsGap.REMOTE:
            yield (Severity.HIGH if seen.what.is_grave else Severity.MEDIUM), seen.what.words, seen.evidence


_WEAK = {
    "Windows/default.reg": (
        b"REGEDIT4\r\n"
        b"[HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\LanmanServer\\Parameters]\r\n"
        b'"SMB1"=dword:00000001\r\n'
        b"[HKEY_LOCAL_MACHINE\\Comm\\FTPD]\r\n"
        b'"IsEnabled"=dword:1\r\n'
    )
}
_HARDENED = {
    "Windows/default.reg": (
        b"REGEDIT4\r\n"
        b"[HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\LanmanServer\\Parameters]\r\n"
        b'"SMB1"=dword:00000000\r\n'
        b"[HKEY_LOCAL_MACHINE\\Comm\\FTPD]\r\n"
        b'"IsEnabled"=dword:0\r\n'
        b'; "IsEnabled"=dword:1\r\n'
    )
}


CHECK = Check(
    name="windows-remote-access",
    question="Do settings of Windows open the device to the network?",
    title="Settings of Windows open the device to the network",
    remedy=(
        "These services have been the way in for worms that stopped whole hospitals, and Telnet and FTP "
        "ask for little or nothing. Block TCP ports 21, 23, 139, 445 and 3389 at the device's network port "
        "and ask the manufacturer to switch the services off."
    ),
    severity_rule=(
        "High when the service is known to be taken over from the network or asks for no password, medium otherwise."
    ),
    controls=Controls(
        fda=(
            "A",
            "D",
        ),
        iec_62443=(
            "CR 7.7",
            "CR 1.1",
        ),
        iec_81001=("5.7",),
        cra=(
            "I.2b",
            "I.2j",
        ),
        mds2=("SAHD",),
        cwe=(
            "1188",
            "306",
        ),
    ),
    run=_run,
    weak_example=lambda: archive_of(_WEAK),
    hardened_example=lambda: archive_of(_HARDENED),
)
