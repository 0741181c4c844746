"""Is one private key used in several places?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.credentials.key_examples import key_pem
from firmware_checks.grouping import MOST_EVIDENCE
from firmware_checks.inventory import Inventory
from firmware_checks.observers.key_material import PrivateKey
from toolkit.core.findings import Evidence, Finding, Severity


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    places: dict[str, dict[str, Evidence]] = defaultdict(dict)
    for seen in inventory.observed(PrivateKey):
        if seen.what.key_id:
            places[seen.what.key_id].setdefault(seen.path, seen.evidence)
    for key_id, of_key in places.items():
        if len(of_key) > 1:
            detail = f"the key with the public half {key_id[:16]} stands in {len(of_key)} files"
            yield check.finding(Severity.LOW, detail, *list(of_key.values())[:MOST_EVIDENCE])


CHECK = Check(
    name="repeated-private-key",
    question="Is one private key used in several places?",
    title="One private key is used in several places",
    remedy=(
        "What opens one place opens all of them, and the key cannot be changed in one alone. Ask the "
        "manufacturer for a key for each purpose."
    ),
    severity_rule="Low: it widens what a lost key opens.",
    controls=Controls(
        fda=("C",), iec_62443=("CR 1.9",), iec_81001=("5.7",), cra=("I.2e",), mds2=("NAUT",), cwe=("323", "522")
    ),
    run=_run,
    weak_example=lambda: archive_of({"etc/ssl/device.key": key_pem(), "opt/vpn/client.key": b"# VPN\n" + key_pem()}),
    hardened_example=lambda: archive_of(
        {"etc/ssl/device.key": key_pem(), "opt/vpn/client.key": key_pem(b"another example of 32 bytes, too")}
    ),
)
