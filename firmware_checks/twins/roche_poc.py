"""Blood glucose meter whose update package may overwrite any file."""

from __future__ import annotations

from firmware_checks.twin import Expected, Twin, expected_at
from firmware_checks.twin_containers.archives import zip_archive

_WEAK = {
    "update/firmware.bin": b"base unit 4.03 " * 20,
    "update/../../../etc/passwd": b"svc::0:0:service:/:/bin/sh\n",
    "update/service.ini": b"[service]\nuser=svc\npassword=inform2\n",
}
_HARDENED = {
    "update/firmware.bin": b"base unit 4.04 " * 20,
    "update/firmware.bin.sig": b"\x30\x45signature of the maker",
    "update/notes..txt": b"Names such as ../../etc/passwd are refused since 4.04.\n",
    "update/service.ini": b"[service]\nuser=svc\n# password=inform2 until 4.03\npassword=\n",
}

TWIN = Twin(
    name="roche-poc",
    device="Base unit of blood glucose meters",
    advisory="ICSMA-18-310-01",
    cves=("CVE-2018-18561", "CVE-2018-18563", "CVE-2018-18564"),
    container="ZIP archive of an update",
    image="base-unit-update.zip",
    mechanism=(
        "Names in the package lead out of its folder and overwrite files of the device; the service password is weak."
    ),
    for_patient="A changed meter shows another glucose value, and insulin is given by it.",
    difference="All names stay inside, the package is signed, and no password is in it.",
    weak=lambda: zip_archive(_WEAK),
    hardened=lambda: zip_archive(_HARDENED),
    expected=(
        Expected(check="archive-leaves-folder", path="update/../../../etc/passwd"),
        Expected(check="archive-not-signed", path="update/firmware.bin"),
        Expected(check="account-without-password", path="update/../../../etc/passwd", offset=0),
        expected_at("hard-coded-password", "update/service.ini", _WEAK["update/service.ini"], b"password"),
    ),
)
