"""Does a signature in the update fit what it signs?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check
from firmware_checks.controls import Controls
from firmware_checks.credentials.key_examples import certificate
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from firmware_checks.observers.publisher_signatures import PublisherSignature, SignatureState
from toolkit.core.findings import Finding, Severity

VALUE = 256
"""Private value of the key of the example's certificate."""


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory))


def _rows(inventory: Inventory) -> Iterator[Row]:
    for seen in inventory.observed(PublisherSignature):
        if seen.what.state is SignatureState.BROKEN:
            yield Severity.HIGH, f"{seen.what.way.value}: {seen.what.state.value}", seen.evidence
    for region in inventory.regions():
        if region.facts.get("signature_intact") is False:
            yield Severity.HIGH, f"{region.title}: it is not what was signed", region.span.evidence(0)
        elif region.facts.get("signature_problem"):
            yield Severity.HIGH, f"{region.title}: {region.facts['signature_problem']}", region.span.evidence(0)


def _signed() -> bytes:
    from firmware_checks.formats.android_update import built_update, signed_update  # only the twins need it

    update = built_update("pre-device=monitor\npost-timestamp=1767225600\n")
    return signed_update(update, certificate(issuer="Maker", bits=VALUE), VALUE)


CHECK = Check(
    name="signature-broken",
    question="Does a signature in the update fit what it signs?",
    title="A signature does not fit what it signs",
    remedy=(
        "The file was damaged or changed after it was signed: do not install it. Get it again from the manufacturer's "
        "own channel, and report it to the manufacturer when the new copy is the same."
    ),
    severity_rule="High: somebody or something changed the bytes after they were signed.",
    controls=Controls(
        fda=("D", "H"), iec_62443=("EDR 3.10", "CR 3.4"), iec_81001=("6.3",), cra=("I.2f",), mds2=("CSUP",),
        cwe=("347", "353"),
    ),
    run=_run,
    weak_example=lambda: _signed().replace(b"monitor 1.2", b"monitor 6.6"),
    hardened_example=_signed,
)  # fmt: skip
