"""Who signed the update, as far as the file says it?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from firmware_checks.observers.publisher_signatures import PublisherSignature, is_outer
from toolkit.core.findings import Finding, Severity

SEED = bytes(range(32))
DEEPEST = 2
"""Regions below this are what the update installs, and no longer the update."""


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory))


def _rows(inventory: Inventory) -> Iterator[Row]:
    for seen in inventory.observed(PublisherSignature):
        if is_outer(seen.path):
            signer = seen.what.signer or "somebody whom it does not name"
            words = f"signed by {signer} ({seen.what.way.value}, {seen.what.hash_name or 'unknown hash'})"
            yield Severity.INFO, f"{words}{_validity(seen.what)}", seen.evidence
    for region in inventory.regions():
        subject = region.facts.get("signer_subject")
        if subject and region.span.path.count("!") <= DEEPEST:
            yield Severity.INFO, f"{region.title}: signed by {subject}", region.span.evidence(0)


def _validity(signature: PublisherSignature) -> str:
    if not signature.valid_until:
        return ""
    stamp = "with" if signature.has_timestamp else "without"
    return f", certificate valid until {signature.valid_until}, {stamp} a time stamp"


def _signed() -> bytes:
    from signing.openpgp.building import armoured, built_signature  # only the twins need it

    signature = armoured("SIGNATURE", built_signature(SEED, b"program"))
    return archive_of({"pump.bin": b"program", "pump.bin.asc": signature})


CHECK = Check(
    name="signer-unknown",
    question="Who signed the update, as far as the file says it?",
    title="The update is signed, and the file alone cannot show whether it was the manufacturer",
    remedy=(
        "A signature proves something only when its key is known to be the manufacturer's. Ask the manufacturer for "
        "the key or certificate by another way than the file, and let `medharden review --trust` hold the file "
        "against it before it is installed."
    ),
    severity_rule="Note: a signature is good news, but only half of it.",
    controls=Controls(
        fda=("H",), iec_62443=("EDR 3.10",), iec_81001=("6.3",), cra=("I.2f",), mds2=("CSUP",), cwe=("345",)
    ),
    run=_run,
    weak_example=_signed,
    hardened_example=lambda: archive_of(
        {"pump.bin": b"program", "notes.asc": b"How to check the signature: see the manual.\n"}
    ),
)
