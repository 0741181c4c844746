"""Wireless module of a patient monitor that takes its firmware over FTP."""

from __future__ import annotations

from firmware_checks.formats.uimage import build_image
from firmware_checks.twin import Twin, expected_at
from firmware_checks.twin_containers.archives import cpio
from firmware_checks.twin_containers.programs import hosted_program, protected_program

_WEAK = {
    "etc/init.d/S60ftp": b"#!/bin/sh\n/usr/sbin/vsftpd &\n",
    "usr/bin/wlan_update.sh": (
        b"#!/bin/sh\nftpget -u target -p Wl4nA03x 10.8.0.1 /tmp/fw.bin fw.bin\nflashcp /tmp/fw.bin /dev/mtd3\n"
    ),
    "usr/bin/wland": hosted_program(b"WLAN A.03.09", calls=("recv", "strcpy")),
}
_INSIDE = "cpio@0x40!"
_HARDENED = {
    "etc/init.d/S60ftp": b"#!/bin/sh\n# /usr/sbin/vsftpd & was removed in B.00.31\nexit 0\n",
    "usr/bin/wlan_update.sh": (
        b"#!/bin/sh\nopenssl dgst -sha256 -verify /etc/keys/maker.pem -signature /tmp/fw.sig /tmp/fw.bin || exit 1\n"
        b"flashcp /tmp/fw.bin /dev/mtd3\n"
    ),
    "usr/bin/wland": protected_program(b"WLAN B.00.31", b"ftp login: %s", calls=("recv",)),
}

TWIN = Twin(
    name="philips-intellivue-wlan",
    device="Wireless module of a patient monitor",
    advisory="ICSMA-19-255-01",
    cves=("CVE-2019-13530", "CVE-2019-13534"),
    container="U-Boot image around a cpio archive",
    image="wlan-module.uimage",
    mechanism=(
        "With a password that is in the file anybody may upload a program over FTP, which is flashed "
        "without being verified."
    ),
    for_patient="The monitor loses its connection to the central station, or shows it something else.",
    difference="No FTP, and a signature is verified before anything is flashed.",
    weak=lambda: build_image(cpio(_WEAK), kind="ramdisk"),
    hardened=lambda: build_image(cpio(_HARDENED), kind="ramdisk"),
    expected=(
        expected_at("file-transfer-service", f"{_INSIDE}etc/init.d/S60ftp", _WEAK["etc/init.d/S60ftp"], b"/usr/sbin"),
        expected_at(
            "hard-coded-password", f"{_INSIDE}usr/bin/wlan_update.sh", _WEAK["usr/bin/wlan_update.sh"], b"ftpget"
        ),
        expected_at(
            "update-not-verified", f"{_INSIDE}usr/bin/wlan_update.sh", _WEAK["usr/bin/wlan_update.sh"], b"flashcp"
        ),
    ),
)
