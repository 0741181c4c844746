"""Is the update signed with a key whose private half is public?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check
from firmware_checks.controls import Controls
from firmware_checks.formats.mcuboot import PUBLISHED_TEST_KEYS, build_image
from firmware_checks.inventory import Inventory
from toolkit.core.findings import Finding, Severity


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    for region in inventory.regions():
        key = region.facts.get("published_test_key")
        if key:
            detail = f"{region.title}: the key is {key}, published with the boot loader's source code"
            yield check.finding(Severity.CRITICAL, detail, region.span.evidence(0))


def _signed_with(key_hash: bytes) -> bytes:
    return build_image(b"program", (0x01, key_hash), (0x22, b"a signature"))


CHECK = Check(
    name="published-test-key",
    question="Is the update signed with a key whose private half is public?",
    title="The update is signed with a published test key",
    remedy=(
        "Do not install the file: anybody can make an update that the device accepts. Ask the manufacturer "
        "for a release "
        "signed with a key of its own, and how devices in the field get it."
    ),
    severity_rule="Critical: everybody can sign.",
    controls=Controls(
        fda=("C", "H"), iec_62443=("EDR 3.10",), iec_81001=("6.3",), cra=("I.2f",), mds2=("CSUP",), cwe=("321",)
    ),
    run=_run,
    weak_example=lambda: _signed_with(bytes.fromhex(next(iter(PUBLISHED_TEST_KEYS)))),
    hardened_example=lambda: _signed_with(bytes(range(32))),
)
