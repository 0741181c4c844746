"""Is this a Windows its maker mends no more?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from firmware_checks.observers.windows_settings import OLD, WindowsGap, WindowsSetting
from toolkit.core.findings import Finding, Severity


def _run(check: Check, inventory: Inventory, profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory, profile))


def _rows(inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Row]:
    for seen in inventory.observed(WindowsSetting):
        if seen.what.gap is WindowsGap.VERSION:
            yield Severity.HIGH, seen.what.words, seen.evidence
    yield from _systems(inventory)
    image = next((region for region in inventory.regions() if region.format == "windows-ce-image"), None)
    if image is not None:
        yield Severity.HIGH, "Windows CE: its maker mends no release of it any more", image.span.evidence(0)


_KERNEL = re.compile(r"(?i)(?:^|[/!])(?:ntoskrnl|ntkrnlpa|kernel32|ntdll|hal)\.(?:exe|dll)$")


def _systems(inventory: Inventory) -> Iterator[Row]:
    """Yield the kernels of old versions of Windows, as their version resources tell."""
    for region in inventory.regions():
        version = str(region.facts.get("version", ""))
        old = OLD.get(".".join(version.split(".")[:2]))
        if region.format == "pe" and old is not None and _KERNEL.search(region.span.path):
            yield Severity.HIGH, f"{old}: its maker mends it no more", region.span.evidence(0)


_WEAK = {
    "Windows/default.reg": (
        b"REGEDIT4\r\n"
        b"[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion]\r\n"
        b'"CurrentVersion"="5.1"\r\n'
    )
}
_HARDENED = {
    "Windows/default.reg": (
        b"REGEDIT4\r\n"
        b"[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion]\r\n"
        b'"CurrentVersion"="6.3"\r\n'
        b'"ProductName"="not 5.1"\r\n'
    )
}


CHECK = Check(
    name="windows-unsupported",
    question="Is this a Windows its maker mends no more?",
    title="Windows is a version its maker mends no more",
    remedy=(
        "New weaknesses stay open for ever, and worms use old ones. Keep the device on a network of its "
        "own, allow only the connections it needs, and plan its replacement with the manufacturer."
    ),
    severity_rule="High: every weakness found since then is open.",
    controls=Controls(
        fda=("H",),
        iec_62443=("EDR 3.10",),
        iec_81001=("6.1",),
        cra=(
            "I.2c",
            "II.7",
        ),
        mds2=("RDMP",),
        cwe=(
            "1104",
            "1395",
        ),
    ),
    run=_run,
    weak_example=lambda: archive_of(_WEAK),
    hardened_example=lambda: archive_of(_HARDENED),
)
