"""Programmer of implants that runs what is on its card."""

from __future__ import annotations

from firmware_checks.twin import Expected, Twin, expected_at
from firmware_checks.twin_containers.stick import stick
from firmware_checks.twin_containers.windows import program

_LIST = b"MRN,Last Name,First Name,DOB\r\n4471902,Okonjo,Adaeze,1961-02-14\r\n4471903,Lindqvist,Per,1972-11-02\r\n"
_WEAK = {
    "APP/setup.exe": program(b"Therapy application 8870"),
    "APP/firmware_8840.bin": bytes(range(32)) * 16,
    "DATA/sessions.csv": _LIST,
}
_HARDENED = {
    "APP/setup.exe": program(b"Therapy application 8870"),
    "APP/setup.exe.p7s": b"\x30\x82signature of the maker",
    "DATA/sessions.csv": b"MRN,Last Name,First Name,DOB\r\n",
    "DATA/drugs.csv": b"Name,Concentration,Unit\r\nbaclofen,2000,ug/ml\r\nmorphine,25,mg/ml\r\n",
}

TWIN = Twin(
    name="medtronic-nvision",
    device="Programmer of neurostimulators and drug pumps",
    advisory="ICSMA-18-137-01",
    cves=("CVE-2018-8849", "CVE-2018-10631"),
    container="Memory card (FAT)",
    image="programmer-card.img",
    mechanism=(
        "The application is started from a removable card without any proof of who made it; patients "
        "are listed there too."
    ),
    for_patient="A swapped card decides what the programmer tells an implanted pump, and a lost one tells who has it.",
    difference="The application is signed, and no patient is left on the card.",
    weak=lambda: stick(_WEAK, label=b"THERAPY    "),
    hardened=lambda: stick(_HARDENED, label=b"THERAPY    "),
    expected=(
        Expected(check="archive-not-signed", path="APP/setup.exe"),
        expected_at("patient-list", "DATA/sessions.csv", _LIST, b"4471902"),
    ),
)
