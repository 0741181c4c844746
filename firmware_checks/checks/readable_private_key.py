"""May every program on the device read a private key?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.credentials.key_examples import key_pem
from firmware_checks.inventory import Inventory
from firmware_checks.observers.key_material import PrivateKey
from toolkit.core.findings import Finding, Severity

_OTHERS_READ = 0o004


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    modes = {entry.path: entry.mode for entry in inventory.entries if entry.mode is not None}
    for seen in inventory.observed(PrivateKey):
        mode = modes.get(seen.path, 0)
        if mode & _OTHERS_READ and not seen.what.is_protected:
            yield check.finding(Severity.MEDIUM, f"its permissions are {mode & 0o7777:o}", seen.evidence)


CHECK = Check(
    name="readable-private-key",
    question="May every program on the device read a private key?",
    title="Every program on the device may read a private key",
    remedy=(
        "A weakness in any service of the device, such as its web page, is enough to take the key away. Ask "
        "the manufacturer to let only the one service that needs the key read it."
    ),
    severity_rule="Medium: another weakness on the device must come first.",
    controls=Controls(
        fda=("B", "C"), iec_62443=("CR 2.1", "CR 4.1"), iec_81001=("5.7",), cra=("I.2e",), mds2=("STCF",), cwe=("732",)
    ),
    run=_run,
    weak_example=lambda: archive_of({"etc/ssl/device.key": key_pem()}, modes={"etc/ssl/device.key": 0o644}),
    hardened_example=lambda: archive_of({"etc/ssl/device.key": key_pem()}, modes={"etc/ssl/device.key": 0o600}),
)
