"""Is a component inside that the device's profile forbids?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile, ForbiddenComponent, Platform
from firmware_checks.check import Check, profile_with
from firmware_checks.controls import Controls
from firmware_checks.inventory import Inventory
from toolkit.core.findings import Finding, Severity


def _run(check: Check, inventory: Inventory, profile: DeviceProfile | None) -> Iterator[Finding]:
    forbidden = {c.id: c.reason for c in profile.platform.forbidden_components} if profile is not None else {}
    for component in inventory.components:
        if component.name in forbidden:
            detail = f"{component.title} {component.version or ''}".rstrip() + f": {forbidden[component.name]}"
            yield check.finding(Severity.HIGH, detail, *component.evidence)


CHECK = Check(
    name="forbidden-component",
    question="Is a component inside that the device's profile forbids?",
    title="A component is inside that must not be there",
    remedy="Ask the manufacturer why it is there and for a release without it, before the file is installed.",
    severity_rule="High: the device profile says that it must not be there.",
    controls=Controls(
        fda=("D",), iec_62443=("CR 7.7",), iec_81001=("5.7",), cra=("I.2j",), mds2=("SAHD",), cwe=("1104",)
    ),
    run=_run,
    weak_example=lambda: b"\0BusyBox v1.31.1 (2020-01-01 00:00:00 UTC) multi-call binary.\n\0",
    hardened_example=lambda: b"\0No shell, no multi-call binary, nothing.\n\0",
    example_profile=lambda: profile_with(
        Platform(forbidden_components=(ForbiddenComponent(id="busybox", reason="no shell may be inside"),))
    ),
)
