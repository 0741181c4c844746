"""Does the boot loader refuse what is not signed with its keys?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check
from firmware_checks.controls import Controls
from firmware_checks.inventory import Inventory
from firmware_checks.readers.flat_tree import build_tree
from toolkit.core.findings import Finding, Severity

NOT_REQUIRED = "not required)"


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    for region in inventory.regions():
        keys = region.facts.get("verified_boot_keys")
        rows = [str(key) for key in keys] if isinstance(keys, tuple) else []
        if rows and all(row.endswith(NOT_REQUIRED) for row in rows):
            yield check.finding(Severity.HIGH, f"{region.title}: {'; '.join(rows[:4])}", region.span.evidence(0))


def _tree(**required: bytes) -> bytes:
    key = {"algo": b"sha256,rsa2048\0", "key-name-hint": b"maker\0", **required}
    return build_tree({"model": b"Pump controller\0", "signature": {"key-maker": key}})


CHECK = Check(
    name="boot-keys-optional",
    question="Does the boot loader refuse what is not signed with its keys?",
    title="The boot loader has keys and does not insist on them",
    remedy=(
        "The boot loader U-Boot holds keys but starts software without a signature all the same, so whoever can write "
        "to its memory replaces what the device does to a patient. Keep the device's case closed and its ports locked, "
        "and ask the manufacturer for a release in which the keys are required."
    ),
    severity_rule="High: the protection is there and is switched off.",
    controls=Controls(
        fda=("D", "H"), iec_62443=("EDR 3.14", "EDR 3.10"), iec_81001=("5.7",), cra=("I.2f",), mds2=("CSUP", "SAHD"),
        cwe=("347", "1326"),
    ),
    run=_run,
    weak_example=_tree,
    hardened_example=lambda: _tree(required=b"conf\0"),
)  # fmt: skip
