"""Can programs that Windows starts by itself be replaced by any user?"""

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
        if seen.what.gap is WindowsGap.START:
            yield (Severity.MEDIUM if seen.what.is_grave else Severity.LOW), seen.what.words, seen.evidence


_WEAK = {
    "Windows/default.reg": (
        b"REGEDIT4\r\n"
        b"[HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\PumpSrv]\r\n"
        b'"ImagePath"="C:\\\\Program Files\\\\Pump Maker\\\\srv.exe -k"\r\n'
    )
}
_HARDENED = {
    "Windows/default.reg": (
        b"REGEDIT4\r\n"
        b"[HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\PumpSrv]\r\n"
        b'"ImagePath"="\\"C:\\\\Program Files\\\\Pump Maker\\\\srv.exe\\" -k"\r\n'
        b"[HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\Other]\r\n"
        b'"ImagePath"="C:\\\\Windows\\\\system32\\\\svchost.exe -k net svcs.exe"\r\n'
    )
}


CHECK = Check(
    name="windows-start-replaceable",
    question="Can programs that Windows starts by itself be replaced by any user?",
    title="Programs that start with Windows can be replaced",
    remedy=(
        "Whoever may write to the place becomes, at the next start, the user the program runs as, which is "
        "often the superuser. Ask the manufacturer for corrected paths and let nobody but service staff "
        "write files on the device."
    ),
    severity_rule=(
        "Medium when every user may replace the program, low for a path without quotation marks, where the "
        "right to write is needed too."
    ),
    controls=Controls(
        fda=(
            "B",
            "D",
        ),
        iec_62443=(
            "CR 2.1",
            "CR 3.4",
        ),
        iec_81001=("5.7",),
        cra=("I.2d",),
        mds2=("SAHD",),
        cwe=(
            "428",
            "732",
        ),
    ),
    run=_run,
    weak_example=lambda: archive_of(_WEAK),
    hardened_example=lambda: archive_of(_HARDENED),
)
