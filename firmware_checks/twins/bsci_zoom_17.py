"""Programmer of implants that encrypts exported data with one key for all."""

from __future__ import annotations

from firmware_checks.twin import Twin, expected_at
from firmware_checks.twin_containers.archives import compressed_tar

_WEAK = {
    "opt/export/to_stick.sh": (
        b"#!/bin/sh\nopenssl enc -aes-128-cbc -K 00112233445566778899aabbccddeef1 -iv 0123456789abcdef0123456789abcdef "
        b"-in patients.csv -out /media/usb/patients.bin\n"
    ),
    "opt/export/patients.csv": b"Patient ID,Last Name,DOB\n99120344,Haddad,1949-03-02\n",
}
_HARDENED = {
    "opt/export/to_stick.sh": (
        b"#!/bin/sh\n# openssl enc -K 00112233445566778899aabbccddeeff is an example\n"
        b'openssl cms -encrypt -aes256 -in "$1" -out /media/usb/export.cms /etc/keys/hospital.pem\n'
    ),
    "opt/export/columns.csv": b"Patient ID,Last Name,DOB\n",
}

TWIN = Twin(
    name="bsci-zoom-17",
    device="Programmer of pacemakers and defibrillators",
    advisory="ICSMA-17-292-01",
    cves=("CVE-2017-14014", "CVE-2017-14012"),
    container="Compressed tar archive",
    image="programmer-files.tgz",
    mechanism=(
        "Data about patients is encrypted with a key that stands in a script and is the same in every programmer."
    ),
    for_patient="A lost stick, or a programmer that was sold, tells who has an implant.",
    difference="Exports are encrypted for a certificate of the hospital, and no patient is in the file.",
    weak=lambda: compressed_tar(_WEAK),
    hardened=lambda: compressed_tar(_HARDENED),
    expected=(
        expected_at(
            "fixed-cipher-key",
            "programmer-files.tar!opt/export/to_stick.sh",
            _WEAK["opt/export/to_stick.sh"],
            b"openssl",
        ),
        expected_at(
            "patient-list",
            "programmer-files.tar!opt/export/patients.csv",
            _WEAK["opt/export/patients.csv"],
            b"99120344",
        ),
    ),
)
