"""Do scripts or source code use broken algorithms?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.grouping import MOST_EVIDENCE
from firmware_checks.inventory import Inventory
from firmware_checks.observers.weak_cryptography import WeakCipher
from toolkit.core.findings import Evidence, Finding, Severity


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    places: dict[str, list[Evidence]] = defaultdict(list)
    for seen in inventory.observed(WeakCipher):
        places[seen.what.name].append(seen.evidence)
    for name, evidence in places.items():
        yield check.finding(Severity.MEDIUM, f"{name} in {len(evidence)} places", *evidence[:MOST_EVIDENCE])


CHECK = Check(
    name="weak-cipher",
    question="Do scripts or source code use broken algorithms?",
    title="Broken algorithms are used",
    remedy=(
        "What is encrypted with DES, RC4 or block by block (ECB) can be read or compared by whoever has it. "
        "Treat exported data as unencrypted, and ask the manufacturer for AES in an authenticated mode."
    ),
    severity_rule="Medium: whoever has the encrypted data needs some work to read it.",
    controls=Controls(
        fda=("C",), iec_62443=("CR 4.3",), iec_81001=("5.7",), cra=("I.2e",), mds2=("STCF", "TXCF"), cwe=("327",)
    ),
    run=_run,
    weak_example=lambda: archive_of(
        {"usr/bin/export.sh": b"#!/bin/sh\nopenssl enc -des-cbc -pass file:/k -in a -out b\n"}
    ),
    hardened_example=lambda: archive_of(
        {"usr/bin/export.sh": b"#!/bin/sh\n# openssl enc -des-cbc\nopenssl enc -aes-256-ctr -in a\nopenssl describe\n"}
    ),
)
