"""Processor of cell samples with a password in its settings."""

from __future__ import annotations

from firmware_checks.twin import Twin, expected_at
from firmware_checks.twin_containers.archives import zip_archive

_WEAK = {"Totalys/MultiProcessor.ini": b"[Login]\r\nUserName=totalys\r\nPassword=Cyt0logy\r\n"}
_HARDENED = {
    "Totalys/MultiProcessor.ini": (
        b"[Login]\r\nUserName=\r\nPassword=\r\n;Password=Example1\r\nPasswordLength=12\r\nPasswordChar=*\r\n"
    )
}

TWIN = Twin(
    name="bd-totalys",
    device="Processor of cell samples",
    advisory="ICSMA-22-277-01",
    cves=("CVE-2022-40263",),
    container="ZIP archive of programs",
    image="processor-software.zip",
    mechanism="A password that fits every processor stands in a settings file.",
    for_patient="Results of cancer screening and names of patients can be read and changed.",
    difference="The file holds no password, only rules for one.",
    weak=lambda: zip_archive(_WEAK),
    hardened=lambda: zip_archive(_HARDENED),
    expected=(
        expected_at(
            "hard-coded-password", "Totalys/MultiProcessor.ini", _WEAK["Totalys/MultiProcessor.ini"], b"Password"
        ),
    ),
)
