"""Dialysis machine with one service password for all."""

from __future__ import annotations

from firmware_checks.twin import Twin, expected_at
from firmware_checks.twin_containers.file_systems import squashfs
from firmware_checks.twin_containers.programs import hosted_program, protected_program

_WEAK = {
    "opt/prisma/service.xml": b"<service><user>tech</user><password>Fl0w4you</password></service>\n",
    "opt/prisma/ui": hosted_program(b"SERVICE_MENU_PASSWORD=417093", b"Enter password"),
}
_HARDENED = {
    "opt/prisma/service.xml": (
        b"<service><user>tech</user><password></password><!-- <password>Fl0w4you</password> --></service>\n"
    ),
    "opt/prisma/ui": protected_program(b"Enter password", b"Wrong password: %s", b"SERVICE_MENU_PASSWORD="),
}

TWIN = Twin(
    name="baxter-prisma",
    device="Machine for continuous dialysis",
    advisory="ICSMA-20-170-02",
    cves=("CVE-2020-12037", "CVE-2020-12035", "CVE-2020-12036"),
    container="Squashfs root file system",
    image="prisma-root.squashfs",
    mechanism="The password of the service menu is the same in every machine and stands in the file.",
    for_patient="In the service menu calibration and limits of a treatment that replaces the kidneys can be changed.",
    difference="No password is in the file; technicians log in with accounts of their own.",
    weak=lambda: squashfs(_WEAK),
    hardened=lambda: squashfs(_HARDENED),
    expected=(
        expected_at("hard-coded-password", "opt/prisma/service.xml", _WEAK["opt/prisma/service.xml"], b"<password"),
        expected_at("fixed-service-code", "opt/prisma/ui", _WEAK["opt/prisma/ui"], b"SERVICE_MENU"),
    ),
)
