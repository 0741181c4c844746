"""Is the key that encrypts data written into the software?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.grouping import findings_by_kind
from firmware_checks.inventory import Inventory
from firmware_checks.observers.embedded_secrets import SecretKind
from toolkit.core.findings import Finding, Severity

_KINDS = (SecretKind.CIPHER_KEY,)
_WEAK = {
    "usr/bin/export.sh": b"#!/bin/sh\nopenssl enc -aes-128-cbc -K 2b7e151628aed2a6abf7158809cf4f3c -iv 0 -in p.csv\n",
}
_HARDENED = {
    "usr/bin/export.sh": b'#!/bin/sh\nopenssl enc -aes-128-cbc -pass file:/run/key -in p.csv\nopenssl enc -K "$KEY"\n',
    "usr/bin/tool": b"aes_key=%s\0encryption_key\0openssl enc -K hexkey\0",
}


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from findings_by_kind(check, inventory, _KINDS, Severity.HIGH)


CHECK = Check(
    name="fixed-cipher-key",
    question="Is the key that encrypts data written into the software?",
    title="The key that encrypts data is written into the software",
    remedy=(
        "Encryption with a key that everybody can read protects nothing: exported patient data, settings or "
        "updates can be opened and changed. Treat exported media as unencrypted, and ask the manufacturer for "
        "keys that differ from device to device."
    ),
    severity_rule="High: what is encrypted with the key can be read and changed by whoever has the file.",
    controls=Controls(
        fda=("C", "E"),
        iec_62443=("CR 4.1", "CR 4.3"),
        iec_81001=("5.7",),
        cra=("I.2e", "I.2f"),
        mds2=("STCF", "TXCF"),
        cwe=("321",),
    ),
    run=_run,
    weak_example=lambda: archive_of(_WEAK),
    hardened_example=lambda: archive_of(_HARDENED),
)
