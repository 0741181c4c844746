"""Does the image hold a private key?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.credentials.key_examples import key_pem
from firmware_checks.credentials.key_files import CertificateFacts
from firmware_checks.grouping import MOST_EVIDENCE, is_host_key
from firmware_checks.inventory import Inventory
from firmware_checks.observer import Seen
from firmware_checks.observers.key_material import Certificate, PrivateKey
from toolkit.core.findings import Finding, Severity


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    owners = {seen.what.facts.key_id: seen.what.facts for seen in inventory.observed(Certificate)}
    groups: dict[tuple[Severity, str, str], list[Seen[PrivateKey]]] = defaultdict(list)
    for seen in inventory.observed(PrivateKey):
        if not is_host_key(seen.path):
            severity, what = _judged(seen.what, owners.get(seen.what.key_id))
            groups[severity, what, seen.path.rpartition("/")[0]].append(seen)
    for (severity, what, folder), rows in groups.items():
        detail = f"{len(rows)} {what}, in {folder or 'the image'}: first {rows[0].what.algorithm} ({rows[0].what.form})"
        yield check.finding(severity, detail, *[row.evidence for row in rows[:MOST_EVIDENCE]])


def _judged(key: PrivateKey, owner: CertificateFacts | None) -> tuple[Severity, str]:
    if key.is_protected:
        return Severity.LOW, "protected by a password"
    if owner is None:
        return Severity.HIGH, "without a password"
    if owner.is_authority:
        return Severity.CRITICAL, f"of the authority {owner.subject}, which issues certificates"
    return Severity.HIGH, f"without a password, of the certificate of {owner.subject}"


CHECK = Check(
    name="private-key",
    question="Does the image hold a private key?",
    title="A private key is in the image",
    remedy=(
        "A key that is the same in every device, and can be read by whoever has the file, proves nothing: "
        "others can pose as the device, as its server or as the authority, and read along. Ask the "
        "manufacturer for keys that each device makes for itself."
    ),
    severity_rule=(
        "Critical when the key belongs to an authority that issues certificates, low when a password protects it, else "
        "high: others can pose as its owner."
    ),
    controls=Controls(
        fda=("C",),
        iec_62443=("CR 1.5", "CR 1.9"),
        iec_81001=("5.7",),
        cra=("I.2d", "I.2e"),
        mds2=("STCF", "NAUT"),
        cwe=("321", "522"),
    ),
    run=_run,
    weak_example=lambda: archive_of({"etc/ssl/device.key": key_pem()}),
    hardened_example=lambda: archive_of(
        {"usr/lib/libtls.so": b"-----BEGIN PRIVATE KEY-----\0-----END PRIVATE KEY-----\0PuTTY-User-Key-File-2: "}
    ),
)
