"""Does a server of the device vouch for itself?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.credentials.key_examples import certificate, key_pem
from firmware_checks.inventory import Inventory
from firmware_checks.observers.key_material import Certificate, PrivateKey
from toolkit.core.findings import Finding, Severity

_SEED = b"made up for an example, 32 bytes"


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    owned = {seen.what.key_id for seen in inventory.observed(PrivateKey)}
    for seen in inventory.observed(Certificate):
        facts = seen.what.facts
        if facts.is_self_signed and not facts.is_authority and facts.key_id in owned:
            detail = f"{facts.subject}, valid until {facts.valid_until}, and its private key is in the image"
            yield check.finding(Severity.LOW, detail, seen.evidence)


CHECK = Check(
    name="self-signed-certificate",
    question="Does a server of the device vouch for itself?",
    title="A server of the device vouches for itself",
    remedy=(
        "Staff learn to click warnings away, and nobody notices when somebody else answers in place of the "
        "device. Ask the manufacturer how to put in a certificate of the hospital, and compare the "
        "fingerprint until then."
    ),
    severity_rule="Low: connections are encrypted, but to whom cannot be told.",
    controls=Controls(
        fda=("A", "C"),
        iec_62443=("CR 1.8", "CR 1.9"),
        iec_81001=("5.7",),
        cra=("I.2d",),
        mds2=("NAUT", "TXCF"),
        cwe=("295",),
    ),
    run=_run,
    weak_example=lambda: archive_of(
        {"etc/ssl/server.pem": key_pem(_SEED) + certificate(issuer="pump.example", seed=_SEED)}
    ),
    hardened_example=lambda: archive_of({"etc/ssl/server.pem": key_pem(_SEED) + certificate(issuer="CA", seed=_SEED)}),
)
