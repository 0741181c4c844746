"""Is a key to a web service, or the secret that signs sessions, written into the software?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.grouping import findings_by_kind
from firmware_checks.inventory import Inventory
from firmware_checks.observers.embedded_secrets import SecretKind
from toolkit.core.findings import Finding, Severity

_KINDS = (
    SecretKind.TOKEN,
    SecretKind.SIGNING_SECRET,
)
_WEAK = {
    "opt/app/cloud.json": b'{"region": "eu", "jwt_secret": "kite-Lamp-7-orbit", "id": "AKIA' + b'Q3EGV7XW2PMJH5ZK"}',
}
_HARDENED = {
    "opt/app/cloud.json": b'{"region": "eu", "jwt_secret": "${JWT_SECRET}", "id": "AKIA_FROM_ENVIRONMENT"}',
    "usr/lib/libcloud.so": b"\0ghp_\0AKIA\0api_key=\0AccountKey=%s\0eyJ\0",
}


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from findings_by_kind(check, inventory, _KINDS, Severity.HIGH)


CHECK = Check(
    name="hard-coded-token",
    question="Is a key to a web service, or the secret that signs sessions, written into the software?",
    title="A key to a web service is written into the software",
    remedy=(
        "Whoever has the update file can act as the device, or as any user of it, towards the service this "
        "key belongs to, and may reach the data of other hospitals. Tell the manufacturer, who has to "
        "withdraw the key; until then treat data from that service with care."
    ),
    severity_rule="High: the service behind the key is open to whoever has the file; low where only libraries hold it.",
    controls=Controls(
        fda=("A", "E"),
        iec_62443=("CR 1.5", "CR 4.1"),
        iec_81001=("5.7",),
        cra=("I.2d", "I.2e"),
        mds2=("AUTH", "STCF"),
        cwe=("798", "321"),
    ),
    run=_run,
    weak_example=lambda: archive_of(_WEAK),
    hardened_example=lambda: archive_of(_HARDENED),
)
