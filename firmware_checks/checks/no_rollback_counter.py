"""Can the device tell that a signed update is older than what it runs?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check
from firmware_checks.controls import Controls
from firmware_checks.formats.mcuboot import build_image
from firmware_checks.inventory import Inventory
from signing.mcuboot_layout import SECURITY_COUNTER
from toolkit.core.findings import Finding, Severity


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    for region in inventory.regions():
        if region.format == "mcuboot" and "signed" in region.facts and "security_counter" not in region.facts:
            yield check.finding(Severity.LOW, f"{region.title}: no security counter", region.span.evidence(0))


SIGNATURE = (0x22, b"a signature")

CHECK = Check(
    name="no-rollback-counter",
    question="Can the device tell that a signed update is older than what it runs?",
    title="The update carries no counter against going back to an older version",
    remedy=(
        "Keep track of the installed version yourselves and refuse older files; ask the manufacturer for protection "
        "against installing an old release with known weaknesses."
    ),
    severity_rule="Low: an attacker also needs a signed old release.",
    controls=Controls(
        fda=("H",), iec_62443=("EDR 3.10",), iec_81001=("6.3",), cra=("I.2c",), mds2=("CSUP",), cwe=("1328",)
    ),
    run=_run,
    weak_example=lambda: build_image(b"program", SIGNATURE),
    hardened_example=lambda: build_image(b"program", SIGNATURE, protected=((SECURITY_COUNTER, bytes(4)),)),
)
