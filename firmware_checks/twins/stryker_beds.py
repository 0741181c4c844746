"""Hospital bed with a Wi-Fi program that lets keys be set again (KRACK)."""

from __future__ import annotations

from firmware_checks.twin import Expected, Twin
from firmware_checks.twin_containers.file_systems import squashfs
from firmware_checks.twin_containers.programs import hosted_program, protected_program

_OLD, _NEW = b"wpa_supplicant v2.6", b"wpa_supplicant v2.11"
_WEAK = {"usr/sbin/wpa_supplicant": hosted_program(_OLD, b"Copyright (c) 2003-2016, Jouni Malinen")}
_HARDENED = {
    "usr/sbin/wpa_supplicant": protected_program(_NEW, b"Copyright (c) 2003-2024, Jouni Malinen"),
    "usr/share/doc/changes.txt": b"wpa_supplicant v2.6 was replaced because of CVE-2017-13077.\n",
}

TWIN = Twin(
    name="stryker-beds",
    device="Hospital bed with wireless reports",
    advisory="ICSMA-19-029-01",
    cves=("CVE-2017-13077",),
    container="Squashfs root file system",
    image="bed-root.squashfs",
    mechanism=(
        "The program for the wireless network can be made to use a key twice, so what is sent can be read and changed."
    ),
    for_patient="A report that a patient left the bed can be held back.",
    difference="A release of the program in which the weakness is corrected.",
    weak=lambda: squashfs(_WEAK),
    hardened=lambda: squashfs(_HARDENED),
    expected=(
        Expected(
            check="vulnerable-component",
            path="usr/sbin/wpa_supplicant",
            offset=_WEAK["usr/sbin/wpa_supplicant"].index(_OLD),
            vulnerability="CVE-2017-13077",
        ),
    ),
)
