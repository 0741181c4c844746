"""Is a component inside that its makers mend no more?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check
from firmware_checks.controls import Controls
from firmware_checks.inventory import Inventory
from firmware_checks.vulnerabilities.support import mended_no_more
from toolkit.core.findings import Finding, Severity


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    if inventory.assessment is None:
        return
    ended = mended_no_more(inventory.assessment.support)
    for component in inventory.components:
        said = ended.get((component.name, component.version))
        if said is not None:
            day = f" since {said.until}" if said.until is not None else ""
            detail = f"{component.title} {component.version}: not mended{day} ({said.source}, {said.basis})"
            yield check.finding(Severity.MEDIUM, detail, *component.evidence)


CHECK = Check(
    name="component-unsupported",
    question="Is a component inside that its makers mend no more?",
    title="A component is mended by its makers no more",
    remedy=(
        "Ask the manufacturer who mends it now and until when, and plan the replacement: what is found in it from now "
        "on stays open."
    ),
    severity_rule="Medium: what will be found in it stays open, whether or not something is known today.",
    controls=Controls(
        fda=("H",), iec_62443=("CR 7.8",), iec_81001=("6.2",), cra=("II.1",), mds2=("SBOM", "RDMP"), cwe=("1104",)
    ),
    run=_run,
    weak_example=lambda: b"\0OpenSSL 1.0.1f 6 Jan 2014\0",
    hardened_example=lambda: b"\0OpenSSL 3.5.4 30 Sep 2025\0",
)
