"""Does a signature rest on a hash that proves something?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from firmware_checks.observers.publisher_signatures import PublisherSignature
from toolkit.core.findings import Finding, Severity

BROKEN = {"md5": "MD5", "sha1": "SHA-1", "ripemd160": "RIPEMD-160"}
"""NIST SP 800-131A revision 2: SHA-1 is not for signatures; MD5 was broken in 2004."""
SEED, SHA1 = bytes(range(32)), 2


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory))


def _rows(inventory: Inventory) -> Iterator[Row]:
    for seen in inventory.observed(PublisherSignature):
        name = BROKEN.get(seen.what.hash_name)
        if name is not None:
            yield Severity.MEDIUM, f"{seen.what.way.value} signatures over {name}", seen.evidence
    for region in inventory.regions():
        name = BROKEN.get(str(region.facts.get("signature_hash")))
        if name is not None:
            yield Severity.MEDIUM, f"{region.title}: signature over {name}", region.span.evidence(0)


def _files(**how: int) -> bytes:
    from signing.openpgp.building import armoured, built_signature  # only the twins need it

    signature = armoured("SIGNATURE", built_signature(SEED, b"program", **how))
    return archive_of({"pump.bin": b"program", "pump.bin.asc": signature})


CHECK = Check(
    name="signature-outdated",
    question="Does a signature rest on a hash that proves something?",
    title="A signature rests on a broken hash",
    remedy=(
        "With this hash two files can be made that have the same signature, so it no longer shows that the file is "
        "the manufacturer's. Compare the file's SHA-256 with one obtained another way, and ask for signatures over "
        "SHA-256."
    ),
    severity_rule="Medium: forging takes money and a chance to have something signed.",
    controls=Controls(
        fda=("C", "H"), iec_62443=("CR 4.3", "EDR 3.10"), iec_81001=("6.3",), cra=("I.2f",), mds2=("CSUP",),
        cwe=("328", "347"),
    ),
    run=_run,
    weak_example=lambda: _files(hash_number=SHA1),
    hardened_example=_files,
)  # fmt: skip
