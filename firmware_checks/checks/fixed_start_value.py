"""Is data encrypted with a start value that never changes?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.grouping import findings_by_kind
from firmware_checks.inventory import Inventory
from firmware_checks.observers.embedded_secrets import SecretKind
from toolkit.core.findings import Finding, Severity

_KINDS = (SecretKind.FIXED_START,)
_WEAK = {
    "usr/bin/export.sh": b"#!/bin/sh\nopenssl aes-256-cbc -pass file:/k -iv 000102030405060708090a0b0c0d0e0f\n",
}
_HARDENED = {
    "usr/bin/export.sh": b'#!/bin/sh\nopenssl aes-256-cbc -pass file:/run/key -iv "$(openssl rand -hex 16)" -in p.csv\n'
}


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from findings_by_kind(check, inventory, _KINDS, Severity.MEDIUM)


CHECK = Check(
    name="fixed-initialisation-vector",
    question="Is data encrypted with a start value that never changes?",
    title="Data is encrypted with a start value that never changes",
    remedy=(
        "Equal beginnings of files stay visible in what was encrypted, so parts of patient data can be "
        "compared and guessed. Ask the manufacturer for a new random start value each time."
    ),
    severity_rule="Medium: it helps whoever has several encrypted files, but does not open them.",
    controls=Controls(
        fda=("C",), iec_62443=("CR 4.3",), iec_81001=("5.7",), cra=("I.2e",), mds2=("STCF",), cwe=("329", "1204")
    ),
    run=_run,
    weak_example=lambda: archive_of(_WEAK),
    hardened_example=lambda: archive_of(_HARDENED),
)
