"""Do logs tell which patients the device had?"""

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
    yield from findings_of_records(check, inventory, (RecordKind.LOG,), Severity.MEDIUM)


CHECK = Check(
    name="patient-log",
    question="Do logs tell which patients the device had?",
    title="Logs tell which patients the device had",
    remedy=(
        "Logs are sent to service companies and are kept for years. Remove patient numbers before a log "
        "leaves the house, and ask the manufacturer not to write them."
    ),
    severity_rule="Medium: numbers tell who the patients are together with the records of the hospital.",
    controls=Controls(
        fda=("E",),
        iec_62443=("CR 4.1", "CR 4.2"),
        iec_81001=("5.7",),
        cra=("I.2e", "I.2m"),
        mds2=("MPII", "STCF", "SGUD"),
        cwe=("311", "359"),
    ),
    run=_run,
    weak_example=lambda: archive_of({"var/log/monitor.log": b"12:01 alarm bed 4 MRN=04471902 SpO2 low\n"}),
    hardened_example=lambda: archive_of(
        {"var/log/monitor.log": b"12:01 alarm MRN=****1902 low\nMRN: 00000000\n", "usr/bin/m": b"MRN=%08d\0MRN:\0"}
    ),
)
