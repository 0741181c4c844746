"""Does a certificate use a key or a hash that is too weak?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.credentials.key_examples import certificate
from firmware_checks.credentials.key_files import CertificateFacts
from firmware_checks.grouping import MOST_EVIDENCE
from firmware_checks.inventory import Inventory
from firmware_checks.observer import Seen
from firmware_checks.observers.key_material import Certificate
from toolkit.core.findings import Finding, Severity

_LEAST_BITS = {"RSA": 2048, "DSA": 2048, "EC": 224}
"""NIST SP 800-131A revision 2."""
_WEAK_HASHES = ("md2", "md5", "sha1")


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    groups: dict[str, list[Seen[Certificate]]] = defaultdict(list)
    for seen in inventory.observed(Certificate):
        for weakness in _weaknesses(seen.what.facts):
            groups[weakness].append(seen)
    for weakness, rows in groups.items():
        detail = f"{weakness}: {len(rows)} certificates, first {rows[0].what.facts.subject}"
        yield check.finding(Severity.MEDIUM, detail, *[row.evidence for row in rows[:MOST_EVIDENCE]])


def _weaknesses(facts: CertificateFacts) -> Iterator[str]:
    least = next((bits for name, bits in _LEAST_BITS.items() if facts.kind.startswith(name)), 0)
    if facts.bits < least:
        yield f"key of {facts.bits} bits ({facts.kind.partition(' ')[0]})"
    is_root = facts.is_self_signed and facts.is_authority  # nobody relies on what it says of itself
    if facts.hash_name in _WEAK_HASHES and not is_root:
        yield f"signed over {facts.hash_name.upper()}"


CHECK = Check(
    name="weak-certificate",
    question="Does a certificate use a key or a hash that is too weak?",
    title="A certificate uses a key or a hash that is too weak",
    remedy=(
        "A certificate like this can be forged or its key computed, so the device may talk to somebody else. "
        "Ask the manufacturer for certificates with RSA of 2048 bits or more, or elliptic curves of 256 bits, "
        "and SHA-256."
    ),
    severity_rule="Medium: it takes money and a place in the network to make use of it.",
    controls=Controls(
        fda=("C",),
        iec_62443=("CR 1.8", "CR 4.3"),
        iec_81001=("5.7",),
        cra=("I.2e",),
        mds2=("TXCF", "NAUT"),
        cwe=("326", "328"),
    ),
    run=_run,
    weak_example=lambda: archive_of({"etc/ssl/server.pem": certificate(issuer="CA")}),
    hardened_example=lambda: archive_of({"etc/ssl/server.pem": certificate(issuer="CA", bits=256)}),
)
