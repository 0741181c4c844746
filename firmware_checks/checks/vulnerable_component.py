"""Is a component inside with known vulnerabilities, though none is known to be used in attacks?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check
from firmware_checks.controls import Controls
from firmware_checks.inventory import Inventory
from firmware_checks.vulnerabilities.step_findings import finding_of
from toolkit.core.findings import Finding


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    for step in inventory.assessment.steps if inventory.assessment is not None else ():
        if not step.exploited:
            yield finding_of(check, step, inventory)


CHECK = Check(
    name="vulnerable-component",
    question="Is a component inside with known vulnerabilities, though none is known to be used in attacks?",
    title="A component has known vulnerabilities",
    remedy="Ask the manufacturer for a release with a corrected version of the component, or why they do not apply.",
    severity_rule=(
        "Critical to low as SSVC decides: act now, soon, with the next update, later; medium at most where it is open "
        "whether they apply."
    ),
    controls=Controls(
        fda=("H",), iec_62443=("NDR 3.10", "EDR 3.10"), iec_81001=("6.2",), cra=("I.2a",), mds2=("CSUP",), cwe=("1395",)
    ),
    run=_run,
    weak_example=lambda: b"\0BusyBox v1.31.1 (2020-01-01 00:00:00 UTC) multi-call binary.\n\0",
    hardened_example=lambda: b"\0No shell, no multi-call binary, nothing.\n\0",
)
