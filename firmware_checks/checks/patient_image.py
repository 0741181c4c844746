"""Does the image hold studies of patients?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.grouping import findings_of_records
from firmware_checks.inventory import Inventory
from firmware_checks.observers.patient_records import RecordKind
from toolkit.core.findings import Finding, Severity

_HEAD = b"\0" * 128 + b"DICM" + b"\x02\x00\x00\x00UL\x04\x00\xc8\x00\x00\x00"


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from findings_of_records(check, inventory, (RecordKind.DICOM,), Severity.HIGH)


CHECK = Check(
    name="patient-image",
    question="Does the image hold studies of patients?",
    title="Studies of patients are in the image",
    remedy=(
        "The pictures carry the names and numbers of patients. Keep the file where patient data may be kept, "
        "report it as your house requires, and wipe the device before it leaves the house."
    ),
    severity_rule="High: pictures and names of patients can be read by whoever has the file.",
    controls=Controls(
        fda=("E",),
        iec_62443=("CR 4.1", "CR 4.2"),
        iec_81001=("5.7",),
        cra=("I.2e", "I.2m"),
        mds2=("MPII", "STCF", "SGUD"),
        cwe=("311", "359"),
    ),
    run=_run,
    weak_example=lambda: archive_of({"data/1.dcm": _HEAD + b"\x10\x00\x10\x00PN\x0e\x00Okonjo^Adaeze "}),
    hardened_example=lambda: archive_of(
        {"data/1.dcm": _HEAD + b"\x10\x00\x10\x00PN\x00\x00", "usr/lib/libdcm.so": b"DICM\0PatientName\0"}
    ),
)
