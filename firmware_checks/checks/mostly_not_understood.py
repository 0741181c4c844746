"""Is so little of the file understood that silence means nothing?"""

from __future__ import annotations

import random
from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check
from firmware_checks.controls import NOT_APPLICABLE, Controls
from firmware_checks.inventory import Inventory
from toolkit.core.findings import Finding, Severity

ENOUGH = 0.5
"""Below this share of recognised bytes a report without findings says nothing about the file."""


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    coverage = inventory.coverage
    if coverage.recognised_ratio < ENOUGH:
        detail = (
            f"{coverage.recognised_ratio:.0%} of the content was recognised: {coverage.unknown_bytes} bytes are "
            f"unknown, {coverage.encrypted_bytes} look encrypted or compressed, {coverage.unread_bytes} were not read"
        )
        yield check.finding(Severity.MEDIUM, detail)


CHECK = Check(
    name="mostly-not-understood",
    question="Is so little of the file understood that silence means nothing?",
    title="Most of the file was not understood",
    remedy=(
        "Do not read the absence of findings as an all-clear. Ask the manufacturer for the unpacked image or "
        "a list of its parts."
    ),
    severity_rule="Medium: nothing can be said about most of the file.",
    controls=Controls(
        fda=NOT_APPLICABLE,
        iec_62443=("CR 7.8",),
        iec_81001=("5.7",),
        cra=NOT_APPLICABLE,
        mds2=NOT_APPLICABLE,
        cwe=NOT_APPLICABLE,
    ),
    run=_run,
    weak_example=lambda: random.Random(1).randbytes(8192),  # noqa: S311  # stands for an encrypted file
    hardened_example=lambda: b"Release note: nothing is hidden in this file.\n" * 20,
)
