"""Is a key in use whose private half everybody has?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.credentials.key_examples import PUBLISHED_SEED, key_pem
from firmware_checks.credentials.published_pairs import where_published
from firmware_checks.grouping import MOST_EVIDENCE
from firmware_checks.inventory import Inventory
from firmware_checks.observers.key_material import Certificate, PrivateKey
from toolkit.core.findings import Evidence, Finding, Severity


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    places: dict[str, list[Evidence]] = defaultdict(list)
    for seen in inventory.observed(PrivateKey):
        places[seen.what.key_id].append(seen.evidence)
    for certificate in inventory.observed(Certificate):
        places[certificate.what.facts.key_id].append(certificate.evidence)
    for key_id, evidence in places.items():
        publisher = where_published(key_id)
        if publisher is not None:
            yield check.finding(Severity.CRITICAL, f"published in {publisher}", *evidence[:MOST_EVIDENCE])


CHECK = Check(
    name="published-private-key",
    question="Is a key in use whose private half everybody has?",
    title="A key is in use whose private half is published",
    remedy=(
        "Everybody can sign and decrypt with this key, so it protects nothing. Do not trust what it signed, "
        "and ask the manufacturer for a release with a key of its own and for how devices in the field get "
        "it."
    ),
    severity_rule="Critical: everybody has the private half.",
    controls=Controls(
        fda=("C", "D"),
        iec_62443=("CR 1.9", "EDR 3.12"),
        iec_81001=("5.7",),
        cra=("I.2d", "I.2f"),
        mds2=("NAUT", "CSUP"),
        cwe=("321", "1394"),
    ),
    run=_run,
    weak_example=lambda: archive_of({"etc/keys/device.key": key_pem(PUBLISHED_SEED)}),
    hardened_example=lambda: archive_of({"etc/keys/device.key": key_pem()}),
)
