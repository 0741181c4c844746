"""Does the image hold lists of patients?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.grouping import findings_of_records
from firmware_checks.inventory import Inventory
from firmware_checks.observers.patient_records import RecordKind
from toolkit.core.findings import Finding, Severity


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from findings_of_records(
        check,
        inventory,
        (
            RecordKind.TABLE,
            RecordKind.LIST,
            RecordKind.FIELDS,
        ),
        Severity.HIGH,
    )


CHECK = Check(
    name="patient-list",
    question="Does the image hold lists of patients?",
    title="Lists of patients are in the image",
    remedy=(
        "A table names patients and is not encrypted. Keep the file where patient data may be kept, report it "
        "as your house requires, and ask the manufacturer to encrypt what the device stores."
    ),
    severity_rule="High: who the patients are can be read by whoever has the file.",
    controls=Controls(
        fda=("E",),
        iec_62443=("CR 4.1", "CR 4.2"),
        iec_81001=("5.7",),
        cra=("I.2e", "I.2m"),
        mds2=("MPII", "STCF", "SGUD"),
        cwe=("311", "359"),
    ),
    run=_run,
    weak_example=lambda: archive_of({"data/export.csv": b"MRN,Last Name,DOB\n4471902,Okonjo,1961-02-14\n"}),
    hardened_example=lambda: archive_of(
        {"data/export.csv": b"MRN,Last Name,DOB\n", "data/parts.csv": b"name,bed,weight\npump,A,3\n"}
    ),
)
