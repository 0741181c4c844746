"""Does the key that is to prove an update come with the update?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from firmware_checks.observers.publisher_signatures import PublisherSignature, SigningKey, is_outer
from toolkit.core.findings import Finding, Severity

SEED, OTHER_SEED = bytes(range(32)), bytes(range(1, 33))


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory))


def _rows(inventory: Inventory) -> Iterator[Row]:
    signers = {
        (seen.path.rpartition("!")[0], seen.what.signer.lower())
        for seen in inventory.observed(PublisherSignature)
        if is_outer(seen.path) and seen.what.signer
    }
    for key in inventory.observed(SigningKey):
        container = key.path.rpartition("!")[0]
        names = {n for fingerprint in key.what.fingerprints for n in (fingerprint, fingerprint[-16:], fingerprint[:16])}
        if any((container, name) in signers for name in names):
            yield Severity.MEDIUM, f"the key of {key.what.owner} lies beside what it signed", key.evidence


def _files(seed: bytes) -> bytes:
    from signing.openpgp.building import armoured, built_certificate, built_signature  # only the twins need it

    return archive_of(
        {
            "pump.bin": b"program",
            "pump.bin.asc": armoured("SIGNATURE", built_signature(SEED, b"program")),
            "maker.asc": armoured("PUBLIC KEY BLOCK", built_certificate(seed, "Maker <maker@pump.example>")),
        }
    )


CHECK = Check(
    name="signing-key-beside",
    question="Does the key that is to prove an update come with the update?",
    title="The key that is to prove the update comes with the update",
    remedy=(
        "Whoever changes the file signs it with a key of their own and puts that beside it, and all seems well. Do "
        "not use this key: get the manufacturer's key once, another way, keep it, and hold every update against it."
    ),
    severity_rule="Medium: the signature proves nothing to whoever takes the key from the same place.",
    controls=Controls(
        fda=("C", "H"), iec_62443=("EDR 3.10", "CR 1.8"), iec_81001=("6.3",), cra=("I.2f",), mds2=("CSUP",),
        cwe=("347", "345"),
    ),
    run=_run,
    weak_example=lambda: _files(SEED),
    hardened_example=lambda: _files(OTHER_SEED),
)  # fmt: skip
