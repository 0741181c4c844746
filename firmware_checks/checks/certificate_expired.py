"""Has a certificate of the device expired on the day of the scan?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.credentials.key_examples import certificate, key_pem
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from firmware_checks.observers.key_material import Certificate, PrivateKey
from toolkit.core.findings import Finding, Severity

_SEED = b"made up for an example, 32 bytes"


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory))


def _rows(inventory: Inventory) -> Iterator[Row]:
    if inventory.day is None:
        return
    today = inventory.day.isoformat()
    owned = {seen.what.key_id for seen in inventory.observed(PrivateKey)}
    for seen in inventory.observed(Certificate):
        facts = seen.what.facts
        is_own = facts.key_id in owned
        if facts.valid_until < today and (is_own or not facts.is_authority):
            whose = "of the device itself, its private key is in the image" if is_own else "of somebody else"
            words = f"{facts.subject}, {whose}: valid until {facts.valid_until}"
            yield Severity.MEDIUM if is_own else Severity.LOW, words, seen.evidence


def _files(until_year: int) -> bytes:
    pem = certificate(issuer="CA", seed=_SEED, until_year=until_year)
    return archive_of({"etc/ssl/server.pem": key_pem(_SEED) + pem})


CHECK = Check(
    name="certificate-expired",
    question="Has a certificate of the device expired on the day of the scan?",
    title="A certificate has expired",
    remedy=(
        "Other systems refuse the connection, and data such as alarms may not arrive; or staff learn to click the "
        "warning away, and nobody notices an impostor. Ask the manufacturer for a release with a new certificate, or "
        "put one of the hospital in."
    ),
    severity_rule="Medium for a certificate whose private key the device has, low for others; not said without a day.",
    controls=Controls(
        fda=("A", "C"), iec_62443=("CR 1.8", "CR 1.9"), iec_81001=("5.7",), cra=("I.2d", "I.2e"),
        mds2=("NAUT", "TXCF"), cwe=("298",),
    ),
    run=_run,
    weak_example=lambda: _files(2025),
    hardened_example=lambda: _files(2034),
)  # fmt: skip
