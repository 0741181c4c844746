"""Was everything in the file read?"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check
from firmware_checks.controls import NOT_APPLICABLE, Controls
from firmware_checks.inventory import Inventory
from toolkit.core.findings import Evidence, Finding, Severity


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    for item in inventory.coverage.unread:
        yield check.finding(Severity.MEDIUM, f"{item.path}: {item.reason}", Evidence(path=item.path))
    for hit in inventory.coverage.limits_hit:
        yield check.finding(Severity.MEDIUM, f"a limit was reached: {hit}")


def _archive(*, flags: int) -> bytes:
    """Build an archive with one stored file; flag bit 0 says that it is encrypted. Source: PKWARE APPNOTE 4.4.4."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo("drug-library.txt"), "morphine 1 mg/ml\n" * 4)
    data = bytearray(packed.getvalue())
    data[data.index(b"PK\3\4") + 6] |= flags
    data[data.index(b"PK\1\2") + 8] |= flags
    return bytes(data)


CHECK = Check(
    name="content-not-read",
    question="Was everything in the file read?",
    title="A part of the file could not be read",
    remedy=(
        "Nothing is known about that part. Ask the manufacturer for it in a readable form, or raise the limit"
        " that was hit."
    ),
    severity_rule="Medium: what was not read may hold anything.",
    controls=Controls(
        fda=NOT_APPLICABLE,
        iec_62443=("CR 7.8",),
        iec_81001=("5.7",),
        cra=NOT_APPLICABLE,
        mds2=NOT_APPLICABLE,
        cwe=NOT_APPLICABLE,
    ),
    run=_run,
    weak_example=lambda: _archive(flags=1),
    hardened_example=lambda: _archive(flags=0),
)
