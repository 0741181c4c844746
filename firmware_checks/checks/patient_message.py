"""Does the image hold messages about patients?"""

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
            RecordKind.HL7,
            RecordKind.FHIR,
        ),
        Severity.HIGH,
    )


CHECK = Check(
    name="patient-message",
    question="Does the image hold messages about patients?",
    title="Messages about patients are in the image",
    remedy=(
        "These are data of real persons as long as nobody shows otherwise. Keep the file where patient data "
        "may be kept, report it as your house requires, and wipe the device before it leaves the house."
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
    weak_example=lambda: archive_of(
        {"var/spool/oru.hl7": b"MSH|^~\\&|MON|ICU\rPID|1||4471902^^^HOSP||Okonjo^Adaeze||19610214|F\r"}
    ),
    hardened_example=lambda: archive_of(
        {
            "usr/bin/hl7": b"MSH|^~\\&|%s|\0PID|||%s||%s^%s||\0",
            "share/sample.hl7": b"PID|1||1^^^H||TEST^PATIENT||19700101|F\r",
            "share/fhir.json": b'{"resourceType": "Patient", "name": "x"}',
        }
    ),
)
