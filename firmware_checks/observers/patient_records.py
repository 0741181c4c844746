"""Records of patients in messages, images and logs, wherever they stand in a file or in memory."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass

from firmware_checks.fact_reader import Content
from firmware_checks.observer import Observation, Observer
from firmware_checks.patterns.pattern import Hit, Pattern

__all__ = ["OBSERVER", "PatientRecord", "RecordKind"]

MOST_OF_ONE_FILE = 300
DICOM_HEADER_BYTES = 1 << 14
FHIR_REACH_BYTES = 2048


class RecordKind(enum.StrEnum):
    """How the record of a patient is written."""

    HL7 = "HL7 version 2 message"
    DICOM = "DICOM file"
    FHIR = "FHIR patient"
    LOG = "log line with a patient number"
    FIELDS = "fields that name a patient"
    TABLE = "table of a database"
    LIST = "list with patient columns"


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientRecord(Observation):
    """Something that tells who a patient is; never the name or number itself."""

    kind: RecordKind
    size: int
    """Messages, rows or files it stands for; 1 unless it is a table."""


_NAME = rb"[A-Za-z\xc0-\xff' .-]"
_PATTERNS = (
    Pattern.of(
        "hl7",
        rb"PID\|[^\r\n\x00|%]{0,8}\|[^\r\n\x00|%]{0,80}\|[^\r\n\x00|%]{0,120}\|[^\r\n\x00|%]{0,60}\|(?P<name>"
        + _NAME
        + rb"{2,40}\^"
        + _NAME
        + rb"{1,40})[|^\r]",
        anchor=b"PID|",
    ),
    Pattern.of("dicom", rb"DICM\x02\x00[\x00-\x13]\x00", anchor=b"DICM\x02\x00"),
    Pattern.of("fhir", rb'"resourceType"[ \t]?:[ \t]?"Patient"', anchor=b'"resourceType"'),
    Pattern.of("fhir", rb'<Patient [^>\x00]{0,40}xmlns="http://hl7\.org/fhir"', anchor=b"<Patient "),
    *(
        Pattern.of(
            "log",
            rb"(?<![A-Za-z])" + word + (
                rb"[\"']?[ \t]{0,2}[=:# ][ \t]{0,2}[\"']?(?P<name>[A-Z]{0,3}-?\d{5,12})(?![\w.])"
            ),
            anchor=word,
        )
        for word in (b"MRN", b"mrn", b"PatientID", b"PatientId", b"patientId", b"Patient ID", b"patient_id")
    ),
    *(
        Pattern.of(
            "fields",
            rb"(?<![A-Za-z])" + before + word + rb"[\"']?[ \t]{0,2}[=:>][ \t]{0,2}[\"']?"
            rb"(?P<name>(?:19|20)\d\d[-./]?\d\d[-./]?\d\d|\d\d?[-./]\d\d?[-./](?:19|20)\d\d)(?!\d)",
            anchor=word,
        )
        for word, before in (
            (b"irthDate", b"[Bb]"), (b"irthdate", b"[Bb]"), (b"irth_date", b"[Bb]"), (b"DateOfBirth", b""),
            (b"date_of_birth", b""), (b"DOB", b""), (b"dob", b""),
        )
    ),
)  # fmt: skip
_NAME_FIELD = re.compile(
    rb"(?i)(?:last|family|sur|first|given|patient)[ _]?name[\"']?[ \t]{0,2}[=:>][ "
    rb"\t]{0,2}[\"']?(?P<name>[A-Za-z\xc3][^\r\n<>\"',;{}%$]{1,40})"
)
FIELDS_REACH_BYTES = 400
_MADE_UP = re.compile(
    r"(?i)\b(?:doe|test\w*|demo|dummy|sample|example|mustermann|patient|last|first|name|smith\^john)\b"
)
_DICOM_NAME = re.compile(
    rb"\x10\x00(?:\x10|\x20)\x00(?:(?:PN|LO)(?P<short>[\x01-\xff]\x00)|(?P<long>[\x01-\xff]\x00\x00\x00))[\x20-\xff]{2}"
)
_FHIR_FIELDS = (b"family", b"birthDate", b"identifier")


def _read(content: Content) -> Iterator[Observation]:
    view = content.span.window.view
    shown = 0
    for hit in content.hits(_PATTERNS):
        what = _READERS[hit.pattern.owner](view, hit)
        if what is not None:
            yield what
            shown += 1
        if shown >= MOST_OF_ONE_FILE:
            return


def _record(kind: RecordKind, offset: int) -> PatientRecord:
    return PatientRecord(offset=offset, excerpt=f"{kind.value}: ********", kind=kind, size=1)


def _hl7(_view: memoryview, hit: Hit) -> PatientRecord | None:
    name = dict(hit.groups)["name"]
    return None if _MADE_UP.search(name) else _record(RecordKind.HL7, hit.start)


def _dicom(view: memoryview, hit: Hit) -> PatientRecord | None:
    """Tell of a file that names its patient: (0010,0010) or (0010,0020) not empty. Source: DICOM PS3.5 and PS3.10."""
    header = bytes(view[hit.start : hit.start + DICOM_HEADER_BYTES])
    return _record(RecordKind.DICOM, max(0, hit.start - 128)) if _DICOM_NAME.search(header) else None


def _fhir(view: memoryview, hit: Hit) -> PatientRecord | None:
    near = bytes(view[max(0, hit.start - FHIR_REACH_BYTES) : hit.end + FHIR_REACH_BYTES])
    has_fields = sum(field in near for field in _FHIR_FIELDS) >= 2  # a schema or a program has names of fields, too
    is_schema = b'"$ref"' in near or b"StructureDefinition" in near
    return _record(RecordKind.FHIR, hit.start) if has_fields and not is_schema else None


def _log(_view: memoryview, hit: Hit) -> PatientRecord | None:
    digits = re.sub(r"\D", "", dict(hit.groups)["name"])
    is_made_up = len(set(digits)) == 1 or digits in "01234567890123"
    return None if is_made_up else _record(RecordKind.LOG, hit.start)


def _fields(view: memoryview, hit: Hit) -> PatientRecord | None:
    """Tell of a day of birth that stands near the name of a person."""
    first = max(0, hit.start - FIELDS_REACH_BYTES)
    near = bytes(view[first : hit.end + FIELDS_REACH_BYTES])
    names = list(_NAME_FIELD.finditer(near))
    is_made_up = any(_MADE_UP.search(found["name"].decode("latin-1")) for found in names)
    return _record(RecordKind.FIELDS, first + names[0].start()) if names and not is_made_up else None


_READERS = {"hl7": _hl7, "dicom": _dicom, "fhir": _fhir, "log": _log, "fields": _fields}


def _wants(_content: Content) -> bool:
    return True


_EXAMPLE = (
    b"MSH|^~\\&|MONITOR|ICU|HIS|HOSP|20240301||ORU^R01|1|P|2.3\r"
    b"PID|1||4471902^^^HOSP||Okonjo^Adaeze||19610214|F\r"
    b"12:01 alarm bed 4 MRN=04471902 SpO2 low\n"
)

OBSERVER = Observer(
    name="patient-records",
    title="Records of patients",
    source="HL7 version 2.5.1, 3.4.2; DICOM PS3.10, 7.1; FHIR R4, Patient",
    wants=_wants,
    read=_read,
    patterns=lambda: _PATTERNS,
    example=lambda: ("var/spool/out.hl7", _EXAMPLE),
    shows=2,
)
