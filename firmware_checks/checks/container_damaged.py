"""Is a container in the file damaged, or built so that two programs may read it differently?"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check
from firmware_checks.controls import NOT_APPLICABLE, Controls
from firmware_checks.inventory import Inventory
from toolkit.core.findings import Finding, Severity


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    for region in inventory.regions():
        for problem in region.problems:
            yield check.finding(Severity.LOW, f"{region.title}: {problem}", region.span.evidence(0))


def _archive(name: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), "A release note.\n" * 4)
    return packed.getvalue()


CHECK = Check(
    name="container-damaged",
    question="Is a container in the file damaged, or built so that two programs may read it differently?",
    title="A container in the file is damaged or ambiguous",
    remedy=(
        "Fetch the file again; if it stays so, ask the manufacturer, and unpack it with no other program "
        "until answered."
    ),
    severity_rule="Low: the content was still read; what could not be read has a finding of its own.",
    controls=Controls(
        fda=("D",), iec_62443=("CR 3.5",), iec_81001=("5.7",), cra=("I.2f",), mds2=NOT_APPLICABLE, cwe=("22", "354")
    ),
    run=_run,
    weak_example=lambda: _archive("../outside.txt"),
    hardened_example=lambda: _archive("inside.txt"),
)
