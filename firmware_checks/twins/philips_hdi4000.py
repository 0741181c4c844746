"""Ultrasound scanner on Windows 2000."""

from __future__ import annotations

from firmware_checks.twin import Expected, Twin
from firmware_checks.twin_containers.archives import zip_archive
from firmware_checks.twin_containers.windows import hive

_PLACE = "Microsoft/Windows NT/CurrentVersion"
_WEAK = {
    "WINNT/system32/config/software": hive(
        "SOFTWARE", {_PLACE: {"CurrentVersion": "5.0", "ProductName": "Microsoft Windows 2000"}}
    )
}
_HARDENED = {
    "WINDOWS/system32/config/software": hive(
        "SOFTWARE", {_PLACE: {"CurrentVersion": "6.3", "ProductName": "Windows 10 IoT Enterprise"}}
    ),
    "manual/upgrade.txt": b"The scanner with Windows 2000 (version 5.0) has been replaced.\r\n",
}

TWIN = Twin(
    name="philips-hdi4000",
    device="Ultrasound scanner",
    advisory="ICSMA-19-241-02",
    cves=("CVE-2019-10988",),
    container="ZIP archive of a disk",
    image="scanner-disk.zip",
    mechanism="The scanner runs Windows 2000, which its maker stopped mending in 2010.",
    for_patient="A worm stops examinations, and images of patients leave the house.",
    difference="A Windows that is still mended.",
    weak=lambda: zip_archive(_WEAK),
    hardened=lambda: zip_archive(_HARDENED),
    expected=(Expected(check="windows-unsupported", path="WINNT/system32/config/software"),),
)
