"""Is a certificate of the device valid for so long that nobody will ever change its key?"""

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

MOST_DAYS = 10 * 366
"""A device is in use for about ten years; what is longer was written without a thought of its end."""
_SEED = b"made up for an example, 32 bytes"


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory))


def _rows(inventory: Inventory) -> Iterator[Row]:
    owned = {seen.what.key_id for seen in inventory.observed(PrivateKey)}
    for seen in inventory.observed(Certificate):
        facts = seen.what.facts
        if facts.key_id in owned and facts.valid_days > MOST_DAYS:
            words = f"{facts.subject}: valid for {facts.valid_days // 365} years, until {facts.valid_until}"
            yield Severity.LOW, words, seen.evidence


def _files(until_year: int) -> bytes:
    pem = certificate(issuer="CA", seed=_SEED, until_year=until_year)
    return archive_of({"etc/ssl/server.pem": key_pem(_SEED) + pem})


CHECK = Check(
    name="certificate-long-lived",
    question="Is a certificate of the device valid for so long that nobody will ever change its key?",
    title="A certificate of the device is valid for longer than the device is used",
    remedy=(
        "A key that was taken from one device stays good for decades, and there is no date on which it must be "
        "changed. Ask the manufacturer how keys are changed and withdrawn, and put in certificates of the hospital "
        "where the device allows it."
    ),
    severity_rule="Low: the key has to be taken first.",
    controls=Controls(
        fda=("C",), iec_62443=("CR 1.8", "CR 1.9"), iec_81001=("5.7",), cra=("I.2d", "I.2e"), mds2=("NAUT",),
        cwe=("324",),
    ),
    run=_run,
    weak_example=lambda: _files(2060),
    hardened_example=lambda: _files(2034),
)  # fmt: skip
